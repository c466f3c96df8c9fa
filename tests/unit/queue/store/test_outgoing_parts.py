from __future__ import annotations

import sqlite3

import pytest

from edge.queue.store.outgoing_parts import REPORTS_S, Known, Parts, Sends
from edge.queue.store.seal import Seal
from edge.queue.store.windows import Recent
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
DIGEST = Seal(bytes(32)).phone("+6281234567001")
OTHER = Seal(bytes(32)).phone("+6281234567002")


@pytest.fixture
def conn() -> sqlite3.Connection:
    conn = database()
    for message, digest, state in ((1, DIGEST, "sending"), (2, DIGEST, "uncertain"), (3, OTHER, "uncertain")):
        conn.execute(
            "INSERT INTO outgoing (id, kind, code, priority, number, number_digest, text, stranger, created_at, wish,"
            " start_at, state, sending_at) VALUES (?, 'reply', 'HELP', 0, x'', ?, x'', 0, ?, '', 0, ?, ?)",
            (message, digest, NOW, state, NOW),
        )
    return conn


parts = Parts()


def test_fewer_parts_than_before_leave_none_of_the_old_ones(conn: sqlite3.Connection) -> None:
    """A message would wait for ever for a third part that its new division does not have."""
    parts.plan(conn, 1, "modem", [(1, 5), (2, 6), (3, 7)], now=NOW)
    parts.take(conn, 1, 1, 40, now=NOW)
    parts.plan(conn, 1, "modem", [(1, 8), (2, 9)], now=NOW)
    assert parts.known(conn, 1) == Known(2, frozenset(), {1: 8})


def test_a_division_of_the_same_length_forgets_what_the_old_one_was_told(conn: sqlite3.Connection) -> None:
    """The report on an old part would make a part of the new text pass for delivered."""
    parts.plan(conn, 1, "modem", [(1, 5), (2, 6)], now=NOW)
    parts.take(conn, 1, 1, 40, now=NOW)
    parts.plan(conn, 1, "modem", [(1, 7), (2, 8)], now=NOW)
    assert parts.report(conn, "modem", DIGEST, 40, True, now=NOW) is None
    assert parts.known(conn, 1) == Known(2, frozenset(), {1: 7})


def test_what_goes_on_keeps_what_is_known(conn: sqlite3.Connection) -> None:
    """A part that the network has would be sent twice."""
    parts.plan(conn, 1, "modem", [(1, 5), (2, 6), (3, 7)], now=NOW)
    parts.take(conn, 1, 1, 40, now=NOW)
    parts.plan(conn, 1, "modem", [(2, 8), (3, 9)], now=NOW)
    assert parts.known(conn, 1) == Known(3, frozenset({1}), {2: 8})
    parts.plan(conn, 1, "modem", [(2, 8)], now=NOW)  # the third is missing: another division
    assert parts.known(conn, 1) == Known(1, frozenset(), {2: 8})


@pytest.mark.parametrize(
    ("modem", "digest", "reference", "later", "about"),
    [
        ("modem", DIGEST, 5, 0.0, 2),
        ("modem", DIGEST, 9, 0.0, 2),  # another counter: about the one that is in doubt
        ("second", DIGEST, 5, 0.0, None),
        ("modem", OTHER, 5, 0.0, None),
        ("modem", DIGEST, 5, REPORTS_S - 1, 2),
        ("modem", DIGEST, 5, REPORTS_S + 1, None),
        ("modem", DIGEST, 5, 60.0 - NOW, 2),  # sent before the power cut, reported in 1970
    ],
)
def test_a_report_is_about_a_part_of_its_modem_number_and_time(
    conn: sqlite3.Connection, modem: str, digest: bytes, reference: int, later: float, about: int | None
) -> None:
    """A report would settle a message to somebody else, or one of another SIM, or of last month."""
    parts.plan(conn, 2, "modem", [(1, 5)], now=NOW)
    assert parts.report(conn, modem, digest, reference, True, now=NOW + later) == about
    assert parts.states(conn, 2) == ({"given"} if about is None else {"taken"})


def test_a_part_that_never_left_gets_no_report(conn: sqlite3.Connection) -> None:
    """A part would pass for taken that is still to be sent."""
    parts.plan(conn, 2, "modem", [(1, 5), (2, 6)], now=NOW)
    parts.take(conn, 2, 1, 5, now=NOW)
    assert parts.report(conn, "modem", DIGEST, 6, True, now=NOW) is None
    assert parts.known(conn, 2) == Known(2, frozenset({1}), {})


def test_the_budget_counts_what_an_older_program_sent(conn: sqlite3.Connection) -> None:
    """After an update the SIM would send twice its share in one day."""
    parts.plan(conn, 2, "", [(1, 5)], now=NOW - 10)
    parts.plan(conn, 3, "modem", [(1, 6)], now=NOW - 4_000)
    assert parts.sends(conn, "modem", Recent.at(NOW)) == Sends(1, 2)
    assert parts.sends(conn, "second", Recent.at(NOW)) == Sends(1, 1)
