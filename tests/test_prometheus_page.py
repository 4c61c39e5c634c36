# SPDX-License-Identifier: Apache-2.0
"""The /metrics page of a process: what is on it, in both formats, and how it is served."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import logging
import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.export import Metric as Odd
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import exposition
from prometheus_client.core import Metric as Family
from prometheus_client.core import Sample
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from otel_setup._prometheus import PageReader
from otel_setup._prometheus.buckets import MOST
from otel_setup._prometheus.exposition import Wanted, write
from otel_setup._prometheus.families import Translator
from otel_setup._prometheus.names import label_name, metric_name
from otel_setup._prometheus.server import MOST as CONNECTIONS
from otel_setup.catalogue.model import Counter, Gauge, Metric, prometheus_label
from services_demo.catalogue.company import CATALOGUE
from tests.programs import run

TEXT = Wanted(openmetrics=False, packed=False)
OPEN = Wanted(openmetrics=True, packed=False)
EXPONENTIAL = View(instrument_type=Histogram, aggregation=ExponentialBucketHistogramAggregation())
#: A histogram takes no value below zero; an instrument that a view makes one does.
BELOW_ZERO = View(instrument_name="any", aggregation=ExponentialBucketHistogramAggregation())
SIGNED = View(
    instrument_name="signed*", aggregation=ExplicitBucketHistogramAggregation((-5.0, 0.0, 5.0))
)


@dataclass
class Page:
    """A page and what it shows; a context manager."""

    views: tuple[View, ...] = ()
    reader: PageReader = field(default_factory=lambda: PageReader("127.0.0.1", 0))

    def __post_init__(self) -> None:
        self.provider = MeterProvider(
            [self.reader],
            resource=Resource({"service.name": "shop"}),
            shutdown_on_exit=False,
            views=self.views,
        )
        assert self.reader.port
        self.port = self.reader.port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.provider.shutdown()

    def meter(self, name: str = "app", version: str | None = None) -> Meter:
        """Return the meter of a scope."""
        return self.provider.get_meter(name, version)

    def text(self, wanted: Wanted = TEXT) -> str:
        """Return the page in a format, after checking that its parser takes it."""
        status, _, body = self.reader.answer(wanted)
        assert status == 200
        return body.decode()

    def samples(self, wanted: Wanted = TEXT) -> list[Sample]:
        """Return what a parser of the format reads, all but target_info."""
        parse = parse_openmetrics if wanted.openmetrics else parse_text
        families = list(parse(self.text(wanted)))
        assert len({family.name for family in families}) == len(families)
        return [
            sample
            for family in families
            for sample in family.samples
            if sample.name != "target_info"
        ]

    def values(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """Return the values of *name* by labels, without those of the scope."""
        return {
            tuple(
                (key, value)
                for key, value in sorted(sample.labels.items())
                if not key.startswith("otel_scope_")
            ): sample.value
            for sample in self.samples()
            if sample.name == name
        }

    def ask(
        self, path: str = "/metrics", method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask the server."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page."""
    with Page() as opened:
        yield opened


@pytest.fixture
def exponential() -> Iterator[Page]:
    """A page whose histograms are exponential."""
    with Page(views=(EXPONENTIAL,)) as opened:
        yield opened


