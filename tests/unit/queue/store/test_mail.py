from __future__ import annotations

import sqlite3

import pytest

from edge.queue.store.mail import Mail
from edge.queue.store.outgoing import Kind, Outgoing
from edge.queue.store.seal import Seal
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
PHONE = "+6281234567001"
SEAL = Seal(bytes(32))


@pytest.fixture
def conn() -> sqlite3.Connection:
    return database()


outgoing, mail = Outgoing(SEAL), Mail(SEAL)


def queue(conn: sqlite3.Connection, kind: Kind = "reply", wish: str = "") -> int:
    return outgoing.queue(conn, kind=kind, code="HELP", number=PHONE, text="Halo", now=NOW, wish=wish)


def start(conn: sqlite3.Connection, modem: str, *, now: float = NOW) -> int:
    row = queue(conn)
    assert outgoing.start(conn, row, modem, [(1, 1)], now=now)
    return row


def test_the_budget_shown_is_the_one_that_holds_messages_back(conn: sqlite3.Connection) -> None:
    """After an update the engineer would see an unused budget while messages wait for it."""
    for modem, ago in (("", 10), ("modem", 20), ("modem", 5_000), ("second", 10)):
        start(conn, modem, now=NOW - ago)
    for names in (("modem",), ("modem", "second")):
        figures, sends = mail.figures(conn, names, now=NOW)["modem"], outgoing.sends(conn, "modem", now=NOW)
        assert (figures.hour, figures.day) == (sends.hour, sends.day) == (2, 3)


def test_what_waits_is_counted_where_it_waits(conn: sqlite3.Connection) -> None:
    """Two modems would both show one queue, or a lone one none."""
    queue(conn)
    queue(conn, "notification", "second")
    alone = mail.figures(conn, ("second",), now=NOW)
    assert alone["second"].waiting == {"reply": 1, "notification": 1, "digest": 0}
    pair = mail.figures(conn, ("modem", "second"), now=NOW)
    assert [(name, figures.pending) for name, figures in pair.items()] == [("", 1), ("modem", 0), ("second", 1)]


def test_what_failed_is_sent_again_by_hand_and_what_is_under_way_is_not(conn: sqlite3.Connection) -> None:
    """A person could send twice what is being sent, or not send what was given up."""
    row = start(conn, "modem")
    assert not mail.resend(conn, row, expires_at=NOW + 60, now=NOW)
    assert not mail.discard(conn, row, now=NOW)
    outgoing.not_sent(conn, row, "no such number", fault="recipient", wait_s=None, now=NOW)
    shown = mail.one(conn, row)
    assert shown is not None
    assert (shown.state, shown.over, shown.error, shown.modem) == ("failed", True, "no such number", "modem")
    assert PHONE not in repr(shown)
    assert mail.resend(conn, row, expires_at=NOW + 60, now=NOW)
    again = mail.one(conn, row)
    assert again is not None
    assert (again.state, again.attempts, again.error, again.modem) == ("pending", 0, "", "")
    assert mail.discard(conn, row, now=NOW)
    actions = [tuple(found) for found in conn.execute("SELECT kind, subject FROM audit ORDER BY seq")]
    assert actions == [("sms-resend", str(row)), ("sms-discard", str(row))]


def test_what_one_modem_has_in_part_stays_with_it(conn: sqlite3.Connection) -> None:
    """Another modem would send the rest of a message from another number."""
    row = start(conn, "modem")
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW, now=NOW)
    outgoing.settle(conn, "modem", (), now=NOW)
    assert mail.resend(conn, row, expires_at=NOW + 60, now=NOW)
    shown = mail.one(conn, row)
    assert shown is not None
    assert shown.modem == "modem"
    assert [(part.sequence, part.state) for part in mail.parts(conn, row)] == [(1, "given")]
