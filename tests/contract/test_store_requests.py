"""Requests, outbox and audit on real SQLite: sealing, look-up, transitions, claims."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.queue import ticket
from edge.queue.lane import Lane
from edge.queue.lifecycle import IllegalTransition
from edge.queue.request import Request, uuid7
from edge.queue.store import audit, changes, files, outbox, outbox_view
from edge.queue.store.migrate import migrate
from edge.queue.store.requests import Requests, TicketsExhausted
from edge.queue.store.seal import Seal, SealBroken

SEAL = Seal(bytes(range(32)))
REQUESTS = Requests(SEAL)
NIK, PHONE = "3510152306089909", "+6281234567001"


@pytest.fixture
def conn(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    migrate(tmp_path / "box.db")
    connection = files.connect(tmp_path / "box.db")
    yield connection
    connection.close()


def new(number: int = 1, state: str = "received", letter: str = "SKTM", nik: str = NIK, phone: str = PHONE) -> Request:
    return Request(
        id=uuid7(1_000_000 + number, number),
        ticket=ticket.make(number),
        letter=letter,
        source="sms",
        state=state,
        version=1,
        nik=nik,
        name="SITI AMINAH",
        phone=phone,
        purpose="beasiswa anak",
        flags=("nik_corrected",),
    )


def claim(conn: sqlite3.Connection, limit: int = 10, now: float = 100.0) -> list[outbox.Row]:
    return outbox.claim(conn, SEAL, limit=limit, now=now, most_wait_s=600)


def seen(backlog: outbox_view.Backlog) -> tuple[int, float | None, int, float | None, bool]:
    return backlog.waiting, backlog.oldest, backlog.dead, backlog.next_try, backlog.failing


def test_stored_request_comes_back_whole(conn: sqlite3.Connection) -> None:
    """A field is lost between storing and reading."""
    stored = REQUESTS.add(conn, new(), now=5.0)
    assert stored == REQUESTS.get(conn, stored.id) == REQUESTS.by_ticket(conn, stored.ticket)
    assert (stored.created_at, stored.updated_at) == (5.0, 5.0)
    assert (stored.purpose, stored.flags) == ("beasiswa anak", ("nik_corrected",))
    assert REQUESTS.get(conn, "none") is None
    assert REQUESTS.by_ticket(conn, "A00-A0") is None


def test_no_personal_data_stands_in_the_file(conn: sqlite3.Connection, tmp_path: Path) -> None:
    """A stolen card tells who asked for what."""
    request = REQUESTS.add(conn, new(), now=5.0)
    REQUESTS.move(conn, request.id, "forwarded", by="forwarder", now=6.0)
    REQUESTS.move(conn, request.id, "rejected", by="portal", now=7.0, why="KTP SITI tidak cocok")
    content = b"".join(path.read_bytes() for path in tmp_path.glob("box.db*"))
    assert request.ticket.encode() in content
    for secret in (NIK, PHONE, PHONE[1:], "SITI", "AMINAH", "beasiswa"):
        assert secret.encode() not in content


def test_look_ups_by_phone_and_twin(conn: sqlite3.Connection) -> None:
    """STATUS finds another's request, misses one's own, or a closed request blocks a new one."""
    first = REQUESTS.add(conn, new(1), now=1.0)
    second = REQUESTS.add(conn, new(2, letter="SKCK"), now=2.0)
    REQUESTS.add(conn, new(3, nik="3510152306089917", phone="+6281234567002"), now=3.0)
    assert REQUESTS.by_phone(conn, PHONE) == [second, first]
    assert REQUESTS.by_phone(conn, "+62812") == []
    assert REQUESTS.open_twin(conn, NIK, "SKTM") == first
    assert REQUESTS.open_twin(conn, NIK, "USAHA") is None
    REQUESTS.move(conn, first.id, "cancelled", by="sms", now=4.0)
    assert REQUESTS.open_twin(conn, NIK, "SKTM") is None
    assert REQUESTS.by_phone(conn, PHONE) == [second]
    assert [request.created_at for request in REQUESTS.recent(conn, 2)] == [3.0, 2.0]


def test_requests_without_nik_are_no_twins(conn: sqlite3.Connection) -> None:
    """Two births are taken for one, since neither child has a NIK."""
    REQUESTS.add(conn, new(1, letter="LAHIR", nik="", phone=""), now=1.0)
    assert REQUESTS.open_twin(conn, "", "LAHIR") is None
    assert REQUESTS.by_phone(conn, "") == []


def test_move_writes_version_and_transition(conn: sqlite3.Connection) -> None:
    """Nobody can tell afterwards who changed a request, or when."""
    request = REQUESTS.add(conn, new(), now=1.0)
    moved = REQUESTS.move(conn, request.id, "needs_data", by="sms", now=2.0, why="kk")
    assert (moved.state, moved.version, moved.updated_at) == ("needs_data", 2, 2.0)
    rows = [tuple(row) for row in conn.execute("SELECT from_state, to_state, actor, at FROM transition ORDER BY seq")]
    assert rows == [("", "received", "sms", 1.0), ("received", "needs_data", "sms", 2.0)]


def test_illegal_move_changes_nothing(conn: sqlite3.Connection) -> None:
    """A forbidden transition is half written."""
    request = REQUESTS.add(conn, new(), now=1.0)
    with pytest.raises(IllegalTransition):
        REQUESTS.move(conn, request.id, "completed", by="sms", now=2.0)
    with pytest.raises(KeyError):
        REQUESTS.move(conn, "none", "cancelled", by="sms", now=2.0)
    assert REQUESTS.get(conn, request.id) == request


def test_draft_goes_up_only_once_received(conn: sqlite3.Connection) -> None:
    """An incomplete request reaches the portal, or a completed draft never does."""
    request = REQUESTS.add(conn, new(state="draft"), now=1.0)
    assert claim(conn) == []
    REQUESTS.move(conn, request.id, "received", by="sms", now=2.0)
    assert [row.kind for row in claim(conn)] == ["request"]


def test_tickets_are_unique_and_run_out_loudly(conn: sqlite3.Connection) -> None:
    """Two villagers get one ticket, or the last free one is not found."""
    free = ticket.make(4711)
    conn.execute("BEGIN")
    conn.executemany(
        "INSERT INTO request (id, ticket, letter, source, state, version, person, created_at, updated_at)"
        " VALUES (?, ?, 'SKTM', 'sms', 'received', 1, x'', 0, 0)",
        ((str(number), ticket.make(number)) for number in range(ticket.SPACE) if number != 4711),
    )
    assert REQUESTS.new_ticket(conn) == free
    conn.execute("UPDATE request SET ticket = ? WHERE id = '0'", (free,))
    assert REQUESTS.new_ticket(conn) == ticket.make(0)
    with pytest.raises(sqlite3.IntegrityError):
        conn.execute("UPDATE request SET ticket = ? WHERE id = '1'", (free,))
    conn.execute("UPDATE request SET id = 'x' WHERE id = '0'")
    REQUESTS.add(conn, new(0), now=1.0)
    with pytest.raises(TicketsExhausted, match="all 32400 tickets are taken"):
        REQUESTS.new_ticket(conn)
    conn.execute("ROLLBACK")


def test_another_key_opens_nothing(conn: sqlite3.Connection) -> None:
    """A wrong store-key shows garbage instead of saying so."""
    request = REQUESTS.add(conn, new(), now=1.0)
    with pytest.raises(SealBroken, match="wrong store-key"):
        Requests(Seal(bytes(32))).get(conn, request.id)


# ---- the outbox ------------------------------------------------------------------------------------------------------


def test_claim_takes_the_oldest_due_rows_once(conn: sqlite3.Connection) -> None:
    """A row is sent twice at once, out of order, or before its time."""
    for number in range(1, 5):
        REQUESTS.add(conn, new(number), now=float(number))
    first, second = claim(conn, limit=2)
    assert (first.seq, second.seq, first.attempts) == (1, 2, 1)
    outbox.postpone(conn, first, not_before=150.0, error="later")
    assert [row.seq for row in claim(conn)] == [3, 4]
    assert claim(conn) == []
    (again,) = claim(conn, now=150.0)
    assert (again.seq, again.attempts) == (1, 2)


def test_a_clock_that_jumped_back_holds_nothing_up(conn: sqlite3.Connection) -> None:
    """After a wrong clock is set right, rows wait for years."""
    REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn, now=2_000_000_000.0)
    outbox.postpone(conn, row, not_before=2_000_000_100.0, error="later")
    assert len(claim(conn, now=1_000_000_000.0)) == 1


def test_leases_are_freed_at_a_start(conn: sqlite3.Connection) -> None:
    """What was being sent when the process died is never sent again."""
    REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn)
    outbox.free_leases(conn)
    (again,) = claim(conn)
    assert (again.event, again.payload, again.attempts) == (row.event, row.payload, 2)


def test_settling_twice_has_no_second_effect(conn: sqlite3.Connection) -> None:
    """A late answer to an old try settles a row again."""
    REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn)
    assert outbox.settle(conn, row, "delivered", now=2.0)
    assert not outbox.settle(conn, row, "dead", now=3.0)
    assert [tuple(r) for r in conn.execute("SELECT state, payload FROM outbox")] == [("delivered", None)]


def test_an_order_waits_for_its_request(conn: sqlite3.Connection) -> None:
    """The portal is asked to cancel what it never got."""
    request = REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn)
    assert REQUESTS.cancel(conn, request.id, by="sms", now=2.0) == "asked"
    assert claim(conn) == []
    outbox.settle(conn, row, "delivered", now=3.0)
    assert [row.kind for row in claim(conn)] == ["cancel_requested"]


def test_a_refused_request_can_be_cancelled_here(conn: sqlite3.Connection) -> None:
    """What the portal refused for good can never be ended."""
    request = REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn)
    outbox.settle(conn, row, "dead", now=2.0, error="422")
    assert outbox_view.backlog(conn).dead == 1
    assert REQUESTS.cancel(conn, request.id, by="sms", now=3.0) == "cancelled"
    assert seen(outbox_view.backlog(conn)) == (0, None, 0, None, False)
    with pytest.raises(IllegalTransition, match="a request that is cancelled cannot be cancelled"):
        REQUESTS.cancel(conn, request.id, by="sms", now=4.0)


def test_a_wish_that_was_given_up_can_be_told_again(conn: sqlite3.Connection) -> None:
    """A villager asks again to cancel, is told that it was passed on, and nothing goes up."""
    request = REQUESTS.add(conn, new(), now=1.0)
    (row,) = claim(conn)
    outbox.settle(conn, row, "delivered", now=1.0)
    for asked in (1, 2):
        assert REQUESTS.cancel(conn, request.id, by="citizen", now=2.0) == "asked"
        assert REQUESTS.cancel(conn, request.id, by="citizen", now=2.0) == "asked"
        (wish,) = claim(conn)
        assert (wish.kind, wish.seq) == ("cancel_requested", row.seq + asked)
        outbox.settle(conn, wish, "dead", now=3.0, error="422")
        assert outbox.discard(conn, wish.seq, now=3.0, reason="a mistake")


def test_backlog_counts(conn: sqlite3.Connection) -> None:
    """The page and the metrics show a wrong queue."""
    for number in range(1, 4):
        REQUESTS.add(conn, new(number), now=float(number))
    assert seen(outbox_view.backlog(conn)) == (3, 1.0, 0, None, False)
    (row,) = claim(conn, limit=1)
    outbox.postpone(conn, row, not_before=200.0, error="later")
    assert seen(outbox_view.backlog(conn)) == (3, 1.0, 0, 200.0, True)
    assert outbox.hurry(conn) == 1
    assert outbox_view.backlog(conn).next_try is None


def test_open_rows_are_found_by_an_index(conn: sqlite3.Connection) -> None:
    """Looking for work reads every row that was ever sent."""
    asked: list[str] = []
    conn.set_trace_callback(asked.append)
    outbox.expire(conn, now=3.0)
    claim(conn, limit=5)
    outbox_view.backlog(conn)
    outbox.hurry(conn)
    conn.set_trace_callback(None)
    questions = [text for text in asked if "FROM outbox" in text or text.startswith("UPDATE outbox SET")]
    assert len(questions) > 8
    for text in questions:
        plan = [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {text}")]
        assert not [step for step in plan if step.endswith("SCAN outbox")], text


@pytest.mark.parametrize("state", ["waiting", "dead", "leased"])
def test_a_list_of_one_lane_does_not_read_all_others(conn: sqlite3.Connection, state: str) -> None:
    """Somebody lists the scans that wait, and everybody else waits until a million other rows are read."""
    steps: list[int] = []
    for _ in range(2):
        conn.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) "
            "INSERT INTO outbox (event, kind, lane, state, not_before, leased_until, created_at) "
            "SELECT hex(randomblob(8)), 'rt_answered', 1, ?, 1, 1, 1 FROM n",
            (state,),
        )
        taken = [0]

        def step(taken: list[int] = taken) -> int:
            taken[0] += 1
            return 0

        conn.set_progress_handler(step, 100)
        assert outbox_view.dead(conn, limit=50, lane=Lane.DIGEST) == []
        assert outbox_view.unsettled(conn, limit=50, lane=Lane.DIGEST) == []
        conn.set_progress_handler(None, 0)
        steps.append(taken[0])
    assert steps[1] < 1.2 * steps[0]


# ---- what comes down, and the audit ----------------------------------------------------------------------------------


def test_cursor_and_versions(conn: sqlite3.Connection) -> None:
    """The box forgets how far it has read."""
    assert changes.cursor(conn) == ""
    changes.set_cursor(conn, "7")
    changes.set_cursor(conn, "8")
    assert changes.cursor(conn) == "8"
    request = REQUESTS.add(conn, new(), now=1.0)
    assert changes.portal_version(conn, request.id) == 0
    changes.set_portal_version(conn, request.id, 4)
    assert changes.portal_version(conn, request.id) == 4
    assert changes.portal_version(conn, "none") == 0


def test_audit_detail_is_bounded(conn: sqlite3.Connection) -> None:
    """A peer's long text fills the store."""
    audit.record(conn, "kind", "subject", "x" * 10_000, now=1.0)
    ((detail,),) = [tuple(row) for row in conn.execute("SELECT detail FROM audit")]
    assert len(detail) == 300