def test_each_kind_of_instrument_is_shown(page: Page) -> None:
    """Counters, sums that fall, gauges and histograms, each by its own rules."""
    meter = page.meter()
    meter.create_counter("orders.created", "{order}", "Orders.").add(2, {"kind": "new"})
    meter.create_up_down_counter("requests.active").add(3)
    meter.create_gauge("queue.length").set(4)
    meter.create_observable_counter("cpu.time", [lambda _: [Observation(1.5)]], "s")
    meter.create_histogram("wait", "s", explicit_bucket_boundaries_advisory=[1, 5]).record(3)
    assert page.text().splitlines() == [
        "# HELP target_info What is known of the process that serves this page.",
        "# TYPE target_info gauge",
        'target_info{service_name="shop"} 1.0',
        "# HELP orders_created_total Orders.",
        "# TYPE orders_created_total counter",
        'orders_created_total{kind="new",otel_scope_name="app"} 2.0',
        "# HELP requests_active ",
        "# TYPE requests_active gauge",
        'requests_active{otel_scope_name="app"} 3.0',
        "# HELP queue_length ",
        "# TYPE queue_length gauge",
        'queue_length{otel_scope_name="app"} 4.0',
        "# HELP wait_seconds ",
        "# TYPE wait_seconds histogram",
        'wait_seconds_bucket{le="1.0",otel_scope_name="app"} 0.0',
        'wait_seconds_bucket{le="5.0",otel_scope_name="app"} 1.0',
        'wait_seconds_bucket{le="+Inf",otel_scope_name="app"} 1.0',
        'wait_seconds_count{otel_scope_name="app"} 1.0',
        'wait_seconds_sum{otel_scope_name="app"} 3.0',
        "# HELP cpu_time_seconds_total ",
        "# TYPE cpu_time_seconds_total counter",
        'cpu_time_seconds_total{otel_scope_name="app"} 1.5',
    ]


def test_openmetrics_adds_units_and_when_a_series_began(page: Page) -> None:
    """And it ends with a line that says that nothing is missing."""
    started = time.time()
    page.meter().create_counter("cpu.time", "s").add(1)
    lines = page.text(OPEN).splitlines()
    assert "# TYPE cpu_time_seconds counter" in lines
    assert "# UNIT cpu_time_seconds seconds" in lines
    assert lines[-1] == "# EOF"
    (created,) = (line for line in lines if line.startswith("cpu_time_seconds_created"))
    assert abs(float(created.rsplit(" ", 1)[1]) - started) < 30


def test_one_name_in_two_scopes_keeps_values_apart(page: Page) -> None:
    """Upstream's reader puts the values of one under the labels of the other."""
    page.meter("fastapi", "1").create_counter("hits").add(
        1, {"http.route": "/a", "http.request.method": "GET"}
    )
    page.meter("flask", "2").create_counter("hits").add(2, {"error.type": "ValueError"})
    page.meter("flask", "3").create_counter("hits").add(4, {"error.type": "ValueError"})
    assert [(sample.labels, sample.value) for sample in page.samples()] == [
        (
            {
                "http_request_method": "GET",
                "http_route": "/a",
                "otel_scope_name": "fastapi",
                "otel_scope_version": "1",
            },
            1,
        ),
        ({"error_type": "ValueError", "otel_scope_name": "flask", "otel_scope_version": "2"}, 2),
        ({"error_type": "ValueError", "otel_scope_name": "flask", "otel_scope_version": "3"}, 4),
    ]


def test_series_that_nothing_tells_apart_are_one(page: Page) -> None:
    """Prometheus would refuse the second; sums are added, of gauges one counts."""
    meter = page.meter()
    for attributes in ({"a.b": "x"}, {"a_b": "x"}, {"a-b": "x", "none": ""}):
        meter.create_counter("count").add(1, attributes)
        meter.create_histogram("time").record(7, attributes)
        meter.create_gauge("level").set(5, attributes)
    assert page.values("count_total") == {(("a_b", "x"),): 3}
    assert page.values("time_count") == {(("a_b", "x"),): 3}
    assert page.values("time_sum") == {(("a_b", "x"),): 21}
    assert page.values("level") == {(("a_b", "x"),): 5}


