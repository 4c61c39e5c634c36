# SPDX-License-Identifier: Apache-2.0
"""The doctor names what is broken and the fix; each broken hop is a real server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import pytest

from otel_setup import Settings, cli
from otel_setup.doctor import connection, counters, hop
from otel_setup.doctor.findings import Level
from otel_setup.doctor.target import targets
from tests.broken_collectors import (
    Reply,
    black_hole,
    certificate,
    package,
    says,
    server,
    silent,
)
from tests.otlp_sink import Sink
from tests.programs import environment, free_port, run

_TOKEN = "s3cret-t0ken"  # noqa: S105 - made up


def found(url: str, signal: str = "traces", **variables: str) -> tuple[str, str, str]:
    """Return kind, observation and fix of what the way to *url* shows."""
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.4",
        "OTEL_LOGS_EXPORTER": "otlp",
        **variables,
    }
    settings = Settings.from_env(given)
    (target,) = [each for each in targets(settings, given) if each.signal == signal]
    finding = connection.check(target)
    assert (finding.level is Level.OK) == (finding.check == "connection")
    return finding.check, finding.seen, finding.fix


def always(reply: Reply) -> Callable[..., Reply]:
    """Return what a server answers that always says the same."""
    return lambda *_request: reply


# --- the way to the Collector ---------------------------------------------------------------


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_a_collector_that_takes_an_empty_export_is_well(sink: Sink, signal: str) -> None:
    """Nothing is left behind at the Collector."""
    assert found(sink.url, signal)[0] == "connection"
    assert (sink.spans, sink.points, sink.logs) == ([], [], [])
    assert sink.paths == [f"/v1/{signal}"]


def test_a_collector_that_is_down() -> None:
    """The connection is refused."""
    port = free_port()
    assert found(f"http://127.0.0.1:{port}") == (
        "connection.refused",
        f"nothing listens on 127.0.0.1:{port} (connection refused)",
        "Start the Collector, or correct host and port in OTEL_EXPORTER_OTLP_ENDPOINT.",
    )


def test_a_name_that_does_not_exist() -> None:
    """The host is named, not the error of a library."""
    check, seen, fix = found("http://collector.invalid:4318")
    assert (check, "'collector.invalid' cannot be resolved" in seen) == ("connection.dns", True)
    assert fix.startswith("Correct the host in OTEL_EXPORTER_OTLP_ENDPOINT")


def test_a_firewall_that_drops() -> None:
    """It is told apart from a Collector that hangs."""
    with black_hole() as url:
        check, seen, _fix = found(url)
    assert (check, "a firewall drops the packets" in seen) == ("connection.timeout", True)


def test_a_collector_that_hangs() -> None:
    """It takes the connection and says nothing."""
    with silent() as url:
        check, seen, _fix = found(url)
    assert check == "connection.timeout"
    assert "takes the connection and does not answer within 0.4 s" in seen


def test_the_port_of_prometheus() -> None:
    """It is asked for its name."""

    def answer(_method: str, path: str, _headers: dict[str, str]) -> Reply:
        if path == "/-/ready":
            return Reply(200, "text/plain", b"Prometheus Server is Ready.\n")
        return Reply(404, "text/plain", b"404 page not found\n")

    with server(answer) as url:
        check, seen, fix = found(url)
    assert (check, seen.endswith("is Prometheus")) == ("connection.not_otlp", True)
    assert "(port 4318)" in fix


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "text/html", b"<html>Welcome</html>"),
        Reply(405, "text/plain"),
        Reply(200, "application/json", b'{"status": "ok"}'),
    ],
)
def test_the_port_of_another_web_server(reply: Reply) -> None:
    """A page that greets everybody is no Collector."""
    with server(always(reply)) as url:
        check, seen, _fix = found(url)
    assert (check, "is no OTLP receiver" in seen) == ("connection.not_otlp", True)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, "application/x-protobuf"),
        Reply(200, "application/json", b'{"partialSuccess":{}}'),
    ],
)
def test_what_collectors_answer_is_known(reply: Reply) -> None:
    """Some answer in JSON."""
    with server(always(reply)) as url:
        assert found(url)[0] == "connection"


@pytest.mark.parametrize(
    ("first", "check", "words"),
    [
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "protocol", "speaks gRPC"),
        (b"AMQP\x00\x00\x09\x01", "not_otlp", "speaks no HTTP (it begins with b'AMQP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls", "speaks TLS, and the address begins with http"),
        (b"", "not_otlp", "closes the connection without an answer"),
    ],
)
def test_a_port_that_speaks_something_else(first: bytes, check: str, words: str) -> None:
    """The first bytes tell what it is."""
    with says(first) as url:
        seen = found(url)
    assert (seen[0], words in seen[1]) == (f"connection.{check}", True)


def test_a_wrong_path() -> None:
    """Where other signals are taken at the same port, a pipeline is missing."""

    def answer(_method: str, path: str, _headers: dict[str, str]) -> Reply:
        right = path == "/v1/traces"
        return Reply(200, "application/x-protobuf") if right else Reply(404, "text/plain", b"404")

    with server(answer) as url:
        assert found(url)[0] == "connection"
        check, seen, fix = found(f"{url}/otlp")
        assert (check, seen) == (
            "connection.path",
            "what answers knows no such path (HTTP 404: 404)",
        )
        told = findings(doctor("--json", OTEL_EXPORTER_OTLP_ENDPOINT=url))
    assert "without a path" in fix
    (each,) = told["connection.pipeline"]
    assert each["seen"] == "the Collector has no pipeline for metrics"
    assert each["fix"].endswith("or set OTEL_METRICS_EXPORTER=none.")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token(status: int) -> None:
    """Whether one was sent is said, and the token itself never."""

    def answer(_method: str, _path: str, headers: dict[str, str]) -> Reply:
        if headers.get("authorization") == "Bearer right one":
            return Reply(200, "application/x-protobuf")
        return Reply(status, "text/plain", b"unauthorized")

    wrong = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{_TOKEN}"}
    right = {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20right%20one"}
    with server(answer) as url:
        assert found(url, **right)[0] == "connection"
        assert found(url)[:2] == (
            "connection.token",
            f"the Collector wants a token, and none is set (HTTP {status}: unauthorized)",
        )
        assert found(url, **wrong)[:2] == (
            "connection.token",
            f"the Collector refuses the token (HTTP {status}: unauthorized)",
        )
        assert _TOKEN not in str(found(url, **wrong))


@pytest.mark.parametrize("status", [429, 503])
def test_a_collector_without_memory(status: int) -> None:
    """It works, and takes nothing for now."""
    with server(always(Reply(status))) as url:
        assert found(url)[0] == "connection.busy"


def test_a_redirect_is_shown() -> None:
    """An exporter would follow it with a GET."""
    with server(always(Reply(308, location="https://collector.example/v1/traces"))) as url:
        check, seen, _fix = found(url)
    assert (check, "https://collector.example/v1/traces" in seen) == ("connection.path", True)


@pytest.fixture(scope="module", name="tls")
def _tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    return certificate(tmp_path_factory.mktemp("tls"))


def test_tls_mismatches(tls: tuple[ssl.SSLContext, str], sink: Sink) -> None:
    """Https to a plain port, http to one with TLS, a certificate that nobody signed."""
    context, trusted = tls
    ready = always(Reply(200, "application/x-protobuf"))
    with server(ready, context) as url:
        check, seen, fix = found(url)
        assert (check, "is not trusted (self-signed certificate)" in seen) == (
            "connection.tls",
            True,
        )
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in fix
        assert found(url, OTEL_EXPORTER_OTLP_CERTIFICATE=trusted)[0] == "connection"
        check, seen, fix = found(
            url.replace("localhost", "127.0.0.1"), OTEL_EXPORTER_OTLP_CERTIFICATE=trusted
        )
        assert (check, "IP address mismatch" in seen) == ("connection.tls", True)
        plain = found(url.replace("https", "http"))
        assert plain[0] in {"connection.tls", "connection.not_otlp"}
        assert "https://" in plain[2]
    check, seen, fix = found(sink.url.replace("http", "https"))
    assert (check, "speaks no TLS" in seen, "http://" in fix) == ("connection.tls", True, True)


def test_what_go_says_to_http_on_a_tls_port() -> None:
    """The Collector is written in Go, which answers in plain HTTP."""
    body = b"Client sent an HTTP request to an HTTPS server.\n"
    with server(always(Reply(400, "text/plain", body))) as url:
        assert found(url)[0] == "connection.tls"


@pytest.fixture(name="grpc_server")
def _grpc_server() -> Iterator[Callable[[Any], str]]:
    grpc = pytest.importorskip("grpc")
    started = []

    def start(code: Any) -> str:
        def take(_request: bytes, context: Any) -> bytes:
            if code is not None:
                context.abort(code, "no")
            return b""

        class Handler(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                known = details.method.startswith("/opentelemetry.proto.collector.trace")
                return grpc.unary_unary_rpc_method_handler(take) if known else None

        running = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Handler()])
        port = running.add_insecure_port("127.0.0.1:0")
        running.start()
        started.append(running)
        return f"http://127.0.0.1:{port}"

    yield start
    for each in started:
        each.stop(0).wait()


GRPC = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "2"}


def test_grpc_is_followed_as_well(grpc_server: Callable[[Any], str], sink: Sink) -> None:
    """Well, without a pipeline, with a wrong token, and on a port that speaks HTTP."""
    grpc = pytest.importorskip("grpc")
    assert found(grpc_server(None), **GRPC)[0] == "connection"
    assert found(grpc_server(None), "metrics", **GRPC)[0] == "connection.path"
    assert found(grpc_server(grpc.StatusCode.UNAUTHENTICATED), **GRPC)[0] == "connection.token"
    assert found(sink.url, **GRPC)[0] == "connection.protocol"
    assert found(f"http://127.0.0.1:{free_port()}", **GRPC)[0] == "connection.refused"


# --- the command ----------------------------------------------------------------------------


def doctor(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, whose environment is as before afterwards."""
    out, err = io.StringIO(), io.StringIO()
    kept = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        if folder := variables.get("PYTHONPATH"):
            patch.syspath_prepend(folder)
        os.environ.clear()
        os.environ.update(environment(**variables))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = cli.main(["doctor", *arguments])
        finally:
            os.environ.clear()
            os.environ.update(kept)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def findings(ended: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, str]]]:
    """Return the findings of a run with --json that did not end well, by check."""
    assert ended.stderr == ""
    told = json.loads(ended.stdout)
    assert ended.returncode == (0 if told["healthy"] else 1)
    by_check: dict[str, list[dict[str, str]]] = {}
    for each in told["findings"]:
        by_check.setdefault(each["check"], []).append(each)
    return by_check


