# SPDX-License-Identifier: Apache-2.0
"""The switch that makes the operators' list slow: each cause, its end, and what it leaves alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from services_demo.mes.slow.__main__ import main
from services_demo.mes.slow.switch import Cause
from services_demo.stack import infrastructure
from tests.broker import until
from tests.postgres_server import PostgresServer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

Switch = Callable[..., str]
List = Callable[[], dict[str, Any]]

_ORDERS = 30


@pytest.fixture(scope="module", name="url")
def _url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The MES's database, with some orders in it once the API has made its tables."""
    with PostgresServer(tmp_path_factory.mktemp("postgres")) as started:
        yield infrastructure.database_url(started._layout, "mes", "mes")


@pytest.fixture(name="client")
def _client(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setenv("MES_DATABASE_URL", url)
    from services_demo.mes import api  # noqa: PLC0415 - it connects when it is imported

    # Its import makes an app, too.
    api.app.extensions["pool"].close()
    app = api.create_app()
    with psycopg.connect(url) as database:
        database.execute("TRUNCATE manufacturing_order CASCADE")
        database.execute(
            "INSERT INTO manufacturing_order"
            " (order_id, model_key, model_format, material, quantity, state, placed_at)"
            " SELECT gen_random_uuid(), 'key', 'stl', 'gold', 1,"
            "  CASE n %% 2 WHEN 0 THEN 'approved' ELSE 'received' END, now()"
            " FROM generate_series(1, %s) AS n",
            (_ORDERS,),
        )
    yield app.test_client()
    app.extensions["pool"].close()


@pytest.fixture(name="orders")
def _orders(client: FlaskClient) -> List:
    answer = client.post("/operator/sessions", json={"operator": "anna"})
    headers = {"Authorization": f"Bearer {answer.get_json()['token']}"}

    def ask() -> dict[str, Any]:
        path = "/operator/orders?state=approved&size=5&page=2"
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: dict[str, Any] = answer.get_json()
        return found

    return ask


@pytest.fixture(name="switch")
def _switch(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> Iterator[Switch]:
    """Run the command, and wait until the API has looked at the switch."""
    assert client

    def run(*arguments: str) -> str:
        assert main(arguments) == 0
        time.sleep(1.1)
        return capsys.readouterr().out

    yield run
    main(["off"])


def took(ask: List) -> float:
    """Return how many seconds the list took."""
    began = time.monotonic()
    ask()
    return time.monotonic() - began


@pytest.mark.parametrize("cause", Cause)
def test_operators_get_the_same_list_whatever_makes_it_slow(
    orders: List, switch: Switch, cause: Cause
) -> None:
    """What is tried out breaks nobody's work."""
    before = orders()
    switch(cause)
    assert [orders(), orders()] == [before, before]


@pytest.mark.parametrize("cause", [Cause.POOL, Cause.LOCK])
def test_who_holds_the_list_up_makes_it_wait_and_ends_with_the_switch(
    orders: List, switch: Switch, cause: Cause
) -> None:
    """Its thread runs once, and is gone when the switch is off."""
    switch(cause)

    def at_work() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == f"slow {cause}"]

    until(lambda: took(orders) > 0.5, "the list waits")
    assert at_work() == [f"slow {cause}"]
    switch("off")
    until(lambda: at_work() == [], "the thread is gone")


def test_the_switch_ends_by_itself(orders: List, switch: Switch) -> None:
    """After the minutes that were said, or ten."""
    assert switch("statement", "--minutes", "0.02").startswith("statement until ")
    orders()
    assert switch() == "off: the list of orders is as fast as it can be\n"


def test_a_start_of_the_api_turns_it_off(switch: Switch) -> None:
    """A switch that was forgotten is no trap."""
    from services_demo.mes import api  # noqa: PLC0415 - it connects when it is imported

    assert switch("lock").startswith("lock until ")
    api.create_app().extensions["pool"].close()
    assert switch().startswith("off")


def test_the_last_cause_that_was_set_counts(switch: Switch) -> None:
    """One at a time: two would be told apart by nobody."""
    switch("lock")
    assert switch("page").startswith("page until ")
    assert switch().startswith("page until ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["slowly"], "argument CAUSE: invalid choice: 'slowly'"),
        (["pool", "--minutes", "0"], "'0': expected minutes, more than 0 and at most 120"),
        (["pool", "--minutes", "121"], "'121': expected minutes"),
        (["pool", "--minutes", "ten"], "'ten': expected minutes"),
    ],
)
def test_a_wrong_command_line_says_what_is_expected(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """With exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_a_database_that_is_away_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with exit code 3."""
    monkeypatch.setenv("MES_DATABASE_URL", "postgresql://mes:secret@127.0.0.1:1/mes")
    assert main([]) == 3
    said = capsys.readouterr().err
    assert said.startswith("The MES's database cannot be used: ")
    assert (said.count("\n"), "secret" in said) == (1, False)


def test_without_an_address_the_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As at the start of a service."""
    monkeypatch.delenv("MES_DATABASE_URL", raising=False)
    assert main([]) == 3
    assert capsys.readouterr().err.startswith("MES_DATABASE_URL is not set.")