@pytest.mark.parametrize("wanted", [TEXT, OPEN])
def test_a_name_of_another_kind_is_left_out_and_said_once(
    page: Page, wanted: Wanted, caplog: pytest.LogCaptureFixture
) -> None:
    """The first one stays; the others would make the whole page unreadable."""
    page.meter("one").create_counter("jobs").add(1)
    page.meter("two").create_up_down_counter("jobs.total").add(5)
    page.meter("three").create_histogram("jobs").record(1)
    page.meter("four").create_gauge("target.info").set(1)
    page.meter("five").create_histogram("wait", "s").record(1)
    page.meter("six").create_counter("wait.seconds.count", "1").add(1)
    page.meter("seven").create_gauge("wait.seconds.bucket", "1/s").set(1)
    with caplog.at_level(logging.WARNING, logger="otel_setup"):
        for _ in range(3):
            samples = page.samples(wanted)
    assert {sample.name for sample in samples if not sample.name.endswith("_created")} == {
        "jobs_total",
        "wait_seconds_bucket",
        "wait_seconds_count",
        "wait_seconds_sum",
        "wait_seconds_bucket_per_second",
    }
    assert [record.message for record in caplog.records] == [
        (
            "metric 'jobs.total' takes a name of the counter jobs, which is shown. It is not on "
            "the /metrics page. Give it another name or value."
        ),
        (
            "metric 'jobs' is a histogram of another scope's counter jobs. It is not on the "
            "/metrics page. Give it another name or value."
        ),
        (
            "metric 'target.info' takes a name of the info target, which is shown. It is not on "
            "the /metrics page. Give it another name or value."
        ),
        (
            "metric 'wait.seconds.count' takes a name of the histogram wait_seconds, which is "
            "shown. It is not on the /metrics page. Give it another name or value."
        ),
    ]


def test_a_value_that_is_no_total_is_left_out(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    """An observed counter may return anything; the other series of the page stay."""
    wrong = [Observation(-1, {"n": 1}), Observation(math.nan, {"n": 2}), Observation(5, {"n": 3})]
    page.meter().create_observable_counter("odd", [lambda _: wrong])
    assert page.values("odd_total") == {(("n", "3"),): 5}
    assert "metric 'odd' is a counter and has the value -1." in caplog.text


def test_one_metric_that_cannot_be_shown_does_not_cost_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is named once; all others are there."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("app").create_counter("good").add(1)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    metrics: Any = data.resource_metrics[0].scope_metrics[0].metrics
    metrics.insert(0, Odd("bad", "", "", None))  # type: ignore[arg-type]
    translator = Translator()
    for _ in range(2):
        families = translator.families(data, openmetrics=False)
        assert [family.name for family in families] == ["target", "good"]
    assert caplog.text.count("metric 'bad' cannot be shown (AttributeError: ") == 1


def test_odd_text_is_escaped(page: Page) -> None:
    """Labels and descriptions may have anything in them, even what is no UTF-8."""
    odd = 'q"b\\n\n\r\t\x00é\ud800 # {a="b"} 1'
    page.meter().create_counter("odd", "", odd).add(1, {"label": odd})
    for wanted in (TEXT, OPEN):
        sample = page.samples(wanted)[0]
        assert sample.labels["label"] == odd.replace("\ud800", "?")


def test_an_attribute_le_is_not_the_bound(page: Page) -> None:
    """A histogram has its own le."""
    page.meter().create_histogram("h").record(1, {"le": "mine"})
    page.meter().create_counter("c").add(1, {"le": "mine"})
    assert "mine" not in {sample.labels.get("le") for sample in page.samples()[:-1]}
    assert page.values("c_total") == {(("le", "mine"),): 1}


# --- exponential histograms ---


def test_an_exponential_histogram_has_explicit_buckets(exponential: Page) -> None:
    """With upstream's reader, one of them makes every scrape fail."""
    histogram = exponential.meter().create_histogram("wait", "s")
    for value in (0, 0.1, 0.2, 0.3, 10):
        histogram.record(value)
    buckets = {
        float(dict(labels)["le"]): count
        for labels, count in exponential.values("wait_seconds_bucket").items()
    }
    assert buckets[0] == 1
    assert buckets[0.125] == 2
    assert buckets[0.25] == 3
    assert buckets[8] == 4
    assert buckets[math.inf] == 5
    assert len(buckets) <= 20
    assert exponential.values("wait_seconds_count") == {(): 5}
    assert exponential.values("wait_seconds_sum") == {(): pytest.approx(10.6)}


def test_bounds_stay_while_values_spread(exponential: Page) -> None:
    """A new bound would be a new series, without the counts of the past."""
    histogram = exponential.meter().create_histogram("wait", "s")
    seen: set[float] = set()
    for value in (0.02, 0.021, 0.05, 0.5, 0.003, 40, 0.0004, 3000):
        histogram.record(value)
        bounds = {float(dict(labels)["le"]) for labels in exponential.values("wait_seconds_bucket")}
        assert seen <= bounds
        seen |= bounds
    assert len(seen) < MOST


@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=True), min_size=1, max_size=40))
def test_any_exponential_histogram_is_bounded_and_counts_right(values: list[float]) -> None:
    """Each bucket has as many values as are not above its bound; there are never many."""
    with Page(views=(BELOW_ZERO,)) as opened:
        counter = opened.meter().create_up_down_counter("any")
        for value in values:
            counter.add(value)
        buckets = [
            (float(sample.labels["le"]), sample.value)
            for sample in opened.samples()
            if sample.name == "any_bucket"
        ]
        opened.text(OPEN)
    assert len(buckets) <= MOST + 1
    for bound, count in buckets:
        # A value beside a bound may be rounded across it, and the smallest numbers are one.
        near = abs(bound) * 1e-9 + 1e-307
        assert count <= sum(value <= bound + near for value in values)
        assert count >= sum(value < bound - near for value in values)


