# SPDX-License-Identifier: Apache-2.0
"""A file of OpenTelemetry's declarative configuration in place of variables."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from otel_setup import ConfigError, _file
from tests.otlp_sink import Sink
from tests.programs import free_port, run

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "otel-config.yaml"

WORK = """
from opentelemetry import metrics, trace
secret = {"url.full": "http://h/?token=hunter2"}
with trace.get_tracer("app").start_as_current_span("work", attributes=secret):
    metrics.get_meter("app").create_counter("done").add(1)
"""
FORK = """
import os
child = os.fork()
if child:
    os.waitpid(child, 0)
with trace.get_tracer("app").start_as_current_span("child" if not child else "parent"):
    pass
"""
#: What a mended file needs beside the part under test.
HEAD = 'file_format: "1.0"\npropagator: {composite: [{tracecontext: }]}\n'


def written(folder: Path, text: str, name: str = "otel.yaml") -> str:
    """Write *text* and return the path."""
    (folder / name).write_text(text)
    return str(folder / name)


def traces_to(url: str) -> str:
    """Return the part that sends each span to *url* at the end."""
    return (
        "tracer_provider:\n"
        f"  processors: [{{batch: {{exporter: {{otlp_http: {{endpoint: '{url}/v1/traces'}}}}}}}}]\n"
    )


def metrics_to(url: str, more: str = "") -> str:
    """Return the part that sends metrics to *url* at the end."""
    return (
        "meter_provider:\n  readers:\n    - periodic:\n"
        f"        exporter: {{otlp_http: {{endpoint: '{url}/v1/metrics'}}}}\n{more}"
    )


@pytest.mark.parametrize("launcher", [True, False])
def test_the_example_sends_traces_and_metrics(sink: Sink, launcher: bool) -> None:
    """Its defaults are the ones of the file, its addresses those of the variables it names."""
    ended = run(
        ("" if launcher else "import otel_setup.auto\n") + WORK,
        launcher=launcher,
        OTEL_CONFIG_FILE=str(EXAMPLE),
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    (span,) = sink.spans
    assert span.name == "work"
    assert span.resource["service.name"] == "shop"
    assert span.resource["deployment.environment.name"] == "development"
    assert [point.value for point in sink.metric("done")] == [1]
    assert span.resource == sink.metric("done")[0].resource


def test_a_default_of_ours_is_not_put_before_the_one_of_the_file(
    sink: Sink, tmp_path: Path
) -> None:
    """A file may say what counts where a variable is not set."""
    endpoint = "${OTEL_EXPORTER_OTLP_ENDPOINT:-" + sink.url + "}"
    path = written(tmp_path, HEAD + traces_to(endpoint))
    assert run(WORK, OTEL_CONFIG_FILE=path).stderr == ""
    assert [span.name for span in sink.spans] == ["work"]


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "resource: {attributes: [{name: service.instance.id, value: pod}]}\n",
        pytest.param(
            "resource: {attributes_list: 'service.instance.id=pod'}\n", marks=pytest.mark.stack
        ),
        pytest.param(
            "resource: {detection/development: {detectors: [{service: }]}}\n",
            marks=pytest.mark.stack,
        ),
    ],
)
def test_each_process_has_an_instance_id_of_its_own(
    sink: Sink, tmp_path: Path, resource: str
) -> None:
    """Two that read one file, and the children that they fork."""
    path = written(tmp_path, HEAD + resource + traces_to(sink.url) + metrics_to(sink.url))
    for _ in range(2):
        assert run(WORK + FORK, OTEL_CONFIG_FILE=path).stderr == ""
    by_process = {span.resource["service.instance.id"] for span in sink.spans}
    assert len(sink.spans) == 6
    assert len(by_process) == 4
    assert all(each.startswith("pod-") for each in by_process) == ("pod" in resource)
    children = {s.resource["service.instance.id"] for s in sink.spans if s.name == "child"}
    # What the parent counted before is not the child's.
    assert not children & {point.resource["service.instance.id"] for point in sink.metric("done")}


@pytest.mark.stack
def test_an_instance_id_of_a_variable_is_kept(sink: Sink, tmp_path: Path) -> None:
    """Who names the pod in it has made it one of each process."""
    resource = "resource: {attributes: [{name: service.instance.id, value: '${POD}'}]}\n"
    path = written(tmp_path, HEAD + resource + traces_to(sink.url))
    assert run(WORK, OTEL_CONFIG_FILE=path, POD="pod-7").stderr == ""
    assert [span.resource["service.instance.id"] for span in sink.spans] == ["pod-7"]


def test_what_all_our_exporters_have_is_there(sink: Sink, tmp_path: Path) -> None:
    """Secrets are taken out, and instruments are bounded as the file says."""
    limits = "        cardinality_limits: {default: 20, counter: 5}\n"
    path = written(tmp_path, HEAD + traces_to(sink.url) + metrics_to(sink.url, limits))
    many = 'for n in range(100): metrics.get_meter("app").create_counter("many").add(1, {"n": n})\n'
    ended = run(WORK + many, OTEL_CONFIG_FILE=path)
    assert (
        f"OTEL_CONFIG_FILE={path!r}: these have no effect in Python: "
        "meter_provider.readers[0].periodic.cardinality_limits.counter. Take them out."
    ) in ended.stderr.splitlines()
    assert "hunter2" not in str(sink.spans)
    points = sink.metric("many")
    assert len(points) <= 21
    assert sum(point.value for point in points) == 100
    assert any(point.attributes.get("otel.metric.overflow") for point in points)


@pytest.mark.stack
def test_the_end_is_bounded(tmp_path: Path) -> None:
    """A Collector that refuses does not keep the process."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    path = written(tmp_path, HEAD + traces_to(nowhere) + metrics_to(nowhere))
    timed = WORK + "import sys, time\nprint(f'{time.time():.3f}', flush=True)\nsys.exit(7)\n"
    ended = run(timed, OTEL_CONFIG_FILE=path, OTEL_SETUP_EXIT_TIMEOUT="1")
    assert ended.returncode == 7
    assert time.time() - float(ended.stdout) < 3


