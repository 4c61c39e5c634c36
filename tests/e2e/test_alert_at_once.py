# SPDX-License-Identifier: Apache-2.0
"""One message that cannot be handled is one notification, within seconds and with its trace."""

from __future__ import annotations

import itertools
import math
import os
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import httpx
import pika
import pytest

from e2e.running import Stack, poll_until
from services_demo.bus.topology import BINDINGS
from services_demo.catalogue.bus import EVENTS, UNKNOWN
from services_demo.stack.layout import REPOSITORY
from tests.broker import Broker
from tests.programs import environment

FAILURES = int(os.environ.get("ALERT_AT_ONCE_FAILURES", "60"))

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300 + 2 * FAILURES)]

#: What a quiet machine keeps for 99 of 100; a busy one is given more.
_BOUND_SECONDS = 5.0

#: Each worker has a service name, and fails in so many ways that are told apart.
_WORKERS = 3 if FAILURES <= 60 else 12
_WAYS = [(queue, event) for queue in sorted(BINDINGS) for event in (*EVENTS, UNKNOWN)]

#: A way that failed is quiet for so long before it fails again. Its alert is over after a minute;
#: if Prometheus was away then, Alertmanager believes in it for another one.
_QUIET_SECONDS = 130.0
_PACE_SECONDS = 0.4

#: A failure that nobody was told of within so many seconds was missed.
_MISSED_SECONDS = 40.0

Way = tuple[str, str, str]


@dataclass
class Failure:
    """One message that is refused; ``group`` says after what, or during what."""

    way: Way
    group: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Refusal:
    """When a worker refused a message, and in which trace."""

    at: float
    trace: str


class Worker:
    """A worker with a virtual host of its own, which can be ended and started again."""

    def __init__(self, name: str, broker: Broker, stack: Stack, folder: Path) -> None:
        self.name = name
        host = f"at-once-{uuid.uuid4().hex[:8]}"
        broker.api(f"vhosts/{host}", {}, "PUT")
        path = f"permissions/{host}/{broker.user}"
        broker.api(path, {"configure": ".*", "write": ".*", "read": ".*"}, "PUT")
        self._url = broker.url.removesuffix("%2F") + host
        self._out = folder / f"{name}.out"
        self._log = folder / f"{name}.log"
        self._variables = {
            "AMQP_URL": self._url,
            "OTEL_SERVICE_NAME": name,
            "OTEL_EXPORTER_OTLP_ENDPOINT": stack.url("otlp_http"),
            # As long as by default: what is told at once does not wait for it.
            "OTEL_METRIC_EXPORT_INTERVAL": "15000",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        connection = pika.BlockingConnection(pika.URLParameters(f"{self._url}?heartbeat=0"))
        self._connection, self._channel = connection, connection.channel()
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()
        self.end()

    def start(self) -> None:
        """Start it; what waits for it is refused as soon as it is there."""
        launcher = Path(sys.executable).with_name("opentelemetry-instrument")
        with self._out.open("ab") as out, self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [launcher, sys.executable, "-m", "tests.e2e.refusing_worker"],
                env=environment(**self._variables),
                cwd=REPOSITORY,
                stdout=out,
                stderr=log,
            )

    def end(self) -> None:
        """End it as a deploy does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(15) in {0, -signal.SIGTERM}, self._log.read_text()

    def declared(self) -> bool:
        """Tell whether its queues are there, and consumed."""
        try:
            found = [self._channel.queue_declare(queue, passive=True) for queue in BINDINGS]
        except pika.exceptions.ChannelClosedByBroker:
            self._channel = self._connection.channel()
            return False
        return all(each.method.consumer_count for each in found)

    def send(self, failure: Failure) -> None:
        """Give it a message that it has to refuse."""
        _job, queue, event = failure.way
        kind = "nonsense" if event == UNKNOWN else event
        properties = pika.BasicProperties(type=kind, message_id=failure.id)
        self._channel.basic_publish("", queue, b"poison", properties)

    def refused(self) -> dict[str, Refusal]:
        """Return what it refused so far, by the message's id."""
        lines = [line.split() for line in self._out.read_text().splitlines()]
        return {each: Refusal(float(at), trace) for each, at, trace in lines}


