# SPDX-License-Identifier: Apache-2.0
"""Ids in log records, the lines that handlers write, and the records that are exported."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_setup.instrumentation.logs import EXPORT, LINES, STAMPS, LogsInstrumentor, lines, values
from otel_setup.testing import Telemetry, recorded
from tests.programs import run

HANDLE = logging.Logger.callHandlers
FORMAT = logging.Handler.format


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    """Give each test the loggers that it configures, and see that nothing stays replaced."""
    root = logging.root
    before = (root.level, list(root.handlers), logging.getLogRecordFactory())
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("shop"):
            del logging.root.manager.loggerDict[name]
    assert logging.getLogRecordFactory() is before[2]
    assert logging.Logger.callHandlers is HANDLE
    assert logging.Handler.format is FORMAT


@pytest.fixture
def written() -> io.StringIO:
    """What the logger ``shop`` writes as upstream's users have it written."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        logging.Formatter("%(message)s %(otelTraceID)s %(otelSpanID)s %(otelTraceSampled)s")
    )
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    return stream


def last_line(stream: io.StringIO) -> str:
    """Return the newest line."""
    return stream.getvalue().splitlines()[-1]


def test_a_record_has_the_ids_of_the_span(otel: Telemetry, written: io.StringIO) -> None:
    """A format that was written for upstream's package shows them."""
    with trace.get_tracer("test").start_as_current_span("work"):
        logging.getLogger("shop").info("order 7")
    span = otel.span("work")
    assert last_line(written) == f"order 7 {span.trace_id} {span.span_id} True"


@pytest.mark.usefixtures("otel")
def test_outside_of_a_span_the_ids_are_0(written: io.StringIO) -> None:
    """The same format works there."""
    logging.getLogger("shop").info("start")
    assert last_line(written) == "start 0 0 False"


def test_each_thread_has_the_ids_of_its_own_span(otel: Telemetry, written: io.StringIO) -> None:
    """One that has no span takes no other's."""
    logger = logging.getLogger("shop")

    def work() -> None:
        logger.info("before")
        with trace.get_tracer("test").start_as_current_span("thread"):
            logger.info("inside")

    with trace.get_tracer("test").start_as_current_span("main"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    span = otel.span("thread")
    assert written.getvalue().splitlines() == [
        "before 0 0 False",
        f"inside {span.trace_id} {span.span_id} True",
    ]


@pytest.mark.usefixtures("otel")
def test_a_record_says_the_service() -> None:
    """The fourth of upstream's attributes."""
    record = logging.getLogger("shop").makeRecord("shop", 20, "", 0, "", (), None)
    assert record.otelServiceName == "test"  # type: ignore[attr-defined]


def test_the_programs_own_factory_goes_on() -> None:
    """Its records get the ids, and it is back when we are gone."""

    class Own(logging.LogRecord):
        pass

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Own)
    try:
        STAMPS.on()
        record = logging.makeLogRecord({})
        STAMPS.off()
        assert isinstance(record, Own)
        assert record.otelTraceID == "0"  # type: ignore[attr-defined]
        assert logging.getLogRecordFactory() is Own
    finally:
        logging.setLogRecordFactory(before)


def test_a_factory_on_top_of_ours_is_left_alone() -> None:
    """It goes on calling ours, which adds nothing any more."""
    before = logging.getLogRecordFactory()
    STAMPS.on()
    below = logging.getLogRecordFactory()

    def on_top(*args: object, **kwargs: object) -> logging.LogRecord:
        return below(*args, **kwargs)

    logging.setLogRecordFactory(on_top)
    STAMPS.off()
    try:
        assert logging.getLogRecordFactory() is on_top
        assert "otelTraceID" not in vars(logging.makeLogRecord({}))
    finally:
        logging.setLogRecordFactory(before)


def fail_in_spans() -> None:
    """Raise through two spans."""
    tracer = trace.get_tracer("test")
    with tracer.start_as_current_span("request"), tracer.start_as_current_span("query"):
        raise ValueError("no stock")


