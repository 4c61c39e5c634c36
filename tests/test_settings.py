# SPDX-License-Identifier: Apache-2.0
"""The environment becomes `Settings`, or one error that names every problem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_setup import ConfigError, Settings
from otel_setup.settings import VARIABLES

DEFAULTS = {
    "OTEL_SDK_DISABLED": "false",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRIC_EXPORT_INTERVAL": "15000",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "9464",
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
    "OTEL_PYTHON_EXCLUDED_URLS": "/healthz$,/metrics$",
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "16384",
    "OTEL_SETUP_STRICT": "false",
    "OTEL_SETUP_EDGE": "internal",
    "OTEL_SETUP_CARDINALITY_LIMIT": "2000",
    "OTEL_SETUP_USERS": "20",
    "OTEL_SETUP_LOG_FORMAT": "none",
    "OTEL_SETUP_S3_KEYS": "hide",
    "OTEL_SETUP_MESSAGING_TRACES": "join",
    "OTEL_SETUP_EXIT_TIMEOUT": "3",
}

#: Texts that have gone wrong somewhere, and any text at all.
VALUES = st.sampled_from(
    [
        "",
        " ",
        "none",
        "otlp",
        "none,otlp",
        ",",
        "http://[::1",
        "http://h:99999",
        "http://h:0",
        "http://u:p@h:4317",
        "grpc",
        "true",
        "-1",
        "nan",
        "inf",
        "1e400",
        "²",
        "٣",
        "9" * 5000,
        "http/dup",
    ]
) | st.text(max_size=20)


def problems_of(environ: dict[str, str]) -> list[str]:
    """Return what `Settings.from_env` says about *environ*."""
    with pytest.raises(ConfigError) as raised:
        Settings.from_env(environ)
    assert str(raised.value) == "\n".join(raised.value.problems)
    return raised.value.problems


def attempt(environ: dict[str, str]) -> tuple[list[str], Settings | None]:
    """Return the problems of *environ*, or its settings."""
    try:
        return [], Settings.from_env(environ)
    except ConfigError as error:
        return error.problems, None


def test_an_empty_environment_gives_the_defaults() -> None:
    """Traces and metrics go to a Collector on this machine, logs nowhere."""
    assert Settings.from_env({}) == Settings(
        disabled=False,
        service_name=None,
        endpoint="http://127.0.0.1:4318",
        protocol="http/protobuf",
        traces_exporters=("otlp",),
        metrics_exporters=("otlp",),
        logs_exporters=(),
        prometheus_host="127.0.0.1",
        prometheus_port=9464,
        semconv_opt_in="http,database",
        exit_timeout=3.0,
        config_file=None,
        strict=False,
        untrusted=False,
        cardinality_limit=2000,
        secret_names=(),
        users=20,
        user_key=None,
        log_format="none",
        excluded_urls=("/healthz$", "/metrics$"),
        repairs=(),
        environment=DEFAULTS,
    )


def test_without_an_argument_the_environment_of_the_process_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the user exports counts."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert Settings.from_env().service_name == "shop"


def test_every_value_is_read() -> None:
    """Each variable that has a field ends in it, in the field's type."""
    settings = Settings.from_env(
        {
            "OTEL_SDK_DISABLED": "TRUE",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:443",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "otlp, prometheus,otlp",
            "OTEL_LOGS_EXPORTER": "console",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0",  # noqa: S104 - not listened on
            "OTEL_EXPORTER_PROMETHEUS_PORT": "65535",
            "OTEL_PYTHON_EXCLUDED_URLS": "^/ping, /live$,",
            "OTEL_CONFIG_FILE": "/etc/otel.yaml",
            "OTEL_SETUP_STRICT": "true",
            "OTEL_SETUP_EDGE": "untrusted",
            "OTEL_SETUP_CARDINALITY_LIMIT": "10",
            "OTEL_SETUP_SECRET_NAMES": "pin, passport",
            "OTEL_SETUP_USERS": "0",
            "OTEL_SETUP_USER_KEY": "s3cret",
            "OTEL_SETUP_LOG_FORMAT": "json",
            "OTEL_SETUP_EXIT_TIMEOUT": "0.5",
        }
    )
    assert settings == Settings(
        disabled=True,
        service_name="shop",
        endpoint="https://collector:443",
        protocol="grpc",
        traces_exporters=(),
        metrics_exporters=("otlp", "prometheus"),
        logs_exporters=("console",),
        prometheus_host="0.0.0.0",  # noqa: S104 - not listened on
        prometheus_port=65535,
        semconv_opt_in="http,database",
        exit_timeout=0.5,
        config_file="/etc/otel.yaml",
        strict=True,
        untrusted=True,
        cardinality_limit=10,
        secret_names=("pin", "passport"),
        users=0,
        user_key="s3cret",
        log_format="json",
        excluded_urls=("^/ping", "/live$"),
        repairs=(),
        environment=settings.environment,
    )


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_variable_counts_as_unset(empty: str) -> None:
    """Compose files write `NAME=` for what they do not set."""
    names = [variable.name for variable in VARIABLES]
    assert Settings.from_env(dict.fromkeys(names, empty)) == Settings.from_env({})