class Listener:
    """Asks the pager again and again, which keeps only the last of what it was told."""

    def __init__(self, stack: Stack, jobs: set[str]) -> None:
        self._url = f"{stack.url('pager')}/api/notifications"
        self._jobs = jobs
        self._stop = Event()
        self._thread = Thread(target=self._listen)
        #: What was told first of each, with the traces that came after it.
        self.told: dict[tuple[str, float], dict[str, Any]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._stop.wait(0.5):
            for each in httpx.get(self._url, timeout=10).json()["notifications"]:
                if each["labels"].get("job") in self._jobs:
                    key = (each["fingerprint"], each["starts_at"])
                    known = self.told.setdefault(key, each)
                    known["links"] = each["links"]

    def of(self, way: Way) -> list[dict[str, Any]]:
        """Return what was told of *way*, in its order."""
        found = [
            each
            for each in list(self.told.values())
            if each["labels"]["alertname"] == "EventHandlingFails" and _way(each["labels"]) == way
        ]
        return sorted(found, key=lambda each: float(each["received_at"]))


def _way(labels: dict[str, str]) -> Way:
    return labels["job"], labels["messaging_destination_name"], labels["event"]


class Scene:
    """The workers, what they were given, and the parts that are restarted meanwhile."""

    def __init__(self, stack: Stack, workers: dict[str, Worker]) -> None:
        self._stack = stack
        self._workers = workers
        self.failures: list[Failure] = []
        self._ways = {job: itertools.cycle(_WAYS) for job in workers}
        self._turns = itertools.cycle(workers)
        per_round = len(_WAYS) * len(workers)
        self._pace = max(_PACE_SECONDS, _QUIET_SECONDS / per_round if per_round < FAILURES else 0)

    def fail(self, group: str, job: str = "") -> None:
        """Have *job*, or whose turn it is, fail in its next way."""
        job = job or next(self._turns)
        failure = Failure((job, *next(self._ways[job])), group)
        self.failures.append(failure)
        self._workers[job].send(failure)
        time.sleep(self._pace)

    def restart_worker(self) -> None:
        """End the next worker and start it again, with a message that waits for it."""
        worker = self._workers[next(self._turns)]
        worker.end()
        self.fail("first after the service's start", worker.name)
        worker.start()
        poll_until(worker.declared, bool, f"{worker.name} to consume again", 30)

    def restart(self, part: str) -> None:
        """Restart *part*, with a failure while it is away, and one of the same worker after."""
        job = next(self._turns)
        with self._stack.without(part):
            self.fail(f"while {part} is away", job)
        if part == "prometheus":
            self._stack.await_prometheus()
        else:
            url = self._stack.url("otelcol_health")
            poll_until(lambda: _answers(url), bool, "the Collector", 30)
        self.fail(f"first after {part}'s start", job)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(name="workers")
def _workers(stack: Stack, broker: Broker, tmp_path: Path) -> Iterator[dict[str, Worker]]:
    with ExitStack() as entered:
        names = [f"refusing-{number}" for number in range(_WORKERS)]
        started = [entered.enter_context(Worker(name, broker, stack, tmp_path)) for name in names]
        for each in started:
            poll_until(each.declared, bool, f"{each.name} to consume", 40)
        yield {each.name: each for each in started}


# Messages of services that the company does not have would be news to the other tests.
@pytest.mark.kills
def test_each_failure_is_told_at_once_and_nothing_else(
    stack: Stack, workers: dict[str, Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    """First ones of their kind and later ones, also right after restarts: once, with its trace."""
    scene = Scene(stack, workers)
    restarts: Iterator[Callable[[], None]] = itertools.cycle(
        [
            scene.restart_worker,
            lambda: scene.restart("otelcol"),
            lambda: scene.restart("prometheus"),
        ]
    )
    every = max(15, FAILURES // 16)
    with Listener(stack, set(workers)) as listener:
        while len(scene.failures) < FAILURES:
            scene.fail("at work")
            if len(scene.failures) % every == every - 1:
                next(restarts)()
        _await_all(listener, scene.failures)
        # What is told late or twice would come now.
        time.sleep(5)
    refused = {key: each for worker in workers.values() for key, each in worker.refused().items()}
    delays, problems = _compared(scene.failures, refused, listener)
    with capsys.disabled():
        _print(delays, problems)

    assert problems == []
    usual = sorted(
        delay for group, found in delays.items() if "while" not in group for delay in found
    )
    assert _p99(usual) <= _BOUND_SECONDS
    _assert_in_zipkin(stack, listener)


def _await_all(listener: Listener, failures: list[Failure]) -> None:
    ways = Counter(failure.way for failure in failures)
    deadline = time.monotonic() + _MISSED_SECONDS
    while time.monotonic() < deadline:
        told = {way: listener.of(way) for way in ways}
        if all(
            len(told[way]) >= count and all(each["links"]["traces"] for each in told[way])
            for way, count in ways.items()
        ):
            return
        time.sleep(0.5)


def _compared(
    failures: list[Failure], refused: dict[str, Refusal], listener: Listener
) -> tuple[dict[str, list[float]], list[str]]:
    """Return the delays by group, and what was missed, false, miscounted or without its trace."""
    delays: dict[str, list[float]] = defaultdict(list)
    problems: list[str] = []
    by_way: dict[Way, list[Failure]] = defaultdict(list)
    for failure in failures:
        by_way[failure.way].append(failure)
    for way, found in by_way.items():
        told = listener.of(way)
        if len(told) != len(found):
            groups = ", ".join(failure.group for failure in found)
            at = [refused[each.id].at for each in found if each.id in refused]
            seen = [float(each["received_at"]) for each in told]
            problems.append(f"{way}: failed at {at} ({groups}), told at {seen}")
            continue
        for failure, each in zip(found, told, strict=True):
            refusal = refused[failure.id]
            delays[failure.group].append(each["received_at"] - refusal.at)
            description = each["annotations"]["description"]
            if description != "Failed attempts: 1 (Refuse, refused).":
                problems.append(f"{way} ({failure.group}): {description}")
            traces = [trace for trace, _page in each["links"]["traces"]]
            if traces[:1] != [refusal.trace]:
                problems.append(f"{way} ({failure.group}): not {refusal.trace} but {traces}")
    problems += [
        f"told, and never happened: {each['labels']}"
        for each in listener.told.values()
        if each["labels"]["alertname"] == "EventHandlingFails"
        and _way(each["labels"]) not in by_way
    ]
    return delays, problems


def _p99(ordered: list[float]) -> float:
    return ordered[math.ceil(len(ordered) * 0.99) - 1]


def _print(delays: dict[str, list[float]], problems: list[str]) -> None:
    whole = [delay for group, found in delays.items() if "while" not in group for delay in found]
    for group, found in [("all but outages", whole), *sorted(delays.items())]:
        if found:
            ordered = sorted(found)
            sys.stdout.write(
                f"\n{group}: {len(ordered)} failures, p50 {statistics.median(ordered):.2f} s, "
                f"p99 {_p99(ordered):.2f} s, max {ordered[-1]:.2f} s"
            )
    sys.stdout.write("\n" + "".join(f"{each}\n" for each in problems))


def _assert_in_zipkin(stack: Stack, listener: Listener) -> None:
    """The traces that notifications lead to are there, as long as Zipkin keeps them."""
    newest = sorted(listener.told.values(), key=lambda each: float(each["received_at"]))[-5:]
    for each in newest:
        trace_id, _page = each["links"]["traces"][0]
        url = f"{stack.url('zipkin')}/api/v2/trace/{trace_id}"
        spans = poll_until(
            lambda url=url: httpx.get(url, timeout=10),  # type: ignore[misc]
            lambda answer: answer.status_code == httpx.codes.OK,
            "the trace in Zipkin",
            30,
        ).json()
        services = {span["localEndpoint"]["serviceName"] for span in spans}
        assert services == {each["labels"]["job"]}
