# SPDX-License-Identifier: Apache-2.0
"""A process can say what was set up in it, and a strict one does not start half set up."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from otel_setup import Report
from otel_setup._early import Names
from otel_setup._installed import choice, instrumentations
from otel_setup._report import endpoint, without_password
from otel_setup._status import Instrumentation, State, Status
from otel_setup.settings import Settings
from tests.broken_collectors import package
from tests.otlp_sink import Sink
from tests.programs import free_port, run

REPORT = """
import json, os
from dataclasses import asdict
from otel_setup import setup
handle = setup("shop")
import psycopg
report = handle.report()
print(json.dumps(asdict(report)))
handle.shutdown()
"""


def reported(code: str = REPORT, **variables: str) -> dict[str, object]:
    """Return what a program says about itself."""
    ended = run(code, launcher=False, **variables)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, object] = json.loads(ended.stdout)
    return told


@pytest.fixture(scope="module", name="told")
def _told() -> dict[str, object]:
    """What a program says whose user has set some variables."""
    with Sink() as sink:
        address = sink.url.replace("http://", "http://someone:passw0rd@")
        return reported(
            OTEL_EXPORTER_OTLP_ENDPOINT=address,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{sink.url}/v1/traces",
            OTEL_EXPORTER_OTLP_HEADERS="authorization=s3cret",
            OTEL_SETUP_USER_KEY="an0ther",
            OTEL_TRACES_SAMPLER="always_on",
            OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="pika,flask",
            OTEL_RESOURCE_ATTRIBUTES="service.instance.id=first",
        )


def test_settings_are_told_with_their_source(told: dict[str, object]) -> None:
    """Whoever wonders where a value comes from looks here."""
    settings = {each["name"]: (each["value"], each["source"]) for each in told["settings"]}  # type: ignore[attr-defined]
    assert settings["OTEL_SERVICE_NAME"] == ("shop", "argument")
    assert settings["OTEL_METRICS_EXPORTER"] == ("otlp", "default")
    assert settings["OTEL_TRACES_SAMPLER"] == ("always_on", "environment")
    assert "OTEL_PYTHON_DISTRO" not in settings  # nobody set it


def test_no_secret_is_told(told: dict[str, object]) -> None:
    """Reports are pasted into tickets."""
    text = json.dumps(told)
    assert [word for word in ("passw0rd", "s3cret", "an0ther") if word in text] == []
    settings = {each["name"]: each["value"] for each in told["settings"]}  # type: ignore[attr-defined]
    assert settings["OTEL_EXPORTER_OTLP_HEADERS"] == "<hidden>"
    assert settings["OTEL_SETUP_USER_KEY"] == "<hidden>"
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"].startswith("http://***@127.0.0.1:")


def test_instrumentations_are_told_with_what_became_of_them(told: dict[str, object]) -> None:
    """Which were patched, which wait, which are left alone."""
    states = {each["name"]: each["state"] for each in told["instrumentations"]}  # type: ignore[attr-defined]
    assert states["otel_setup_psycopg"] == "instrumented"
    assert states["psycopg"] == "replaced by ours"
    assert states["otel_setup_psycopg_pool"] == "waits for its library"
    assert states["pika"] == states["flask"] == "disabled"
    assert states["otel_setup_flask"] == "disabled"  # upstream's name switches off both
    assert states["fastapi"] == "replaced by ours"
    assert states["otel_setup_fastapi"] == "waits for its library"
    assert states["aiobotocore"] == "library not installed"
    (psycopg,) = [each for each in told["instrumentations"] if each["name"] == "psycopg"]  # type: ignore[attr-defined]
    assert psycopg["package"] == "opentelemetry-instrumentation-psycopg"
    assert psycopg["library"] == "psycopg"
    assert psycopg["found"].startswith("3.")


def test_exports_and_identity_are_told(told: dict[str, object]) -> None:
    """The signal's own address wins."""
    exports = {each["signal"]: each["to"] for each in told["exports"]}  # type: ignore[attr-defined]
    assert set(exports) == {"traces", "metrics"}
    assert "***" not in exports["traces"]
    assert exports["metrics"].startswith("http://***@")
    assert exports["metrics"].endswith("/v1/metrics")
    assert (told["enabled"], told["service"], told["problems"]) == (True, "shop", [])
    assert str(told["instance_id"]).startswith("first")