# --- exemplars ---


def traced(page: Page, value: float) -> str:
    """Record *value* inside of a span, twice, and return its trace."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    with tracer.start_as_current_span("work") as span:
        meter = page.meter()
        meter.create_histogram("wait", "s", explicit_bucket_boundaries_advisory=[1, 5]).record(
            value
        )
        meter.create_counter("done").add(1)
    return f"{span.get_span_context().trace_id:032x}"


def exemplars(page: Page) -> dict[tuple[str, str | None], str]:
    """Return the traces that the page names, by sample and bound."""
    return {
        (sample.name, sample.labels.get("le")): sample.exemplar.labels["trace_id"]
        for sample in page.samples(OPEN)
        if sample.exemplar
    }


def test_exemplars_are_in_openmetrics_and_not_in_text(page: Page) -> None:
    """The bucket of the value and the counter name the trace, to every client that reads."""
    trace = traced(page, 3)
    assert " # {" not in page.text(TEXT)
    expected = {("wait_seconds_bucket", "5.0"): trace, ("done_total", None): trace}
    assert exemplars(page) == expected
    assert exemplars(page) == expected
    later = traced(page, 100)
    assert exemplars(page) == {
        **expected,
        ("wait_seconds_bucket", "+Inf"): later,
        ("done_total", None): later,
    }


def test_an_exponential_histogram_has_exemplars(exponential: Page) -> None:
    """They stand at the bucket that their value is in."""
    trace = traced(exponential, 3)
    assert exemplars(exponential) == {
        ("wait_seconds_bucket", "4.0"): trace,
        ("done_total", None): trace,
    }


def test_a_value_without_a_trace_is_no_exemplar(page: Page) -> None:
    """It would point nowhere."""
    page.meter().create_counter("done").add(1)
    assert exemplars(page) == {}


# --- anything at all ---

TEXTS = st.text(max_size=20)
VALUES = st.one_of(
    TEXTS, st.booleans(), st.integers(), st.floats(), st.lists(TEXTS, max_size=3).map(tuple)
)
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["counter", "updown", "gauge", "histogram", "signed"]),
        st.from_regex(r"\A[a-zA-Z][-_./a-zA-Z0-9]{0,12}\Z"),
        st.sampled_from(["", "1", "s", "By", "{x}", "By/s", "1/s", "a b", "%"]),
        st.sampled_from(["", "one", "two.x"]),
        st.dictionaries(TEXTS, VALUES, max_size=4),
        st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False)),
    ),
    max_size=12,
)


def fill(provider: MeterProvider, records: list[Any]) -> None:
    """Record what hypothesis chose; the SDK itself refuses some of it, with a warning."""
    for kind, name, unit, scope, attributes, value in records:
        meter = provider.get_meter(scope, "1" if scope else None)
        if kind == "counter":
            meter.create_counter(name, unit, name).add(abs(value), attributes)
        elif kind == "updown":
            meter.create_up_down_counter(name, unit).add(value, attributes)
        elif kind == "gauge":
            meter.create_gauge(name, unit).set(value, attributes)
        elif kind == "histogram":
            meter.create_histogram(name, unit).record(abs(value), attributes)
        else:
            meter.create_up_down_counter(f"signed{name}", unit).add(value, attributes)


@dataclass(frozen=True)
class Given:
    """What the writers of prometheus_client read."""

    families: list[Family]

    def collect(self) -> list[Family]:
        """Return the families."""
        return self.families


@settings(max_examples=150)
@given(RECORDS, st.booleans())
def test_any_page_can_be_read_and_is_what_prometheus_client_writes(
    records: list[Any], exponential: bool
) -> None:
    """Both parsers take it, and its bytes are those of the library's own slower writers."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(
        [reader], shutdown_on_exit=False, views=[EXPONENTIAL if exponential else SIGNED]
    )
    fill(provider, records)
    data = reader.get_metrics_data()
    provider.shutdown()
    translator = Translator()
    for wanted, theirs, parse in (
        (TEXT, exposition, parse_text),
        (OPEN, openmetrics, parse_openmetrics),
    ):
        families = translator.families(data or MetricsData([]), openmetrics=wanted.openmetrics)
        _, body = write(families, wanted)
        assert body == theirs.generate_latest(Given(families))
        read = [(s.name, s.labels, s.value) for f in parse(body.decode()) for s in f.samples]
        given = [(s.name, s.labels, float(s.value)) for f in families for s in f.samples]
        assert read == given or any(math.isnan(value) for _, _, value in given)


