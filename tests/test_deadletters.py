# SPDX-License-Identifier: Apache-2.0
"""Dead letters on a real broker and a real database: kept, looked at, replayed, dropped."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pika
import psycopg
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from psycopg.rows import dict_row

from otel_setup.testing import Telemetry
from services_demo.bus.connection import connect
from services_demo.bus.topology import DEAD, declare
from services_demo.catalogue import deadletters as catalogue
from services_demo.database import Pool, open_pool
from services_demo.deadletters.command import main
from services_demo.deadletters.keeper import Keeper
from services_demo.deadletters.telemetry import observe_letters
from tests.broker import Broker, plain_pika, until
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
QUEUE = "mes.orders"

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", name="postgres")
def _postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as started:
        yield started


@pytest.fixture(name="pool")
def _pool(postgres: PostgresServer) -> Iterator[Pool]:
    with open_pool(postgres.crm, "services_demo.crm", max_size=4) as opened:
        with opened.connection() as database:
            database.execute("TRUNCATE dead_letter, dead_letter_count RESTART IDENTITY")
        yield opened


@pytest.fixture(autouse=True)
def _queues(broker: Broker) -> None:
    """Begin with empty queues."""
    with broker.channel() as channel:
        declare(channel)
        for queue in (DEAD, "shop.orders", "mes.orders", "crm.orders"):
            channel.queue_purge(queue)


@pytest.fixture(name="run")
def _run(
    broker: Broker,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Return the command line: its exit code, what it said, and what it complained of."""
    monkeypatch.setenv("CRM_DATABASE_URL", postgres.crm)
    monkeypatch.setenv("AMQP_URL", broker.url)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


