# SPDX-License-Identifier: Apache-2.0
"""Say at which hop a metric stopped, from what the programs on its way count."""

from __future__ import annotations

from otel_setup.doctor.counters import REFUSALS, Counters, Pages

_POINTS = "metric_points"
REFUSED_FIX = (
    "Let no two processes have one service.instance.id, and compare the clocks; Prometheus takes "
    "older samples with tsdb.out_of_order_time_window."
)


def broken(before: Pages, after: Pages, missing: str, collector: str) -> tuple[str, str]:
    """
    Return what is wrong and the fix.

    *missing* says where the metric is not; *collector* is the address of its own metrics.
    """
    if words := _refusals(before.prometheus, after.prometheus):
        return f"metric refused by Prometheus ({words})", REFUSED_FIX
    if before.collector is None or after.collector is None:
        return (
            f"accepted by the Collector, and {missing}",
            "Look at the Collector's log, or name its own metrics page with --collector-metrics.",
        )
    return _in_collector(before.collector, after.collector, missing, collector)


def _refusals(before: Counters | None, after: Counters | None) -> str:
    if before is None or after is None:
        return ""
    return ", ".join(words for name, words in REFUSALS.items() if after.grew(before, name))


def _in_collector(
    before: Counters, after: Counters, missing: str, collector: str
) -> tuple[str, str]:
    failed = after.grew(before, f"otelcol_exporter_send_failed_{_POINTS}")
    sent = after.grew(before, f"otelcol_exporter_sent_{_POINTS}")
    refused = after.grew(before, f"otelcol_receiver_refused_{_POINTS}")
    accepted = after.grew(before, f"otelcol_receiver_accepted_{_POINTS}")
    rows = (
        (
            bool(failed),
            (
                f"the Collector cannot deliver it: its exporter {', '.join(failed)} failed to send "
                f"{sum(failed.values()):g} data points; {missing}"
            ),
            (
                "Look at the Collector's log: either this is a metric refused by Prometheus, or "
                "Prometheus is not where the exporter sends to."
            ),
        ),
        (
            bool(refused),
            f"the Collector refused {sum(refused.values()):g} data points",
            "Give the Collector more memory (memory_limiter).",
        ),
        (
            not accepted,
            (
                f"{missing}, and the Collector at {collector} received nothing: it is another one "
                "than the exporter's"
            ),
            "Name the metrics page of the right Collector with --collector-metrics.",
        ),
        (
            bool(sent),
            f"the Collector sent it on ({', '.join(sent)}), and it is {missing}",
            (
                "Name the Prometheus that the exporter writes to with --prometheus. One that "
                "scrapes the Collector has it after its next scrape."
            ),
        ),
        (
            True,
            f"the Collector holds it: no exporter of metrics has sent anything; {missing}",
            "See that its pipeline of metrics has an exporter to Prometheus that can reach it.",
        ),
    )
    return next((seen, fix) for applies, seen, fix in rows if applies)
