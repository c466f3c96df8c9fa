"""One message, one transaction: what it writes, and that a second run after a lost transaction is as the first."""

from __future__ import annotations

import sqlite3

import pytest

from edge.config import Sms, Village
from edge.events import Event, RequestAccepted, SmsHandled
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms.handling import Handling
from edge.sms.replies import Catalogue
from tests.unit.queue.store.rows import database, joined, part

NOW = 1_795_323_600.0
VILLAGE = Village(code="3510052001", name="Sumberberas", district="Muncar")
FILING = "SKTM 3510064508909902 SITI AMINAH untuk beasiswa"


class Counter:
    """A handling over a database in memory."""

    def __init__(self) -> None:
        self.conn = database()
        seal = Seal(bytes(32))
        self.messages, requests = Messages(seal), Requests(seal)
        catalogue = Catalogue(VILLAGE.name, VILLAGE.kind)
        self.handling = Handling(requests, self.messages, VILLAGE, Sms(), catalogue)

    def receive(self, text: str, sender: str = "+6281234567001") -> int:
        pdu = f"07{self.rows('inbound'):06}"
        self.messages.add_part(self.conn, part(text, pdu, sender=sender), now=NOW, assemble=joined)
        return int(self.conn.execute("SELECT max(id) FROM inbound").fetchone()[0])

    def handle(self, inbound: int) -> list[Event]:
        return self.handling.handle(self.conn, inbound, now=NOW, trusted=True)

    def rows(self, table: str) -> int:
        return int(self.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def written(self) -> dict[str, int]:
        return {table: self.rows(table) for table in ("request", "outbox", "outgoing", "staff_message")}


@pytest.fixture
def counter() -> Counter:
    return Counter()


def test_a_filing_writes_request_outbox_and_reply_together(counter: Counter) -> None:
    """A villager would hold a ticket that the portal never hears of."""
    events = counter.handle(counter.receive(FILING))
    assert events == [RequestAccepted("sms", "SKTM"), SmsHandled("RECEIVED")]
    assert counter.written() == {"request": 1, "outbox": 1, "outgoing": 1, "staff_message": 0}


def test_a_handled_message_is_not_handled_again(counter: Counter) -> None:
    """A restart between commit and announcement would answer twice."""
    inbound = counter.receive(FILING)
    counter.handle(inbound)
    assert counter.handle(inbound) == []
    assert counter.written()["outgoing"] == 1


def test_a_lost_transaction_leaves_no_trace(counter: Counter) -> None:
    """What the first run remembered would make the second one answer DUPLICATE to a request that does not exist."""
    inbound = counter.receive(FILING)
    counter.conn.execute("BEGIN")
    first = counter.handle(inbound)
    counter.conn.execute("ROLLBACK")
    assert counter.written()["request"] == 0
    assert counter.handle(inbound) == first
    assert counter.written() == {"request": 1, "outbox": 1, "outgoing": 1, "staff_message": 0}


@pytest.mark.parametrize(
    ("text", "sender", "outcome", "written"),
    [
        ("promo", "Telkomsel", "ignore", (0, 0, 0, 0)),
        ("STATUS", "3636", "ignore", (0, 0, 0, 0)),
        ("makasih pak", "+6281234567001", "ignore", (0, 0, 0, 0)),
        ("STATUS", "+6281234567001", "NOTHING_OPEN", (0, 0, 1, 0)),
        ("SKTM SITI AMINAH", "+6281234567001", "ASK_NIK", (0, 0, 1, 0)),
        ("jalan rusak di krajan", "+6281234567001", "COMPLAINT", (0, 0, 1, 1)),
        ("REKAP", "+6281234567001", "HELP", (0, 0, 1, 0)),
    ],
)
def test_what_is_no_filing_files_nothing(
    counter: Counter, text: str, sender: str, outcome: str, written: tuple[int, ...]
) -> None:
    """A bank's advertisement would be answered, or a question filed as a request."""
    assert counter.handle(counter.receive(text, sender)) == [SmsHandled(outcome)]
    assert tuple(counter.written().values()) == written


def test_a_failure_inside_leaves_the_message_waiting(counter: Counter) -> None:
    """A message would count as handled though nothing of it was kept."""
    inbound = counter.receive(FILING)
    counter.conn.execute("DROP TABLE outgoing")
    counter.conn.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError):
        counter.handle(inbound)
    counter.conn.execute("ROLLBACK")
    assert counter.messages.waiting(counter.conn, limit=5) == [inbound]
