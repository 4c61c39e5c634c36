# SPDX-License-Identifier: Apache-2.0
"""Metrics of S3 clients; the semantic conventions have attributes of S3, but no metrics."""

from otel_setup.catalogue.model import Counter, Histogram, Label, Method, Text, UpDownCounter

_BUCKET = {
    "aws.s3.bucket": Label(
        Text("name of the bucket; never the key of an object", "имя бакета, но не ключ объекта"),
        at_most=50,
    )
}
_OPERATION = {
    **_BUCKET,
    "rpc.method": Label(
        Text("operation of the S3 API, such as GetObject", "операция S3 API, например GetObject"),
        at_most=100,
    ),
}
_ERROR = {
    "error.type": Label(
        Text(
            "code of the error that S3 answered, such as SlowDown, or class of the exception; "
            "absent when there was none",
            "код ошибки из ответа S3, например SlowDown, или класс исключения; отсутствует, если "
            "ошибки не было",
        ),
        at_most=40,
    )
}
_TRANSFER = {
    **_BUCKET,
    "aws.s3.transfer.direction": Label(
        Text("to the storage or from it", "в хранилище или из него"),
        values=("upload", "download"),
    ),
}

OPERATION_DURATION = Histogram(
    name="aws.s3.client.operation.duration",
    unit="s",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
    description=Text(
        "Duration of S3 calls, their retries and the last byte of the body included.",
        "Длительность вызовов S3 вместе с повторами, до последнего байта тела.",
    ),
    why=Text(
        "Tells whether a slow upload or price waits for the storage, and which calls fail there.",
        "Показывает, ждёт ли медленная загрузка или расчёт цены хранилище и какие вызовы в нём "
        "падают.",
    ),
    attributes={
        **_OPERATION,
        "http.response.status_code": Label(
            Text(
                "status of the last answer; absent when there was none",
                "код последнего ответа; отсутствует, если ответа не было",
            ),
            at_most=20,
        ),
        **_ERROR,
    },
    method=Method.DURATION,
)

FIRST_BYTE = Histogram(
    name="aws.s3.client.time_to_first_byte",
    unit="s",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    description=Text(
        "Time from the end of the request to the first byte of its answer, for each attempt.",
        "Время от конца запроса до первого байта ответа, для каждой попытки.",
    ),
    why=Text(
        "A storage that thinks long is overloaded; one that answers at once and then is slow has "
        "a slow network or disk.",
        "Если хранилище долго думает, оно перегружено; если отвечает сразу, а потом медленно "
        "отдаёт, медленны сеть или диск.",
    ),
    attributes=_OPERATION,
    method=Method.DURATION,
)

IO = Counter(
    name="aws.s3.client.io",
    unit="By",
    description=Text(
        "Bytes of bodies that went to the storage and came from it, those of failed attempts too.",
        "Байты тел, отправленные в хранилище и полученные из него, включая неудачные попытки.",
    ),
    why=Text(
        "What the storage, the network and its bill are loaded with; retries that send the same "
        "bytes again show here.",
        "Чем нагружены хранилище, сеть и счёт за них; видны и повторы, которые шлют те же байты "
        "снова.",
    ),
    attributes={
        **_OPERATION,
        "network.io.direction": Label(
            Text("sent or received by the client", "отправлено или получено клиентом"),
            values=("transmit", "receive"),
        ),
    },
    method=Method.TRAFFIC,
    no_alert=Text(
        "many bytes are work, not a fault; slow and failing transfers are watched",
        "много байт — это работа, а не поломка; следят за медленными и упавшими передачами",
    ),
)