# --- names ---


@pytest.mark.parametrize(
    "metric",
    [
        metric
        for component in CATALOGUE.components
        for metric in component.metrics
        if "." in metric.name
    ],
    ids=lambda metric: metric.name,
)
def test_the_page_has_the_names_of_the_catalogue(metric: Metric) -> None:
    """Dashboards and alerts are made from these."""
    counter, gauge = isinstance(metric, Counter), isinstance(metric, Gauge)
    assert (
        metric_name(metric.name, metric.unit, counter=counter, gauge=gauge)
        == metric.prometheus_name
    )
    for attribute in metric.attributes:
        assert label_name(attribute) == prometheus_label(attribute)


# --- the server ---


def test_the_page_is_served_in_the_format_that_is_asked_for(page: Page) -> None:
    """Prometheus prefers OpenMetrics; a person with curl gets the older text."""
    page.meter().create_counter("done").add(1)
    preferred = (
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
        "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
    )
    opened = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    text = "text/plain; version=0.0.4; charset=utf-8"
    for accept, kind in (
        (preferred, opened),
        ("application/openmetrics-text", opened),
        ("application/openmetrics-text;version=abc", opened),
        ("text/plain, application/openmetrics-text;q=0.5", text),
        ("application/openmetrics-text;q=0", text),
        ("*/*", text),
        ("text/html,*/*;q=0.8", text),
        (";;,=;q=x,,", text),
        ("", text),
    ):
        answer, body = page.ask(Accept=accept)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
        assert b"done_total" in body
        assert body.endswith(b"# EOF\n") == (kind == opened)


def test_a_large_page_is_packed_for_who_can_unpack(page: Page) -> None:
    """Prometheus can; the bytes are the same."""
    for index in range(100):
        page.meter().create_counter("done").add(1, {"n": index})
    _, plain = page.ask()
    answer, packed = page.ask(**{"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) * 5 < len(plain)
    assert page.ask(**{"Accept-Encoding": "gzip;q=0, br"})[1] == plain


def test_head_has_the_headers_and_no_body(page: Page) -> None:
    """The length is that of a GET."""
    _, body = page.ask()
    answer, nothing = page.ask(method="HEAD")
    assert (answer.status, nothing) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics?name[]=x", 200),
        ("GET", "/", 200),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("HEAD", "/other", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
        ("BREW", "/metrics", 501),
    ],
)
def test_nothing_else_is_answered(page: Page, method: str, path: str, status: int) -> None:
    """And nothing says what runs behind it."""
    answer, _ = page.ask(path, method)
    assert answer.status == status
    assert "Python" not in str(answer.headers)


def served() -> int:
    """Return how many clients have a thread."""
    return sum("process_request" in each.name for each in threading.enumerate())


def test_silent_clients_do_not_keep_others_waiting(page: Page) -> None:
    """More of them than there are places: the one that is silent longest loses its place."""
    silent = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(2 * CONNECTIONS)]
    with contextlib.ExitStack() as ends:
        for each in silent:
            ends.callback(each.close)
        for each in silent[::2]:
            each.sendall(b"GET /metr")
        started = time.monotonic()
        assert page.ask()[0].status == 200
        assert time.monotonic() - started < 4
        # A thread whose client lost its place ends a moment later.
        deadline = time.monotonic() + 20
        while served() > CONNECTIONS + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert served() <= CONNECTIONS + 2