def log_failure(*words: object) -> None:
    """Log *words* with the exception that left those spans."""
    try:
        fail_in_spans()
    except ValueError:
        logging.getLogger("shop").exception(*words)  # type: ignore[arg-type]


def test_a_traceback_that_is_logged_late_has_the_ids_of_its_span(otel: Telemetry) -> None:
    """A server logs when the request's span has ended; the outermost one is meant."""
    log_failure("Exception in application")
    log, span = otel.log("Exception in application"), otel.span("request")
    assert (log.trace_id, log.span_id) == (span.trace_id, span.span_id)


def test_inside_of_a_span_the_current_one_counts(otel: Telemetry) -> None:
    """Who handles an exception logs in the name of his own work."""
    with trace.get_tracer("test").start_as_current_span("retry"):
        log_failure("again")
    assert otel.log("again").span_id == otel.span("retry").span_id


def test_a_span_that_went_well_is_no_exceptions_span(otel: Telemetry) -> None:
    """Work done while an exception is handled did not raise it."""
    try:
        int("many")
    except ValueError:
        with trace.get_tracer("test").start_as_current_span("clean-up"):
            pass
        logging.getLogger("shop").exception("failed")
    assert otel.log("failed").trace_id == ""


@pytest.mark.usefixtures("otel")
def test_an_exception_with_a_note_can_be_sent_to_another_process() -> None:
    """A pool of processes pickles what its workers raise."""
    with pytest.raises(ValueError, match="no stock") as raised:
        fail_in_spans()
    assert str(pickle.loads(pickle.dumps(raised.value))) == "no stock"  # noqa: S301 - our own


class Rude:
    """An object of a stranger: no text, no comparison, no attributes."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def one_json_line(**extra: object) -> dict[str, object]:
    """Return what the JSON line of a record with *extra* says."""
    record = logging.makeLogRecord({"name": "shop", "msg": "order", "levelname": "INFO", **extra})
    line = lines.as_json(record)
    assert line.splitlines() == [line]
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_json_line_says_all_that_the_record_does(otel: Telemetry) -> None:
    """Time, level, logger, message, ids, service, exception and what the program added."""
    with trace.get_tracer("test").start_as_current_span("work"):
        try:
            {}["stock\nempty"]
        except KeyError:
            record = logging.getLogger("shop").makeRecord(
                *("shop", 40, "shop.py", 7, "order %s", (7,), sys.exc_info(), "buy"),
                extra={"order": 7, "size": [1.5, 2]},
            )
    record.created = 1795268645.25
    line = json.loads(lines.as_json(record))
    exception = line.pop("exception")
    span = otel.span("work")
    assert line == {
        "time": "2026-11-21T13:44:05.250Z",
        "level": "ERROR",
        "logger": "shop",
        "message": "order 7",
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "service": "test",
        "extra": {"order": 7, "size": [1.5, 2]},
    }
    assert (exception["type"], exception["message"]) == ("KeyError", "'stock\\nempty'")
    assert exception["stacktrace"].startswith("Traceback (most recent call last):\n")
    assert exception["stacktrace"].endswith("KeyError: 'stock\\nempty'")


def test_a_json_line_outside_of_a_span_has_no_ids() -> None:
    """A search for a trace finds only what belongs to one."""
    assert set(one_json_line()) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Rude(), "<Rude: str() raised RuntimeError>"),
        (float("nan"), "nan"),
        (2**80, str(2**80)),
        (b"\xff", "b'\\xff'"),
        ({("a", 1): {"b": {1}}}, {"('a', 1)": {"b": [1]}}),
        ("a\nb\u2028c", "a\nb\u2028c"),
        ("\ud800", "\ud800"),
        ("x" * 100_000, "x" * 2047 + " … " + "x" * 6142),
        (list(range(1000)), list(range(64))),
    ],
)
def test_any_value_can_be_written_as_json(value: object, expected: object) -> None:
    """Bounded, and never by an exception."""
    record = logging.makeLogRecord({"name": "shop", "msg": "order", "given": value})
    assert json.loads(lines.as_json(record))["extra"] == {"given": expected}


def test_a_value_that_contains_itself_can_be_written() -> None:
    """It ends at a depth."""
    ring: list[object] = []
    ring.append(ring)
    assert one_json_line(ring=ring)["extra"] == {"ring": [[[["[[...]]"]]]]}


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.integers() | st.text(), inner),
    max_leaves=8,
)


@settings(
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.dictionaries(st.text(), JSON), st.text())
def test_no_extra_breaks_a_json_line(extra: dict[str, object], message: str) -> None:
    """One line comes out whatever goes in."""
    record = logging.makeLogRecord({"msg": message})
    for key, value in extra.items():
        record.__dict__.setdefault(key, value)
    line = lines.as_json(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == message.rstrip("\n")


def test_arguments_that_do_not_fit_are_shown() -> None:
    """The program's mistake costs no line."""
    assert one_json_line(msg="%d orders", args=("many",))["message"] == "%d orders ['many']"