def test_a_repaired_setting_is_told() -> None:
    """The value in force, and the line that was logged."""
    told = reported(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    settings = {each["name"]: (each["value"], each["source"]) for each in told["settings"]}  # type: ignore[attr-defined]
    assert settings["OTEL_EXPORTER_OTLP_ENDPOINT"] == ("http://127.0.0.1:4318", "repaired")
    assert "is the port of another protocol" in str(told["repairs"])


def test_a_program_without_telemetry_can_be_asked_too() -> None:
    """It says that it is off, and nothing is imported for it."""
    code = (
        "from otel_setup import setup\n"
        "import json, sys\n"
        "report = setup().report()\n"
        "print(json.dumps([report.enabled, len(report.exports), str(report).splitlines()[0],"
        " 'opentelemetry.sdk' in sys.modules]))"
    )
    assert reported(code, OTEL_SDK_DISABLED="true") == [
        False,
        0,
        "telemetry of unknown_service: off, OTEL_SDK_DISABLED is true",
        False,
    ]


def test_a_report_reads_as_a_table() -> None:
    """Columns stand under each other, and parts without lines are left out."""
    report = Report(
        enabled=True,
        service="shop",
        instance_id="abc",
        settings=(),
        exports=(),
        instrumentations=(
            _instrumentation("pika", State.WAITS, "patched when the program imports pika"),
            _instrumentation("psycopg", State.INSTRUMENTED, "at once"),
        ),
        repairs=(),
        problems=("OTEL_X is wrong. Mend it.",),
    )
    assert str(report).splitlines() == [
        "telemetry of shop: on",
        "instance  abc",
        "",
        "instrumentations",
        "  pika     pika 1.0     waits for its library  patched when the program imports pika",
        "  psycopg  psycopg 1.0  instrumented",
        "",
        "problems",
        "  OTEL_X is wrong. Mend it.",
    ]


def _instrumentation(name: str, state: State, reason: str) -> Instrumentation:
    return Instrumentation(
        name=name,
        package="p",
        version="1",
        library=name,
        found="1.0",
        state=state,
        reason=reason,
    )


EARLY = """
import json
from psycopg import connect
from otel_setup import setup
from opentelemetry.instrumentation import auto_instrumentation
report = setup().report()
print(json.dumps([[each.state, each.reason] for each in report.instrumentations
    if each.name == "psycopg"] + list(report.problems)))
"""

#: Upstream's instrumentation of psycopg replaces a function, which programs may hold already.
UPSTREAM = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "otel_setup_psycopg"}


def test_a_name_that_was_imported_too_early_is_told(sink: Sink) -> None:
    """The holder is named; the program goes on, with one line in its log."""
    ended = run(EARLY, launcher=False, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **UPSTREAM)
    state, problem = json.loads(ended.stdout)
    assert state == [
        "imported too early",
        "__main__.connect was imported before and stays unpatched",
    ]
    assert problem in ended.stderr
    assert "Call otel_setup.setup() before these imports" in problem


def test_a_library_that_is_only_imported_early_is_well(sink: Sink) -> None:
    """Its functions are looked up when they are called."""
    code = EARLY.replace("from psycopg import connect", "import psycopg")
    ended = run(code, launcher=False, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url, **UPSTREAM)
    assert (json.loads(ended.stdout), ended.stderr) == ([["instrumented", ""]], "")


def test_a_name_is_not_too_early_for_what_replaces_methods(sink: Sink) -> None:
    """Ours replaces methods of classes: whoever has the function has the class behind it."""
    code = EARLY.replace('"psycopg"', '"otel_setup_psycopg"')
    ended = run(code, launcher=False, OTEL_EXPORTER_OTLP_ENDPOINT=sink.url)
    assert (json.loads(ended.stdout), ended.stderr) == ([["instrumented", ""]], "")


