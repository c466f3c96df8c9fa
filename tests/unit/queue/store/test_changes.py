"""What came down: the cursor, the events seen, the portal's version."""

from __future__ import annotations

import sqlite3

import pytest

from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.store import audit, changes
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.unit.queue.store.rows import database


def test_the_cursor_is_the_last_one_written() -> None:
    """A restart would read everything again, or skip a page."""
    conn = database()
    assert changes.cursor(conn) == ""
    changes.set_cursor(conn, "7")
    changes.set_cursor(conn, "8")
    assert changes.cursor(conn) == "8"


def test_an_event_is_recorded_once() -> None:
    """A page that is sent twice would notify a villager twice."""
    conn = database()
    change = Change("e1", "r1", "completed", 3)
    assert not changes.seen(conn, "e1")
    changes.record(conn, change, "unknown", now=1.0)
    assert changes.seen(conn, "e1")
    with pytest.raises(sqlite3.IntegrityError):
        changes.record(conn, change, "applied", now=2.0)


def test_the_portals_version_is_kept_beside_the_boxs_own() -> None:
    """The box's own changes would make a newer change of the portal look old."""
    conn = database()
    requests = Requests(Seal(bytes(32)))
    requests.add(conn, Request(id="r", ticket="T", letter="SKTM", source="sms", state="received", version=1), now=1.0)
    requests.move(conn, "r", "forwarded", by="forwarder", now=2.0)
    assert (changes.portal_version(conn, "r"), changes.portal_version(conn, "stranger")) == (0, 0)
    changes.set_portal_version(conn, "r", 5)
    moved = requests.get(conn, "r")
    assert moved is not None
    assert (changes.portal_version(conn, "r"), moved.version) == (5, 2)


def test_an_audit_row_is_bounded() -> None:
    """A portal's long answer would fill the store."""
    conn = database()
    audit.record(conn, "dead-letter", "r", "x" * 1000, now=1.0)
    assert conn.execute("SELECT kind, subject, length(detail), at FROM audit").fetchone()[:] == (
        *("dead-letter", "r"),
        *(300, 1.0),
    )


def test_the_newest_events_are_kept_by_small_steps() -> None:
    """A portal that never ends fills the card, or one deletion holds up everybody who writes."""
    conn = database()
    for number in range(1_000):
        changes.record(conn, Change(f"e{number}", "r", "completed", number), "unknown", now=1.0)
    for left in (800, 600, 400, 300, 300):
        changes.forget_oldest(conn, most=300)
        (count,) = conn.execute("SELECT count(*) FROM change").fetchone()
        assert count == left
    assert changes.seen(conn, "e999")
    assert not changes.seen(conn, "e699")
