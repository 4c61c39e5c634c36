# SPDX-License-Identifier: Apache-2.0
"""What ``otel-setup doctor --send`` leaves in Prometheus."""

from otel_setup.catalogue.model import Gauge, Method, Text

PROBE = Gauge(
    name="otel_setup.doctor.probe",
    unit="{probe}",
    description=Text(
        "Mark of one run of otel-setup doctor --send: a random number, which the doctor then "
        "looks for.",
        "Метка одного запуска otel-setup doctor --send: случайное число, которое затем ищет сам "
        "doctor.",
    ),
    why=Text(
        "Proves that a metric comes all the way; it tells nothing about the company.",
        "Доказывает, что метрика проходит весь путь; о компании она ничего не говорит.",
    ),
    method=Method.CONTEXT,
    no_panel=Text("a random number is no picture", "случайное число — не картина"),
    no_alert=Text(
        "the doctor itself tells when it does not arrive",
        "если она не дошла, об этом говорит сам doctor",
    ),
    rare=Text("only after a run of the doctor", "только после запуска doctor"),
)