def test_json_has_a_stable_shape(sink: Sink) -> None:
    """Programs rely on it; a change of it needs another version."""
    ended = doctor(
        "--json",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
        OTEL_EXPORTER_OTLP_HEADERS=f"authorization={_TOKEN}",
    )
    told = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr, _TOKEN in ended.stdout) == (0, "", False)
    assert list(told) == [
        *("version", "healthy", "versions", "settings", "exports", "instrumentations"),
        *("findings", "sent"),
    ]
    assert (told["version"], told["healthy"], told["sent"]) == (1, True, None)
    assert set(told["versions"]) == {
        *("otel-setup", "opentelemetry-sdk", "opentelemetry-instrumentation", "python"),
    }
    assert {tuple(each) for each in told["settings"]} == {("name", "value", "source")}
    assert {tuple(each) for each in told["exports"]} == {("signal", "exporter", "to")}
    assert {tuple(each) for each in told["instrumentations"]} == {
        ("name", "package", "version", "library", "found", "state", "reason"),
    }
    assert {tuple(each) for each in told["findings"]} == {
        ("level", "check", "about", "seen", "fix"),
    }
    assert {each["level"] for each in told["findings"]} <= {"ok", "warn", "fail"}
    sources = {each["name"]: (each["value"], each["source"]) for each in told["settings"]}
    assert sources["OTEL_EXPORTER_OTLP_HEADERS"] == ("<hidden>", "environment")
    assert sources["OTEL_EXPORTER_OTLP_PROTOCOL"] == ("http/protobuf", "default")


