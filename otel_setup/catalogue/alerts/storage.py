# SPDX-License-Identifier: Apache-2.0
"""Alerts about how much lies in a storage, and about the scanner that tells it."""

from __future__ import annotations

from otel_setup.catalogue.alerting import Alert, Recording
from otel_setup.catalogue.boards import Query
from otel_setup.catalogue.entries.storage import (
    CAPACITY,
    SCAN_DURATION,
    SCAN_FAILURES,
    SCAN_INTERVAL,
    SCAN_PAGES,
    SCAN_TIME,
    SIZE,
    UNFINISHED_SIZE,
    UNFINISHED_UPLOADS,
)
from otel_setup.catalogue.model import Method, Text
from otel_setup.catalogue.promql import Expr, increase, latest, rate, selector, written

OLD_INTERVALS, FAILED_SCANS = 3, 3
PILED_BYTES, PILED_SHARE = 1e9, 0.1
#: A storage that is half empty may fill as fast as it likes.
FILLED_SHARE = 0.6

#: How far ahead is looked: as long as it takes to buy a disk or to agree on a budget.
_AHEAD = "604800"

BUCKET = ("job", "aws.s3.bucket")
_BUCKETS = "job, aws_s3_bucket"

# A scanner that was restarted is two instances for some minutes, hence the highest of each.
USED = Recording(
    name="job:storage_used_bytes:sum",
    unit="By",
    description=Text(
        "Bytes of all scanned buckets together, unfinished uploads included.",
        "Байты всех сканируемых бакетов вместе с незавершёнными загрузками.",
    ),
    why=Text(
        "What has to fit on the disk or into the budget, whoever put it there.",
        "Что должно поместиться на диск или в бюджет, кто бы это ни загрузил.",
    ),
    method=Method.UTILIZATION,
    expr=written(
        f"sum by (job) (max by ({_BUCKETS}, storage_prefix_class) "
        f"({selector(SIZE)} or {selector(UNFINISHED_SIZE)}))",
        "By",
        SIZE,
        UNFINISHED_SIZE,
    ),
)


def room() -> Expr:
    """Return how many bytes the buckets may have together."""
    return latest(CAPACITY, by=["job"], fold="max")


def filled() -> Expr:
    """Return which share of the capacity is used."""
    return latest(USED) / room()


def age() -> Expr:
    """Return for how long each bucket has not been scanned to its end."""
    return written(f"time() - max by ({_BUCKETS}) ({selector(SCAN_TIME)})", "s", SCAN_TIME)


def intervals() -> Expr:
    """Return the age of each bucket's scan in intervals of its scanner."""
    interval = latest(SCAN_INTERVAL, by=["job"], fold="max")
    return written(
        f"({age().text}) / on (job) group_left () {interval.text}", "1", SCAN_TIME, SCAN_INTERVAL
    )


def failing() -> Expr:
    """Return how many scans of each bucket have failed in a row."""
    return latest(SCAN_FAILURES, by=BUCKET, fold="min")


def unfinished() -> Expr:
    """Return the bytes of unfinished uploads of each bucket."""
    return latest(UNFINISHED_SIZE, by=BUCKET, fold="max")


def _piled() -> Expr:
    whole = written(
        f"sum by ({_BUCKETS}) (max by ({_BUCKETS}, storage_prefix_class) ({selector(SIZE)}))",
        "By",
        SIZE,
    )
    share = written(
        f"{unfinished().text} > {PILED_SHARE} * {whole.text}", "By", UNFINISHED_SIZE, SIZE
    )
    return (unfinished() > PILED_BYTES).and_(share)


def _fills_up() -> Expr:
    """Return which share is used of what will be full within a week."""
    ahead = written(f"predict_linear({USED.name}[1d], {_AHEAD})", "By", USED)
    # A line through a few minutes says nothing about a week.
    known = written(f"{USED.name} offset 12h", "By", USED)
    return (filled() > FILLED_SHARE).and_on(ahead / room() > 1, "job").and_on(known, "job")