TRANSFER_DURATION = Histogram(
    name="aws.s3.client.transfer.duration",
    unit="s",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
    description=Text(
        "Duration of whole uploads and downloads; one in parts counts once.",
        "Длительность загрузок и скачиваний целиком; передача по частям считается один раз.",
    ),
    why=Text(
        "What the customer waits for; its count says how many transfers there were, and how many "
        "of them failed or were left half-way.",
        "То, чего ждёт клиент; число записей говорит, сколько было передач и сколько из них упало "
        "или брошено на полпути.",
    ),
    attributes={
        **_TRANSFER,
        "aws.s3.transfer.outcome": Label(
            Text(
                "whole; ended by an error; body closed or forgotten before its end; never read",
                "целиком; прервана ошибкой; тело закрыто или забыто до конца; тело не читали",
            ),
            values=("completed", "failed", "abandoned", "unread"),
        ),
        **_ERROR,
    },
    method=Method.DURATION,
    no_alert=Text(
        "what fails is seen by its calls, what is slow by its speed; to leave half-way is a right",
        "упавшие видны по вызовам, медленные по скорости; уйти на полпути — право каждого",
    ),
)

TRANSFER_SPEED = Histogram(
    name="aws.s3.client.transfer.speed",
    unit="By/s",
    buckets=(1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8, 3e8, 1e9),
    description=Text(
        "Speed of completed uploads and downloads of at least 64 KiB: bytes by their whole time.",
        "Скорость завершённых загрузок и скачиваний от 64 КиБ: байты за всё время передачи.",
    ),
    why=Text(
        "Says whether the storage is what is slow. Smaller objects would measure how long it "
        "takes to answer, and parts how many of them go at once.",
        "Показывает, тормозит ли само хранилище. Объекты меньше измеряли бы время ответа, а "
        "отдельные части — их параллельность.",
    ),
    attributes=_TRANSFER,
    method=Method.UTILIZATION,
)

ACTIVE_TRANSFERS = UpDownCounter(
    name="aws.s3.client.active_transfers",
    unit="{transfer}",
    description=Text(
        "Uploads and downloads in progress, those whose body is still to be read among them.",
        "Загрузки и скачивания, которые идут сейчас, включая те, чьё тело ещё не дочитано.",
    ),
    why=Text(
        "Transfers that pile up, or bodies that nobody closes, use up the connections to the "
        "storage.",
        "Накопившиеся передачи и незакрытые тела исчерпывают соединения с хранилищем.",
    ),
    attributes=_TRANSFER,
    method=Method.SATURATION,
    no_alert=Text(
        "how many are right depends on the hour; slow and failing transfers are watched",
        "норма зависит от времени суток; следят за медленными и упавшими передачами",
    ),
)

RETRIES = Counter(
    name="aws.s3.client.retries",
    unit="{retry}",
    description=Text(
        "Attempts that followed a failed one, by why that failed.",
        "Повторные попытки, по причине неудачи предыдущей.",
    ),
    why=Text(
        "The client hides these failures until it gives up: they warn before customers notice.",
        "Клиент скрывает эти неудачи, пока не сдастся: они предупреждают раньше, чем заметят люди.",
    ),
    attributes={**_OPERATION, **_ERROR},
    method=Method.ERRORS,
    rare=Text(
        "Absent while every first attempt succeeds.", "Отсутствует, пока всё с первого раза."
    ),
)

THROTTLES = Counter(
    name="aws.s3.client.throttles",
    unit="{answer}",
    description=Text(
        "Answers by which the storage asked to slow down.",
        "Ответы, которыми хранилище просит снизить темп.",
    ),
    why=Text(
        "We ask too much of the storage: fewer calls help, more retries make it worse.",
        "Мы просим у хранилища слишком много: поможет меньше вызовов, а повторы ухудшат дело.",
    ),
    attributes=_OPERATION,
    method=Method.SATURATION,
    rare=Text("Absent while nobody is throttled.", "Отсутствует, пока никого не ограничивают."),
)

METRICS = (
    OPERATION_DURATION,
    FIRST_BYTE,
    IO,
    TRANSFER_DURATION,
    TRANSFER_SPEED,
    ACTIVE_TRANSFERS,
    RETRIES,
    THROTTLES,
)
