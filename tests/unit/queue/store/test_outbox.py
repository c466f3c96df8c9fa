"""The outbox's rows: which is due, in which order, and what becomes of one."""

from __future__ import annotations

import sqlite3

import pytest

from edge.queue.lane import Lane
from edge.queue.request import Request
from edge.queue.store import outbox, outbox_view
from edge.queue.store.outbox_view import Backlog, Depth
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
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


@pytest.mark.parametrize("decision", ["retry", "discard"])
def test_a_dead_row_holds_back_what_follows_it_until_a_person_decides(conn: sqlite3.Connection, decision: str) -> None:
    """An event about a request that the portal refused would be sent after it, or never."""
    first = file(conn, 1)
    outbox.put(conn, SEAL, first, "cancel_requested", "{}", now=NOW)
    (row,) = claim(conn)
    outbox.settle(conn, row, "dead", now=NOW, error="422")
    assert claim(conn) == []
    assert outbox_view.backlog(conn).dead == 1
    if decision == "retry":
        assert outbox.revive(conn, row.seq, now=NOW)
        assert [row.kind for row in claim(conn)] == ["request"]
    else:
        assert outbox.discard(conn, row.seq, now=NOW, reason="wrong village")
        assert [row.kind for row in claim(conn)] == ["cancel_requested"]
    assert not outbox.revive(conn, row.seq, now=NOW)
    assert not outbox.discard(conn, row.seq, now=NOW, reason="again")


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


@pytest.mark.parametrize(("days", "due"), [(39, False), (41, True)])
def test_a_row_scheduled_beyond_any_plan_is_due(conn: sqlite3.Connection, days: int, due: bool) -> None:
    """What was written under a clock years ahead waits for that year."""
    outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW, not_before=NOW + days * 86_400)
    assert bool(claim(conn)) is due


def test_a_row_that_may_have_arrived_before_it_was_damaged_is_not_withdrawn(conn: sqlite3.Connection) -> None:
    """A villager is told that a request is cancelled which the portal works on."""
    request = file(conn, 1)
    (row,) = claim(conn)
    outbox.postpone(conn, row, not_before=NOW, error="no answer")
    conn.execute("UPDATE outbox SET payload = x'0102'")
    assert claim(conn) == []
    assert outbox_view.backlog(conn).dead == 1
    assert not outbox.withdraw(conn, request, now=NOW)


def test_a_dead_row_behind_an_open_one_is_held_when_it_is_tried_again(conn: sqlite3.Connection) -> None:
    """After a salvage an event goes up before the request that it is about."""
    request = file(conn, 1)
    outbox.put(conn, SEAL, request, "cancel_requested", "{}", now=NOW)
    conn.execute("UPDATE outbox SET state = 'dead' WHERE kind = 'cancel_requested'")
    assert outbox.revive(conn, 2, now=NOW)
    (row,) = claim(conn)
    assert row.kind == "request"
    outbox.settle(conn, row, "delivered", now=NOW)
    assert [row.kind for row in claim(conn)] == ["cancel_requested"]


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


def test_what_was_refused_and_given_up_can_be_cancelled(conn: sqlite3.Connection) -> None:
    """The portal is asked to cancel what it never took, and its refusal is one more dead letter."""
    request = file(conn, 1)
    (row,) = claim(conn)
    outbox.settle(conn, row, "dead", now=NOW, error="422")
    assert outbox.discard(conn, row.seq, now=NOW, reason="no such village")
    assert outbox.withdraw(conn, request, now=NOW)


def test_what_was_refused_after_a_try_without_an_answer_is_not_withdrawn(conn: sqlite3.Connection) -> None:
    """The first try may have arrived: a villager is told that a request is cancelled which the portal works on."""
    request = file(conn, 1)
    (row,) = claim(conn)
    outbox.postpone(conn, row, not_before=NOW, error="no answer")
    (row,) = claim(conn)
    outbox.settle(conn, row, "dead", now=NOW, error="422")
    assert not outbox.withdraw(conn, request, now=NOW)


