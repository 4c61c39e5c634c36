# SPDX-License-Identifier: Apache-2.0
"""
The questions that the company asks of its monitoring, and the queries that answer them.

A row is served when every one of its queries has data. A query for errors that did not
happen yet answers 0 only if the traffic that could fail is there: `_or_zero`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One number or one list of numbers: what it is, its unit, and its PromQL."""

    title: str
    unit: str
    promql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One question; without queries it is open, and ``missing`` says what it waits for."""

    id: str
    system: str
    asks: str
    queries: tuple[Query, ...] = ()
    missing: str = ""


def _or_zero(errors: str, traffic: str) -> str:
    """Return *errors*, or 0 where there were none while *traffic* was measured."""
    return f"({errors}) or (0 * {traffic})"


def _http(job: str, **labels: str) -> str:
    chosen = "".join(f', {key}=~"{value}"' for key, value in labels.items())
    return f'http_server_request_duration_seconds_count{{job="{job}"{chosen}}}'


def _requests(job: str, **labels: str) -> Query:
    return Query(
        title="requests by endpoint",
        unit="1/s",
        promql="sum by (http_route, http_request_method, http_response_status_code) "
        f"(rate({_http(job, **labels)}[1m]))",
    )


def _answers(job: str) -> tuple[Query, Query]:
    every = f"sum(increase({_http(job)}[5m]))"
    ok = f"sum(increase({_http(job, http_response_status_code='2..')}[5m]))"
    failed = f"sum(increase({_http(job, http_response_status_code='5..')}[5m]))"
    return (
        Query(title="answers 2xx in 5 min", unit="", promql=ok),
        Query(title="answers 5xx in 5 min", unit="", promql=_or_zero(failed, every)),
    )


def _p95(title: str, job: str, route: str, method: str) -> Query:
    bucket = (
        f'http_server_request_duration_seconds_bucket{{job="{job}", http_route="{route}", '
        f'http_request_method="{method}"}}'
    )
    return Query(
        title=f"p95 of {title}",
        unit="s",
        promql=f"histogram_quantile(0.95, sum by (le) (rate({bucket}[5m])))",
    )


def _cpu(job: str) -> Query:
    return Query(
        title="CPU of one core",
        unit="%",
        promql=f'100 * sum(rate(process_cpu_time_seconds_total{{job="{job}"}}[1m]))',
    )


def _memory(job: str) -> Query:
    return Query(
        title="memory of all processes",
        unit="B",
        promql=f'sum(process_memory_usage_bytes{{job="{job}"}})',
    )


def _calculation(phase: str) -> Query:
    bucket = f'mes_price_calculation_duration_seconds_bucket{{phase="{phase}"}}'
    return Query(
        title=f"p95 {phase}",
        unit="s",
        promql=f"histogram_quantile(0.95, sum by (le) (rate({bucket}[5m])))",
    )


ROWS: tuple[Row, ...] = (
    Row(
        id="Q1",
        system="RabbitMQ",
        asks="message publish rate",
        queries=(
            Query(
                title="published, all",
                unit="1/s",
                promql="sum(rate(rabbitmq_global_messages_received_total[1m]))",
            ),
            Query(
                title="published by exchange and queue",
                unit="1/s",
                promql="sum by (exchange, queue) "
                "(rate(rabbitmq_detailed_queue_messages_published_total[1m]))",
            ),
        ),
    ),
    Row(
        id="Q2",
        system="RabbitMQ",
        asks="message delivery rate",
        queries=(
            Query(
                title="delivered by queue",
                unit="1/s",
                promql="sum by (queue) "
                "(rate(rabbitmq_detailed_channel_messages_delivered_ack_total[1m]))",
            ),
        ),
    ),
    Row(
        id="Q3",
        system="RabbitMQ",
        asks="number of messages, queue size",
        queries=(
            Query(
                title="ready and unacked by queue",
                unit="",
                promql="sum by (queue) (rabbitmq_detailed_queue_messages)",
            ),
        ),
    ),
    Row(
        id="Q4",
        system="RabbitMQ",
        asks="messages in flight",
        queries=(
            Query(
                title="unacked by queue",
                unit="",
                promql="sum by (queue) (rabbitmq_detailed_queue_messages_unacked)",
            ),
        ),
    ),
    Row(
        id="Q5",
        system="RabbitMQ",
        asks="consumers of each queue",
        queries=(
            Query(
                title="consumers by queue",
                unit="",
                promql="sum by (queue) (rabbitmq_detailed_queue_consumers)",
            ),
        ),
    ),
    Row(
        id="Q6",
        system="RabbitMQ",
        asks="memory of the node, CPU and RAM",
        queries=(
            Query(
                title="memory of the node",
                unit="B",
                promql="rabbitmq_process_resident_memory_bytes",
            ),
            Query(
                title="share of the limit that blocks publishers",
                unit="%",
                promql="100 * rabbitmq_process_resident_memory_bytes "
                "/ rabbitmq_resident_memory_limit_bytes",
            ),
            Query(
                title="CPU of the host",
                unit="%",
                promql='100 * (1 - avg(rate(node_cpu_seconds_total{mode="idle"}[1m])))',
            ),
            Query(title="free RAM of the host", unit="B", promql="node_memory_MemAvailable_bytes"),
        ),
    ),
    Row(
        id="Q7",
        system="RabbitMQ",
        asks="processing speed",
        missing="a duration metric of message processing, by queue",
    ),
    Row(
        id="Q8",
        system="RabbitMQ",
        asks="processing error rate, alert at once",
        missing="a client counter by queue and error type, and its alert",
    ),
    Row(
        id="Q9",
        system="RabbitMQ",
        asks="delay between publishing and processing",
        missing="a queue latency metric",
    ),
    Row(
        id="Q10",
        system="RabbitMQ",
        asks="connection errors and drops",
        missing="client metrics of connections",
    ),
    Row(
        id="Q11",
        system="RabbitMQ",
        asks="dead-lettered messages",
        missing="x-death by original queue and reason",
    ),
    Row(
        id="M1",
        system="MES API",
        asks="RPS by endpoint, of price calculation",
        queries=(
            _requests("mes-api"),
            Query(
                title="price calculations ended",
                unit="1/s",
                promql="sum(rate(mes_price_calculations_total[1m]))",
            ),
            Query(
                title="requests for a price calculation",
                unit="1/s",
                promql=f"sum(rate({_http('mes-api', http_route='/price-calculations')}[5m]))",
            ),
        ),
    ),
    Row(
        id="M2",
        system="MES API",
        asks="HTTP 200 and 500, errors of price calculation",
        queries=(
            *_answers("mes-api"),
            Query(
                title="failed price calculations in 5 min",
                unit="",
                promql=_or_zero(
                    'sum(increase(mes_price_calculations_total{outcome="error"}[5m]))',
                    "sum(increase(mes_price_calculations_total[5m]))",
                ),
            ),
        ),
    ),
    Row(
        id="M3",
        system="MES API",
        asks="latency; price calculation waiting and computing",
        queries=(
            _p95("the order list", "mes-api", "/operator/orders", "GET"),
            _calculation("waiting"),
            _calculation("computing"),
        ),
    ),
    Row(
        id="M4",
        system="MES API",
        asks="number of price-calculation tasks, saturation",
        queries=(
            Query(
                title="tasks by state",
                unit="",
                promql="max by (state) (mes_price_calculation_tasks)",
            ),
            Query(
                title="running of capacity",
                unit="%",
                promql='100 * max(mes_price_calculation_tasks{state="running"}) '
                "/ max(mes_price_calculation_capacity)",
            ),
        ),
    ),
    Row(
        id="M5",
        system="MES API",
        asks="simultaneous sessions",
        queries=(Query(title="operators' sessions", unit="", promql="max(mes_sessions)"),),
    ),
    Row(
        id="M6",
        system="MES API",
        asks="load time of the order list, and why",
        missing="waiting for the connection pool, and queries per request",
    ),
    Row(
        id="M7",
        system="MES API",
        asks="errors when operators set statuses",
        queries=(
            Query(
                title="refused changes in 5 min",
                unit="",
                promql=_or_zero(
                    "sum(increase(mes_order_transition_errors_total[5m]))",
                    "sum(increase(mes_order_transitions_total[5m]))",
                ),
            ),
        ),
    ),
    Row(
        id="M8",
        system="MES API",
        asks="CPU and RAM of the service",
        queries=(_cpu("mes-api"), _memory("mes-api"), _cpu("mes-worker"), _memory("mes-worker")),
    ),
    Row(
        id="M9",
        system="MES API",
        asks="what happens to an order after the operator",
        missing="time in each state, and stuck orders by name",
    ),
    Row(
        id="S1",
        system="Shop API",
        asks="latency of ordering, upload, 3D editor",
        queries=(
            _p95("order creation", "shop-api", "/orders", "POST"),
            _p95("file upload", "shop-api", "/models", "POST"),
            _p95("the 3D editor", "shop-api", "/models/{model_id}/edits", "POST"),
        ),
    ),
    Row(
        id="S2",
        system="Shop API",
        asks="RPS by endpoint and per user",
        missing="a bounded count per user",
    ),
    Row(
        id="S3",
        system="Shop API",
        asks="HTTP 200 and 500, error rate of ordering",
        queries=(
            *_answers("shop-api"),
            Query(
                title="refused orders of all",
                unit="%",
                promql="100 * ("
                + _or_zero(
                    "sum(increase(shop_order_errors_total[5m]))",
                    "sum(increase(shop_orders_created_total[5m]))",
                )
                + ") / sum(increase(shop_orders_created_total[5m]))",
            ),
        ),
    ),
    Row(
        id="S4",
        system="Shop API",
        asks="CPU %, memory; load of uploads and editor",
        queries=(
            _cpu("shop-api"),
            _memory("shop-api"),
            Query(
                title="CPU of one core by mesh work",
                unit="%",
                promql="100 * sum by (shop_model_operation) "
                "(rate(shop_model_cpu_time_seconds_total[5m]))",
            ),
        ),
    ),
    Row(
        id="S5",
        system="Shop API",
        asks="simultaneous sessions",
        queries=(Query(title="customers' sessions", unit="", promql="max(shop_sessions)"),),
    ),
    Row(
        id="S6",
        system="Shop API",
        asks="orders created per period",
        queries=(
            Query(
                title="orders in 5 min",
                unit="",
                promql="sum(increase(shop_orders_created_total[5m]))",
            ),
        ),
    ),
    Row(id="F1", system="S3", asks="storage size", missing="a scanner of the buckets"),
    Row(id="F2", system="S3", asks="upload and download speed", missing="S3 client metrics"),
    Row(id="F3", system="S3", asks="errors of upload and download", missing="S3 client metrics"),
    Row(id="F4", system="S3", asks="memory of the server", missing="a scraper of processes"),
    Row(
        id="D1",
        system="Databases",
        asks="connections, query rate, errors, duration, pool",
        queries=(
            Query(
                title="connections by database",
                unit="",
                promql="sum by (postgresql_database_name) (postgresql_backends)",
            ),
            Query(title="connections allowed", unit="", promql="max(postgresql_connection_max)"),
            Query(
                title="queries by service",
                unit="1/s",
                promql="sum by (job) (rate(db_client_operation_duration_seconds_count[1m]))",
            ),
            Query(
                title="failed queries in 5 min",
                unit="",
                promql=_or_zero(
                    'sum(increase(db_client_operation_duration_seconds_count{error_type!=""}[5m]))',
                    "sum(increase(db_client_operation_duration_seconds_count[5m]))",
                ),
            ),
            Query(
                title="p95 of a query",
                unit="s",
                promql="histogram_quantile(0.95, sum by (le, job) "
                "(rate(db_client_operation_duration_seconds_bucket[5m])))",
            ),
            Query(
                title="requests waiting for a connection",
                unit="",
                promql="sum by (db_client_connection_pool_name) "
                "(db_client_connection_pending_requests)",
            ),
        ),
    ),
    Row(
        id="C1",
        system="CRM API",
        asks="CPU %, memory, saturation, errors",
        queries=(
            _cpu("crm-api"),
            _memory("crm-api"),
            Query(
                title="requests in progress",
                unit="",
                promql='sum(http_server_active_requests{job="crm-api"})',
            ),
            *_answers("crm-api"),
        ),
    ),
    Row(
        id="N1",
        system="Business",
        asks="finished but customer not notified",
        missing="the order ledger over all databases",
    ),
    Row(
        id="P1",
        system="Platform",
        asks="every exporter and the Collector are read",
        queries=(
            Query(title="scraped and up", unit="", promql="sum by (job) (up)"),
            Query(
                title="services that push",
                unit="",
                promql='count by (job) (target_info{job=~".+-(api|worker)"})',
            ),
            Query(
                title="points taken by the Collector",
                unit="1/s",
                promql='sum(rate({__name__=~"otelcol_receiver_accepted_metric_points(_total)?"}'
                "[1m]))",
            ),
        ),
    ),
    Row(id="P2", system="Platform", asks="dashboards and alerts", missing="the catalogue's output"),
    Row(
        id="P3",
        system="Platform",
        asks="the monitoring itself is tested",
        missing="a fault for every alert",
    ),
    Row(
        id="P4",
        system="Platform",
        asks="OTLP push and a direct /metrics",
        queries=(
            Query(
                title="spans taken by OTLP",
                unit="1/s",
                promql='sum(rate({__name__=~"otelcol_receiver_accepted_spans(_total)?"}[1m]))',
            ),
            Query(
                title="notifications, read from the service's own /metrics",
                unit="",
                promql='sum by (kind) (crm_notifications_sent_total{job="crm-worker"})',
            ),
        ),
    ),
)
