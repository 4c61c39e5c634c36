# SPDX-License-Identifier: Apache-2.0
"""Metrics of the scanner of S3 buckets: how much lies there, and how old that knowledge is."""

from otel_setup.catalogue.model import Counter, Gauge, Histogram, Label, Method, Text

_BUCKET = {
    "aws.s3.bucket": Label(Text("name of the bucket", "имя бакета"), at_most=50),
}
_CLASS = {
    **_BUCKET,
    "storage.prefix.class": Label(
        Text(
            "class of keys by their prefix, as the scanner is set; other for the rest",
            "класс ключей по префиксу из настроек сканера; other — остальные",
        ),
        at_most=20,
    ),
}

SIZE = Gauge(
    name="storage.bucket.size",
    unit="By",
    description=Text(
        "Bytes of the current objects, by the last scan that came to its end.",
        "Байты текущих объектов по последнему завершённому сканированию.",
    ),
    why=Text(
        "Says when the storage will be full, and which bucket and kind of file fills it.",
        "Показывает, когда закончится место и какой бакет и вид файлов его занимает.",
    ),
    attributes=_CLASS,
    method=Method.UTILIZATION,
)

OBJECTS = Gauge(
    name="storage.bucket.objects",
    unit="{object}",
    description=Text(
        "Current objects, by the last scan that came to its end.",
        "Текущие объекты по последнему завершённому сканированию.",
    ),
    why=Text(
        "Many small objects cost calls and time that their bytes do not show.",
        "Множество мелких объектов стоит вызовов и времени, которых не видно по байтам.",
    ),
    attributes=_CLASS,
    method=Method.UTILIZATION,
    no_alert=Text("their bytes are watched", "следят за их объёмом"),
)

UNFINISHED_SIZE = Gauge(
    name="storage.bucket.unfinished.size",
    unit="By",
    description=Text(
        "Bytes of parts of uploads that were neither completed nor aborted.",
        "Байты частей, загрузка которых не завершена и не отменена.",
    ),
    why=Text(
        "Nobody sees them in a listing, and they are paid for: clean them by a lifecycle rule.",
        "В списке объектов их не видно, а платить за них приходится: чистите правилом lifecycle.",
    ),
    attributes=_BUCKET,
    method=Method.UTILIZATION,
)

UNFINISHED_UPLOADS = Gauge(
    name="storage.bucket.unfinished.uploads",
    unit="{upload}",
    description=Text(
        "Uploads in parts that were neither completed nor aborted.",
        "Загрузки по частям, которые не завершены и не отменены.",
    ),
    why=Text(
        "A number that grows means a program that dies while it uploads.",
        "Если число растёт, какая-то программа умирает во время загрузки.",
    ),
    attributes=_BUCKET,
    method=Method.ERRORS,
    no_alert=Text("their bytes are watched", "следят за их объёмом"),
)

SCAN_TIME = Gauge(
    name="storage.scan.completed.time",
    unit="s",
    description=Text(
        "When the last whole scan of the bucket ended, in seconds since 1970.",
        "Когда закончилось последнее полное сканирование бакета, в секундах с 1970 года.",
    ),
    why=Text(
        "A size is as good as the scan is fresh; an old one must not look like a calm one.",
        "Размер верен настолько, насколько свежо сканирование; устаревший не должен выглядеть "
        "спокойным.",
    ),
    attributes=_BUCKET,
)

SCAN_DURATION = Histogram(
    name="storage.scan.duration",
    unit="s",
    buckets=(0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
    description=Text(
        "Duration of scans of a bucket, with the pauses between pages.",
        "Длительность сканирования бакета, вместе с паузами между страницами.",
    ),
    why=Text(
        "A scan that takes longer than its interval tells yesterday's size for ever.",
        "Если сканирование дольше своего интервала, размер всегда будет вчерашним.",
    ),
    attributes={
        **_BUCKET,
        "error.type": Label(
            Text(
                "code of the error that S3 answered, or class of the exception; absent when the "
                "scan came to its end",
                "код ошибки из ответа S3 или класс исключения; отсутствует, если сканирование "
                "завершено",
            ),
            at_most=20,
        ),
    },
    method=Method.DURATION,
    no_alert=Text("the age of the last whole scan is watched", "следят за возрастом сканирования"),
)

SCAN_PAGES = Counter(
    name="storage.scan.pages",
    unit="{page}",
    description=Text(
        "Pages of listings that the scanner asked for.", "Страницы списков, запрошенные сканером."
    ),
    why=Text(
        "What the scanner itself costs the storage, and that a long scan goes on.",
        "Чего сам сканер стоит хранилищу; видно, что долгое сканирование идёт.",
    ),
    attributes=_BUCKET,
    method=Method.TRAFFIC,
    no_alert=Text("a scan that does not end is watched", "следят за незавершённым сканированием"),
)

SCAN_FAILURES = Gauge(
    name="storage.scan.failures",
    unit="{scan}",
    description=Text(
        "Scans of the bucket that failed in a row; 0 after one that came to its end.",
        "Сколько сканирований бакета подряд не удалось; 0 после успешного.",
    ),
    why=Text(
        "Tells a bucket that is gone or denied from one that only takes long.",
        "Отличает удалённый или закрытый бакет от того, который просто долго сканируется.",
    ),
    attributes=_BUCKET,
    method=Method.ERRORS,
)

SCAN_INTERVAL = Gauge(
    name="storage.scan.interval",
    unit="s",
    description=Text(
        "How often a bucket is to be scanned, as the scanner is set.",
        "Как часто должен сканироваться бакет, по настройкам сканера.",
    ),
    why=Text(
        "What the age of a scan is measured by: an hour is old for one scanner, new for another.",
        "С чем сравнивать возраст сканирования: для одного сканера час — это много, для другого "
        "мало.",
    ),
)

CAPACITY = Gauge(
    name="storage.capacity",
    unit="By",
    description=Text(
        "Bytes that all scanned buckets may have together, as the scanner is set.",
        "Сколько байт могут занимать все сканируемые бакеты вместе, по настройкам сканера.",
    ),
    why=Text(
        "S3 does not tell how much room there is: it is the disk below, or the budget.",
        "Сам S3 не сообщает, сколько места осталось: предел задаёт диск под ним или бюджет.",
    ),
    method=Method.UTILIZATION,
    rare=Text("Nobody has set it.", "Её не задали."),
)

METRICS = (
    SIZE,
    OBJECTS,
    UNFINISHED_SIZE,
    UNFINISHED_UPLOADS,
    SCAN_TIME,
    SCAN_DURATION,
    SCAN_PAGES,
    SCAN_FAILURES,
    SCAN_INTERVAL,
    CAPACITY,
)