def test_the_backlog_tells_what_waits(conn: sqlite3.Connection) -> None:
    """The page would show an empty queue while requests wait, or the sender sleep past the next try."""
    assert outbox_view.backlog(conn) == Backlog(0, None, 0, None, False, {})
    file(conn, 1, now=NOW - 60)
    file(conn, 2)
    first, _ = claim(conn)
    outbox.postpone(conn, first, not_before=NOW + 30, error="503")
    found = outbox_view.backlog(conn)
    assert (found.waiting, found.oldest, found.dead, found.next_try) == (2, NOW - 60, 0, NOW + 30)
    assert found.failing
    sizes = [length for (length,) in conn.execute("SELECT length(payload) FROM outbox ORDER BY seq")]
    assert found.depths == {
        (Lane.REQUEST, "waiting"): Depth(1, sizes[0]),
        (Lane.REQUEST, "leased"): Depth(1, sizes[1]),
    }
    assert found.bytes == sum(sizes)


@pytest.mark.parametrize("payload", ["(SELECT payload FROM outbox WHERE seq = 1)", "NULL", "x'00'"])
def test_a_row_opens_only_as_itself(conn: sqlite3.Connection, payload: str) -> None:
    """A payload moved to another row would be delivered under its name, or a damaged one crash the sender for ever."""
    file(conn, 1)
    damaged = file(conn, 2)
    conn.execute(f"UPDATE outbox SET payload = {payload} WHERE seq = 2")
    assert [row.seq for row in claim(conn)] == [1]
    look = outbox_view.one(conn, 2)
    assert look is not None
    assert (look.state, look.attempts) == ("dead", 0)
    assert look.error.startswith("damaged: ")
    assert conn.execute("SELECT kind, subject FROM audit").fetchall()[0][:] == ("outbox-damaged", damaged)
    assert outbox_view.content(conn, SEAL, 2) is None


def test_lanes_go_in_their_order(conn: sqlite3.Connection) -> None:
    """A scan or a digest would leave before a request that came later."""
    for kind in ("blob", "uplink_hour", "sms_failed", "rt_answered"):
        outbox.put(conn, SEAL, None, kind, "{}", now=NOW)
    file(conn, 1)
    kinds = ["request", "rt_answered", "sms_failed", "uplink_hour", "blob"]
    assert [row.kind for row in claim(conn)] == kinds


def test_a_lane_waits_for_those_before_it(conn: sqlite3.Connection) -> None:
    """Events would go while requests are due."""
    file(conn, 1)
    outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW)
    later = {"limit": 8, "now": NOW, "most_wait_s": MOST_S, "lanes": (Lane.DIGEST,), "after": (Lane.REQUEST,)}
    assert outbox.claim(conn, SEAL, **later) == []  # type: ignore[arg-type]  # the table above is right
    assert [row.kind for row in claim(conn, limit=1)] == ["request"]
    assert [row.kind for row in outbox.claim(conn, SEAL, **later)] == ["uplink_hour"]  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("passed_s", "free"), [(299.0, False), (300.0, True), (-56 * 365 * 86_400.0, True)], ids=["within", "over", "1970"]
)
def test_a_lease_ends(conn: sqlite3.Connection, passed_s: float, free: bool) -> None:
    """A row whose sender hangs would wait for the next restart, or one that is being sent be sent beside itself."""
    file(conn, 1)
    (row,) = claim(conn)
    assert bool(claim(conn, now=NOW + passed_s)) is free
    if not free:
        outbox.renew(conn, row, until=NOW + 500)
        assert claim(conn, now=NOW + 400) == []


def test_not_before_and_expiry(conn: sqlite3.Connection) -> None:
    """A row would leave before its time, or go stale and still be sent, and hold what follows it."""
    early = outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW, not_before=NOW + 3_600, stream="s")
    later = outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW, stream="s")
    assert claim(conn) == []
    assert [row.event for row in claim(conn, now=NOW + 3_600)] == [early]
    stale = outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW, expires_at=NOW + 60)
    assert outbox.expire(conn, now=NOW + 59) == 0
    assert outbox.expire(conn, now=NOW + 60) == 1
    assert conn.execute("SELECT state, payload FROM outbox WHERE event = ?", (stale,)).fetchone()[:] == (
        "expired",
        None,
    )
    assert outbox.confirm(conn, early, now=NOW) == ("uplink_hour", "")
    assert [row.event for row in claim(conn)] == [later]


