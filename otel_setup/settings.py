# SPDX-License-Identifier: Apache-2.0
"""
Every variable that steers the set-up, once: name, type, default, meaning.

Standard ``OTEL_*`` variables keep the meaning that the OpenTelemetry specification
gives them; the SDK reads them, so our defaults are written into the environment,
and only where the user left a variable unset. Variables of our own begin with
``OTEL_SETUP_`` and are few. An empty variable counts as unset (specification,
"Environment Variable Specification").

Exceptions::

    Exception
    └── ConfigError    the environment contradicts the rules; lists every problem
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from otel_setup import _values


class ConfigError(Exception):
    """The environment holds values that telemetry cannot start with; ``problems`` has them all."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """
    One environment variable.

    ``default`` is what counts when it is unset; None leaves the decision to the SDK.
    ``parse`` turns the text into the value or raises ValueError with the rule that it breaks.
    """

    name: str
    default: str | None
    doc: str
    parse: Callable[[str], object] = str
    secret: bool = False


#: The variables, in the order in which the reference page shows them.
VARIABLES: tuple[Variable, ...] = (
    Variable(
        name="OTEL_SDK_DISABLED",
        default="false",
        parse=_values.boolean,
        doc="true: nothing is set up and no library is patched.",
    ),
    Variable(
        name="OTEL_SERVICE_NAME",
        default=None,
        doc="Name of the service; becomes Prometheus' label job.",
    ),
    Variable(
        name="OTEL_RESOURCE_ATTRIBUTES",
        default=None,
        doc="More about the process: key=value,key=value.",
    ),
    Variable(
        name="OTEL_EXPORTER_OTLP_ENDPOINT",
        default="http://127.0.0.1:4318",
        parse=_values.url,
        doc="The Collector. Port 4318 speaks http/protobuf, 4317 grpc.",
    ),
    Variable(
        name="OTEL_EXPORTER_OTLP_PROTOCOL",
        default="http/protobuf",
        parse=_values.protocol,
        doc="http/protobuf, or grpc (needs the extra otel-setup[grpc]).",
    ),
    Variable(
        name="OTEL_EXPORTER_OTLP_HEADERS",
        default=None,
        secret=True,
        parse=_values.headers,
        doc="Headers for the Collector, such as its token: key=value,key=value.",
    ),
    Variable(
        name="OTEL_EXPORTER_OTLP_TIMEOUT",
        default="3",
        parse=_values.seconds,
        doc="Seconds that one export may take.",
    ),
    Variable(
        name="OTEL_TRACES_EXPORTER",
        default="otlp",
        parse=_values.exporters("none", "otlp", "console"),
        doc="Where traces go: otlp, console, none.",
    ),
    Variable(
        name="OTEL_METRICS_EXPORTER",
        default="otlp",
        parse=_values.exporters("none", "otlp", "console", "prometheus"),
        doc="Where metrics go: otlp, prometheus (a /metrics page, one-process apps only), "
        "console, none; several with commas.",
    ),
    Variable(
        name="OTEL_LOGS_EXPORTER",
        default="none",
        parse=_values.exporters("none", "otlp", "console"),
        doc="Where log records go: none, otlp, console.",
    ),
    Variable(
        name="OTEL_METRIC_EXPORT_INTERVAL",
        default="15000",
        parse=_values.whole(100, 3_600_000),
        doc="Milliseconds between two exports of metrics.",
    ),
    Variable(
        name="OTEL_EXPORTER_PROMETHEUS_HOST",
        default="127.0.0.1",
        doc="Address of the /metrics page.",
    ),
    Variable(
        name="OTEL_EXPORTER_PROMETHEUS_PORT",
        default="9464",
        parse=_values.whole(1, 65_535),
        doc="Port of the /metrics page.",
    ),
    Variable(
        name="OTEL_SEMCONV_STABILITY_OPT_IN",
        default="http,database",
        doc="Which conventions are used in their stable form; http and database are always added, "
        "because dashboards read seconds under the stable names only.",
    ),
    Variable(
        name="OTEL_PYTHON_EXCLUDED_URLS",
        default="/healthz$,/metrics$",
        parse=_values.patterns,
        doc="Regular expressions of URLs that are not measured.",
    ),
    Variable(
        name="OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        default=None,
        doc="Libraries that are left alone: names of instrumentations with commas, or *. "
        "An own one that is named here gives its place back to upstream's.",
    ),
    Variable(
        name="OTEL_CONFIG_FILE",
        default=None,
        doc="File of OpenTelemetry's declarative configuration; the variables of exporters, "
        "intervals and samplers are not read then (needs the extra otel-setup[file]).",
    ),
    Variable(
        name="OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        default="16384",
        parse=_values.whole(1, 1_000_000),
        doc="Characters that are kept of one attribute's value.",
    ),
    Variable(
        name="OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED",
        default="true",
        parse=_values.boolean,
        doc="true: the SDK counts its own exports, queues and losses (otel.sdk.*).",
    ),
    Variable(
        name="OTEL_SETUP_STRICT",
        default="false",
        parse=_values.boolean,
        doc="true: a program whose telemetry cannot be set up as asked does not start.",
    ),
    Variable(
        name="OTEL_SETUP_EDGE",
        default="internal",
        parse=_values.one_of("internal", "untrusted"),
        doc="untrusted: callers are strangers. Their trace becomes a link, their baggage is "
        "dropped, our sampler decides. internal: their trace goes on.",
    ),
    Variable(
        name="OTEL_SETUP_CARDINALITY_LIMIT",
        default="2000",
        parse=_values.whole(10, 1_000_000),
        doc="Series that one instrument of a process may have; what comes on top is counted "
        "together under otel.metric.overflow=true.",
    ),
    Variable(
        name="OTEL_SETUP_SECRET_NAMES",
        default=None,
        doc="More names of query parameters, headers and fields whose values are replaced by "
        "REDACTED, with commas; token, password and the like always are.",
    ),
    Variable(
        name="OTEL_SETUP_USERS",
        default="20",
        parse=_values.whole(0, 200),
        doc="How many of the busiest users (set_user) have series of their own; 0 for none.",
    ),
    Variable(
        name="OTEL_SETUP_USER_KEY",
        default=None,
        secret=True,
        doc="Key that turns user ids into pseudonyms (HMAC); the same in all processes, so that "
        "one user has one pseudonym. Without it users have no series of their own.",
    ),
    Variable(
        name="OTEL_SETUP_MESSAGING_TRACES",
        default="join",
        parse=_values.one_of("join", "link"),
        doc="join: a message goes on in the trace of its publisher. link: each begins a trace of "
        "its own. A link leads to the publisher in any case.",
    ),
    Variable(
        name="OTEL_SETUP_ROUTING_KEYS",
        default=None,
        doc="Patterns of routing keys whose values nobody can count, with commas, as of a topic "
        "exchange (user.*.created, report.#): in labels a key is called by its pattern. Numbers "
        "and UUIDs are {id} by themselves.",
    ),
    Variable(
        name="OTEL_SETUP_S3_KEYS",
        default="hide",
        parse=_values.one_of("show", "hide"),
        doc="show: spans of S3 calls name the key of the object, and the source of a copy with its "
        "key. hide: keys are nowhere. Labels never have them.",
    ),
    Variable(
        name="OTEL_SETUP_LOG_FORMAT",
        default="none",
        parse=_values.one_of("none", "text", "json"),
        doc="text or json: the handlers of the console and of the root logger write lines with "
        "trace and span ids; none leaves their format alone.",
    ),
    Variable(
        name="OTEL_SETUP_EXIT_TIMEOUT",
        default="3",
        parse=_values.seconds,
        doc="Seconds that the last exports together may hold up the end of the process.",
    ),
)

_ALWAYS_STABLE = ("http", "database")
_PORT_OF_PROTOCOL = {"http/protobuf": 4318, "grpc": 4317}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one process needs to know to emit telemetry; made by `from_env`."""

    disabled: bool
    service_name: str | None
    endpoint: str
    protocol: str
    traces_exporters: tuple[str, ...]
    metrics_exporters: tuple[str, ...]
    logs_exporters: tuple[str, ...]
    prometheus_host: str
    prometheus_port: int
    semconv_opt_in: str
    exit_timeout: float
    config_file: str | None
    strict: bool
    #: True when callers are strangers.
    untrusted: bool
    cardinality_limit: int
    secret_names: tuple[str, ...]
    #: How many users have series of their own.
    users: int
    user_key: str | None
    log_format: str
    excluded_urls: tuple[str, ...]
    #: Contradictions that were repaired; each is worth one log line.
    repairs: tuple[str, ...]
    #: The whole environment of `VARIABLES` with defaults filled in, for the SDK to read.
    environment: Mapping[str, str]

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """
        Read *environ* (``os.environ`` when None) and check all of it.

        Raises:
            ConfigError: with every problem, each naming the variable, its value and the fix.
        """
        raw = os.environ if environ is None else environ
        text: dict[str, str] = {}
        value: dict[str, object] = {}
        problems: list[str] = []
        for variable in VARIABLES:
            chosen = raw.get(variable.name, "").strip() or variable.default
            if chosen is None:
                continue
            text[variable.name] = chosen
            try:
                value[variable.name] = variable.parse(chosen)
            except ValueError as rule:
                problems.append(_problem(variable, chosen, str(rule)))
        if problems:
            raise ConfigError(problems)
        return cls._from_values(text, value)

    @classmethod
    def _from_values(cls, text: dict[str, str], value: dict[str, object]) -> Settings:
        protocol = text["OTEL_EXPORTER_OTLP_PROTOCOL"]
        endpoint, repairs = _endpoint_for(text["OTEL_EXPORTER_OTLP_ENDPOINT"], protocol)
        text["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        opt_in = _with_stable(text["OTEL_SEMCONV_STABILITY_OPT_IN"])
        text["OTEL_SEMCONV_STABILITY_OPT_IN"] = opt_in
        return cls(
            disabled=value["OTEL_SDK_DISABLED"] is True,
            service_name=text.get("OTEL_SERVICE_NAME"),
            endpoint=endpoint,
            protocol=protocol,
            traces_exporters=_names(value["OTEL_TRACES_EXPORTER"]),
            metrics_exporters=_names(value["OTEL_METRICS_EXPORTER"]),
            logs_exporters=_names(value["OTEL_LOGS_EXPORTER"]),
            prometheus_host=text["OTEL_EXPORTER_PROMETHEUS_HOST"],
            prometheus_port=int(text["OTEL_EXPORTER_PROMETHEUS_PORT"]),
            semconv_opt_in=opt_in,
            exit_timeout=float(text["OTEL_SETUP_EXIT_TIMEOUT"]),
            config_file=text.get("OTEL_CONFIG_FILE"),
            strict=value["OTEL_SETUP_STRICT"] is True,
            untrusted=text["OTEL_SETUP_EDGE"] == "untrusted",
            cardinality_limit=int(text["OTEL_SETUP_CARDINALITY_LIMIT"]),
            secret_names=_list(text.get("OTEL_SETUP_SECRET_NAMES", "")),
            users=int(text["OTEL_SETUP_USERS"]),
            user_key=text.get("OTEL_SETUP_USER_KEY"),
            log_format=text["OTEL_SETUP_LOG_FORMAT"],
            excluded_urls=_names(value["OTEL_PYTHON_EXCLUDED_URLS"]),
            repairs=repairs,
            environment=text,
        )

    def apply(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Write defaults and repairs into *environ*, from where the SDK and upstream read them."""
        target = os.environ if environ is None else environ
        for name, chosen in self.environment.items():
            target[name] = chosen


def _names(value: object) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _problem(variable: Variable, chosen: str, rule: str) -> str:
    shown = "<hidden>" if variable.secret else repr(_without_password(chosen))
    return f"{variable.name}={shown}: {rule}. {variable.doc}"


def _without_password(text: str) -> str:
    if "@" not in text:
        return text
    return "***@" + text.rsplit("@", 1)[-1]


def _endpoint_for(endpoint: str, protocol: str) -> tuple[str, tuple[str, ...]]:
    """Move the well-known port of the other protocol to the one that *protocol* uses."""
    parts = urlsplit(endpoint)
    wanted = _PORT_OF_PROTOCOL[protocol]
    other = next(port for port in _PORT_OF_PROTOCOL.values() if port != wanted)
    if parts.port != other:
        return endpoint, ()
    host = parts.netloc.rpartition(":")[0]
    repaired = urlunsplit(parts._replace(netloc=f"{host}:{wanted}"))
    line = (
        f"OTEL_EXPORTER_OTLP_ENDPOINT={_without_password(endpoint)!r} is the port of another "
        f"protocol than OTEL_EXPORTER_OTLP_PROTOCOL={protocol!r}; "
        f"{_without_password(repaired)!r} is used. Set one of the two to match the other."
    )
    return repaired, (line,)


def _with_stable(opt_in: str) -> str:
    """Add http and database to the opt-in list unless the user has them or their /dup form."""
    tokens = [token.strip() for token in opt_in.split(",") if token.strip()]
    for token in _ALWAYS_STABLE:
        if token not in tokens and f"{token}/dup" not in tokens:
            tokens.append(token)
    return ",".join(tokens)
