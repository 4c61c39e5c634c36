# SPDX-License-Identifier: Apache-2.0
"""Requests per user: exact, bounded, and silent about who the users are."""

from __future__ import annotations

import contextvars
import hashlib
import hmac
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from otel_setup import set_user, users
from otel_setup._tally import HALF_LIFE, LEAVING, LINGER, OTHER, Tally, User
from tests.conftest import Telemetry

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _own_users(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a process without users."""
    for name in ("OTEL_SETUP_USERS", "OTEL_SETUP_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(users, "_users", None)


def sends(user: str | int | None, group: str | None = None, times: int = 1) -> None:
    """Have *user* send requests."""
    for _ in range(times):
        caller = users.begin()
        if user is not None:
            set_user(user, group=group)
        users.count(caller)


def exported() -> dict[tuple[str, str], float]:
    """Return what an export reads: pseudonym and group → requests."""
    return {
        (labels["user.hash"], labels.get("user.group", "")): value
        for value, labels in users._ready().read()
    }


def pseudonym(user: str) -> str:
    """Compute what the key makes of *user*, in another way than the code does."""
    return hmac.new(KEY.encode(), user.encode(), hashlib.sha256).hexdigest()[:16]


@contextmanager
def span() -> Iterator[Any]:
    """Have a span that is the present one inside the block."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("s") as made:
        yield made


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


# What an application says.


def test_a_busy_user_has_a_series_under_a_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    """He counts in `other` until a series exists, then in his own, which begins at 0."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    sends("ann", "customer", times=20)
    assert exported() == {(pseudonym("ann"), "customer"): 0, (OTHER, "customer"): 20}
    sends("ann", "customer", times=3)
    sends("bob", "customer")
    assert exported() == {(pseudonym("ann"), "customer"): 3, (OTHER, "customer"): 21}


def test_without_a_key_nobody_has_a_series(caplog: pytest.LogCaptureFixture) -> None:
    """A pseudonym that anybody can compute is none; one line says what to do."""
    with caplog.at_level(logging.INFO, "otel_setup"):
        sends("ann", times=50)
        exported()
        sends("ann")
    assert exported() == {(OTHER, ""): 51}
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "OTEL_SETUP_USER_KEY is not set: requests of all users are counted together. "
        "Set it to a secret of 32 characters or more, the same in all processes."
    )


def test_exports_have_the_counts(telemetry: Telemetry) -> None:
    """The metric reaches whatever reads metrics, once for each provider."""
    sends("ann", "customer", times=2)
    sends("bob", times=3)
    assert telemetry.values("http.server.user.requests") == {
        frozenset({("user.hash", OTHER), ("user.group", "customer")}): 2,
        frozenset({("user.hash", OTHER)}): 3,
    }


def test_what_was_counted_before_the_setup_is_not_exported(
    request: pytest.FixtureRequest,
) -> None:
    """A program may set telemetry up late, and a test may do so again."""
    sends("ann")
    telemetry: Telemetry = request.getfixturevalue("telemetry")
    sends("ann")
    assert telemetry.values("http.server.user.requests") == {frozenset({("user.hash", OTHER)}): 1}


def test_no_series_at_all_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SETUP_USERS=0 counts all users together, and marks no span."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    monkeypatch.setenv("OTEL_SETUP_USERS", "0")
    with span() as marked:
        sends("ann", times=50)
    assert exported() == {(OTHER, ""): 50}
    assert dict(marked.attributes) == {}


def test_a_request_without_a_user_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum over users is the number of requests with a user."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    sends(None, times=5)
    sends("", times=5)
    sends("ann")
    assert sum(exported().values()) == 1


def test_the_last_word_about_a_request_counts() -> None:
    """One request has one user, however often the program says who."""
    caller = users.begin()
    set_user("ann", group="guest")
    set_user("ann", group="customer")
    users.count(caller)
    users.count(caller)
    assert exported() == {(OTHER, "customer"): 1}


def test_outside_of_a_request_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A background job may call the same code."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    contextvars.Context().run(set_user, "ann")
    sends("ann")
    with span() as later:
        set_user("eve")  # the thread still has the context of the request that ended
    assert exported() == {(OTHER, ""): 1}
    assert dict(later.attributes) == {}


def test_a_thread_that_copies_the_context_speaks_for_the_request() -> None:
    """FastAPI authenticates in a thread pool."""
    caller = users.begin()
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(set_user, 7))
    thread.start()
    thread.join()
    users.count(caller)
    assert exported() == {(OTHER, ""): 1}


def test_the_present_span_has_the_pseudonym(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that traces of the user whom a dashboard shows can be found; a number is its text."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    with span() as marked:
        sends(7)
    assert dict(marked.attributes) == {"user.hash": pseudonym("7")}


def test_groups_are_few() -> None:
    """A ninth group and a long one are `other`: a label must stay bounded."""
    for number in range(20):
        sends("ann", f"group-{number}")
    sends("ann", "x" * 65)
    found = {group: value for (_, group), value in exported().items()}
    assert found == {**{f"group-{number}": 1 for number in range(8)}, "other": 13}


class Broken:
    """An id that cannot be read."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no id")


