# SPDX-License-Identifier: Apache-2.0
"""
S3 as its clients see it: panels about speed, calls, failures, and what retries hide.

*jobs* is the name of one service, a regular expression after ``~``, or empty for all.
"""

from __future__ import annotations

from otel_setup.catalogue.alerts.s3 import FAILING_SHARE, FAULT, PROMPT, SLOW_ANSWER_SECONDS
from otel_setup.catalogue.boards import Panel, Query, Threshold
from otel_setup.catalogue.entries.s3 import (
    ACTIVE_TRANSFERS,
    FIRST_BYTE,
    IO,
    OPERATION_DURATION,
    RETRIES,
    THROTTLES,
    TRANSFER_DURATION,
    TRANSFER_SPEED,
)
from otel_setup.catalogue.jobs import alive, of
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import highest, or_zero, quantile, rate

_BUCKET = "aws.s3.bucket"
_DIRECTION = "aws.s3.transfer.direction"
_OUTCOME = "aws.s3.transfer.outcome"
_LEGEND = "{{aws_s3_bucket}}"
_WAY = f"{_LEGEND} {{{{aws_s3_transfer_direction}}}}"
_COMPLETED = {_OUTCOME: "completed"}

_NO_CALLS = Text("the service does not use S3", "сервис не использует S3")
_NO_TRANSFERS = Text(
    "nothing of 64 KiB or more was moved", "ничего размером от 64 КиБ не передавали"
)