def test_who_holds_a_name_that_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that a library names to compare with is none; a function is held to be called."""

    def old() -> None:
        """Connect, unpatched."""

    class Old:
        """A class, unpatched."""

    def module(name: str, file: str = "") -> ModuleType:
        made = ModuleType(name)
        made.__file__ = file
        monkeypatch.setitem(sys.modules, name, made)
        return made

    library = module("librarian")
    library.connect, library.Thing, library.kept = old, Old, len
    module("librarian.inner").connect = old
    module("app").link = old
    module("app").Thing = Old
    module("plugin", "/x/site-packages/plugin.py").Thing = Old
    module("wrapper", "/x/site-packages/wrapper.py").go = old
    names = Names("librarian.inner")
    assert names.holders() == []
    library.connect, library.Thing = (lambda: None), type("New", (), {})
    assert names.holders() == ["app.Thing", "wrapper.go"]


# --- what is installed ------------------------------------------------------------------------


def states(**environ: str) -> dict[str, tuple[State, str]]:
    """Return what set-up would do with each instrumentation."""
    return {each.name: (each.state, each.reason) for each in instrumentations(environ)}


def test_requirements_are_read_as_the_launcher_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the one kind, any of the other."""
    entry = "[opentelemetry_instrumentor]\n{0} = nowhere:{0}\n"
    requires = {
        "both": ('one ~= 1.0; extra == "instruments"', 'two < 3; extra == "instruments"'),
        "either": (
            'absent > 1; extra == "instruments-any"',
            'two < 3; extra == "instruments-any"',
        ),
        "neither": (
            'absent > 1; extra == "instruments-any"',
            'two > 3; extra == "instruments-any"',
        ),
        "old": ('one >= 9; extra == "instruments"',),
        "missing": ('absent >= 1; extra == "instruments"', 'python-thing; extra == "other"'),
    }
    for name, lines in requires.items():
        package(tmp_path, f"for-{name}", "1", entry_points=entry.format(name), requires=lines)
    package(tmp_path, "one", "1.5")
    package(tmp_path, "two", "2.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = states()
    assert found["both"] == (State.INSTRUMENTED, "at once")
    assert found["either"] == (State.INSTRUMENTED, "at once")
    assert found["neither"] == (State.UNSUPPORTED, "it knows two>3, installed is 2.0")
    assert found["old"] == (State.UNSUPPORTED, "it knows one>=9, installed is 1.5")
    assert found["missing"] == (State.NOT_INSTALLED, "absent is not installed")
    assert states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="old, x")["old"][0] is State.DISABLED
    assert {state for state, _ in states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*").values()} == {
        State.DISABLED
    }


def test_of_a_pair_one_is_told_to_be_used() -> None:
    """Upstream's where ours is named, neither where upstream's is."""
    ours = states()
    assert ours["flask"] == (State.REPLACED, "otel_setup_flask")
    theirs = states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_setup_flask")
    assert (theirs["flask"][0], theirs["otel_setup_flask"][0]) == (State.WAITS, State.DISABLED)
    none = states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="flask")
    assert (none["flask"][0], none["otel_setup_flask"][0]) == (State.DISABLED, State.DISABLED)


def test_of_a_pair_that_shares_a_library_both_are_told_to_be_used() -> None:
    """Ours has S3 and upstream's all else, unless one of them is named."""
    both = states()
    assert both["botocore"][0] is both["otel_setup_s3"][0] is State.WAITS
    theirs = states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="otel_setup_s3")
    assert (theirs["botocore"][0], theirs["otel_setup_s3"][0]) == (State.WAITS, State.DISABLED)
    none = states(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="botocore")
    assert (none["botocore"][0], none["otel_setup_s3"][0]) == (State.DISABLED, State.DISABLED)


