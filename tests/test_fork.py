# SPDX-License-Identifier: Apache-2.0
"""A forked child has telemetry of its own: id, counts, queues and connections."""

from __future__ import annotations

import contextlib
import importlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.otlp_sink import Sink
from tests.programs import command, environment, run

STARTED = """
import gc, os, sys, time
import otel_setup.auto
from otel_setup.auto import handle
from opentelemetry import metrics, trace
from opentelemetry._logs import LogRecord, get_logger
done = metrics.get_meter("app").create_counter("done")
tracer = trace.get_tracer("app")
def work(name, times=1):
    for _ in range(times):
        done.add(1)
    with tracer.start_as_current_span(name):
        get_logger("app").emit(LogRecord(body=name))
"""

#: Two children count one each; the third is idle.
FAMILY = """
def pid(_options):
    return [metrics.Observation(os.getpid())]
metrics.get_meter("app").create_observable_gauge("pid", [pid])
for _ in range(100):
    gc.collect()
work("parent", 100)
for name in ("child", "child", None):
    if os.fork() == 0:
        if name:
            work(name)
        sys.exit(0)
for _ in range(3):
    os.wait()
"""


def totals(sink: Sink, name: str) -> dict[str, float]:
    """Return the last value of the metric *name*, by instance."""
    return {
        point.resource["service.instance.id"]: point.value
        for point in sink.metric(name)
        if point.scope == "app"
    }