def test_every_problem_is_named_at_once() -> None:
    """Each line has the variable, its value, the rule and the meaning."""
    assert problems_of(
        {
            "OTEL_SDK_DISABLED": "yes",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_EXPORTER_OTLP_HEADERS": "token s3cret",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "soon",
            "OTEL_TRACES_EXPORTER": "zipkin",
            "OTEL_METRICS_EXPORTER": "none,otlp",
            "OTEL_LOGS_EXPORTER": "prometheus",
            "OTEL_METRIC_EXPORT_INTERVAL": "15s",
            "OTEL_EXPORTER_PROMETHEUS_PORT": "70000",
            "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "1",
            "OTEL_SETUP_EXIT_TIMEOUT": "0",
            "OTEL_PYTHON_EXCLUDED_URLS": "/ok,(",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9" * 5000,
            "OTEL_SETUP_EDGE": "outside",
        }
    ) == [
        (
            "OTEL_SDK_DISABLED='yes': expected true or false. "
            "true: nothing is set up and no library is patched."
        ),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT='collector:4318': expected a URL such as "
            "http://127.0.0.1:4318. The Collector. Port 4318 speaks http/protobuf, 4317 grpc."
        ),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL='http/json': expected http/protobuf or grpc. "
            "http/protobuf, or grpc (needs the extra otel-setup[grpc])."
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS=<hidden>: expected key=value, several with commas, "
            "other characters as %XX. Headers for the Collector, such as its token: "
            "key=value,key=value."
        ),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT='soon': expected seconds, more than 0 and at most 3600. "
            "Seconds that one export may take."
        ),
        (
            "OTEL_TRACES_EXPORTER='zipkin': expected none, or a list of otlp, console. "
            "Where traces go: otlp, console, none."
        ),
        (
            "OTEL_METRICS_EXPORTER='none,otlp': expected none, or a list of otlp, console, "
            "prometheus. Where metrics go: otlp, prometheus (a /metrics page, one-process apps "
            "only), console, none; several with commas."
        ),
        (
            "OTEL_LOGS_EXPORTER='prometheus': expected none, or a list of otlp, console. "
            "Where log records go: none, otlp, console."
        ),
        (
            "OTEL_METRIC_EXPORT_INTERVAL='15s': expected a whole number from 100 to 3600000. "
            "Milliseconds between two exports of metrics."
        ),
        (
            "OTEL_EXPORTER_PROMETHEUS_PORT='70000': expected a whole number from 1 to 65535. "
            "Port of the /metrics page."
        ),
        (
            "OTEL_PYTHON_EXCLUDED_URLS='/ok,(': '(' is no regular expression (missing ), "
            "unterminated subpattern at position 0). Regular expressions of URLs that are not "
            "measured."
        ),
        (
            f"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT={'9' * 5000!r}: expected a whole number from 1 to "
            "1000000. Characters that are kept of one attribute's value."
        ),
        (
            "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED='1': expected true or false. "
            "true: the SDK counts its own exports, queues and losses (otel.sdk.*)."
        ),
        (
            "OTEL_SETUP_EDGE='outside': expected internal or untrusted. untrusted: callers are "
            "strangers. Their trace becomes a link, their baggage is dropped, our sampler decides. "
            "internal: their trace goes on."
        ),
        (
            "OTEL_SETUP_EXIT_TIMEOUT='0': expected seconds, more than 0 and at most 3600. "
            "Seconds that the last exports together may hold up the end of the process."
        ),
    ]


@pytest.mark.parametrize("endpoint", ["http://h:99999", "http://h:x", "http://[::1", "http://:1"])
def test_an_address_that_only_looks_like_one_is_refused(endpoint: str) -> None:
    """A port out of range and a broken IPv6 address are problems like any other."""
    assert problems_of({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}) == [
        (
            f"OTEL_EXPORTER_OTLP_ENDPOINT={endpoint!r}: expected a URL such as "
            "http://127.0.0.1:4318. The Collector. Port 4318 speaks http/protobuf, 4317 grpc."
        )
    ]


def test_a_password_in_an_address_is_hidden() -> None:
    """Messages end in logs, where a password must not be."""
    assert problems_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://user:p@ss@collector:4318"}) == [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT='***@collector:4318': expected a URL such as "
            "http://127.0.0.1:4318. The Collector. Port 4318 speaks http/protobuf, 4317 grpc."
        )
    ]