def test_a_broken_id_never_reaches_the_application(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What set_user cannot do is logged, not raised."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    sends(Broken())  # type: ignore[arg-type]
    assert "taking note of a user failed (RuntimeError: no id)" in caplog.text
    assert exported() == {}


def test_a_wrong_environment_leaves_users_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry is off then, and the application goes on."""
    monkeypatch.setenv("OTEL_SETUP_USERS", "many")
    sends("ann")
    assert exported() == {(OTHER, ""): 1}


def test_ids_are_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither id nor key is in what the process keeps."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    sends("ann@example.com", times=20)
    exported()
    sends("ann@example.com")
    kept = users._ready().tally
    assert "ann@example.com" not in repr((kept._series, kept._others, kept._busiest._counts))
    assert pseudonym("ann@example.com") in repr(kept._series)


def test_a_forked_child_begins_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a parent counted is not told again by its children."""
    monkeypatch.setenv("OTEL_SETUP_USER_KEY", KEY)
    sends("ann", times=20)
    exported()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        before = exported()
        sends("bob", times=2)
        os.write(writer, repr((before, exported())).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == repr(({}, {(OTHER, ""): 2}))
    for end in (reader, writer):
        os.close(end)


# Who has a series.


def add(tally: Tally, user: str, times: int = 1) -> None:
    """Count requests of *user*."""
    for _ in range(times):
        tally.add(user, "")


def own(tally: Tally) -> dict[str, int]:
    """Return the series of single users."""
    return {name: count for (name, _), count in tally.read() if name != OTHER}


def test_a_few_requests_make_nobody_special() -> None:
    """In a quiet hour the only caller has all of the traffic, which is nothing."""
    tally = Tally(3, Clock())
    add(tally, "ann", times=9)
    assert own(tally) == {}
    add(tally, "ann")
    assert own(tally) == {"ann": 0}


def test_a_small_share_makes_nobody_special() -> None:
    """Of three series, one fifteenth of all requests is what the estimate cannot tell for sure."""
    tally = Tally(3, Clock())
    for number in range(930):
        add(tally, f"stranger-{number % 93}")
    add(tally, "ann", times=60)
    assert own(tally) == {}
    add(tally, "ann", times=40)
    assert own(tally) == {"ann": 0}


def test_a_newcomer_takes_the_place_of_the_quietest() -> None:
    """He must be twice as loud, so that two equals do not take turns."""
    clock = Clock()
    tally = Tally(2, clock)
    add(tally, "ann", times=40)
    add(tally, "bob", times=20)
    assert own(tally) == {"ann": 0, "bob": 0}
    add(tally, "eve", times=39)
    assert set(own(tally)) == {"ann", "bob"}
    add(tally, "eve")
    assert set(own(tally)) == {"ann", "bob", "eve"}
    clock.now += LINGER
    assert set(own(tally)) == {"ann", "eve"}


def test_a_series_that_ends_keeps_its_last_value() -> None:
    """An export that got lost is made up for; what comes later counts in `other`."""
    clock = Clock()
    tally = Tally(1, clock)
    add(tally, "ann", times=10)
    tally.read()
    add(tally, "ann", times=7)
    add(tally, "eve", times=50)
    assert tally.read() == [(("ann", ""), 7), (("eve", ""), 0), ((OTHER, ""), 60)]
    add(tally, "ann", times=5)
    clock.now += LINGER - 1
    assert tally.read() == [(("ann", ""), 7), (("eve", ""), 0), ((OTHER, ""), 65)]


def test_yesterdays_user_gives_way() -> None:
    """A thousand requests of long ago weigh less than ten of now."""
    clock = Clock()
    tally = Tally(1, clock)
    add(tally, "ann", times=1000)
    assert own(tally) == {"ann": 0}
    clock.now += 10 * HALF_LIFE
    add(tally, "eve", times=10)
    assert set(own(tally)) == {"ann", "eve"}


def test_only_a_few_series_end_at_a_time() -> None:
    """Whoever turns over the whole list creates a bounded number of series in an hour."""
    clock = Clock()
    tally = Tally(10, clock)
    seen: set[str] = set()
    for step in range(24):
        for number in range(10):
            add(tally, f"user-{step}-{number}", times=int(20 * 1.3**step))
        seen |= set(own(tally))
        clock.now += 3600 / 24
    assert 10 + 20 < len(seen) <= 10 + 3600 / LINGER * LEAVING


def rise(read: Callable[[], list[tuple[User, int]]]) -> Callable[[], int]:
    """Add up what all series grow by, as Prometheus does: a fall is a new beginning."""
    last: dict[User, int] = {}
    total = 0

    def look() -> int:
        nonlocal total
        now = dict(read())
        for user, count in now.items():
            before = last.get(user, 0)
            total += count - before if count >= before else count
        last.update(now)
        return total

    return look


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("abcdefgh"), st.integers(1, 60)),
        st.tuples(st.just("read"), st.just(""), st.integers(0, 400)),
    ),
    max_size=120,
)