def test_what_a_broker_took_is_kept_until_it_is_confirmed(conn: sqlite3.Connection) -> None:
    """A broker that lost its disk would lose a request for good."""
    request = file(conn, 1)
    (row,) = claim(conn)
    outbox.hand_over(conn, row, until=NOW + 60)
    assert claim(conn, now=NOW + 59) == []
    (again,) = claim(conn, now=NOW + 60)
    assert again.payload == row.payload
    outbox.hand_over(conn, again, until=NOW + 120)
    assert outbox.confirm(conn, row.event, now=NOW) == ("request", request)
    assert outbox.confirm(conn, row.event, now=NOW) is None
    assert outbox.confirm(conn, "nobody's", now=NOW) is None
    assert claim(conn, now=NOW + 600) == []


def test_a_row_that_never_left_cannot_be_confirmed(conn: sqlite3.Connection) -> None:
    """A mad portal would make the box drop what it never sent."""
    file(conn, 1)
    (event,) = conn.execute("SELECT event FROM outbox").fetchone()
    assert outbox.confirm(conn, event, now=NOW) is None
    assert len(claim(conn)) == 1


def test_blame_makes_a_row_dead_in_the_end(conn: sqlite3.Connection) -> None:
    """A row that the portal cannot digest would be tried for years."""
    request = file(conn, 1)
    for fault in range(1, 4):
        (row,) = claim(conn)
        outbox.postpone(conn, row, not_before=NOW, error="500")
        died = outbox.blame(conn, [row.seq, 99], most=3, now=NOW)
        assert bool(died) is (fault == 3)
    assert died == [("request", request, "3 tries failed while others arrived: 500")]
    assert not outbox.withdraw(conn, request, now=NOW), "the portal may have it"
    assert outbox.revive(conn, row.seq, now=NOW)
    assert [row.faults for row in claim(conn)] == [0]


def test_a_recovery_hurries_all_but_those_that_fail_by_themselves(conn: sqlite3.Connection) -> None:
    """A poisoned row would be tried at every recovery, without its own growing wait."""
    for number in (1, 2):
        file(conn, number)
    bad, good = claim(conn)
    for row in (bad, good):
        outbox.postpone(conn, row, not_before=NOW + 300, error="500")
    for _ in range(outbox.ALONE_FROM):
        outbox.blame(conn, [bad.seq], most=20, now=NOW)
    assert outbox.hurry(conn) == 1
    assert [row.seq for row in claim(conn)] == [good.seq]


def test_no_question_reads_more_rows_than_it_needs(conn: sqlite3.Connection) -> None:
    """At a million waiting rows every claim and every look would take seconds."""
    request = file(conn, 1)
    asked: list[str] = []
    conn.set_trace_callback(asked.append)
    (row,) = claim(conn)
    outbox.release(conn, row)
    outbox.free_leases(conn)
    outbox.hurry(conn)
    outbox.expire(conn, now=NOW)
    (row,) = claim(conn)
    outbox.renew(conn, row, until=NOW)
    outbox.postpone(conn, row, not_before=NOW, error="")
    outbox.blame(conn, [row.seq], most=20, now=NOW)
    outbox.confirm(conn, row.event, now=NOW)
    outbox.discard(conn, row.seq, now=NOW, reason="")
    outbox.revive(conn, row.seq, now=NOW)
    outbox.withdraw(conn, request, now=NOW)
    outbox_view.backlog(conn)
    outbox_view.dead(conn, limit=5)
    outbox_view.unsettled(conn, limit=5)
    outbox_view.latest(conn, limit=5)
    outbox_view.behind(conn, row.seq)
    list(outbox_view.dead_requests(conn, [request]))
    conn.set_trace_callback(None)
    for question in {each for each in asked if " outbox" in each and not each.startswith("--")}:
        for step in conn.execute(f"EXPLAIN QUERY PLAN {question}"):
            assert not step[3].startswith("SCAN outbox") or " USING " in step[3] or "outbox_depth" in step[3], question
            assert "TEMP B-TREE" not in step[3], question


def test_what_waits_for_a_broker_is_not_looked_through(conn: sqlite3.Connection) -> None:
    """With a week of rows at a broker, each batch and each recovery reads all of them."""
    for number in range(6_000):
        conn.execute(
            "INSERT INTO outbox (event, kind, lane, state, attempts, not_before, created_at) "
            "VALUES (?, 'uplink_hour', 3, 'confirming', 1, ?, ?)",
            (f"e{number}", NOW + 3_600, NOW),
        )
    steps: list[None] = []
    conn.set_progress_handler(lambda: steps.append(None), 100)
    assert not outbox_view.backlog(conn).failing
    assert outbox.hurry(conn) == 0
    conn.set_progress_handler(None, 0)
    assert len(steps) < 200