def test_a_client_that_reads_nothing_is_left_behind(page: Page) -> None:
    """The others are served meanwhile."""
    for index in range(2000):
        page.meter().create_counter("done").add(1, {"n": f"{index:0200}"})
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    lazy.connect(("127.0.0.1", page.port))
    lazy.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
    assert page.ask()[0].status == 200
    lazy.close()


def test_scrapes_at_the_same_time_all_see_everything(page: Page) -> None:
    """While the application goes on to count."""
    counter, done = page.meter().create_counter("done"), threading.Event()

    def work() -> None:
        index = 0
        while not done.is_set():
            index += 1
            counter.add(1, {"n": str(index % 50)})

    worker = threading.Thread(target=work)
    worker.start()
    found: list[float] = []

    def scrape() -> None:
        for _ in range(4):
            _, body = page.ask(Accept="application/openmetrics-text")
            samples = [s for f in parse_openmetrics(body.decode()) for s in f.samples]
            found.append(sum(s.value for s in samples if s.name == "done_total"))

    scrapers = [threading.Thread(target=scrape) for _ in range(6)]
    for each in scrapers:
        each.start()
    for each in scrapers:
        each.join(60)
    done.set()
    worker.join(10)
    assert len(found) == 24
    assert min(found) > 0


def test_a_callback_that_fails_costs_its_own_series_only(page: Page) -> None:
    """The SDK logs it; the page has the rest."""

    def fail(_options: CallbackOptions) -> list[Observation]:
        raise ValueError("no database")

    page.meter().create_observable_gauge("broken", [fail])
    page.meter().create_counter("done").add(1)
    answer, body = page.ask()
    assert answer.status == 200
    assert b"done_total" in body


def test_a_page_that_ended_frees_its_port(page: Page) -> None:
    """Another can start there at once, and ending twice does no harm."""
    page.provider.shutdown()
    with pytest.raises(ConnectionError):
        page.ask()
    second = PageReader("127.0.0.1", page.port)
    assert second.port == page.port
    second.shutdown()
    second.shutdown()
    assert second.port is None


def test_a_taken_port_is_an_error_at_the_start(page: Page) -> None:
    """Nobody waits for a page that never comes."""
    with pytest.raises(OSError, match="in use"):
        PageReader("127.0.0.1", page.port)


def test_flushing_leaves_exemplars_for_prometheus(page: Page) -> None:
    """A flush reads nothing: the page has no other end to send to."""
    trace = traced(page, 3)
    assert page.provider.force_flush()
    assert set(exemplars(page).values()) == {trace}


FORKS = """
import http.client, os, sys
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.export import Metric as Odd
from otel_setup._prometheus import PageReader
page = PageReader("127.0.0.1", 0)
provider = MeterProvider([page], shutdown_on_exit=False)
provider.get_meter("app").create_counter("done").add(1)
port = page.port
def scrape():
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    asked.request("GET", "/metrics")
    return "done_total" in asked.getresponse().read().decode()
print("parent", scrape(), flush=True)
open_before = {os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
               if os.path.exists(f"/proc/self/fd/{n}")}
child = os.fork()
if not child:
    sockets = [n for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")
               and os.readlink(f"/proc/self/fd/{n}").startswith("socket:")]
    print("child", page.port, len(sockets), flush=True)
    provider.shutdown()
    os._exit(0)
os.waitpid(child, 0)
print("parent", scrape(), flush=True)
provider.shutdown()
"""


def test_a_forked_child_lets_go_of_the_page() -> None:
    """It holds no socket and ends nothing of the parent, which goes on to serve."""
    ended = run(FORKS, launcher=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == ["parent True", "child None 0", "parent True"]