def test_the_page_for_people_is_100_columns_wide() -> None:
    """With every kind of line in it; a fix follows each failure."""
    ended = doctor(
        "--all",
        "--",
        *("gunicorn", "-w", "4", "shop:app"),
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://name:password@127.0.0.1:{free_port()}",
        OTEL_METRICS_EXPORTER="otlp,prometheus",
        OTEL_SETUP_STRICKT="true",
        OTEL_SETUP_EXIT_TIMEOUT="never",
    )
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (1, "")
    assert [line for line in lines if len(line) > 100] == []
    assert "password" not in ended.stdout
    assert "fix: Did you mean OTEL_SETUP_STRICT?" in ended.stdout
    assert "OTEL_SETUP_EXIT_TIMEOUT='never': expected seconds" in ended.stdout
    text = "\n".join(lines)
    for failure in re.findall(r"^FAIL .*\n(?:      .*\n)*", text, re.MULTILINE):
        assert "fix: " in failure
    assert re.fullmatch(r"3 problems, [34] warnings", lines[-1])


def test_the_command_is_installed(sink: Sink) -> None:
    """As a program of its own it ends with the same code."""
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("otel-setup")), "doctor"],
        env=environment(OTEL_EXPORTER_OTLP_ENDPOINT=sink.url),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("\nhealthy\n")


