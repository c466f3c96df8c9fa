from __future__ import annotations

import sqlite3
from typing import Literal

import pytest

from edge import config
from edge.modem.errors import Fault
from edge.modem.mailbox import Ended, Given, Started, Step, Taken
from edge.modem.mailbox import Outgoing as Message
from edge.queue.store import modems
from edge.queue.store.outgoing import Outgoing, Scope
from edge.queue.store.outgoing_parts import Known
from edge.queue.store.seal import Seal
from edge.sms.journal import REFERENCE, Journal
from edge.sms.restraint import BACKOFF_FIRST_S, Restraint
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
PHONE = "+6281234567001"


class Desk:
    """A journal over a store in memory."""

    def __init__(self, reference: str = "") -> None:
        self.conn: sqlite3.Connection = database()
        self.rows = Outgoing(Seal(bytes(32)))
        self.restraint = Restraint(config.Sms(pause_after_failures=2, pause_s=100))
        self.journal = Journal(self.rows, "modem", self.restraint, settle_s=90, retry_s=(16, 40))
        self.journal.begin(reference)

    def chosen(self) -> Message:
        """A new message, as the mailbox hands it over."""
        self.rows.queue(self.conn, kind="reply", code="HELP", number=PHONE, text="Halo", now=NOW)
        return self.due()

    def due(self, now: float = NOW) -> Message:
        found = self.rows.due(self.conn, Scope(modem="modem"), now=now)
        assert found is not None
        known = found.known
        return Message(
            found.id,
            PHONE,
            "Halo",
            "reply",
            self.journal.next_reference,
            known.taken,
            known.given,
            known.total,
            attempts=found.attempts,
        )

    def record(self, *steps: Step) -> tuple[bool, list[tuple[str, str]]]:
        judged = self.journal.judge(steps, now=0.0)
        well = self.journal.write(self.conn, judged, now=NOW)
        return well, list(self.journal.conclude(judged, well=well))

    def row(self, message: int) -> tuple[str, float, float | None]:
        found = self.conn.execute("SELECT state, not_before, settle_at FROM outgoing WHERE id = ?", (message,))
        return tuple(found.fetchone())


def test_references_go_on_where_the_last_process_stopped() -> None:
    """Reports of two messages to one number would be taken for each other after a restart."""
    desk = Desk("254")
    first = desk.chosen()
    assert first.reference == 255
    assert desk.record(Started(first, ((1, 255), (2, 0)))) == (True, [])
    assert desk.journal.next_reference == 1
    assert modems.recall(desk.conn, "modem", REFERENCE) == "0"


def test_a_start_that_came_too_late_uses_up_no_reference() -> None:
    """A message that somebody discarded would pass for the one under way."""
    desk = Desk()
    message = desk.chosen()
    desk.conn.execute("UPDATE outgoing SET state = 'discarded'")
    assert desk.record(Started(message, ((1, 1),))) == (False, [])
    assert desk.journal.next_reference == 1
    assert desk.record(Ended(message.id, "failed", "cancelled", "modem")) == (True, [])
    assert desk.row(message.id)[0] == "discarded"


@pytest.mark.parametrize(
    ("result", "fault", "told", "row"),
    [
        ("sent", None, "sent", ("sent", 0.0, None)),
        ("uncertain", None, "uncertain", ("uncertain", 0.0, NOW + 90)),
        ("failed", None, "uncertain", ("uncertain", 0.0, NOW + 90)),  # a failure without a cause is a doubt
        ("failed", "recipient", "failed", ("failed", NOW, None)),
        ("failed", "duplicate", "sent", ("sent", 0.0, None)),
    ],
)
def test_what_an_end_means(
    result: Literal["sent", "failed", "uncertain"],
    fault: Fault | None,
    told: str,
    row: tuple[str, float, float | None],
) -> None:
    """A message would be sent twice, be lost, or be counted as what it is not."""
    desk = Desk()
    message = desk.chosen()
    desk.record(Started(message, ((1, 1),)))
    assert desk.record(Ended(message.id, result, "why", fault)) == (True, [("reply", told)])
    assert desk.row(message.id) == row


def test_a_passing_failure_waits_ever_longer_up_to_the_longest() -> None:
    """A number that is away would be called every second, or only after days."""
    desk, waits, now = Desk(), list[float](), NOW
    desk.chosen()
    for _ in range(4):
        message = desk.due(now)
        desk.record(Started(message, ((1, 1),)))
        assert desk.record(Ended(message.id, "failed", "away", "away"))[1] == [("reply", "retry")]
        waits.append(desk.row(message.id)[1] - NOW)
        now = NOW + 50
    assert all(0.75 * whole <= wait <= 1.25 * whole for whole, wait in zip((16, 32, 40, 40), waits, strict=True))


def test_a_rejected_twin_lets_the_rest_go_on() -> None:
    """The second half of a message would never be sent, or the first be sent again and again."""
    desk = Desk()
    message = desk.chosen()
    desk.record(Started(message, ((1, 1), (2, 2))))
    desk.record(Taken(message.id, 1, 40), Given(message.id, 2))
    desk.record(Ended(message.id, "uncertain", "no answer"))
    desk.rows.settle(desk.conn, "modem", ("reply",), now=NOW + 90)
    again = desk.due(NOW + 90)
    assert (again.taken, again.given) == (frozenset({1}), {2: 2})
    desk.record(Started(again, ((2, 2),)))
    assert desk.record(Ended(again.id, "failed", "duplicate", "duplicate")) == (True, [("reply", "sent")])
    assert desk.row(again.id)[0] == "sent"
    assert desk.rows.parts.known(desk.conn, again.id) == Known(2, frozenset({1, 2}), {})


def test_what_was_written_twice_is_judged_once() -> None:
    """A transaction that the store repeats would count two failures, and pause what should go on."""
    desk = Desk()
    message = desk.chosen()
    desk.record(Started(message, ((1, 1),)))
    judged = desk.journal.judge([Ended(message.id, "failed", "away", "away")], now=0.0)
    for _ in range(2):
        desk.conn.execute("BEGIN")
        desk.journal.write(desk.conn, judged, now=NOW)
        desk.conn.execute("ROLLBACK")
    assert desk.row(message.id)[0] == "sending"
    desk.journal.write(desk.conn, judged, now=NOW)
    assert list(desk.journal.conclude(judged, well=True)) == [("reply", "retry")]
    assert desk.restraint.gate(now=0.0).bulk_until == 0.0


def test_an_end_that_the_store_took_at_the_tenth_try_is_one_failure() -> None:
    """A disk that was full for minutes would have the modem wait for an hour, and count as many refusals."""
    desk, twin = Desk(), Desk()
    for each, tries in ((desk, 10), (twin, 1)):
        message = each.chosen()
        each.record(Started(message, ((1, 1),)))
        ended = Ended(message.id, "failed", "no network", "network")
        for _ in range(tries - 1):
            each.journal.judge([ended], now=0.0)
        assert each.record(ended) == (True, [("reply", "retry")])
    longest = BACKOFF_FIRST_S * 1.25
    assert desk.restraint.gate(now=0.0).until <= longest
    assert twin.restraint.gate(now=0.0).until <= longest