@pytest.fixture
def json_lines() -> Iterator[None]:
    """Write JSON from now on."""
    LINES.on("json")
    yield
    LINES.off()


@pytest.mark.usefixtures("json_lines")
def test_a_program_that_configures_logging_later_writes_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A dictConfig replaces handlers and formatters, and its loggers may not propagate."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"own": {"format": "OWN %(message)s"}},
            "handlers": {
                "err": {"class": "logging.StreamHandler", "formatter": "own"},
                "out": {
                    "class": "logging.StreamHandler",
                    "formatter": "own",
                    "stream": "ext://sys.stdout",
                },
            },
            "root": {"handlers": ["err"], "level": "INFO"},
            "loggers": {"shop.access": {"handlers": ["out"], "propagate": False}},
        }
    )
    logging.getLogger("shop").info("to root")
    logging.getLogger("shop.access").warning("alone")
    out, err = capsys.readouterr()
    assert json.loads(err)["message"] == "to root"
    assert json.loads(out)["message"] == "alone"


@pytest.mark.usefixtures("json_lines")
def test_a_program_without_handlers_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Python's handler of last resort writes to stderr as well."""
    logging.root.handlers.clear()
    logging.getLogger("shop").warning("careful")
    assert json.loads(capsys.readouterr().err)["message"] == "careful"


@pytest.mark.usefixtures("json_lines")
def test_a_file_of_one_logger_keeps_its_layout(tmp_path: Path) -> None:
    """An audit trail is read by another program; a file of the root logger is a log."""
    audit, log = tmp_path / "audit", tmp_path / "log"
    for logger, path in ((logging.getLogger("shop.audit"), audit), (logging.root, log)):
        handler = logging.FileHandler(path)
        handler.setFormatter(logging.Formatter("OWN %(message)s"))
        logger.addHandler(handler)
    logging.getLogger("shop.audit").warning("paid")
    assert audit.read_text() == "OWN paid\n"
    assert json.loads(log.read_text())["message"] == "paid"
    for logger in (logging.getLogger("shop.audit"), logging.root):
        logger.handlers[-1].close()