@pytest.mark.stack
def test_views_of_the_file_win_over_those_of_the_catalogue(sink: Sink, tmp_path: Path) -> None:
    """An instrument that both select is exported once, as the file says."""
    views = (
        "  views:\n"
        "    - selector: {instrument_name: http.server.request.body.size}\n"
        "      stream: {aggregation: {explicit_bucket_histogram: {boundaries: [1, 2]}}}\n"
    )
    path = written(tmp_path, HEAD + metrics_to(sink.url) + views)
    sizes = (
        'for name in ("request", "response"):\n'
        '    name = f"http.server.{name}.body.size"\n'
        '    metrics.get_meter("app").create_histogram(name, "By").record(5)\n'
    )
    assert run(WORK + sizes, OTEL_CONFIG_FILE=path).stderr == ""
    (mine,) = sink.metric("http.server.request.body.size")
    (ours,) = sink.metric("http.server.response.body.size")
    assert mine.bounds == (1, 2)
    assert ours.bounds[0] == 100


@pytest.mark.stack
def test_the_page_of_a_file_is_ours(tmp_path: Path) -> None:
    """Upstream's would have no scope that keeps values apart."""
    port = free_port()
    exporter = f"{{prometheus/development: {{port: {port}}}}}"
    page = f"meter_provider: {{readers: [{{pull: {{exporter: {exporter}}}}}]}}\n"
    path = written(tmp_path, HEAD + page)
    scrape = (
        "import urllib.request\n"
        f'print(urllib.request.urlopen("http://127.0.0.1:{port}/metrics").read().decode())\n'
    )
    ended = run(WORK + scrape, OTEL_CONFIG_FILE=path)
    assert ended.stderr == ""
    assert 'done_total{otel_scope_name="app"} 1.0' in ended.stdout.splitlines()


