from __future__ import annotations

import sqlite3

import pytest

from edge.queue.store.outgoing import MOST_ATTEMPTS, RETRY_MOST_S, Kind, Outgoing, Sends
from edge.queue.store.seal import Seal, SealBroken
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
PHONE = "+6281234567001"


@pytest.fixture
def conn() -> sqlite3.Connection:
    return database()


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(Seal(bytes(32)))


def queue(outgoing: Outgoing, conn: sqlite3.Connection, kind: Kind = "reply", number: str = PHONE) -> int:
    return outgoing.queue(conn, kind=kind, code="HELP", number=number, text="Halo", now=NOW)


def state(conn: sqlite3.Connection, row: int) -> str:
    return str(conn.execute("SELECT state FROM outgoing WHERE id = ?", (row,)).fetchone()[0])


def test_the_order_is_replies_notifications_digests_then_age(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A citizen's answer would wait behind a digest."""
    kinds: tuple[Kind, ...] = ("digest", "notification", "reply", "reply")
    rows = [queue(outgoing, conn, kind) for kind in kinds]
    taken = []
    while (due := outgoing.due(conn, replies_only=False, now=NOW)) is not None:
        assert outgoing.journal(conn, due, now=NOW) is not None
        taken.append(due)
    assert taken == [rows[2], rows[3], rows[1], rows[0]]


def test_only_replies_are_due_at_night(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A notification would ring at night."""
    queue(outgoing, conn, "notification")
    assert outgoing.due(conn, replies_only=True, now=NOW) is None
    assert outgoing.due(conn, replies_only=False, now=NOW) is not None


def test_a_message_is_journalled_once(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Two modems would send the same message."""
    row = queue(outgoing, conn)
    due = outgoing.journal(conn, row, now=NOW)
    assert due is not None
    assert (due.number, due.text, due.attempts) == (PHONE, "Halo", 1)
    assert PHONE not in repr(due)
    assert outgoing.journal(conn, row, now=NOW) is None


def test_waits_grow_and_end(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message the network refuses would be tried in a tight loop, or for ever."""
    row, now, waits = queue(outgoing, conn), NOW, []
    while state(conn, row) == "pending":
        started = now
        while outgoing.due(conn, replies_only=False, now=now) is None:
            now += 5
        waits.append(now - started)
        outgoing.journal(conn, row, now=now)
        outgoing.not_sent(conn, row, "+CMS ERROR: 38", permanent=False, now=now)
    assert (len(waits), state(conn, row)) == (MOST_ATTEMPTS, "failed")
    assert waits == sorted(waits)
    assert waits[1] == 15
    assert waits[-1] == RETRY_MOST_S


def test_a_lasting_failure_is_not_tried_again(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A wrong number would block the queue."""
    row = queue(outgoing, conn)
    outgoing.journal(conn, row, now=NOW)
    assert outgoing.not_sent(conn, row, "+CMS ERROR: 28", permanent=True, now=NOW) == "failed"


def test_a_clock_that_jumped_back_makes_nothing_wait_for_years(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A reply would wait until the clock is again where it was."""
    row = queue(outgoing, conn)
    outgoing.journal(conn, row, now=NOW)
    outgoing.not_sent(conn, row, "busy", permanent=False, now=NOW)
    assert outgoing.due(conn, replies_only=False, now=NOW - 300_000_000) == row


def test_doubt_is_resolved_by_one_more_send(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """An answer would be lost with its acknowledgement, or be sent at every crash."""
    row = queue(outgoing, conn)
    states = []
    for _ in range(2):
        outgoing.journal(conn, row, now=NOW)
        assert outgoing.left_sending(conn) == [(row, "reply")]
        states.append(outgoing.doubtful(conn, row, "crash", now=NOW))
    assert states == ["pending", "uncertain"]
    assert outgoing.left_sending(conn) == []


def test_a_late_word_about_a_settled_message_changes_nothing(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message that was sent would be sent again."""
    row = queue(outgoing, conn)
    outgoing.journal(conn, row, now=NOW)
    outgoing.sent(conn, row, (3,), now=NOW)
    assert outgoing.not_sent(conn, row, "late", permanent=False, now=NOW) == ""
    assert outgoing.doubtful(conn, row, "late", now=NOW) == ""
    assert state(conn, row) == "sent"


def test_the_budget_counts_the_last_hour_and_day(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """The SIM would be blocked, or wait for a day that is over."""
    for ago in (90_000, 5_000, 10, -500):
        outgoing.journal(conn, queue(outgoing, conn), now=NOW - ago)
    assert outgoing.sends(conn, now=NOW) == Sends(1, 2)


def test_a_report_goes_to_the_newest_message_of_its_number(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """TP-MR wraps at 255: an old message would be called delivered."""
    rows = [queue(outgoing, conn) for _ in range(2)] + [queue(outgoing, conn, number="+6281234567002")]
    for row in rows:
        outgoing.journal(conn, row, now=NOW)
        outgoing.sent(conn, row, (17, 18), now=NOW)
    assert outgoing.report(conn, PHONE, 18, delivered=False)
    assert not outgoing.report(conn, PHONE, 1, delivered=True)
    assert [row[0] for row in conn.execute("SELECT delivered FROM outgoing ORDER BY id")] == [None, 0, None]


def test_a_text_moved_to_another_number_does_not_open(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Somebody with the file could send one person's letter news to another."""
    first, second = queue(outgoing, conn), queue(outgoing, conn, number="+6281234567002")
    conn.execute("UPDATE outgoing SET text = (SELECT text FROM outgoing WHERE id = ?) WHERE id = ?", (first, second))
    with pytest.raises(SealBroken):
        outgoing.journal(conn, second, now=NOW)