@pytest.mark.usefixtures("json_lines")
def test_a_terminal_that_is_not_utf_8_gets_the_line() -> None:
    """Half of the world's letters would be lost with it."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    logging.root.addHandler(logging.StreamHandler(stream))
    logging.getLogger("shop").warning("заказ")
    stream.flush()
    line = stream.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert line.isascii()
    assert json.loads(line)["message"] == "заказ"


def test_text_has_the_ids_in_each_line(otel: Telemetry, capsys: pytest.CaptureFixture[str]) -> None:
    """One layout for all, the stack trace below."""
    LINES.on("text")
    logging.root.addHandler(logging.StreamHandler())
    with trace.get_tracer("test").start_as_current_span("work"):
        log_failure("order %s", 7)
    LINES.off()
    first, second, *_rest, last = capsys.readouterr().err.splitlines()
    span = otel.span("work")
    assert first.split(" ", 1)[1] == (
        f"ERROR shop [trace_id={span.trace_id} span_id={span.span_id}] order 7"
    )
    assert second == "Traceback (most recent call last):"
    assert last == "ValueError: no stock"


def test_each_record_is_exported_once(otel: Telemetry) -> None:
    """Whether it propagates, stays with its logger, or is written by several handlers."""
    logging.root.addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("shop").addHandler(logging.StreamHandler(io.StringIO()))
    alone = logging.getLogger("shop.error")
    alone.addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("shop").warning("propagates")
    alone.propagate = False
    alone.warning("stays")
    assert [(log.logger, log.message) for log in otel.logs] == [
        ("shop", "propagates"),
        ("shop.error", "stays"),
    ]


def test_the_levels_of_the_loggers_decide(otel: Telemetry) -> None:
    """What a program does not log is not exported either."""
    logger = logging.getLogger("shop")
    logger.setLevel("INFO")
    logger.debug("detail")
    logger.info("order")
    logger.warning("late")
    logger.critical("dead")
    assert [(log.level, log.message) for log in otel.logs] == [
        ("INFO", "order"),
        ("WARN", "late"),
        ("FATAL", "dead"),
    ]


def test_a_logger_that_is_switched_off_is_not_exported(otel: Telemetry) -> None:
    """No handler and no way to the root is how servers switch one off."""
    logger = logging.getLogger("shop.silent")
    logger.propagate = False
    logger.error("nobody hears")
    logger.addFilter(lambda _record: False)
    logger.propagate = True
    logger.error("filtered")
    assert otel.logs == []


@pytest.mark.parametrize(
    "name", ["opentelemetry.sdk", "otel_setup", "uvicorn.access", "gunicorn.access"]
)
def test_telemetry_and_access_lines_are_not_exported(otel: Telemetry, name: str) -> None:
    """The first would feed itself, the second say what spans say."""
    logging.getLogger(name).error("line")
    assert otel.logs == []


def test_what_an_export_logs_is_not_exported(otel: Telemetry) -> None:
    """The program's own requests are its business, those of an export are not."""
    logger = logging.getLogger("urllib3.connectionpool")
    logger.warning("the program's")
    with suppress_instrumentation():
        logger.warning("the export's")
        logging.getLogger("shop").warning("untraced work")
    assert [log.message for log in otel.logs] == ["the program's", "untraced work"]


def test_what_another_handler_exports_is_left_to_it(otel: Telemetry) -> None:
    """A program may have added the SDK's handler by hand."""
    theirs = type(
        "LoggingHandler", (logging.NullHandler,), {"__module__": "opentelemetry.sdk._logs"}
    )
    logger = logging.getLogger("shop")
    logger.addHandler(theirs())
    logger.error("once")
    assert otel.logs == []


def test_an_exported_record_says_what_happened_where(otel: Telemetry) -> None:
    """Names of the semantic conventions, and the program's own."""
    try:
        fail_in_spans()
    except ValueError:
        logging.getLogger("shop").exception("failed", extra={"order": 7, "who": None})
    attributes = otel.log("failed").attributes
    assert attributes.pop("exception.stacktrace").endswith("ValueError: no stock")
    assert attributes.pop("code.line.number") > 0
    assert attributes == {
        "code.file.path": __file__,
        "code.function.name": "test_an_exported_record_says_what_happened_where",
        "exception.type": "ValueError",
        "exception.message": "no stock",
        "order": 7,
    }