@given(events=EVENTS, most=st.integers(1, 3))
def test_the_rises_add_up_to_all_requests(events: list[tuple[str, str, int]], most: int) -> None:
    """Whoever gets or loses a series: no request is counted twice, none is lost."""
    clock = Clock()
    tally = Tally(most, clock)
    look = rise(tally.read)
    requests = 0
    for what, user, number in events:
        if what == "add":
            add(tally, user, number)
            requests += number
        else:
            assert look() == requests
            assert len(own(tally)) <= most + LEAVING
            clock.now += number
    assert look() == requests


def test_threads_lose_no_request() -> None:
    """Requests are counted from many threads while exports read."""
    tally = Tally(3)
    done = threading.Event()

    def work(seed: int) -> None:
        random = Random(seed)  # noqa: S311 - no secret
        for _ in range(5000):
            tally.add(random.choice("abcdefghij"), "")

    look = rise(tally.read)
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        look()
        done.wait(0.01)
    assert look() == 20_000


def test_a_million_strangers_create_no_series() -> None:
    """Random ids make neither series nor memory, and a real user stays visible among them."""
    clock = Clock()
    tally = Tally(20, clock)
    random = Random(5)  # noqa: S311 - no secret
    seen: set[str] = set()
    blocks = []
    for number in range(1_000_000):
        tally.add("ann" if number % 20 == 0 else f"{random.getrandbits(64):016x}", "")
        if number % 10_000 == 0:
            clock.now += 15
            seen |= set(own(tally))
            blocks.append(sys.getallocatedblocks())
    assert seen == {"ann"}
    assert blocks[-1] - blocks[2] < 500
    assert sum(count for _, count in tally.read()) == 1_000_000