@pytest.mark.parametrize(
    "headers", ["token=s3cret", "a=1, b = two words", "authorization=Basic%20eA==,", "k="]
)
def test_headers_that_the_sdk_can_read_are_accepted(headers: str) -> None:
    """Spaces, equal signs and an empty value are in use."""
    settings = Settings.from_env({"OTEL_EXPORTER_OTLP_HEADERS": headers})
    assert settings.environment["OTEL_EXPORTER_OTLP_HEADERS"] == headers


@pytest.mark.parametrize(
    ("protocol", "typed", "used"),
    [
        ("http/protobuf", "http://collector:4317", "http://collector:4318"),
        ("grpc", "http://collector:4318/", "http://collector:4317/"),
        ("http/protobuf", "http://[::4317]:4317/x", "http://[::4317]:4318/x"),
    ],
)
def test_the_port_of_the_other_protocol_is_repaired(protocol: str, typed: str, used: str) -> None:
    """The commonest mistake loses nothing, and says what to set."""
    settings = Settings.from_env(
        {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": typed}
    )
    assert settings.endpoint == settings.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == used
    assert settings.repairs == (
        (
            f"OTEL_EXPORTER_OTLP_ENDPOINT={typed!r} is the port of another protocol than "
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r}; {used!r} is used. "
            "Set one of the two to match the other."
        ),
    )


def test_a_repair_keeps_the_password_and_hides_it() -> None:
    """Only the port changes, even where the password looks like one."""
    settings = Settings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:4317@collector:4317"})
    assert settings.endpoint == "http://u:4317@collector:4318"
    assert settings.repairs == (
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT='***@collector:4317' is the port of another protocol than "
            "OTEL_EXPORTER_OTLP_PROTOCOL='http/protobuf'; '***@collector:4318' is used. "
            "Set one of the two to match the other."
        ),
    )


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        ("http/protobuf", "http://collector:4318"),
        ("grpc", "http://collector:4317"),
        ("http/protobuf", "http://collector"),
        ("http/protobuf", "https://collector:443/otlp"),
    ],
)
def test_a_port_that_may_be_right_is_kept(protocol: str, endpoint: str) -> None:
    """Only the well-known port of the other protocol is a mistake for sure."""
    settings = Settings.from_env(
        {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    )
    assert (settings.endpoint, settings.repairs) == (endpoint, ())


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("", "http,database"),
        ("gen_ai", "gen_ai,http,database"),
        ("http/dup", "http/dup,database"),
        ("database , http", "database,http"),
        ("database/dup,,http/dup", "database/dup,http/dup"),
    ],
)
def test_the_opt_in_always_has_http_and_database(typed: str, used: str) -> None:
    """Dashboards read seconds; who wants the old names as well keeps their /dup."""
    settings = Settings.from_env({"OTEL_SEMCONV_STABILITY_OPT_IN": typed})
    assert settings.semconv_opt_in == used
    assert settings.environment["OTEL_SEMCONV_STABILITY_OPT_IN"] == used


def test_apply_writes_the_defaults_into_an_empty_environment() -> None:
    """The SDK reads the environment, so that is where our defaults go."""
    environ: dict[str, str] = {}
    Settings.from_env(environ).apply(environ)
    assert environ == DEFAULTS


def test_apply_keeps_what_the_user_set() -> None:
    """A default never wins over a choice, and other variables stay as they are."""
    chosen = {
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "HOME": "/root",
    }
    environ = dict(chosen)
    Settings.from_env(environ).apply(environ)
    assert environ == {**DEFAULTS, **chosen}


def test_apply_without_an_argument_writes_into_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That is where the SDK looks."""
    environ: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environ)
    Settings.from_env({}).apply()
    assert environ == DEFAULTS


@given(st.dictionaries(st.sampled_from([variable.name for variable in VARIABLES]), VALUES))
def test_any_environment_gives_settings_or_a_config_error(environ: dict[str, str]) -> None:
    """Whatever somebody typed, nothing else is raised, and applying twice changes nothing."""
    problems, settings = attempt(environ)
    assert bool(problems) == (settings is None)
    if settings is not None:
        settings.apply(environ)
        again = Settings.from_env(environ)
        assert (again.environment, again.repairs) == (settings.environment, ())


@given(st.text(min_size=1).filter(lambda text: "=" not in text and text.replace(",", " ").strip()))
def test_no_broken_header_is_ever_shown(secret: str) -> None:
    """A token that was pasted without its key stays out of the log."""
    problems, _settings = attempt({"OTEL_EXPORTER_OTLP_HEADERS": secret})
    assert [problem.split(":")[0] for problem in problems] == [
        "OTEL_EXPORTER_OTLP_HEADERS=<hidden>"
    ]


def test_each_variable_stands_once() -> None:
    """The table is what code and documentation read."""
    names = [variable.name for variable in VARIABLES]
    assert len(names) == len(set(names))