def test_the_choice_of_the_launcher_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is named, else what is found first."""
    assert choice("distro", {}).ours
    package(tmp_path, "d", "1", entry_points="[opentelemetry_distro]\nfirst = nowhere:First\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert choice("distro", {}).name == "first"
    assert choice("distro", {"OTEL_PYTHON_DISTRO": "otel_setup"}).ours
    assert choice("distro", {"OTEL_PYTHON_DISTRO": "absent"}).name == ""


# --- a strict start ---------------------------------------------------------------------------


def test_a_strict_start_tells_all_problems_at_once() -> None:
    """Each on a line of its own, and no program runs."""
    ended = run(
        "print('ran')",
        OTEL_SETUP_STRICT="TRUE",
        OTEL_TRACES_EXPORTER="zipkin",
        OTEL_SETUP_EXIT_TIMEOUT="never",
        FASTAPI_OTEL_AUTO_CONFIGURE="true",
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    lines = ended.stderr.splitlines()
    assert [line.strip().partition("=")[0] for line in lines] == [
        "OTEL_SETUP_STRICT",
        "OTEL_TRACES_EXPORTER",
        "OTEL_SETUP_EXIT_TIMEOUT",
        "FASTAPI_OTEL_AUTO_CONFIGURE",
    ]


def test_a_strict_start_without_problems_is_silent(sink: Sink) -> None:
    """The program runs as always."""
    for launcher in (True, False):
        code = "print('ran')" if launcher else "import otel_setup.auto\nprint('ran')"
        ended = run(
            code, launcher=launcher, OTEL_SETUP_STRICT="true", OTEL_EXPORTER_OTLP_ENDPOINT=sink.url
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ran\n", "")


def test_a_strict_start_that_is_disabled_runs() -> None:
    """Nothing is asked for, so nothing can be missing."""
    ended = run(
        "print('ran')",
        OTEL_SETUP_STRICT="true",
        OTEL_SDK_DISABLED="true",
        FASTAPI_OTEL_AUTO_CONFIGURE="true",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ran\n", "")


def test_a_strict_setup_raises_and_goes_on_to(sink: Sink) -> None:
    """A program that catches the error meets it again."""
    code = (
        "from otel_setup import ConfigError, setup\n"
        "for _ in range(2):\n"
        "    try: setup()\n"
        "    except ConfigError as error: print(len(error.problems), 'FASTAPI' in str(error))\n"
    )
    ended = run(
        code,
        launcher=False,
        OTEL_SETUP_STRICT="true",
        FASTAPI_OTEL_AUTO_CONFIGURE="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout) == (0, "1 True\n1 True\n")


def test_a_program_that_asks_for_a_strict_set_up_later_ends_cleanly(sink: Sink) -> None:
    """Upstream's call swallows exceptions; the end is none of the interpreter's."""
    ended = run(
        "from opentelemetry.instrumentation.auto_instrumentation import initialize\n"
        "initialize()\nprint('ran')",
        launcher=False,
        OTEL_SETUP_STRICT="true",
        FASTAPI_OTEL_AUTO_CONFIGURE="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=sink.url,
    )
    assert (ended.returncode, ended.stdout, "Fatal" in ended.stderr) == (1, "", False)


def test_a_failing_instrumentation_is_told_and_stops_a_strict_start(
    tmp_path: Path, sink: Sink
) -> None:
    """Not strict, it costs its own library only."""
    package(
        tmp_path,
        "for-broken",
        "1",
        entry_points="[opentelemetry_instrumentor]\nbroken = for_broken:Broken\n",
        module="for_broken",
        code="class Broken:\n    def instrument(self, **kwargs): raise RuntimeError('boom')\n",
    )
    place = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
    lenient = run("print('ran')", **place)
    assert (lenient.returncode, lenient.stdout) == (0, "ran\n")
    assert "broken is not instrumented: RuntimeError: boom." in lenient.stderr
    strict = run("print('ran')", OTEL_SETUP_STRICT="true", **place)
    assert (strict.returncode, strict.stdout) == (1, "")
    assert "broken is not instrumented: RuntimeError: boom." in strict.stderr


# --- small parts ------------------------------------------------------------------------------


def test_too_early_is_not_forgotten() -> None:
    """A second instrumentation of the same library does not hide it."""
    status = Status()
    status.note("psycopg", State.EARLY, "app.connect")
    status.note("psycopg", State.INSTRUMENTED)
    assert status.states["psycopg"] == (State.EARLY, "app.connect")


def test_the_address_of_each_signal() -> None:
    """Http has a path for each, grpc has none; the signal's own variable is taken as it is."""
    port = free_port()
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://c:{port}/",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://logs/x",
    }
    settings = Settings.from_env(given)
    assert endpoint(settings, given, "traces") == f"http://c:{port}/v1/traces"
    assert endpoint(settings, given, "logs") == "https://logs/x"
    grpc = Settings.from_env({**given, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert endpoint(grpc, given, "traces") == f"http://c:{port}/"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://c:4318", "http://c:4318"),
        ("http://me:secret@c:4318/x", "http://***@c:4318/x"),
        ("owner=a@b", "owner=a@b"),
        ("http://me:sec@ret@[c", "***@[c"),
    ],
)
def test_a_password_is_never_shown(text: str, shown: str) -> None:
    """Nor the user beside it."""
    assert without_password(text) == shown