def test_the_end_of_a_long_stack_trace_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would cut off the line that failed."""

    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("no stock")
        # Python shortens what repeats itself: each level is another line.
        exec(f"{chr(10) * levels}deep({levels - 1})", {"deep": deep})  # noqa: S102

    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1000")
    with recorded() as otel:
        try:
            deep(200)
        except ValueError:
            logging.getLogger("shop").exception("failed")
    stack = otel.log("failed").attributes["exception.stacktrace"]
    assert len(stack) == 1000
    assert stack.startswith("Traceback (most recent call last):")
    assert stack.endswith("ValueError: no stock")


def test_what_an_object_logs_while_it_is_exported_stays_here(otel: Telemetry) -> None:
    """Its text would export itself without end."""

    class Talking:
        def __str__(self) -> str:
            logging.getLogger("shop").error("I was asked")
            return "talking"

    logging.getLogger("shop").error("with", extra={"given": Talking()})
    assert [log.message for log in otel.logs] == ["with"]


@pytest.mark.parametrize(
    "extra", [{"given": Rude()}, {"n": 2**70}, {str(n): n for n in range(500)}]
)
def test_any_record_can_be_exported(otel: Telemetry, extra: dict[str, object]) -> None:
    """Bounded, and never by an exception."""
    logging.getLogger("shop").error("x" * 100_000, extra=extra)
    (log,) = otel.logs
    assert len(log.message) == 32_768
    assert len(log.attributes) <= 67


def test_an_export_that_fails_costs_the_program_nothing(
    otel: Telemetry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so, once a minute."""

    def broken(_record: logging.LogRecord) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr(values, "message", broken)
    logging.getLogger("shop").error("order")
    logging.getLogger("shop").error("order")
    assert otel.logs == []
    assert caplog.messages == [
        "order",
        "a log record is not exported (RuntimeError).",
        "order",
    ]


def test_a_record_from_another_process_keeps_its_ids(otel: Telemetry) -> None:
    """A listener handles it where the span is not known."""
    with trace.get_tracer("test").start_as_current_span("work"):
        record = logging.getLogger("shop").makeRecord("shop", 40, "", 0, "sent", (), None)
    sent = vars(record)
    with trace.get_tracer("test").start_as_current_span("listener"):
        logging.getLogger("shop").handle(logging.makeLogRecord(sent))
    assert otel.log("sent").span_id == otel.span("work").span_id


def test_the_switch_of_the_settings_turns_it_on_and_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `_clean_up` finds at the end is as before."""
    monkeypatch.setenv("OTEL_SETUP_LOG_FORMAT", "json")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    logging.root.handlers[:] = [logging.StreamHandler()]
    instrumentor = LogsInstrumentor()
    instrumentor.instrument()
    logging.getLogger("shop").warning("on")
    taken = logging.Logger.callHandlers is not HANDLE
    instrumentor.uninstrument()
    logging.getLogger("shop").warning("off")
    first, second = capsys.readouterr().err.splitlines()
    assert (json.loads(first)["message"], second, taken) == ("on", "off", True)


def test_without_exporters_records_are_not_looked_at() -> None:
    """By default there are ids in the records, and nothing else changes."""
    instrumentor = LogsInstrumentor()
    instrumentor.instrument()
    unchanged = logging.Logger.callHandlers is HANDLE and logging.Handler.format is FORMAT
    stamped = "otelTraceID" in vars(logging.makeLogRecord({}))
    instrumentor.uninstrument()
    assert (unchanged, stamped) == (True, True)


def test_one_user_does_not_end_the_export_of_another(otel: Telemetry) -> None:
    """The kit of the tests and the program use the same one."""
    EXPORT.on()
    EXPORT.off()
    logging.getLogger("shop").error("still")
    assert otel.log("still").level == "ERROR"


def test_a_program_under_the_launcher_writes_ids() -> None:
    """All of it together, with logging configured after us."""
    ended = run(
        "import logging\n"
        "from opentelemetry import trace\n"
        "logging.basicConfig(format='OWN %(message)s')\n"
        "with trace.get_tracer('app').start_as_current_span('work') as span:\n"
        "    logging.getLogger('shop').warning('order')\n"
        "    print(format(span.get_span_context().trace_id, '032x'))\n",
        OTEL_SERVICE_NAME="shop",
        OTEL_SETUP_LOG_FORMAT="json",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
    )
    line = json.loads(ended.stderr)
    assert (line["message"], line["service"]) == ("order", "shop")
    assert line["trace_id"] == ended.stdout.strip()