def test_what_cannot_work_ends_with_2() -> None:
    """A wrong command line is told in one line."""
    ended = doctor("--send", "--prometheus", "localhost:9090")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "otel-setup doctor: --prometheus 'localhost:9090': expected a URL such as "
        "http://127.0.0.1:9090.\n"
    )
    assert doctor("--prometheus", "http://127.0.0.1:9090").returncode == 2


def test_disabled_telemetry_is_said() -> None:
    """It is the first thing that one forgets."""
    told = findings(doctor("--json", OTEL_SDK_DISABLED="true"))
    assert told["disabled"][0]["fix"] == "Unset it."


# --- silent failures of auto-instrumentation (each stops a strict start, too) -----------------

STRICT = {"OTEL_SETUP_STRICT": "true"}
OTHER = """
from opentelemetry.instrumentation.distro import BaseDistro
class Other(BaseDistro):
    def _configure(self, **kwargs):
        pass
class OtherConfigurator:
    def configure(self, **kwargs):
        pass
"""


def refused(ended: subprocess.CompletedProcess[str], *words: str) -> None:
    """Check that a strict start ended before the program, with *words* on stderr."""
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "OTEL_SETUP_STRICT=true: the program does not start" in ended.stderr
    assert [word for word in words if word not in ended.stderr] == []
    assert "Traceback" not in ended.stderr