@contextmanager
def keeping(broker: Broker, pool: Pool) -> Iterator[None]:
    """Run a keeper for the length of the block."""
    stop = threading.Event()
    thread = threading.Thread(target=Keeper(broker.url, pool).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def keeper_process(
    broker: Broker, postgres: PostgresServer, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a keeper as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.dead_letters", *options],
        env={**os.environ, "CRM_DATABASE_URL": postgres.crm, "AMQP_URL": broker.url},
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def rows(pool: Pool, what: str = "*") -> list[dict[str, Any]]:
    """Return the table."""
    with pool.connection() as database:
        query = f"SELECT {what} FROM dead_letter ORDER BY dead_letter_id"  # noqa: S608 - a test's
        return database.execute(query).fetchall()


def wait_kept(pool: Pool, number: int, seconds: float = 60) -> list[dict[str, Any]]:
    """Wait until *number* letters are in the table, and return it."""
    until(lambda: len(rows(pool, "1")) >= number, f"{number} letters are kept", seconds)
    return rows(pool)


def depth(broker: Broker, queue: str) -> int:
    """Return how many messages are ready in *queue*."""
    with broker.channel() as channel:
        return int(channel.queue_declare(queue, passive=True).method.message_count)


def unsettled(broker: Broker) -> int:
    """Return how many letters the queue of the dead has, those in hand included."""
    return int(broker.api(f"queues/%2F/{DEAD}").get("messages", -1))


def kill(broker: Broker, number: int = 1, body: bytes = b"{}", **properties: Any) -> None:
    """Have *number* messages die in the queue of the MES, as its worker refuses them."""
    with broker.channel() as channel:
        for _ in range(number):
            made = plain_pika().BasicProperties(
                **{"type": "order.placed", "headers": {"traceparent": PARENT}, **properties}
            )
            channel.basic_publish("orders", "order.placed", body, made, mandatory=True)
        for _ in range(number):
            method, _properties, _body = channel.basic_get(QUEUE)
            channel.basic_reject(method.delivery_tag, requeue=False)


def dead(broker: Broker, pool: Pool, number: int = 1, **message: Any) -> list[dict[str, Any]]:
    """Have *number* messages die and be kept; return their rows."""
    before = len(rows(pool, "1"))
    with keeping(broker, pool):
        kill(broker, number, **message)
        kept = wait_kept(pool, before + number)
        until(lambda: depth(broker, DEAD) == 0, "the queue of the dead is empty")
    return kept[before:]


def test_a_refused_message_is_kept_with_all_that_is_known(broker: Broker, pool: Pool) -> None:
    """Where it died and why, its trace, its properties and its body."""
    (row,) = dead(broker, pool, body=b'{"a": 1}', message_id="m1", headers={
        "traceparent": PARENT, "tenant": "a"})  # fmt: skip

    seen = {key: row[key] for key in ("queue", "reason", "event", "exchange", "routing_key")}
    assert seen == {
        "queue": "mes.orders",
        "reason": "rejected",
        "event": "order.placed",
        "exchange": "orders",
        "routing_key": "order.placed",
    }
    assert (row["message_id"], row["trace_id"], bytes(row["body"])) == ("m1", TRACE, b'{"a": 1}')
    assert (row["state"], row["deaths"], row["headers"]["tenant"]) == ("waiting", 1, "a")
    assert abs((row["kept_at"] - row["last_died_at"]).total_seconds()) < 60


_DEEP: dict[str, Any] = {}
for _ in range(300):
    _DEEP = {"t": _DEEP}

POISON: dict[str, dict[str, Any]] = {
    "nothing at all": {"body": b""},
    "no text": {"body": bytes(range(256)), "message_id": b"\xff\xfe", "type": b"\xff\0"},
    "bytes as trace": {"headers": {"traceparent": b"\xff", "tracestate": b"\x00"}},
    "zero characters": {"headers": {"a\0b": "c\0d", "traceparent": "\0"}, "message_id": "a\0"},
    "numbers as trace": {"headers": {"traceparent": 7, "tracestate": None, "baggage": [1]}},
    "death that is text": {"headers": {"x-death": "yesterday"}},
    "death without anything": {"headers": {"x-death": [{}]}},
    "death of other types": {
        "headers": {"x-death": [{"queue": {}, "reason": [1], "count": -5, "time": "now"}, 7]}
    },
    "death in bytes": {"headers": {"x-death": [{"queue": b"\xff\0", "reason": "r" * 3000}]}},
    "tables in tables": {"headers": {"deep": _DEEP}},
    "copies": {"headers": {"CC": ["crm.orders"], "tenant": "a"}},
    "a name of 255 signs": {"headers": {"n" * 255: "v" * 50_000}},
    "a large body": {"body": b"x" * 5_000_000},
}


def poison(broker: Broker, *, body: bytes = b"{}", **properties: Any) -> None:
    """Publish to the exchange of the dead what no service of ours would."""
    with broker.channel() as channel:
        made = plain_pika().BasicProperties(**properties)
        channel.basic_publish(DEAD, "any.key", body, made, mandatory=True)


@pytest.mark.parametrize("message", POISON.values(), ids=POISON.keys())
def test_whatever_comes_is_kept_and_holds_nothing_up(
    broker: Broker, pool: Pool, run: Command, message: dict[str, Any]
) -> None:
    """Its body is there as it was, those behind it are, and the commands can show both."""
    with keeping(broker, pool):
        poison(broker, **message)
        kill(broker, message_id="behind")
        first, second = wait_kept(pool, 2)

    assert bytes(first["body"]) == message.get("body", b"{}")
    assert second["message_id"] == "behind"
    assert [run(*words)[0] for words in (["list"], ["list", "--json"], ["show", "1"])] == [0, 0, 0]
    assert run("show", "1", "--body", "--json")[0] == 0


def test_a_time_that_pika_cannot_read_does_not_break_the_connection(
    broker: Broker, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stamp in milliseconds would come back for ever: no other letter were ever kept."""
    data = plain_pika().data
    as_pika = data.encode_value

    def encode(pieces: list[bytes], value: object) -> int:
        if value != "milliseconds":
            return int(as_pika(pieces, value))
        pieces.append(struct.pack(">cQ", b"T", 1_772_000_000_000))
        return 9

    monkeypatch.setattr(data, "encode_value", encode)
    with keeping(broker, pool):
        poison(broker, headers={"when": "milliseconds"}, message_id="m1")
        (row,) = wait_kept(pool, 1)

    assert (row["message_id"], row["headers"]["when"]) == ("m1", 1_772_000_000_000)


def test_a_keeper_that_dies_before_it_acknowledges_keeps_a_letter_once(
    broker: Broker, postgres: PostgresServer, pool: Pool
) -> None:
    """The message comes again, and is known."""
    kill(broker, message_id="m1")
    with keeper_process(broker, postgres, "--die") as process:
        process.wait(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(rows(pool)) == 1

    with keeping(broker, pool):
        until(lambda: unsettled(broker) == 0, "it is acknowledged", 60)

    assert [row["message_id"] for row in rows(pool)] == ["m1"]


def test_equal_letters_without_an_id_are_all_kept(broker: Broker, pool: Pool) -> None:
    """Nobody can tell whether they are one, so none is given up."""
    assert len(dead(broker, pool, 3)) == 3


def test_without_its_database_letters_stay_in_the_queue(
    broker: Broker, postgres: PostgresServer, pool: Pool
) -> None:
    """They are kept when it is back, and none is lost or dead twice."""
    with keeping(broker, pool):
        letters = {f"m{number}" for number in range(5)}
        postgres.stop()
        try:
            for identity in sorted(letters):
                kill(broker, message_id=identity)
            until(
                lambda: unsettled(broker) == len(letters),
                "the letters are in the queue",
                60,
            )
        finally:
            postgres.start()
        kept = wait_kept(pool, 5)

    assert {row["message_id"] for row in kept} == letters


def test_ten_thousand_letters_need_little_memory(
    broker: Broker, postgres: PostgresServer, pool: Pool
) -> None:
    """A hundred megabytes of them pass through a keeper that grows by some megabytes."""
    number, body = 10_000, bytes(10_000)

    def resident() -> int:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)

    with keeper_process(broker, postgres) as process:
        poison(broker, body=body)
        wait_kept(pool, 1)
        before = resident()
        with broker.channel(confirm=False) as channel:
            for _ in range(number):
                channel.basic_publish(DEAD, "any.key", body)
        wait_kept(pool, number + 1, 200)
        grown = resident() - before

    assert grown < 20_000, f"it grew by {grown} KiB"


def test_a_letter_is_replayed_to_the_queue_in_which_it_died(
    broker: Broker, pool: Pool, run: Command
) -> None:
    """As the sender sent it, without notes of its death, and nowhere else."""
    dead(broker, pool, body=b'{"a": 1}', message_id="m1", content_type="application/json",
         priority=3, expiration="600000", timestamp=7, app_id="shop",
         headers={"traceparent": PARENT, "tenant": "a"})  # fmt: skip

    code, said, _ = run("replay", "--queue", QUEUE)

    assert (code, said) == (0, f"dead letter 1: replayed to {QUEUE}\n1 of 1 done\n")
    seen = broker.take(QUEUE)
    assert (seen.message_id, seen.type, seen.content_type) == (
        *("m1", "order.placed"),
        "application/json",
    )
    assert (seen.priority, seen.timestamp, seen.app_id, seen.delivery_mode) == (3, 7, "shop", 2)
    assert (seen.expiration, seen.user_id) == (None, None)
    mine = {key: value for key, value in seen.headers.items() if key != "x-delivery-count"}
    assert mine == {"tenant": "a", "traceparent": PARENT, "x-replay-of": 1, "x-replays": 1}
    assert [depth(broker, queue) for queue in (DEAD, "crm.orders", QUEUE)] == [0, 1, 0]
    assert [(row["state"], row["handled_at"] is None) for row in rows(pool)] == [
        ("replayed", False)
    ]


def test_a_letter_that_dies_again_is_a_new_one(broker: Broker, pool: Pool, run: Command) -> None:
    """It says how often it was replayed."""
    dead(broker, pool, message_id="m1")
    assert run("replay", "1")[0] == 0
    with keeping(broker, pool):
        with broker.channel() as channel:
            method, _properties, _body = channel.basic_get(QUEUE)
            channel.basic_reject(method.delivery_tag, requeue=False)
        kept = wait_kept(pool, 2)

    assert [(row["state"], row["replays"], row["message_id"]) for row in kept] == [
        ("replayed", 0, "m1"),
        ("waiting", 1, "m1"),
    ]


def test_a_replay_is_part_of_the_trace_of_its_message(
    otel: Telemetry, broker: Broker, pool: Pool, run: Command
) -> None:
    """Its span descends from the one that sent the message, and links to it."""
    dead(broker, pool)

    assert run("replay", "1")[0] == 0

    (span,) = [each for each in otel.spans if each.name == f"replay {QUEUE}"]
    assert (span.trace_id, span.parent_id) == (TRACE, "b7ad6b7169203331")
    assert span.links == ((TRACE, "b7ad6b7169203331"),)
    assert broker.take(QUEUE).headers["traceparent"].split("-")[1] == TRACE


def test_a_crash_before_the_mark_replays_twice_and_loses_nothing(
    broker: Broker, pool: Pool, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The letter waits as before, and its message is in the queue: the inbox knows it then."""
    dead(broker, pool, message_id="m1")
    publish = BlockingChannel.basic_publish

    def publish_and_die(*args: Any, **kwargs: Any) -> None:
        publish(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr(BlockingChannel, "basic_publish", publish_and_die)
        with pytest.raises(KeyboardInterrupt):
            run("replay", "1")
    assert [row["state"] for row in rows(pool)] == ["waiting"]

    assert run("replay", "1")[0] == 0

    assert [broker.take(QUEUE).message_id for _ in range(2)] == ["m1", "m1"]


def test_two_operators_replay_each_letter_once(
    broker: Broker, pool: Pool, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever comes second to a letter passes it over."""
    dead(broker, pool, 60)
    assert run("list")[0] == 0

    with ThreadPoolExecutor(3) as operators:
        codes = list(operators.map(lambda _: main(["replay", "--all"]), range(3)))

    assert set(codes) <= {0, 1}
    assert capsys.readouterr().out.count("replayed to") == 60
    assert depth(broker, QUEUE) == 60
    assert {row["state"] for row in rows(pool)} == {"replayed"}


def test_a_letter_of_an_unknown_queue_waits(broker: Broker, pool: Pool, run: Command) -> None:
    """It says what to type, and then it goes where it is told."""
    with keeping(broker, pool):
        poison(broker, type="order.placed")
        wait_kept(pool, 1)

    code, said, complaint = run("replay", "1")

    assert (code, said) == (1, "0 of 1 done\n")
    assert complaint == (
        "dead letter 1: nobody noted in which queue it died. Say where it belongs with "
        "--to QUEUE.\n"
    )
    assert run("replay", "1", "--to", "shop.orders")[0] == 0
    assert broker.take("shop.orders").type == "order.placed"


def test_a_letter_of_a_queue_that_is_gone_waits(broker: Broker, pool: Pool, run: Command) -> None:
    """The broker gives it back, the others go on."""
    dead(broker, pool, 2)
    with pool.connection() as database:
        database.execute("UPDATE dead_letter SET queue = 'old.orders' WHERE dead_letter_id = 1")

    code, said, complaint = run("replay", "--all")

    assert (code, said) == (1, f"dead letter 2: replayed to {QUEUE}\n1 of 2 done\n")
    assert complaint == (
        "dead letter 1: there is no queue 'old.orders'. Start the service that declares it, or "
        "say --to QUEUE.\n"
    )
    assert [row["state"] for row in rows(pool)] == ["waiting", "replayed"]


def test_a_dropped_letter_stays_with_its_reason(broker: Broker, pool: Pool, run: Command) -> None:
    """It does not wait any more, cannot be replayed, and nothing is deleted."""
    dead(broker, pool)

    assert run("drop", "1", "--because", "ordered twice")[:2] == (
        0,
        "dead letter 1: dropped\n1 of 1 done\n",
    )

    assert [(row["state"], row["because"]) for row in rows(pool)] == [("dropped", "ordered twice")]
    assert run("replay", "1")[0] == 1
    assert depth(broker, QUEUE) == 0


def test_filters_find_by_cause_age_and_trace(broker: Broker, pool: Pool, run: Command) -> None:
    """Each of them leaves out what it does not mean."""
    dead(broker, pool, 3)
    with pool.connection() as database:
        database.execute(
            "UPDATE dead_letter SET queue = 'crm.orders', reason = 'expired', trace_id = %s,"
            " event = 'order.priced', last_died_at = now() - interval '2 hours'"
            " WHERE dead_letter_id = 2",
            ("f" * 32,),
        )

    def found(*words: str) -> list[int]:
        code, said, _ = run("list", "--json", *words)
        assert code == 0
        return [each["dead_letter_id"] for each in json.loads(said)]

    assert found() == [1, 2, 3]
    assert found("--queue", "crm.orders") == found("--reason", "expired") == [2]
    assert found("--trace", "f" * 32) == found("--older-than", "1h") == [2]
    assert found("--event", "order.placed", "--queue", QUEUE) == [1, 3]
    assert found("--limit", "2") == [1, 2]
    assert found("--state", "dropped") == []
    assert found("--any-state") == [1, 2, 3]


def test_a_dry_run_changes_nothing(broker: Broker, pool: Pool, run: Command) -> None:
    """It shows what would be done."""
    dead(broker, pool, 2)

    replayed, dropped = run("replay", "--all", "--dry-run"), run(
        "drop", "2", "--because", "x", "--dry-run"
    )  # fmt: skip

    assert replayed[0] == dropped[0] == 0
    assert replayed[1].splitlines()[-1] == "would replay to its queue: 2 of 2"
    assert dropped[1].splitlines()[-1] == "would drop: 1 of 1"
    assert {row["state"] for row in rows(pool)} == {"waiting"}
    assert depth(broker, QUEUE) == 0


def test_a_body_is_shown_without_persons(broker: Broker, pool: Pool, run: Command) -> None:
    """Unless somebody asks for all of it; what breaks the contract is said without values."""
    order = {"schema_version": 1, "customer_email": "eve@example.com", "material": "wood", "x": 1}
    dead(broker, pool, body=json.dumps(order).encode())

    shown = json.loads(run("show", "1", "--json")[1])

    assert shown["body"] == {
        "schema_version": 1,
        "customer_email": "(str of 15; --body shows it)",
        "material": "wood",
        "(unknown field)": "(int; --body shows it)",
    }
    assert "material: enum" in shown["contract"]
    assert "eve@" not in run("show", "1")[1]
    assert json.loads(run("show", "1", "--json", "--body")[1])["body"] == order


def test_what_waits_and_was_handled_is_measured(
    otel: Telemetry, broker: Broker, pool: Pool, run: Command
) -> None:
    """By queue and reason, with zeros from the beginning and again at the end."""
    observe_letters(pool)

    def seen(name: str, *labels: str) -> dict[tuple[str, ...], float]:
        found = otel.metric(name).by("messaging.destination.name", "reason", *labels)
        return {key: value for key, value in found.items() if value}

    every = otel.metric(catalogue.WAITING.name).by("messaging.destination.name", "reason")
    assert len(every) == len(catalogue.QUEUES) * len(catalogue.REASONS)
    assert set(every.values()) == {0}
    dead(broker, pool, 3)
    with keeping(broker, pool):
        poison(broker, headers={"x-death": [{"queue": "a.strangers", "reason": "spite"}]})
        wait_kept(pool, 4)
    mine, strange = (QUEUE, "rejected"), ("unknown", "unknown")
    assert seen(catalogue.KEPT.name) == seen(catalogue.WAITING.name) == {mine: 3, strange: 1}
    assert set(seen(catalogue.OLDEST_AGE.name)) == {mine, strange}

    assert run("replay", "1", "2")[0] == run("drop", "--all", "--because", "a test")[0] == 0

    assert seen(catalogue.WAITING.name) == seen(catalogue.OLDEST_AGE.name) == {}
    assert seen(catalogue.HANDLED.name, "action") == {
        (*mine, "replayed"): 2,
        (*mine, "dropped"): 1,
        (*strange, "dropped"): 1,
    }
    with pool.connection() as database:
        database.execute("DELETE FROM dead_letter")
    assert seen(catalogue.KEPT.name) == {mine: 3, strange: 1}


def test_what_is_kept_before_the_first_export_rises(
    otel: Telemetry, broker: Broker, pool: Pool
) -> None:
    """What died while there was no keeper would otherwise be in a total that is new."""
    dead(broker, pool, 2)
    observe_letters(pool)
    with keeping(broker, pool):
        poison(broker)
        wait_kept(pool, 3)

    exports = [sum(point.value for point in otel.metric(catalogue.KEPT.name).points) for _ in "12"]

    assert exports == [2, 3]


def test_a_database_or_broker_that_is_away_is_named(
    pool: Pool, broker: Broker, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 3, and no traceback or password is seen."""
    dead(broker, pool)
    monkeypatch.setenv("AMQP_URL", "amqp://stack:secret@127.0.0.1:1/%2F")
    no_broker = run("replay", "1")
    monkeypatch.setenv("CRM_DATABASE_URL", "postgresql://crm:secret@127.0.0.1:1/crm")
    no_database = run("list")
    monkeypatch.setenv("CRM_DATABASE_URL", "somewhere")
    no_address = run("list")

    assert [ended[0] for ended in (no_broker, no_database, no_address)] == [3, 3, 3]
    assert no_broker[2].startswith("The broker of AMQP_URL cannot be used: ")
    assert no_database[2].startswith("The database of CRM_DATABASE_URL cannot be used: ")
    assert no_address[2].startswith("CRM_DATABASE_URL='somewhere': expected an address like ")
    assert "secret" not in no_broker[2] + no_database[2]


@pytest.mark.usefixtures("pool")
def test_nothing_waits_on_a_good_day(run: Command) -> None:
    """That is said, and is no error."""
    assert run("list") == (0, "no dead letter\n", "")
    assert run("list", "--json") == (0, "[]\n", "")
    assert run("replay", "--all") == (0, "no dead letter\n", "")
    assert run("show", "7")[0] == 2


def test_a_message_without_a_table_is_told(postgres: PostgresServer, run: Command) -> None:
    """A database that the CRM has not seen yet has none."""
    with psycopg.connect(postgres.crm, row_factory=dict_row) as database:
        database.execute("DROP TABLE IF EXISTS dead_letter, dead_letter_count, schema_applied")

    assert run("list") == (
        3,
        "",
        "There is no table of dead letters yet. Start the CRM's worker.\n",
    )


def test_connections_of_the_company_read_any_header(broker: Broker) -> None:
    """Also those of the services, whose queues a poisonous header reaches first."""
    with connect(broker.url, "test") as connection:
        assert pika.data.decode_value.__module__ == "services_demo.bus.decoding"
        assert connection.is_open
