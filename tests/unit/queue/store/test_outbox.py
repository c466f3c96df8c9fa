"""The outbox's rows: which is due, in which order, and what becomes of one."""

from __future__ import annotations

import sqlite3

import pytest

from edge.queue.request import Request
from edge.queue.store import outbox
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal, SealBroken
from tests.unit.queue.store.rows import database

NOW, MOST_S = 1_795_323_600.0, 600.0
SEAL = Seal(bytes(32))


@pytest.fixture
def conn() -> sqlite3.Connection:
    return database()


def file(conn: sqlite3.Connection, number: int, now: float = NOW) -> str:
    """A request with its row; returns the request's id."""
    request = Request(
        id=f"r{number}", ticket=f"T{number}", letter="SKTM", source="desk", state="received", version=1, name="SITI"
    )
    return Requests(SEAL).add(conn, request, now=now).id


def claim(conn: sqlite3.Connection, now: float = NOW, limit: int = 8) -> list[outbox.Row]:
    return outbox.claim(conn, SEAL, limit=limit, now=now, most_wait_s=MOST_S)


def test_the_oldest_rows_are_claimed_once(conn: sqlite3.Connection) -> None:
    """A request would be carried twice at a time, or the first be served last."""
    filed = [file(conn, number) for number in range(3)]
    rows = claim(conn, limit=2)
    assert [row.request for row in rows] == filed[:2]
    assert [row.attempts for row in rows] == [1, 1]
    assert b"SITI" in rows[0].payload
    assert [row.request for row in claim(conn)] == filed[2:]


def test_a_row_waits_for_the_earlier_ones_of_its_request(conn: sqlite3.Connection) -> None:
    """The portal would hear of a cancellation before the request."""
    first = file(conn, 1)
    outbox.put(conn, SEAL, first, "cancel_requested", "{}", now=NOW)
    (row,) = claim(conn)
    assert (row.kind, claim(conn)) == ("request", [])
    assert outbox.settle(conn, row, "delivered", now=NOW)
    assert [row.kind for row in claim(conn)] == ["cancel_requested"]


def test_a_dead_row_holds_back_what_follows_it(conn: sqlite3.Connection) -> None:
    """An event about a request that the portal refused would be sent after it."""
    first = file(conn, 1)
    outbox.put(conn, SEAL, first, "cancel_requested", "{}", now=NOW)
    (row,) = claim(conn)
    outbox.settle(conn, row, "dead", now=NOW, error="422")
    assert claim(conn) == []
    assert outbox.backlog(conn).dead == 1


@pytest.mark.parametrize(
    ("ahead_s", "due"),
    [(0.0, True), (1.0, False), (MOST_S, False), (MOST_S + 1, True)],
    ids=["now", "soon", "longest wait", "the clock jumped back"],
)
def test_a_postponed_row_comes_when_it_is_due(conn: sqlite3.Connection, ahead_s: float, due: bool) -> None:
    """A portal would be hammered, or a row wait years after the clock was set right."""
    file(conn, 1)
    (row,) = claim(conn)
    outbox.postpone(conn, row, not_before=NOW + ahead_s, error="503")
    assert bool(claim(conn)) is due


def test_a_hurry_ends_every_wait(conn: sqlite3.Connection) -> None:
    """An uplink that came back would carry nothing for minutes."""
    file(conn, 1)
    (row,) = claim(conn)
    outbox.postpone(conn, row, not_before=NOW + MOST_S, error="no connection")
    assert outbox.hurry(conn) == 1
    assert [row.attempts for row in claim(conn)] == [2]


def test_a_lease_of_a_dead_process_is_free_again(conn: sqlite3.Connection) -> None:
    """What was being sent at a power cut would never be sent."""
    file(conn, 1)
    assert claim(conn)
    assert claim(conn) == []
    outbox.free_leases(conn)
    assert len(claim(conn)) == 1


def test_a_row_is_settled_once_and_then_holds_nothing_personal(conn: sqlite3.Connection) -> None:
    """A late answer would settle a row again, or a delivered request's person stay in the outbox."""
    file(conn, 1)
    (row,) = claim(conn)
    assert outbox.settle(conn, row, "delivered", now=NOW)
    assert not outbox.settle(conn, row, "dead", now=NOW)
    assert conn.execute("SELECT state, payload FROM outbox").fetchone()[:] == ("delivered", None)


@pytest.mark.parametrize("tried", [False, True])
def test_only_what_never_left_is_withdrawn(conn: sqlite3.Connection, tried: bool) -> None:
    """A request that the portal may have would be called cancelled though it goes on there."""
    request = file(conn, 1)
    if tried:
        (row,) = claim(conn)
        outbox.postpone(conn, row, not_before=NOW, error="no answer")
    assert outbox.withdraw(conn, request, now=NOW) is not tried
    assert bool(claim(conn)) is tried


def test_the_backlog_counts_what_waits(conn: sqlite3.Connection) -> None:
    """The page would show an empty queue while requests wait, or the sender sleep past the next try."""
    assert outbox.backlog(conn) == outbox.Backlog(0, None, 0, None, False)
    file(conn, 1, now=NOW - 60)
    file(conn, 2)
    first, _ = claim(conn)
    outbox.postpone(conn, first, not_before=NOW + 30, error="503")
    assert outbox.backlog(conn) == outbox.Backlog(2, NOW - 60, 0, NOW + 30, True)


def test_a_row_opens_only_as_itself(conn: sqlite3.Connection) -> None:
    """A payload moved to another row would be delivered under its name."""
    file(conn, 1)
    file(conn, 2)
    conn.execute("UPDATE outbox SET payload = (SELECT payload FROM outbox WHERE seq = 1) WHERE seq = 2")
    with pytest.raises(SealBroken):
        claim(conn)