SCAN_FAILS = Alert(
    name="StorageScanFails",
    expr=failing() >= FAILED_SCANS,
    lasts="5m",
    severity="warning",
    summary="Bucket {{ $labels.aws_s3_bucket }} cannot be scanned.",
    description='Scans that failed in a row: {{ $value | printf "%.0f" }}.',
    meaning=Text(
        "Three scans of a bucket, or more, have failed one after the other. The bucket `*` means "
        "that the storage does not even say which buckets there are.",
        "Не удалось подряд не меньше трёх сканирований бакета. Бакет `*` означает, что хранилище "
        "не отдаёт даже список бакетов.",
    ),
    impact=Text(
        "Its size is that of the last scan that worked. If the services cannot reach it either, "
        "uploads and downloads fail.",
        "Его размер известен по последнему удачному сканированию. Если он недоступен и сервисам, "
        "загрузки и скачивания не работают.",
    ),
    diagnosis=Text(
        "The first query names the error. NoSuchBucket: somebody deleted it, or its name in "
        "STORAGE_SCAN_BUCKETS is wrong. AccessDenied, SignatureDoesNotMatch: a key was changed, "
        "or may not list. EndpointConnectionError, ServiceUnavailable: the storage is away. The "
        "scanner's log has the whole text.",
        "Первый запрос назовёт ошибку. NoSuchBucket — бакет удалён или неверно назван в "
        "STORAGE_SCAN_BUCKETS. AccessDenied, SignatureDoesNotMatch — ключ сменился или не даёт "
        "права на список. EndpointConnectionError, ServiceUnavailable — хранилище недоступно. "
        "Полный текст есть в журнале сканера.",
    ),
    queries=(
        Query(
            increase(SCAN_DURATION, by=(*BUCKET, "error.type"), over="1h"),
            "{{aws_s3_bucket}} {{error_type}}",
        ),
        Query(failing(), "{{aws_s3_bucket}}"),
    ),
    mitigation=Text(
        "Give the scanner's key the rights s3:ListBucket, s3:ListBucketMultipartUploads and "
        "s3:ListMultipartUploadParts, correct its settings, or bring the storage back.",
        "Дайте ключу сканера права s3:ListBucket, s3:ListBucketMultipartUploads и "
        "s3:ListMultipartUploadParts, исправьте настройки или верните хранилище в строй.",
    ),
)

SCAN_STALE = Alert(
    name="StorageScanStale",
    expr=intervals() > OLD_INTERVALS,
    lasts="10m",
    severity="warning",
    summary="The size of bucket {{ $labels.aws_s3_bucket }} is out of date.",
    description='Its last whole scan is {{ $value | printf "%.1f" }} intervals old.',
    meaning=Text(
        "The last scan of a bucket that came to its end is more than three intervals of the "
        "scanner old.",
        "Последнее завершённое сканирование бакета старше трёх интервалов сканера.",
    ),
    impact=Text(
        "Sizes and forecasts are of the past: the storage may be fuller than it looks.",
        "Размеры и прогнозы устарели: хранилище может быть заполнено сильнее, чем кажется.",
    ),
    diagnosis=Text(
        "Pages are asked for: the bucket has grown, and a scan takes longer than its interval. "
        "None are: the scanner hangs, or waits for a storage that does not answer.",
        "Если страницы запрашиваются, бакет вырос и сканирование дольше интервала. Если нет, "
        "сканер завис или ждёт хранилище, которое не отвечает.",
    ),
    queries=(
        Query(age(), "{{aws_s3_bucket}}"),
        Query(rate(SCAN_PAGES, by=BUCKET, over="5m"), "{{aws_s3_bucket}}"),
    ),
    mitigation=Text(
        "Raise STORAGE_SCAN_PAGES_PER_SECOND if the storage bears it, or STORAGE_SCAN_INTERVAL. "
        "One that hangs: restart it, it goes on where it was.",
        "Увеличьте STORAGE_SCAN_PAGES_PER_SECOND, если хранилище выдержит, или "
        "STORAGE_SCAN_INTERVAL. Зависший сканер перезапустите: он продолжит с того же места.",
    ),
    inhibited_by=("StorageScanFails",),
    inhibited_on=("job", "aws_s3_bucket"),
)