def speed(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how fast whole uploads and downloads are: the median, and the slow tenth."""
    return Panel(
        title=title or Text("How fast are transfers?", "С какой скоростью идут передачи?"),
        queries=tuple(
            Query(
                quantile(share, TRANSFER_SPEED, by=[_BUCKET, _DIRECTION], where=of(jobs)),
                f"{_WAY} p{share * 100:g}",
            )
            for share in (0.5, 0.1)
        ),
        why=Text(
            "p50: half of the transfers are slower; p10: a tenth is. Whole transfers of at least "
            "64 KiB, from the call to the last byte; points lead to traces.",
            "p50: половина передач медленнее; p10: десятая часть. Целые передачи от 64 КиБ, от "
            "вызова до последнего байта; точки ведут к трассам.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_TRANSFERS,
    )


def moved(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many bytes go up and down, by bucket."""
    direction = "network.io.direction"
    return Panel(
        title=title or Text("How much is moved?", "Сколько байтов передаётся?"),
        queries=(
            Query(
                rate(IO, by=[_BUCKET, direction], where=of(jobs)),
                f"{_LEGEND} {{{{network_io_direction}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_CALLS,
    )


def transfer_time(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long completed uploads and downloads take."""
    chosen = of(jobs, **_COMPLETED)
    return Panel(
        title=title or Text("How long do transfers take?", "Сколько длятся передачи?"),
        queries=tuple(
            Query(
                quantile(share, TRANSFER_DURATION, by=[_BUCKET, _DIRECTION], where=chosen),
                f"{_WAY} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CALLS,
    )


def first_byte(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long the storage thinks before it begins to answer."""
    return Panel(
        title=title or Text("How soon does it answer?", "Как скоро хранилище отвечает?"),
        queries=tuple(
            Query(
                quantile(share, FIRST_BYTE, by=[_BUCKET], where=of(jobs, **PROMPT)),
                f"{_LEGEND} p{share * 100:g}",
            )
            for share in (0.5, 0.95)
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(SLOW_ANSWER_SECONDS, "warning"),),
        may_be_empty=_NO_CALLS,
    )


def active(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many transfers are in progress."""
    return Panel(
        title=title or Text("Transfers in progress", "Передачи, которые идут сейчас"),
        queries=(Query(alive(ACTIVE_TRANSFERS, by=[_BUCKET, _DIRECTION], where=of(jobs)), _WAY),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CALLS,
    )


def calls(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many calls are made, the ten most frequent operations."""
    made = rate(OPERATION_DURATION, by=["rpc.method"], where=of(jobs))
    return Panel(
        title=title or Text("What is asked of it?", "О чём просят хранилище?"),
        queries=(Query(highest(10, made), "{{rpc_method}}"),),
        why=Text(
            "Calls by operation, each once however often it was tried. Many HeadObject or "
            "ListObjects for few transfers are a loop that one call could replace.",
            "Вызовы по операциям, каждый один раз, сколько бы ни было попыток. Много HeadObject "
            "или ListObjects при малом числе передач — это цикл, который заменит один вызов.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_CALLS,
    )


def latency(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how long the slowest operations take: p95, bodies and retries included."""
    p95 = quantile(0.95, OPERATION_DURATION, by=["rpc.method"], where=of(jobs))
    return Panel(
        title=title or Text("Which calls are slow (p95)?", "Какие вызовы медленные (p95)?"),
        queries=(Query(highest(10, p95), "{{rpc_method}}"),),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CALLS,
    )


def failing(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which share of the calls fails, by bucket."""
    total = rate(OPERATION_DURATION, by=[_BUCKET], where=of(jobs))
    failed = rate(OPERATION_DURATION, by=[_BUCKET], where=of(jobs, **FAULT))
    return Panel(
        title=title or Text("Which share of S3 calls fails?", "Какая доля вызовов S3 падает?"),
        queries=(Query(or_zero(failed, total) / (total > 0), _LEGEND),),
        why=Text(
            "After all retries. Answers that a caller expects are not counted: no such object, "
            "the bucket is there already, a condition does not hold.",
            "После всех повторов. Ожидаемые ответы не считаются: такого объекта нет, бакет уже "
            "есть, условие не выполнено.",
        ),
        rows=rows,
        leads_to=leads_to,
        thresholds=(Threshold(FAILING_SHARE, "warning"),),
        may_be_empty=_NO_CALLS,
    )


def errors(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many calls end with which error code."""
    failed = rate(
        OPERATION_DURATION, by=[_BUCKET, "error.type"], where=of(jobs, **{"error.type": "!"})
    )
    return Panel(
        title=title or Text("Which errors, by code?", "Какие ошибки, по кодам?"),
        queries=(Query(failed, f"{_LEGEND} {{{{error_type}}}}"),),
        why=Text(
            "The code that S3 answered, or the class of the exception; expected ones such as "
            "BucketAlreadyOwnedByYou too.",
            "Код из ответа S3 или класс исключения; видны и ожидаемые, например "
            "BucketAlreadyOwnedByYou.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=Text("no call failed", "ни один вызов не упал"),
    )


def server_errors(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many calls end with HTTP 5xx, by bucket."""
    status = {"http.response.status_code": "~5.."}
    total = rate(OPERATION_DURATION, by=[_BUCKET], where=of(jobs))
    failed = rate(OPERATION_DURATION, by=[_BUCKET], where=of(jobs, **status))
    return Panel(
        title=title or Text("HTTP 5xx of the storage", "Ответы 5xx от хранилища"),
        queries=(Query(or_zero(failed, total), f"{_LEGEND} 5xx"),),
        why=Text(
            "Calls whose last answer was 5xx: the storage itself is ill. What a retry saved is "
            "not here, but among the retries.",
            "Вызовы, чей последний ответ — 5xx: болеет само хранилище. Спасённые повтором сюда не "
            "входят, они среди повторов.",
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=_NO_CALLS,
    )


def retries(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how many attempts are made again, by why the one before failed."""
    return Panel(
        title=title or Text("Retries, and why", "Повторы и их причины"),
        queries=(
            Query(
                rate(RETRIES, by=[_BUCKET, "error.type"], where=of(jobs)),
                f"{_LEGEND} {{{{error_type}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=Text("nothing had to be tried again", "повторять ничего не пришлось"),
    )


def throttles(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return how often the storage asks to slow down, by operation."""
    return Panel(
        title=title or Text("Is anybody told to slow down?", "Не просят ли сбавить темп?"),
        queries=(
            Query(
                rate(THROTTLES, by=[_BUCKET, "rpc.method"], where=of(jobs)),
                f"{_LEGEND} {{{{rpc_method}}}}",
            ),
        ),
        rows=rows,
        leads_to=leads_to,
        may_be_empty=Text("nobody was asked to slow down", "никого не просили снизить темп"),
    )


def outcomes(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return what becomes of uploads and downloads."""
    return Panel(
        title=title or Text("What became of the transfers?", "Чем закончились передачи?"),
        queries=(
            Query(
                rate(TRANSFER_DURATION, by=[_DIRECTION, _OUTCOME], where=of(jobs)),
                "{{aws_s3_transfer_direction}} {{aws_s3_transfer_outcome}}",
            ),
        ),
        why=Text(
            "abandoned: the body was closed or forgotten before its end, as when a customer "
            "leaves; unread: nobody read it at all, which wastes a connection.",
            "abandoned: тело закрыли или забыли до конца, например клиент ушёл; unread: тело "
            "вообще не читали, соединение занято зря.",
        ),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=_NO_CALLS,
    )


def broken(
    jobs: str = "", *, rows: tuple[str, ...] = (), leads_to: str = "", title: str = ""
) -> Panel:
    """Return which transfers did not come to their end, and why."""
    labels = [_BUCKET, _DIRECTION, _OUTCOME, "error.type"]
    unfinished = rate(TRANSFER_DURATION, by=labels, where=of(jobs, **{_OUTCOME: "!completed"}))
    return Panel(
        title=title or Text("Transfers that did not finish", "Передачи, не дошедшие до конца"),
        queries=(Query(unfinished, f"{_WAY} {{{{aws_s3_transfer_outcome}}}} {{{{error_type}}}}"),),
        rows=rows,
        leads_to=leads_to,
        stacked=True,
        may_be_empty=Text("every transfer finished", "все передачи дошли до конца"),
    )