@pytest.mark.stack
def test_a_taken_port_names_the_file(sink: Sink, tmp_path: Path) -> None:
    """Nothing of the file stays behind: the variables count."""
    first = free_port()
    pages = "".join(
        f"    - pull: {{exporter: {{prometheus/development: {{port: {port}}}}}}}\n"
        for port in (first, sink.port)
    )
    path = written(tmp_path, HEAD + metrics_to("http://127.0.0.1:1", pages))
    free = f"import socket\nsocket.socket().bind(('127.0.0.1', {first}))\n"
    ended = run(WORK + free, OTEL_CONFIG_FILE=path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert ended.returncode == 0
    assert ended.stderr.splitlines() == [
        (
            f"OTEL_CONFIG_FILE={path!r}: cannot serve /metrics on 127.0.0.1:{sink.port} "
            "(Address already in use). Choose a free port. "
            "The variables and their defaults count instead."
        )
    ]
    assert [span.name for span in sink.spans] == ["work"]


@pytest.mark.stack
def test_a_file_that_is_disabled_leaves_nothing(sink: Sink, tmp_path: Path) -> None:
    """As OTEL_SDK_DISABLED does."""
    path = written(tmp_path, HEAD + "disabled: true\n" + traces_to(sink.url))
    kind = "print(type(trace.get_tracer_provider()).__name__)\n"
    ended = run(WORK + kind, OTEL_CONFIG_FILE=path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert (ended.stdout, ended.stderr) == ("ProxyTracerProvider\n", "")
    assert sink.paths == []


@pytest.mark.stack
def test_an_instrumentation_can_be_switched_off(sink: Sink, tmp_path: Path) -> None:
    """Options that ours do not have are named."""
    part = (
        "instrumentation/development:\n"
        "  python: {otel_setup_process: {enabled: false}, flask: {excluded_urls: x}}\n"
    )
    path = written(tmp_path, HEAD + part + metrics_to(sink.url))
    ended = run(WORK, OTEL_CONFIG_FILE=path)
    assert ended.stderr.splitlines() == [
        (
            f"OTEL_CONFIG_FILE={path!r}: these have no effect in Python: "
            "instrumentation/development.python.flask.excluded_urls. Take them out."
        )
    ]
    assert sink.metric("process.cpu.time") == []


def test_variables_that_are_not_read_are_named_in_one_line(sink: Sink, tmp_path: Path) -> None:
    """Those that the file refers to, that it leaves open, and ours are read."""
    text = HEAD + "resource: {attributes: [{name: service.name, value: '${OTEL_SERVICE_NAME}'}]}\n"
    path = written(tmp_path, text + traces_to(sink.url))
    ended = run(
        WORK,
        OTEL_CONFIG_FILE=path,
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_HEADERS="token=secret",
        OTEL_RESOURCE_ATTRIBUTES="a=b",
        OTEL_TRACES_SAMPLER="always_off",
        OTEL_SETUP_EXIT_TIMEOUT="2",
    )
    assert ended.stderr.splitlines() == [
        (
            f"OTEL_CONFIG_FILE={path!r}: with a file these variables are not read: "
            "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER. Say it "
            "in the file, as a value or as ${OTEL_EXPORTER_OTLP_ENDPOINT}."
        )
    ]
    assert [span.resource["service.name"] for span in sink.spans] == ["shop"]


@pytest.mark.stack
def test_a_file_without_a_propagator_is_told(sink: Sink, tmp_path: Path) -> None:
    """The specification leaves out what the file leaves out; nobody expects that here."""
    path = written(tmp_path, 'file_format: "1.0"\n' + traces_to(sink.url))
    ended = run(WORK, OTEL_CONFIG_FILE=path)
    assert ended.stderr.splitlines() == [
        (
            f"OTEL_CONFIG_FILE={path!r}: it names no propagator, so every trace ends at the "
            "border of this process. Add: propagator: {composite: [{tracecontext: }, {baggage: }]}"
        )
    ]


FAULTS: list[tuple[str, str]] = [
    ("a: [1\nb: 2\n", "line 2, column 2: expected ',' or ']', but got ':'"),
    ("", "Configuration file is empty"),
    ("- 1\n", "Configuration must be a mapping/object, got list"),
    ("tracer_provider: {processors: []}\n", "expected file_format in it"),
    ('file_format: "7.0"\n', "Unsupported file_format '7.0'"),
    (
        HEAD + "tracer_provider: {processors: [{batch: {exporter: {otlp_http: 5}}}]}\n",
        "tracer_provider.processors[0].batch.exporter.otlp_http: expected object or null",
    ),
    (
        HEAD + "tracer_provider: {processor: []}\n",
        "tracer_provider: does not know processor; expected ",
    ),
    (HEAD + "tracer_provider: {sampler: {}}\n", "tracer_provider: expected processors in it"),
    (HEAD + "log_level: loud\n", "log_level: expected one of "),
    (HEAD + "resource: {attributes: [{name: a}]}\n", "resource.attributes[0]: expected value"),
]


@pytest.mark.parametrize(("text", "rule"), FAULTS)
def test_a_faulty_file_is_told_with_its_path_and_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, rule: str
) -> None:
    """In one line; the loader's own lines with stack traces are kept away."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        _file.read(path)
    (line,) = raised.value.problems
    assert line.startswith(f"OTEL_CONFIG_FILE={path!r}: ")
    assert rule in line
    assert line.endswith(". Mend the file, or unset the variable.")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("- 1\n", "Configuration must be a mapping/object, got list"),
        (
            HEAD + "tracer_provider: {processors: [{batch: {exporter: {nowhere: {}}}}]}\n",
            "it cannot be carried out (ConfigurationError: Plugin 'nowhere' not found",
        ),
    ],
)
def test_without_a_right_file_the_variables_count(
    sink: Sink, tmp_path: Path, text: str, rule: str
) -> None:
    """One line and no stack trace; telemetry is there."""
    path = written(tmp_path, text)
    ended = run(WORK, OTEL_CONFIG_FILE=path, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"OTEL_CONFIG_FILE={path!r}: {rule}")
    assert line.endswith(
        ". Mend the file, or unset the variable. The variables and their defaults count instead."
    )
    assert [span.name for span in sink.spans] == ["work"]


def test_a_secret_of_a_variable_is_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library quotes the value that breaks a rule."""
    monkeypatch.setenv("TOKEN", "hunter2")
    part = "tracer_provider: {processors: [{batch: {exporter: {otlp_http: '${TOKEN}'}}}]}\n"
    with pytest.raises(ConfigError) as raised:
        _file.read(written(tmp_path, HEAD + part))
    assert "hunter2" not in str(raised.value)
    assert "expected object or null" in str(raised.value)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_missing_file_is_told(tmp_path: Path, name: str) -> None:
    """With what to do."""
    path = str(tmp_path / name)
    with pytest.raises(ConfigError) as raised:
        _file.read(path)
    assert raised.value.problems == [
        (
            f"OTEL_CONFIG_FILE={path!r}: there is no such file. Give the path of a file, or unset "
            "the variable."
        )
    ]


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    """The loader knows YAML and JSON by their endings."""
    with pytest.raises(ConfigError, match=re.escape("Use .yaml, .yml, or .json")):
        _file.read(written(tmp_path, "{}", "otel.toml"))
    with pytest.raises(ConfigError, match=re.escape("line 1, column 2: Expecting")):
        _file.read(written(tmp_path, "{", "otel.json"))


@pytest.mark.stack
def test_without_the_extra_the_fix_is_its_name(tmp_path: Path) -> None:
    """Few programs need it, so it is not installed with the others."""
    path = written(tmp_path, HEAD)
    missing = (
        "import sys\nsys.modules['opentelemetry.configuration'] = None\nimport otel_setup.auto\n"
    )
    ended = run(missing, launcher=False, OTEL_CONFIG_FILE=path)
    assert ended.stderr.splitlines()[-1].endswith(
        "Install what reads it with: pip install 'otel-setup[file]'"
    )


@pytest.mark.parametrize("launcher", [True, False])
def test_strict_and_called_programs_do_not_start(tmp_path: Path, launcher: bool) -> None:
    """A program that is strict, or that calls `setup`, has no telemetry that nobody chose."""
    path = written(tmp_path, "- 1\n")
    chosen: dict[str, Any] = {"OTEL_SETUP_STRICT": "true"} if launcher else {}
    code = ("" if launcher else "import otel_setup.auto\n") + "print('started')\n"
    ended = run(code, launcher=launcher, OTEL_CONFIG_FILE=path, **chosen)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert f"OTEL_CONFIG_FILE={path!r}: " in ended.stderr
