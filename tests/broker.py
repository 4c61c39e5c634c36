# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ node of the tests alone, which they may stop, kill, starve and count on."""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services_demo.stack import infrastructure, layout, prepare
from services_demo.stack.errors import NotReady
from services_demo.stack.program import Program

#: Seconds between two looks of the broker at its own counters per queue.
STATISTICS_SECONDS = 0.5

_LETTERS = str.maketrans("0123456789", "ghijklmnop")
_PROGRAMS = "/usr/lib/rabbitmq/bin"
_MEMORY = "512MiB"
#: What the pages show per queue; each is asked for by name.
_FAMILIES = ("queue_coarse_metrics", "queue_consumer_count", "queue_metrics")


class Broker:
    """
    A broker with the settings of the native stack, on free ports and in *folder*.

    Its programs end with the process that started them, however that ends. A context manager.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = layout.new({"STACK_DIR": str(folder), "STACK_PORTS": "free"})
        prepare._rabbitmq(self._layout)
        settings = folder / "rabbitmq" / "rabbitmq.conf"
        lines = [line for line in settings.read_text().splitlines() if "_interval" not in line]
        milliseconds = int(STATISTICS_SECONDS * 1000)
        lines.append(f"collect_statistics_interval = {milliseconds}\n")
        settings.write_text("\n".join(lines))
        self._programs = {each.name: each for each in infrastructure.programs(self._layout)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._log = folder / "rabbitmq" / "console"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._end_all()

    @property
    def port(self) -> int:
        """The port of AMQP."""
        return self._layout.port("amqp")

    @property
    def url(self) -> str:
        """The address of AMQP with user and password."""
        return self.url_at(self.port)

    @property
    def management(self) -> str:
        """The address of the management API, without user and password."""
        return self._layout.url("rabbitmq_page")

    @property
    def prometheus(self) -> str:
        """The address of the Prometheus plugin."""
        return self._layout.url("rabbitmq_metrics")

    @property
    def user(self) -> str:
        """The user of both; its password is `password`."""
        return infrastructure.RABBITMQ_USER

    @property
    def password(self) -> str:
        """The password of `user`."""
        return self._layout.secret

    def url_at(self, port: int, **options: object) -> str:
        """Return the address of AMQP behind another *port*, with *options* of pika's URLs."""
        query = urllib.parse.urlencode(options)
        return f"amqp://{self.user}:{self.password}@127.0.0.1:{port}/%2F" + (query and f"?{query}")

    # Its life.

    def start(self) -> None:
        """Start it, with all that was durable before."""
        for name in ("epmd", "rabbitmq"):
            if name not in self._running:
                self._running[name] = self._launch(self._programs[name])
                self._wait_ready(self._programs[name])
        until(lambda: bool(self.page("/metrics")), "the Prometheus plugin answers", 60)

    def stop(self) -> None:
        """End it as an operator does."""
        self._end("rabbitmq", signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does: nothing is said to anybody."""
        # It writes down new queues a little late, and a test's are new.
        self.control("eval", "mnesia:sync_log().")
        self._end("rabbitmq", signal.SIGKILL)

    def alarm(self, on: bool) -> None:
        """Raise its memory alarm, or have its usual limit again; under it publishers wait."""
        limit = ("0",) if on else ("absolute", _MEMORY)
        self.control("set_vm_memory_high_watermark", *limit)

    def limit_memory(self, more: int) -> None:
        """Let it use so many bytes *more* than now before it raises the memory alarm."""
        used = int(self.control("eval", "vm_memory_monitor:get_process_memory()."))
        self.control("set_vm_memory_high_watermark", "absolute", str(used + more))

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl`` with *arguments*; return what it printed. It takes 2 s."""
        done = subprocess.run(
            [f"{_PROGRAMS}/rabbitmqctl", "--quiet", *arguments],
            env={**os.environ, **self._programs["rabbitmq"].environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"rabbitmqctl {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def set(self, name: str, value: int) -> None:
        """Set the variable *name* of the running node, such as consumer_timeout."""
        self.control("eval", f"application:set_env(rabbit, {name}, {value}).")

    # What it says.

    def page(self, path: str) -> str:
        """Return a page of the Prometheus plugin; empty while there is none."""
        try:
            with urllib.request.urlopen(self.prometheus + path, timeout=10) as answer:  # noqa: S310 - our own
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            return ""

    def api(self, path: str, body: object = None, method: str = "") -> Any:
        """Ask the management API; return its answer as values."""
        request = urllib.request.Request(  # noqa: S310 - our own
            f"{self.management}/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method or ("GET" if body is None else "POST"),
        )
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {login}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own
            text = answer.read()
        return json.loads(text) if text else None

    def counts(self) -> dict[str, float]:
        """
        Return the node's own counters by name, those of its pages without labels.

        Series that differ in labels are added up, such as one per type of queue. They are as
        fresh as the question.
        """
        found: dict[str, float] = {}
        for name, _labels, value in samples(self.page("/metrics")):
            found[name] = found.get(name, 0) + value
        return found

    def queue_counts(self, queue: str) -> dict[str, float]:
        """Return what the pages show of *queue* by name, at most `STATISTICS_SECONDS` old."""
        asked = "&".join(f"family={family}" for family in _FAMILIES)
        return {
            name: value
            for name, labels, value in samples(self.page(f"/metrics/detailed?{asked}"))
            if labels.get("queue") == queue
        }

    def messages(self, queue: str) -> dict[str, int]:
        """
        Return what happened to the messages of *queue* since it was declared.

        The words are those of the management API: publish, deliver, get, ack, redeliver …
        """
        answer = self.api(f"queues/%2F/{queue}")
        counted = answer.get("message_stats", {})
        return {name: value for name, value in counted.items() if isinstance(value, int)}

    # Whom it serves.

    def queue(self, arguments: Mapping[str, object] | None = None, *, durable: bool = True) -> str:
        """Declare a queue that no other test has, and return its name."""
        # Digits alone would be taken for an id, which labels leave out.
        name = "test." + uuid.uuid4().hex[:12].translate(_LETTERS)
        with self.channel() as channel:
            channel.queue_declare(name, durable=durable, arguments=dict(arguments or {}))
        return name

    def delete(self, *queues: str) -> None:
        """Delete *queues* with all that is in them."""
        with self.channel() as channel:
            for queue in queues:
                channel.queue_delete(queue)

    def purge(self, queue: str) -> None:
        """Take all that is ready out of *queue*."""
        with self.channel() as channel:
            channel.queue_purge(queue)

    @contextlib.contextmanager
    def channel(self, *, confirm: bool = True) -> Iterator[Any]:
        """Yield a BlockingChannel of `plain_pika`, in confirm mode by default."""
        pika = plain_pika()
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            channel = connection.channel()
            if confirm:
                channel.confirm_delivery()
            yield channel
        finally:
            if connection.is_open:
                connection.close()

    def publish(self, queue: str, body: bytes = b"", **properties: Any) -> None:
        """Publish to *queue* as a program does that has no telemetry."""
        with self.channel() as channel:
            made = plain_pika().BasicProperties(**properties)
            channel.basic_publish("", queue, body, made, mandatory=True)

    def take(self, queue: str, seconds: float = 5.0) -> Any:
        """Take a message from *queue* without telemetry; return its properties."""
        with self.channel() as channel:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                method, properties, _body = channel.basic_get(queue, auto_ack=True)
                if method is not None:
                    return properties
                time.sleep(0.02)
        raise AssertionError(f"no message came to {queue} within {seconds} s")

    # Its processes.

    def _launch(self, program: Program) -> subprocess.Popen[bytes]:
        # The kernel ends it when this process is gone, also when that was killed.
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *program.command],
                env={**os.environ, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_ready(self, program: Program) -> None:
        process = self._running[program.name]
        deadline = time.monotonic() + program.ready_within
        while True:
            try:
                program.ready()
            except NotReady as reason:
                if process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                last = self._log.read_text(errors="replace")[-2000:]
                raise AssertionError(f"{program.name} does not serve: {reason}\n{last}") from None
            return

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number == signal.SIGKILL:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _end_all(self) -> None:
        for name in ("rabbitmq", "epmd"):
            self._end(name, signal.SIGKILL)


def until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """
    Wait until *holds* is true.

    Raises:
        AssertionError: it was not within *seconds*; the message says *what* was waited for.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.05)


def samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of every sample of a page of the Prometheus plugin."""
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


@functools.cache
def plain_pika() -> Any:
    """
    Return a copy of pika that no instrumentation touches.

    In a test that instruments pika it is the other side: a program without telemetry.
    """
    own = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "pika"}
    for name in own:
        del sys.modules[name]
    try:
        copy = importlib.import_module("pika")
        importlib.import_module("pika.adapters.blocking_connection")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "pika"]:
            del sys.modules[name]
        sys.modules.update(own)
    return copy
