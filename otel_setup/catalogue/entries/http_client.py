# SPDX-License-Identifier: Apache-2.0
"""Metrics of the calls that services make with requests and httpx; stable semantic conventions."""

from otel_setup.catalogue.entries.http import METHODS
from otel_setup.catalogue.model import Histogram, Label, Method, Text

REQUEST_DURATION = Histogram(
    name="http.client.request.duration",
    unit="s",
    description=Text(
        "Time from a call of another service to its answer.",
        "Время от вызова другого сервиса до его ответа.",
    ),
    why=Text(
        "A slow page may wait for somebody else: this is the wait as the caller has it, "
        "network and time-outs included, also when the other side measures nothing.",
        "Медленная страница, возможно, ждёт другого: здесь ожидание со стороны вызывающего, "
        "вместе с сетью и тайм-аутами, даже если другая сторона ничего не измеряет.",
    ),
    attributes={
        "server.address": Label(
            Text("host that was called", "узел, который вызвали"),
            at_most=50,
        ),
        "server.port": Label(
            Text(
                "its port; absent when the address names none",
                "его порт; отсутствует, если в адресе его нет",
            ),
            at_most=20,
        ),
        "http.request.method": METHODS,
        "http.response.status_code": Label(
            Text(
                "status of the answer; absent when none came",
                "код ответа; отсутствует, если ответ не пришёл",
            ),
            at_most=40,
        ),
        "network.protocol.version": Label(
            Text("version of HTTP", "версия HTTP"), values=("1.0", "1.1", "2", "3")
        ),
        "error.type": Label(
            Text(
                "the status from 400 on, or the class of the exception; "
                "absent when there was no error",
                "код ответа от 400 или класс исключения; отсутствует, если ошибки не было",
            ),
            at_most=60,
        ),
    },
    method=Method.DURATION,
    rare=Text(
        "only of services that call others by HTTP",
        "есть только у сервисов, которые вызывают другие по HTTP",
    ),
)