FILLS_UP = Alert(
    name="StorageFillsUp",
    expr=_fills_up(),
    lasts="1h",
    severity="warning",
    summary="The storage that {{ $labels.job }} scans will be full within a week.",
    description="{{ $value | humanizePercentage }} of its capacity is used.",
    meaning=Text(
        "More than 60 % of the capacity is used, and a line through the last day reaches all of "
        "it within a week. A storage known for less than 12 hours is not judged.",
        "Занято больше 60 % ёмкости, и прямая по последним суткам дойдёт до предела за неделю. "
        "Хранилище, известное меньше 12 часов, не оценивается.",
    ),
    impact=Text(
        "None yet. When it is full uploads fail, and what shares the disk stops as well.",
        "Пока никаких. Когда место кончится, загрузки перестанут работать, а с ними и всё, что "
        "лежит на том же диске.",
    ),
    diagnosis=Text(
        "Which bucket and class of keys grows, and since when? Then who writes there: a surge of "
        "uploads, an import, a program that writes each file again under another name.",
        "Какой бакет и класс ключей растёт и с каких пор? Затем кто туда пишет: наплыв загрузок, "
        "импорт или программа, которая сохраняет один файл под всё новыми именами.",
    ),
    queries=(
        Query(latest(SIZE), "{{aws_s3_bucket}} {{storage_prefix_class}}"),
        Query(filled(), "{{job}}"),
    ),
    mitigation=Text(
        "Delete drafts by a lifecycle rule, abort unfinished uploads, enlarge the disk or the "
        "budget, and tell the scanner the new STORAGE_SCAN_CAPACITY.",
        "Удаляйте черновики правилом lifecycle, отмените незавершённые загрузки, увеличьте диск "
        "или бюджет и задайте сканеру новый STORAGE_SCAN_CAPACITY.",
    ),
)

PILE_UP = Alert(
    name="UnfinishedUploadsPileUp",
    expr=_piled(),
    lasts="6h",
    severity="warning",
    summary="Unfinished uploads pile up in bucket {{ $labels.aws_s3_bucket }}.",
    description="They hold {{ $value | humanize1024 }}B that no listing of objects shows.",
    meaning=Text(
        "For six hours parts of uploads that nobody completed or aborted have held more than a "
        "gigabyte, and more than a tenth of what the bucket's objects do.",
        "Шесть часов части незавершённых и неотменённых загрузок занимают больше гигабайта и "
        "больше десятой доли объёма объектов бакета.",
    ),
    impact=Text(
        "Space and money for files that nobody can read.",
        "Место и деньги уходят на файлы, которые никто не может прочитать.",
    ),
    diagnosis=Text(
        "`aws s3api list-multipart-uploads --bucket NAME` gives keys and times: they name the "
        "program that dies, or loses its connection, while it uploads.",
        "`aws s3api list-multipart-uploads --bucket ИМЯ` покажет ключи и время: по ним видно, "
        "какая программа падает или теряет соединение во время загрузки.",
    ),
    queries=(
        Query(unfinished(), "{{aws_s3_bucket}}"),
        Query(latest(UNFINISHED_UPLOADS, by=BUCKET, fold="max"), "{{aws_s3_bucket}}"),
    ),
    mitigation=Text(
        "Abort the old ones, and have a lifecycle rule do so from now on "
        "(AbortIncompleteMultipartUpload, after a day or two).",
        "Отмените старые загрузки и настройте правило lifecycle, которое будет делать это само "
        "(AbortIncompleteMultipartUpload, через день-два).",
    ),
)

ALERTS = (SCAN_FAILS, SCAN_STALE, FILLS_UP, PILE_UP)