def test_another_distro_is_chosen(tmp_path: Path, sink: Sink) -> None:
    """An installed package takes over by the order of the file system."""
    package(
        tmp_path,
        "other-distro",
        "7.0",
        entry_points="[opentelemetry_distro]\nother = other_distro:Other\n"
        "[opentelemetry_configurator]\nother = other_distro:OtherConfigurator\n",
        module="other_distro",
        code=OTHER,
    )
    place = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    told = findings(doctor("--json", **place))
    for part in ("distro", "configurator"):
        (each,) = told[part]
        assert each["level"] == "fail"
        assert f"takes the {part} 'other' of other-distro 7.0" in each["seen"]
        assert each["fix"].startswith(f"Set OTEL_PYTHON_{part.upper()}=otel_setup")
    refused(run("print(1)", **place, **STRICT), "'other' of other-distro 7.0")
    # Not strict: the program runs, and says so.
    lenient = run("print(1)", **place)
    assert (lenient.returncode, lenient.stdout) == (0, "1\n")
    assert "OTEL_PYTHON_DISTRO is unset" in lenient.stderr
    named = {"OTEL_PYTHON_DISTRO": "otel_setup", "OTEL_PYTHON_CONFIGURATOR": "otel_setup"}
    healthy = findings(doctor("--json", **place, **named))
    assert healthy["distro"][0]["level"] == "ok"


def test_who_chose_another_distro_is_left_alone(tmp_path: Path) -> None:
    """Only a strict start takes that for a mistake."""
    package(
        tmp_path,
        "other-distro",
        "7.0",
        entry_points="[opentelemetry_distro]\nother = other_distro:Other\n"
        "[opentelemetry_configurator]\nother = other_distro:OtherConfigurator\n",
        module="other_distro",
        code=OTHER,
    )
    chosen = {
        "PYTHONPATH": str(tmp_path),
        "OTEL_PYTHON_DISTRO": "other",
        "OTEL_PYTHON_CONFIGURATOR": "other",
    }
    ended = run("print(1)", **chosen)
    assert (ended.returncode, ended.stdout) == (0, "1\n")
    assert "OTEL_PYTHON_DISTRO" not in ended.stderr
    refused(run("print(1)", **chosen, **STRICT), "OTEL_PYTHON_DISTRO='other'")


def test_sqlalchemy_2_1(tmp_path: Path, sink: Sink) -> None:
    """A library in a version that its instrumentation does not know: upstream's, asked back."""
    package(tmp_path, "SQLAlchemy", "2.1.9", module="sqlalchemy")
    place = {
        "PYTHONPATH": str(tmp_path),
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url,
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_setup_sqlalchemy",
    }
    (each,) = findings(doctor("--json", **place))["library"]
    assert each["seen"].startswith("sqlalchemy 2.1.9 is not instrumented: ")
    assert "<2.1.0" in each["seen"]
    assert "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=sqlalchemy" in each["fix"]
    refused(run("print(1)", **place, **STRICT), "sqlalchemy 2.1.9 is not instrumented")
    left_out = {**place, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "sqlalchemy"}
    assert doctor(**left_out).returncode == 0
    assert run("print(1)", **left_out, **STRICT).stdout == "1\n"


def test_sqlalchemy_2_1_is_ours(sink: Sink) -> None:
    """Nobody is told that it is not instrumented, though upstream's launcher knows no better."""
    place = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    assert "library" not in findings(doctor("--json", **place))
    ended = run("import sqlalchemy; print(sqlalchemy.__version__)", **place, **STRICT)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("2.1.")


def test_a_missing_exporter(tmp_path: Path) -> None:
    """The package for grpc is an extra."""
    package(tmp_path, "opentelemetry-exporter-otlp-proto-grpc", "1.45.1")
    place = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    for each in findings(doctor("--json", **place))["exporter"]:
        assert each["seen"] == "its package is not installed (no exporter 'otlp_proto_grpc')"
        assert each["fix"] == "Install it with: pip install 'otel-setup[grpc]'"
    refused(run("print(1)", **place, **STRICT), "pip install 'otel-setup[grpc]'")


def test_a_bad_configuration_file(tmp_path: Path) -> None:
    """The file is named."""
    file = tmp_path / "otel.yaml"
    file.write_text("file_format: '1.0'\ntracer_provider: [\n")
    place = {"OTEL_CONFIG_FILE": str(file)}
    (each,) = findings(doctor("--json", **place))["file"]
    assert (each["level"], str(file) in each["about"] + each["seen"]) == ("fail", True)
    refused(run("print(1)", **place, **STRICT), str(file))


