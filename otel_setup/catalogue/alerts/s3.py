# SPDX-License-Identifier: Apache-2.0
"""Alerts about S3 as its clients see it: calls fail, are throttled or tried again, or are slow."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.s3 import (
    FIRST_BYTE,
    OPERATION_DURATION,
    RETRIES,
    THROTTLES,
    TRANSFER_DURATION,
    TRANSFER_SPEED,
)
from otel_setup.catalogue.model import Text
from otel_setup.catalogue.promql import Expr, increase, quantile, rate, selector

#: From these shares of all calls on.
FAILING_SHARE, THROTTLED_SHARE, RETRIED_SHARE = 0.1, 0.05, 0.1
#: A median below this is slow even for small objects, which mostly wait for the first byte.
SLOW_SPEED = 3e5
#: A storage that works begins to answer within a fraction of this.
SLOW_ANSWER_SECONDS = 1.0
#: With fewer events than these, chance decides.
_LEAST_FAILED, _LEAST_THROTTLED, _LEAST_RETRIED = 5, 5, 10
_LEAST_TRANSFERS, _LEAST_ANSWERS = 5, 20

_BUCKET = ("job", "aws.s3.bucket")
_TRANSFER = (*_BUCKET, "aws.s3.transfer.direction")
_LEGEND = "{{job}} {{aws_s3_bucket}}"
_OF_BUCKET = {"job": "{{ $labels.job }}", "aws.s3.bucket": "{{ $labels.aws_s3_bucket }}"}
_SAME_BUCKET = ("job", "aws_s3_bucket")

#: An answer that a caller expects is the storage doing its work, not failing: the bucket is
#: there already, a condition on the object does not hold, there is no such object.
FAULT = {
    "error.type": "!~|BucketAlready.+|ConditionalRequestConflict|NoSuchKey|NotModified|304"
    "|PreconditionFailed|412"
}
#: They work on whole objects before they answer, which takes as long as the objects are large.
PROMPT = {"rpc.method": "!~CompleteMultipartUpload|CopyObject|UploadPartCopy|SelectObjectContent"}


def _failing_share(over: str) -> Expr:
    failed = rate(OPERATION_DURATION, by=_BUCKET, where=FAULT, over=over)
    return failed / rate(OPERATION_DURATION, by=_BUCKET, over=over)


def _calls(over: str) -> Expr:
    return increase(OPERATION_DURATION, by=_BUCKET, over=over)


def _same_unit(expr: Expr) -> Expr:
    """Return *expr* as a count of what happened to calls, to compare it with theirs."""
    return Expr(expr.text, _calls("5m").unit, expr.metrics)


FAIL = Alert(
    name="S3CallsFail",
    # Two windows: the long one says that it is bad, the short one that it still goes on.
    expr=(_failing_share("5m") > FAILING_SHARE)
    .and_on(_failing_share("1m") > FAILING_SHARE, *_BUCKET)
    .and_on(
        increase(OPERATION_DURATION, by=_BUCKET, where=FAULT, over="5m") >= _LEAST_FAILED, *_BUCKET
    ),
    lasts="90s",
    severity="warning",
    summary="S3 calls of {{ $labels.job }} to bucket {{ $labels.aws_s3_bucket }} fail.",
    description="{{ $value | humanizePercentage }} of its calls in the last 5 minutes failed, all "
    "retries included, and it goes on.",
    meaning=Text(
        "More than a tenth of the calls of a service to a bucket fail for good, after all their "
        "retries or in the middle of the body: at least five in five minutes, and it goes on. "
        "Answers that a caller expects do not count: the object is not there, the bucket is "
        "there already, a condition does not hold.",
        "Больше десятой части вызовов сервиса к бакету падает окончательно, после всех повторов "
        "или посреди тела: не меньше пяти за пять минут, и это продолжается. Ожидаемые ответы не "
        "считаются: объекта нет, бакет уже есть, условие не выполнено.",
    ),
    impact=Text(
        "Files are not stored, or cannot be read: uploads, downloads and what is made from files "
        "fail.",
        "Файлы не сохраняются или не читаются: падают загрузки, скачивания и всё, что делается из "
        "файлов.",
    ),
    diagnosis=Text(
        "The code says whose turn it is. EndpointConnectionError, ConnectTimeoutError: the "
        "storage does not run, or the address is wrong. ReadTimeoutError, IncompleteRead: it "
        "hangs, or the network breaks off. InternalError, ServiceUnavailable, 500, 503: it is ill "
        "itself, so read its log. SlowDown: it is asked for too much. AccessDenied, "
        "InvalidAccessKeyId, SignatureDoesNotMatch: keys, rights or the clock. NoSuchBucket: "
        "somebody deleted the bucket.",
        "Где искать, подскажет код. EndpointConnectionError, ConnectTimeoutError: хранилище не "
        "запущено или адрес неверен. ReadTimeoutError, IncompleteRead: оно зависло или рвётся "
        "сеть. InternalError, ServiceUnavailable, 500, 503: болеет само хранилище, читайте его "
        "журнал. SlowDown: от него хотят слишком многого. AccessDenied, InvalidAccessKeyId, "
        "SignatureDoesNotMatch: ключи, права или часы. NoSuchBucket: бакет кто-то удалил.",
    ),
    queries=(
        Query(
            rate(OPERATION_DURATION, by=(*_BUCKET, "error.type"), where=FAULT, over="5m"),
            f"{_LEGEND} {{{{error_type}}}}",
        ),
        Query(
            rate(OPERATION_DURATION, by=(*_BUCKET, "rpc.method"), where=FAULT, over="5m"),
            f"{_LEGEND} {{{{rpc_method}}}}",
        ),
    ),
    mitigation=Text(
        "Bring the storage back, or correct address, keys and rights; if a deployment changed "
        "them, roll it back. Clients connect again by themselves: do not restart them.",
        "Верните хранилище или исправьте адрес, ключи и права; если их изменила выкатка, откатите "
        "её. Клиенты подключатся сами: перезапускать их не надо.",
    ),
    exemplars=selector(OPERATION_DURATION, {**_OF_BUCKET, **FAULT}, part="bucket"),
)

THROTTLED = Alert(
    name="S3Throttled",
    expr=(increase(THROTTLES, by=_BUCKET, over="5m") >= _LEAST_THROTTLED)
    .and_on(increase(THROTTLES, by=_BUCKET, over="1m") > 0, *_BUCKET)
    .unless_on(
        _calls("5m") * THROTTLED_SHARE >= _same_unit(increase(THROTTLES, by=_BUCKET, over="5m")),
        *_BUCKET,
    ),
    lasts="2m",
    severity="warning",
    summary="The storage asks {{ $labels.job }} to slow down on bucket "
    "{{ $labels.aws_s3_bucket }}.",
    description='Throttled answers in 5 minutes: {{ $value | printf "%.0f" }}, and it goes on.',
    meaning=Text(
        "The storage answers SlowDown, TooManyRequests or the like: at least five times in five "
        "minutes, on more than one call in twenty, and it goes on. Clients try again by "
        "themselves, so calls are slow before they fail.",
        "Хранилище отвечает SlowDown, TooManyRequests и тому подобным: не меньше пяти раз за пять "
        "минут, больше чем на один вызов из двадцати, и это продолжается. Клиенты повторяют "
        "сами, поэтому вызовы сначала медленные и лишь потом падают.",
    ),
    impact=Text(
        "Uploads and downloads take longer; if it gets worse, they fail. Other clients of the "
        "storage may suffer too.",
        "Загрузки и скачивания длятся дольше, а если станет хуже, начнут падать. Страдать могут и "
        "другие клиенты хранилища.",
    ),
    diagnosis=Text(
        "Who asks more than usual, and for what? Look at the calls by service and operation: a "
        "loop over single objects, a listing of a large bucket, a job that copies. All keys under "
        "one prefix are served by one part of the storage.",
        "Кто и чего просит больше обычного? Посмотрите вызовы по сервисам и операциям: цикл по "
        "отдельным объектам, листинг большого бакета, задача, которая копирует. Все ключи с одним "
        "префиксом обслуживает одна часть хранилища.",
    ),
    queries=(
        Query(rate(THROTTLES, by=(*_BUCKET, "rpc.method"), over="5m"), "{{job}} {{rpc_method}}"),
        Query(
            rate(OPERATION_DURATION, by=(*_BUCKET, "rpc.method"), over="5m"),
            "{{job}} {{rpc_method}}",
        ),
    ),
    mitigation=Text(
        "Slow down whoever asks most, or pause it. Let clients back off (`retries` in mode "
        "adaptive); more retries make it worse. Spread keys over several prefixes.",
        "Замедлите или приостановите того, кто просит больше всех. Пусть клиенты отступают "
        "(`retries` в режиме adaptive): от лишних повторов станет только хуже. Распределите ключи "
        "по нескольким префиксам.",
    ),
    inhibited_by=("S3CallsFail",),
    inhibited_on=_SAME_BUCKET,
)

RETRIED = Alert(
    name="S3RetriesHigh",
    expr=(increase(RETRIES, by=_BUCKET, over="10m") >= _LEAST_RETRIED)
    .and_on(increase(RETRIES, by=_BUCKET, over="2m") > 0, *_BUCKET)
    .unless_on(
        _calls("10m") * RETRIED_SHARE >= _same_unit(increase(RETRIES, by=_BUCKET, over="10m")),
        *_BUCKET,
    ),
    lasts="5m",
    severity="warning",
    summary="{{ $labels.job }} has to repeat S3 calls to bucket {{ $labels.aws_s3_bucket }}.",
    description='Retries in 10 minutes: {{ $value | printf "%.0f" }}, and it goes on.',
    meaning=Text(
        "For five minutes there has been more than one retry for ten calls, at least ten of them "
        "in ten minutes. The client hides these failures: most calls succeed in the end.",
        "Уже пять минут на десять вызовов приходится больше одного повтора, и за десять минут их "
        "не меньше десяти. Клиент скрывает эти неудачи: большинство вызовов в конце концов "
        "удаётся.",
    ),
    impact=Text(
        "Calls are slow, and bodies are sent again. If it gets worse, calls fail.",
        "Вызовы медленные, тела отправляются заново. Если станет хуже, вызовы начнут падать.",
    ),
    diagnosis=Text(
        "Each retry says why the attempt before it failed. ConnectionClosedError, "
        "ReadTimeoutError, ConnectTimeoutError: the network, a proxy between, or a storage with "
        "too few connections. InternalError, 500, 503: the storage itself, so read its log.",
        "Каждый повтор называет причину предыдущей неудачи. ConnectionClosedError, "
        "ReadTimeoutError, ConnectTimeoutError: сеть, прокси на пути или нехватка соединений у "
        "хранилища. InternalError, 500, 503: само хранилище, читайте его журнал.",
    ),
    queries=(
        Query(
            increase(RETRIES, by=(*_BUCKET, "error.type"), over="15m"),
            f"{_LEGEND} {{{{error_type}}}}",
        ),
        Query(
            increase(RETRIES, by=(*_BUCKET, "rpc.method"), over="15m"),
            f"{_LEGEND} {{{{rpc_method}}}}",
        ),
    ),
    mitigation=Text(
        "Mend what the code names, while customers do not see it yet. Do not raise the number of "
        "attempts: a storage that is short of breath gets more work by that.",
        "Устраните то, на что указывает код, пока клиенты этого не замечают. Не увеличивайте число "
        "попыток: хранилищу, которое и так не справляется, это добавит работы.",
    ),
    inhibited_by=("S3CallsFail", "S3Throttled"),
    inhibited_on=_SAME_BUCKET,
)

ANSWERS_SLOWLY = Alert(
    name="S3AnswersSlowly",
    expr=(
        quantile(0.95, FIRST_BYTE, by=_BUCKET, where=PROMPT, over="5m") > SLOW_ANSWER_SECONDS
    ).and_on(increase(FIRST_BYTE, by=_BUCKET, where=PROMPT, over="5m") >= _LEAST_ANSWERS, *_BUCKET),
    lasts="5m",
    severity="warning",
    summary="The storage is slow to answer {{ $labels.job }} about bucket "
    "{{ $labels.aws_s3_bucket }}.",
    description="One answer in twenty begins only after {{ $value | humanizeDuration }} "
    "(p95 of the last 5 minutes).",
    meaning=Text(
        f"p95 of the time to the first byte is over {SLOW_ANSWER_SECONDS:g} s, for five minutes. "
        "With fewer than 20 answers in five minutes nothing is judged, nor are operations that "
        "work on a whole object before they answer.",
        f"p95 времени до первого байта уже пять минут больше {SLOW_ANSWER_SECONDS:g} с. Если за "
        "пять минут ответов меньше 20, оценки нет; не оцениваются и операции, которые до ответа "
        "обрабатывают объект целиком.",
    ),
    impact=Text(
        "Every call waits, the small ones as long as the large ones: pages that read files are "
        "slow.",
        "Ждёт каждый вызов, маленький не меньше большого: страницы, которые читают файлы, "
        "медленные.",
    ),
    diagnosis=Text(
        "The bytes have not begun to flow, so it is not the bandwidth: the storage thinks. Look "
        "at its CPU, its memory and its disk. If only listings are slow, the bucket is large. If "
        "one service alone sees it, look at its way to the storage, and whether it waits for the "
        "CPU itself.",
        "Байты ещё не пошли, значит, дело не в пропускной способности: хранилище думает. "
        "Посмотрите его процессор, память и диск. Если медленны только листинги, бакет велик. Если "
        "это видит лишь один сервис, проверьте его путь до хранилища и хватает ли процессора ему "
        "самому.",
    ),
    queries=(
        Query(
            quantile(0.95, FIRST_BYTE, by=(*_BUCKET, "rpc.method"), over="5m"),
            f"{_LEGEND} {{{{rpc_method}}}}",
        ),
        Query(
            rate(OPERATION_DURATION, by=(*_BUCKET, "rpc.method"), over="5m"),
            f"{_LEGEND} {{{{rpc_method}}}}",
        ),
    ),
    mitigation=Text(
        "Take load off the storage: pause scans and copies. Give it the resource that is used up.",
        "Снимите с хранилища нагрузку: приостановите сканирования и копирования. Дайте ему ресурс, "
        "который исчерпан.",
    ),
    exemplars=selector(
        FIRST_BYTE, {**_OF_BUCKET, **PROMPT, "le": "!~0.0.*|0.1|0.25|0.5|1|1.0"}, part="bucket"
    ),
    inhibited_by=("S3Throttled",),
    inhibited_on=_SAME_BUCKET,
)


def _transfers_slow(slow_speed: float) -> Alert:
    speed = quantile(0.5, TRANSFER_SPEED, by=_TRANSFER, over="10m")
    transfers = increase(TRANSFER_SPEED, by=_TRANSFER, over="10m")
    bound = f"{slow_speed / 1000:,.0f}"
    bound_ru = bound.replace(",", " ")
    return Alert(
        name="S3TransfersSlow",
        expr=(speed < slow_speed).and_on(transfers >= _LEAST_TRANSFERS, *_TRANSFER),
        lasts="5m",
        severity="warning",
        summary="The {{ $labels.aws_s3_transfer_direction }}s of {{ $labels.job }} are slow on "
        "bucket {{ $labels.aws_s3_bucket }}.",
        description="Half of them are slower than {{ $value | humanize }}B/s "
        "(median of the last 10 minutes).",
        meaning=Text(
            f"For five minutes the median speed of whole transfers has been below {bound} kB/s. "
            "Only completed ones of at least 64 KiB count; with fewer than five in ten minutes "
            "nothing is judged.",
            f"Уже пять минут медиана скорости целых передач ниже {bound_ru} кБ/с. Учитываются "
            "только завершённые, от 64 КиБ; если за десять минут их меньше пяти, оценки нет.",
        ),
        impact=Text(
            "Customers wait for their files. Connections and memory stay in use for longer.",
            "Клиенты ждут свои файлы. Соединения и память заняты дольше.",
        ),
        diagnosis=Text(
            "Does the first byte come late? Then the storage thinks (S3AnswersSlowly). If it comes "
            "at once, the bytes themselves are slow: the network, or the disk of the storage. A "
            "download also is no faster than whoever reads it: in a trace, see whether the service "
            "sends the file on to a slow customer. Slow in one direction only: the disk when it "
            "is up, the reader when it is down.",
            "Первый байт приходит поздно? Тогда думает хранилище (S3AnswersSlowly). Если сразу, "
            "медленно идут сами байты: виновата сеть или диск хранилища. К тому же скачивание не "
            "быстрее того, кто читает: посмотрите в трассе, не отдаёт ли сервис файл медленному "
            "клиенту. Медленно лишь в одну сторону: при загрузке это диск, при скачивании "
            "читатель.",
        ),
        queries=(
            Query(
                quantile(0.5, TRANSFER_SPEED, by=_TRANSFER, over="15m"),
                f"{_LEGEND} {{{{aws_s3_transfer_direction}}}}",
            ),
            Query(quantile(0.95, FIRST_BYTE, by=_BUCKET, over="15m"), _LEGEND),
            Query(
                rate(TRANSFER_DURATION, by=(*_TRANSFER, "aws.s3.transfer.outcome"), over="15m"),
                "{{job}} {{aws_s3_transfer_direction}} {{aws_s3_transfer_outcome}}",
            ),
        ),
        mitigation=Text(
            "Pause what else uses the disk or the network: backups, scans, copies. Larger parts "
            "and more of them at once (`TransferConfig`) help when each answer takes long.",
            "Приостановите то, что ещё занимает диск или сеть: резервные копии, сканирования, "
            "копирования. Если долог каждый ответ, помогут части крупнее и больше частей сразу "
            "(`TransferConfig`).",
        ),
        exemplars=selector(
            TRANSFER_SPEED,
            {
                **_OF_BUCKET,
                "aws.s3.transfer.direction": "{{ $labels.aws_s3_transfer_direction }}",
            },
            part="bucket",
        ),
        inhibited_by=("S3Throttled", "S3RetriesHigh", "S3AnswersSlowly"),
        inhibited_on=_SAME_BUCKET,
    )


def alerts(slow_speed: float = SLOW_SPEED) -> tuple[Alert, ...]:
    """Return all of them; transfers whose median speed is below *slow_speed* (By/s) are slow."""
    return (FAIL, THROTTLED, RETRIED, ANSWERS_SLOWLY, _transfers_slow(slow_speed))