def test_no_count_is_inherited_and_what_is_observed_carries_over(sink: Sink) -> None:
    """100 before the fork and one in each of two children are 102, in three instances of four."""
    ended = run(
        STARTED + FAMILY,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_LOGS_EXPORTER="otlp",
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(totals(sink, "done").values()) == [1, 1, 100]
    pids = totals(sink, "pid")
    assert len(set(pids)) == len(set(pids.values())) == 4
    collections = {
        point.resource["service.instance.id"]: point.value
        for point in sink.metric("cpython.gc.collections")
        if point.attributes["cpython.gc.generation"] == "2"
    }
    assert [count >= 100 for count in sorted(collections.values())] == [False] * 3 + [True]
    assert sorted(span.name for span in sink.spans) == ["child", "child", "parent"]
    assert sorted(sink.logs) == ["child", "child", "parent"]


@pytest.mark.parametrize("given", ["", "pod-7"])
def test_all_signals_of_a_process_carry_its_id(sink: Sink, given: str) -> None:
    """An id that the user gave is kept; children, and theirs, add their number."""
    grandchild = """
work("a")
if os.fork() == 0:
    work("b")
    if os.fork() == 0:
        work("c")
    else:
        os.wait()
else:
    os.wait()
print(os.getpid(), flush=True)
"""
    ended = run(
        STARTED + grandchild,
        launcher=False,
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_LOGS_EXPORTER="otlp",
        **({"OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={given}"} if given else {}),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    ids = {span.name: span.resource["service.instance.id"] for span in sink.spans}
    assert len(set(ids.values())) == 3
    assert set(totals(sink, "done")) == set(ids.values())
    assert set(sink.log_instances) == set(ids.values())
    c, b, _a = ended.stdout.split()
    if given:
        assert ids == {"a": given, "b": f"{given}-{b}", "c": f"{given}-{c}"}


#: Forks while threads record, export and flush as fast as they can.
BUSY = """
import threading
stop = threading.Event()
def keep(step):
    def loop():
        while not stop.is_set():
            step()
    threading.Thread(target=loop, daemon=True).start()
def observed(_options):
    time.sleep(0.002)
    return [metrics.Observation(1)]
metrics.get_meter("app").create_observable_gauge("slow", [observed])
keep(lambda: work("parent"))
keep(lambda: handle.flush(1))
keep(lambda: metrics.get_meter("app").create_histogram("same").record(1))
children = []
for _ in range(int(sys.argv[1])):
    child = os.fork()
    if child == 0:
        stop.set()
        work("child")
        sys.exit(0 if handle.flush(20) else 4)
    children.append(child)
    time.sleep(0.01)
    if len(children) == 4:
        os.waitpid(children.pop(0), 0)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
stop.set()
print(codes)
"""


@contextlib.contextmanager
def collector(protocol: str) -> Iterator[tuple[Sink, dict[str, str]]]:
    """Yield a Collector that speaks *protocol*, and the variables that lead to it."""
    with contextlib.ExitStack() as stack:
        if protocol == "grpc":
            pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc", reason="extra grpc")
            sink, url = stack.enter_context(importlib.import_module("tests.grpc_sink").grpc_sink())
        else:
            sink = stack.enter_context(Sink())
            url = sink.url
        yield (
            sink,
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": url,
                "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                "OTEL_LOGS_EXPORTER": "otlp",
            },
        )


#: The connection is in use, and something waits, when the child is born.
CONNECTED = """
work("sent")
handle.flush()
work("waiting")
child = os.fork()
if child:
    os.waitpid(child, 0)
work("parent" if child else "child")
"""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_parent_and_child_send_their_own_over_connections_of_their_own(protocol: str) -> None:
    """What waits in the parent is not sent twice."""
    with collector(protocol) as (sink, variables):
        ended = run(STARTED + CONNECTED, launcher=False, **variables)
    assert (ended.returncode, ended.stderr) == (0, "")
    expected = ["child", "parent", "sent", "waiting"]
    assert sorted(span.name for span in sink.spans) == sorted(sink.logs) == expected
    assert sorted(totals(sink, "done").values()) == [1, 3]
    if protocol == "http/protobuf":
        by_name = {span.name: span.connection for span in sink.spans}
        assert by_name["child"] not in {by_name["sent"], by_name["parent"]}


@pytest.mark.parametrize(
    ("protocol", "births", "mute"),
    [
        ("http/protobuf", 20, 0),
        pytest.param("http/protobuf", 300, 0, marks=pytest.mark.stack),
        # gRPC does not survive a fork while a thread of it is at work, and says so: the child
        # complains that it cannot export.
        pytest.param("grpc", 50, 5, marks=pytest.mark.stack),
    ],
)
def test_a_child_that_is_born_during_an_export_does_not_hang(
    protocol: str, births: int, mute: int
) -> None:
    """It may inherit any lock of the SDK, held by a thread that it does not have."""
    with collector(protocol) as (sink, variables):
        ended = run(
            f"import sys\nsys.argv[1:] = ['{births}']\n{STARTED}{BUSY}",
            launcher=False,
            OTEL_METRIC_EXPORT_INTERVAL="100",
            OTEL_BSP_SCHEDULE_DELAY="100",
            **variables,
        )
    assert ended.returncode == 0
    assert [span.name for span in sink.spans].count("child") >= births - mute
    assert mute or not ended.stderr


#: The children of multiprocessing leave Python through os._exit.
CHILDREN_OF_MULTIPROCESSING = """
import multiprocessing, sys
def child(name):
    from opentelemetry import metrics, trace
    metrics.get_meter("app").create_counter("done").add(1)
    with trace.get_tracer("app").start_as_current_span(name):
        pass
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    processes = [context.Process(target=child, args=(name,)) for name in ("a", "b")]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with context.Pool(1) as pool:
        pool.map(child, ["c"])
        pool.close()
        pool.join()
    print([process.exitcode for process in processes])
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_send_what_they_have(
    sink: Sink, tmp_path: Path, way: str
) -> None:
    """Each has an id of its own, also where the user gave one to the program."""
    program = tmp_path / "program.py"
    program.write_text(CHILDREN_OF_MULTIPROCESSING)
    ended = subprocess.run(
        [*command("")[:-2], str(program), way],
        env=environment(
            OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
            OTEL_RESOURCE_ATTRIBUTES="service.instance.id=pod-7",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("[0, 0]\n", "")
    assert sorted(span.name for span in sink.spans) == ["a", "b", "c"]
    ids = {span.resource["service.instance.id"] for span in sink.spans}
    assert len(ids) == 3
    assert all(each.startswith("pod-7-") and each[6:].isdecimal() for each in ids)
    assert totals(sink, "done") == dict.fromkeys(ids, 1)