def test_the_ways_out_of_a_configuration_file_are_followed(tmp_path: Path, sink: Sink) -> None:
    """Its addresses count, not those of variables."""
    file = tmp_path / "otel.yaml"
    port = free_port()
    file.write_text(
        "file_format: '1.0'\n"
        "tracer_provider:\n  processors:\n    - batch:\n        exporter:\n"
        f"          otlp_http: {{endpoint: '{sink.url}/v1/traces'}}\n"
        "meter_provider:\n  readers:\n    - periodic:\n        exporter:\n"
        f"          otlp_http: {{endpoint: 'http://127.0.0.1:{port}/v1/metrics'}}\n"
    )
    told = findings(doctor("--json", OTEL_CONFIG_FILE=str(file)))
    assert told["file"][0]["level"] == "ok"
    assert told["connection"][0]["about"] == f"traces to {sink.url}/v1/traces"
    assert (
        told["connection.refused"][0]["about"] == f"metrics to http://127.0.0.1:{port}/v1/metrics"
    )


def test_fastapi_exports_too(sink: Sink) -> None:
    """Its own exporters beside ours send everything twice."""
    place = {"FASTAPI_OTEL_AUTO_CONFIGURE": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    (each,) = findings(doctor("--json", **place))["double"]
    assert each["seen"].startswith("FASTAPI_OTEL_AUTO_CONFIGURE=true: FastAPI ")
    assert each["fix"] == "Unset FASTAPI_OTEL_AUTO_CONFIGURE."
    refused(run("print(1)", **place, **STRICT), "everything is sent twice")


@pytest.mark.parametrize(
    ("command", "variables", "said"),
    [
        (["gunicorn", "-w", "4", "shop:app"], {}, "gunicorn starts 4 workers (-w 4)"),
        (
            ["opentelemetry-instrument", "uvicorn", "shop:app", "--workers", "2"],
            {},
            "uvicorn starts 2 workers (--workers 2)",
        ),
        ([], {"WEB_CONCURRENCY": "3"}, "starts 3 workers (WEB_CONCURRENCY=3)"),
        (
            ["gunicorn", "shop:app"],
            {"GUNICORN_CMD_ARGS": "--workers=5"},
            "gunicorn starts 5 workers (--workers=5)",
        ),
    ],
)
def test_the_metrics_page_with_workers(
    sink: Sink, command: list[str], variables: dict[str, str], said: str
) -> None:
    """Each scrape would see another worker."""
    place = {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    (each,) = findings(doctor("--json", "--", *command, **place, **variables))["workers"]
    assert said in each["seen"]
    assert each["fix"].startswith("Set OTEL_METRICS_EXPORTER=otlp")


def test_a_strict_server_with_workers_does_not_serve_a_metrics_page(tmp_path: Path) -> None:
    """It ends before its first worker."""
    (tmp_path / "shop.py").write_text("def app(environ, start): pass\n")
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))
    ended = subprocess.run(
        [launcher, gunicorn, "-w", "2", "-b", f"127.0.0.1:{free_port()}", "shop:app"],
        env=environment(OTEL_METRICS_EXPORTER="prometheus", **STRICT),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    refused(ended, "OTEL_METRICS_EXPORTER='prometheus'")


def test_an_app_that_imports_too_early(tmp_path: Path) -> None:
    """It is imported in a process of its own; the name that stays unpatched is shown."""
    code = "from psycopg import connect\nimport otel_setup.auto\nprint('said by the app')\n"
    (tmp_path / "early.py").write_text(code)
    (tmp_path / "late.py").write_text("import otel_setup.auto\nfrom psycopg import connect\n")
    (tmp_path / "never.py").write_text("from psycopg import connect\n")
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    told = {}
    for app in ("early:app", "late", "never", "broken"):
        ended = subprocess.run(
            [str(Path(sys.executable).with_name("otel-setup")), "doctor", "--json", "--app", app],
            # Ours replaces methods, for which nobody is too early.
            env=environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_setup_psycopg"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told[app] = findings(ended)
    (each,) = told["early:app"]["import-order"]
    assert each["level"] == "fail"
    assert "early.connect was imported before and stays unpatched" in each["seen"]
    assert told["late"]["import-order"][0]["level"] == "ok"
    assert told["never"]["app"][0]["seen"] == "importing it sets up no telemetry"
    assert "no_such_module" in told["broken"]["app"][0]["seen"]


def test_an_installed_library_without_instrumentation_is_recommended(
    tmp_path: Path, sink: Sink
) -> None:
    """The extra is named."""
    package(tmp_path, "opentelemetry-instrumentation-botocore", "0.66b1")
    place = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    (each,) = findings(doctor("--json", **place))["library"]
    assert each["level"] == "warn"
    assert each["seen"] == "boto3 is installed but not instrumented"
    assert each["fix"] == "Install it with: pip install 'otel-setup[s3]'"


# --- sending --------------------------------------------------------------------------------


def test_send_reaches_the_collector_through_the_real_exporters(sink: Sink) -> None:
    """One span, one value and one record bear the same mark, under a name of their own."""
    ended = doctor(
        "--send", "--json", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, OTEL_LOGS_EXPORTER="otlp"
    )
    told = findings(ended)
    sent = json.loads(ended.stdout)["sent"]
    (span,) = sink.spans
    (point,) = sink.metric("otel_setup.doctor.probe")
    assert {span.resource["service.name"], point.resource["service.name"]} == {"otel-setup-doctor"}
    assert (span.trace_id, span.attributes["otel_setup.doctor.nonce"]) == (
        sent["trace_id"],
        str(sent["nonce"]),
    )
    assert (point.value, point.attributes) == (sent["nonce"], {})
    assert sink.logs == [f"otel-setup doctor {sent['nonce']}"]
    for signal in ("traces", "metrics", "logs"):
        assert told[f"send.{signal}"][0]["level"] == "ok"


def prometheus(sink: Sink, *, stores: bool, pages: Iterator[str]) -> Callable[..., Reply]:
    """Return what a Prometheus answers that has, or has not, what arrived at *sink*."""

    def answer(_method: str, path: str, _headers: dict[str, str]) -> Reply:
        if path == "/metrics":
            return Reply(200, "text/plain", next(pages).encode())
        points = sink.metric("otel_setup.doctor.probe")
        rows = [
            {"metric": {"__name__": "otel_setup_doctor_probe"}, "value": [0, str(point.value)]}
            for point in points
            if stores
        ]
        data = {"resultType": "vector", "result": rows}
        body = json.dumps({"status": "success", "data": data}).encode()
        return Reply(200, "application/json", body)

    return answer


def test_send_finds_the_metric_in_prometheus(sink: Sink) -> None:
    """What arrived is said with the time that it took."""
    with server(prometheus(sink, stores=True, pages=iter(["", ""]))) as url:
        ended = doctor(
            "--send", "--prometheus", url, "--json", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url
        )
    (each,) = findings(ended)["arrival.metrics"]
    assert each["level"] == "ok"
    assert json.loads(ended.stdout)["sent"]["seconds"] < 10


def test_send_reads_what_prometheus_says_directly() -> None:
    """With no Collector between, its answer is the reason."""

    def answer(_method: str, path: str, headers: dict[str, str]) -> Reply:
        if path.endswith("metrics") and headers.get("content-length") != "0":
            return Reply(400, "text/plain", b"out of order sample")
        return Reply(200, "application/x-protobuf")

    with server(answer) as url:
        told = findings(doctor("--send", "--json", OTEL_EXPORTER_OTLP_ENDPOINT=url))
    (each,) = told["send.prometheus"]
    assert each["seen"].startswith("metric refused by Prometheus (")
    assert "out of order sample" in each["seen"]
    assert told["send.traces"][0]["level"] == "ok"


@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
def test_send_reads_a_partial_success(kind: str) -> None:
    """An answer of 200 may hold what was rejected."""
    body = b'{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too big"}}'
    if kind == "application/x-protobuf":
        body = b"\x0a\x0b\x08\x01\x12\x07too big"
    with server(always(Reply(200, kind, body))) as url:
        ended = doctor(
            *("--send", "--json"),
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_METRICS_EXPORTER="none",
        )
    (each,) = findings(ended)["send.traces"]
    assert each["seen"] == "the Collector took only a part: 1 rejected: too big"


def test_nothing_is_sent_where_the_connection_is_broken() -> None:
    """The exporters would only wait."""
    refused_port = f"http://127.0.0.1:{free_port()}"
    told = findings(doctor("--send", "--json", OTEL_EXPORTER_OTLP_ENDPOINT=refused_port))
    assert told["send"][0]["seen"] == "nothing was sent"


# --- the hop that is broken ------------------------------------------------------------------

PAGE = """# HELP otelcol_receiver_accepted_metric_points_total x
otelcol_receiver_accepted_metric_points_total{{receiver="otlp",transport="http"}} {accepted}
otelcol_receiver_refused_metric_points_total{{receiver="otlp",transport="http"}} {refused}
otelcol_exporter_sent_metric_points_total{{exporter="otlp_http/prometheus"}} {sent}
otelcol_exporter_send_failed_metric_points_total{{exporter="otlp_http/prometheus"}} {failed}
"""


def page(**numbers: int) -> counters.Counters:
    """Return what a server's page with *numbers* is read as."""
    text = PAGE.format(**{"accepted": 5, "refused": 0, "sent": 5, "failed": 0, **numbers})
    with server(always(Reply(200, "text/plain", text.encode()))) as url:
        read = counters.read(f"{url}/metrics", "exporter")
    assert read is not None
    return read


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"accepted": 6, "failed": 1}, "its exporter otlp_http/prometheus failed to send 1 data"),
        ({"refused": 1}, "the Collector refused 1 data points"),
        ({}, "received nothing: it is another one than the exporter's"),
        ({"accepted": 6, "sent": 6}, "the Collector sent it on (otlp_http/prometheus)"),
        ({"accepted": 6}, "the Collector holds it"),
    ],
)
def test_the_collectors_own_numbers_name_the_hop(after: dict[str, int], words: str) -> None:
    """What grew between sending and giving up tells where the metric is."""
    before = counters.Pages(page(), None)
    seen, fix = hop.broken(before, counters.Pages(page(**after), None), "not there", "http://c")
    assert (words in seen, bool(fix)) == (True, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("prometheus_tsdb_out_of_order_samples_total", "out of order"),
        ("prometheus_tsdb_too_old_samples_total", "too old"),
        ("prometheus_target_scrapes_sample_duplicate_timestamp_total", "duplicate sample"),
    ],
)
def test_prometheus_own_numbers_name_a_refusal(name: str, words: str) -> None:
    """Whatever the Collector says, it was Prometheus that did not store it."""
    pages = []
    for number in (1, 2):
        reply = Reply(200, "text/plain", f'{name}{{type="float"}} {number}\n'.encode())
        with server(always(reply)) as url:
            pages.append(counters.pages("", url))
    seen, fix = hop.broken(pages[0], pages[1], "not there", "")
    assert seen == f"metric refused by Prometheus ({words})"
    assert "service.instance.id" in fix


def test_without_numbers_the_last_known_hop_is_said() -> None:
    """And where to have them from."""
    nothing = counters.Pages(None, None)
    seen, fix = hop.broken(nothing, nothing, "not there", "")
    assert (seen, "--collector-metrics" in fix) == (
        "accepted by the Collector, and not there",
        True,
    )
