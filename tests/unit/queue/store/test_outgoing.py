from __future__ import annotations

import sqlite3

import pytest

from edge.queue.store.outgoing import MOST_ATTEMPTS, Due, Kind, Outgoing, Scope, Sends
from edge.queue.store.outgoing_parts import Known
from edge.queue.store.seal import Seal, SealBroken
from tests.unit.queue.store.rows import database

NOW = 1_795_323_600.0
PHONE = "+6281234567001"
ANY = Scope(modem="modem")
LIVES_S = {"reply": 100.0, "notification": 200.0, "digest": 300.0}


@pytest.fixture
def conn() -> sqlite3.Connection:
    return database()


@pytest.fixture
def outgoing() -> Outgoing:
    return Outgoing(Seal(bytes(32)))


def queue(outgoing: Outgoing, conn: sqlite3.Connection, kind: Kind = "reply", number: str = PHONE) -> int:
    return outgoing.queue(conn, kind=kind, code="HELP", number=number, text="Halo", now=NOW)


def start(outgoing: Outgoing, conn: sqlite3.Connection, row: int, *references: int, now: float = NOW) -> None:
    parts = list(enumerate(references or (1,), 1))
    assert outgoing.start(conn, row, "modem", parts, now=now)


def state(conn: sqlite3.Connection, row: int) -> str:
    return str(conn.execute("SELECT state FROM outgoing WHERE id = ?", (row,)).fetchone()[0])


def due(outgoing: Outgoing, conn: sqlite3.Connection, scope: Scope = ANY, now: float = NOW) -> int | None:
    found = outgoing.due(conn, scope, now=now)
    return None if found is None else found.id


def test_the_order_is_replies_notifications_digests_then_age(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A citizen's answer would wait behind a digest."""
    kinds: tuple[Kind, ...] = ("digest", "notification", "reply", "reply")
    rows = [queue(outgoing, conn, kind) for kind in kinds]
    assert due(outgoing, conn, Scope(modem="modem", oldest=True)) == rows[0]
    taken = []
    while (row := due(outgoing, conn)) is not None:
        start(outgoing, conn, row)
        taken.append(row)
    assert taken == [rows[2], rows[3], rows[1], rows[0]]


def test_only_replies_are_due_at_night(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A notification would ring at night."""
    queue(outgoing, conn, "notification")
    assert due(outgoing, conn, Scope(modem="modem", replies_only=True)) is None
    assert due(outgoing, conn) is not None


def test_a_message_is_started_once(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Two modems would send the same message."""
    row = queue(outgoing, conn)
    found = outgoing.due(conn, ANY, now=NOW)
    assert found == Due(row, "reply", PHONE, "Halo", 0, Known(0, frozenset(), {}))
    assert PHONE not in repr(found)
    assert outgoing.start(conn, row, "modem", [(1, 1)], now=NOW)
    assert not outgoing.start(conn, row, "second", [(1, 1)], now=NOW)


def test_a_start_of_which_nobody_knew_that_it_was_kept_is_repeated(
    conn: sqlite3.Connection, outgoing: Outgoing
) -> None:
    """Where the disk fails at the commit and has taken it all the same, the message stands in sending for ever."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 1, 2)
    start(outgoing, conn, row, 1, 2, now=NOW + 5)
    assert conn.execute("SELECT attempts, sending_at FROM outgoing").fetchone()[:] == (1, NOW + 5)
    assert outgoing.parts.known(conn, row) == Known(2, frozenset(), {1: 1})
    assert outgoing.sent(conn, row, now=NOW + 6)
    assert not outgoing.start(conn, row, "modem", [(1, 1)], now=NOW + 7)


def test_what_one_modem_has_chosen_the_other_leaves(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Two modems would both hold a prompt for the same message, and one in vain."""
    rows = [queue(outgoing, conn) for _ in range(2)]
    assert [due(outgoing, conn, Scope(modem=name)) for name in ("a", "b", "a", "c")] == [
        rows[0],
        rows[1],
        rows[0],
        None,
    ]


def test_a_message_for_one_modem_waits_for_it(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """What a person wants sent by one SIM would leave by another."""
    outgoing.queue(conn, kind="reply", code="HELP", number=PHONE, text="Halo", now=NOW, wish="second")
    assert due(outgoing, conn) is None
    assert due(outgoing, conn, Scope(modem="second")) is not None


@pytest.mark.parametrize(("start_at", "wanted"), [(NOW, True), (NOW + 1, False), (NOW + 30 * 86_400, False)])
def test_a_message_leaves_when_a_person_wants_it(
    conn: sqlite3.Connection, outgoing: Outgoing, start_at: float, wanted: bool
) -> None:
    """A message for next week would leave today."""
    outgoing.queue(conn, kind="reply", code="HELP", number=PHONE, text="Halo", now=NOW, start_at=start_at)
    assert (due(outgoing, conn) is not None) is wanted
    assert outgoing.next_at(conn, "modem", now=NOW) == (True, None if wanted else start_at)


def test_tries_that_count_end(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message the network refuses would be tried for ever, or given up for what is the SIM's fault."""
    row = queue(outgoing, conn)
    for counted in (False, False, *[True] * MOST_ATTEMPTS):
        assert state(conn, row) == "pending"
        start(outgoing, conn, row)
        outgoing.not_sent(conn, row, "+CMS ERROR: 38", fault="network", wait_s=1, counted=counted, now=NOW)
    assert state(conn, row) == "failed"


def test_another_try_waits(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A busy network would be asked in a tight loop."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row)
    assert outgoing.not_sent(conn, row, "busy", fault="network", wait_s=15, now=NOW) == "pending"
    assert due(outgoing, conn, now=NOW + 14) is None
    assert outgoing.next_at(conn, "modem", now=NOW) == (True, NOW + 15)
    assert due(outgoing, conn, now=NOW + 15) == row


def test_a_lasting_failure_is_not_tried_again(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A wrong number would block the queue."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row)
    assert outgoing.not_sent(conn, row, "+CMS ERROR: 28", fault="recipient", wait_s=None, now=NOW) == "failed"
    assert conn.execute("SELECT fault, error FROM outgoing").fetchone()[:] == ("recipient", "+CMS ERROR: 28")


def test_a_clock_that_jumped_back_makes_nothing_wait_for_years(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A reply would wait, or be in doubt, until the clock is again where it was."""
    row, doubted = queue(outgoing, conn), queue(outgoing, conn)
    for one in (row, doubted):
        start(outgoing, conn, one)
    outgoing.not_sent(conn, row, "busy", fault="network", wait_s=15, now=NOW)
    outgoing.doubtful(conn, doubted, "crash", settle_at=NOW + 90, now=NOW)
    long_ago = NOW - 300_000_000
    assert due(outgoing, conn, now=long_ago) == row
    assert outgoing.settle(conn, "modem", ("reply",), now=long_ago) == 1


def test_doubt_is_resolved_by_one_more_send(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """An answer would be lost with its acknowledgement, or be sent at every crash."""
    row, states = queue(outgoing, conn), []
    for place in range(2):
        now = NOW + 100 * place
        start(outgoing, conn, row, 5, now=now)
        assert outgoing.left_sending(conn, "modem", now=now) == [(row, "reply")]
        assert outgoing.left_sending(conn, "second", now=now) == []
        assert outgoing.doubtful(conn, row, "crash", settle_at=now + 90, now=now)
        assert outgoing.settle(conn, "modem", ("reply",), now=now + 89) == 0
        outgoing.settle(conn, "modem", ("reply",), now=now + 90)
        states.append(state(conn, row))
    assert states == ["pending", "uncertain"]
    assert outgoing.parts.known(conn, row) == Known(1, frozenset(), {1: 5})
    assert outgoing.next_at(conn, "modem", now=NOW + 200) == (False, None)


def test_what_was_refused_is_no_twin_and_what_is_in_doubt_stays_one(
    conn: sqlite3.Connection, outgoing: Outgoing
) -> None:
    """A service centre would be told to reject a part that it never had, or not to reject its twin."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5, 6)
    outgoing.parts.take(conn, row, 1, 40, now=NOW)
    outgoing.parts.give(conn, row, 2, now=NOW)
    outgoing.not_sent(conn, row, "busy", fault="network", wait_s=0, now=NOW)
    assert outgoing.parts.known(conn, row) == Known(2, frozenset({1}), {})
    assert outgoing.start(conn, row, "modem", [(2, 7)], now=NOW)
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW, now=NOW)
    outgoing.settle(conn, "modem", ("reply",), now=NOW)
    assert outgoing.parts.known(conn, row) == Known(2, frozenset({1}), {2: 7})
    assert outgoing.start(conn, row, "modem", [(2, 7)], now=NOW)
    outgoing.not_sent(conn, row, "busy", fault="network", twins=(2,), wait_s=0, now=NOW)
    assert outgoing.parts.known(conn, row) == Known(2, frozenset({1}), {2: 7})


def test_a_text_divided_anew_is_sent_anew(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Half of an old division would be joined with half of a new one."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5, 6)
    outgoing.parts.take(conn, row, 1, 40, now=NOW)
    outgoing.not_sent(conn, row, "busy", fault="network", wait_s=0, now=NOW)
    start(outgoing, conn, row, 7, 8, 9)
    assert outgoing.parts.known(conn, row) == Known(3, frozenset(), {1: 7})


def test_a_late_word_about_a_settled_message_changes_nothing(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message that was sent would be sent again."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row)
    assert outgoing.sent(conn, row, now=NOW)
    assert outgoing.not_sent(conn, row, "late", fault="network", wait_s=1, now=NOW) == ""
    assert not outgoing.doubtful(conn, row, "late", settle_at=NOW, now=NOW)
    assert not outgoing.sent(conn, row, now=NOW)
    assert state(conn, row) == "sent"
    assert outgoing.parts.states(conn, row) == {"taken"}


def test_the_budget_counts_the_parts_of_one_modem_in_the_last_hour_and_day(
    conn: sqlite3.Connection, outgoing: Outgoing
) -> None:
    """The SIM would be blocked, or wait for a day that is over or for what another SIM sent."""
    for ago in (90_000, 5_000, 10, -500):
        start(outgoing, conn, queue(outgoing, conn), now=NOW - ago)
    assert outgoing.sends(conn, "modem", now=NOW) == Sends(1, 2)
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 1, 2, 3)
    outgoing.parts.give(conn, row, 2, now=NOW)
    assert outgoing.sends(conn, "modem", now=NOW) == Sends(3, 4)
    assert outgoing.sends(conn, "second", now=NOW) == Sends(0, 0)


def test_a_number_waits_for_its_share_and_others_do_not(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """One phone would use up the SIM, or hold up the others."""
    scope = Scope(modem="modem", per_recipient=2)
    for _ in range(2):
        start(outgoing, conn, queue(outgoing, conn))
    queue(outgoing, conn)
    other = queue(outgoing, conn, number="+6281234567002")
    assert due(outgoing, conn, scope) == other
    assert due(outgoing, conn, Scope(modem="modem", per_recipient=2), now=NOW + 86_401) is not None


def test_what_waits_gets_its_time_and_ends(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message would be sent days too late, or one that a box wrote in the wrong year be thrown away at once."""
    old = outgoing.queue(conn, kind="reply", code="HELP", number=PHONE, text="Halo", now=NOW - 300_000_000)
    fixed = outgoing.queue(conn, kind="digest", code="HELP", number=PHONE, text="Halo", now=NOW, expires_at=NOW + 50)
    assert outgoing.expire(conn, LIVES_S, now=NOW) == []
    assert due(outgoing, conn, now=NOW + 99) == old
    assert due(outgoing, conn, Scope(modem="modem", dated=False), now=NOW + 101) == old
    assert due(outgoing, conn, now=NOW + 101) is None
    assert outgoing.expire(conn, LIVES_S, now=NOW + 60) == ["digest"]
    assert outgoing.expire(conn, LIVES_S, now=NOW + 101) == ["reply"]
    assert [state(conn, row) for row in (old, fixed)] == ["expired", "expired"]


def test_a_report_goes_to_the_newest_part_of_that_reference(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """TP-MR wraps at 255: an old message would be called delivered."""
    rows = [queue(outgoing, conn) for _ in range(2)] + [queue(outgoing, conn, number="+6281234567002")]
    for place, row in enumerate(rows):
        start(outgoing, conn, row, 1, 2, now=NOW + place)
        for sequence in (1, 2):
            outgoing.parts.give(conn, row, sequence, now=NOW + place)
            outgoing.parts.take(conn, row, sequence, 16 + sequence, now=NOW + place)
        outgoing.sent(conn, row, now=NOW + place)
    later = NOW + 10
    assert outgoing.report(conn, "modem", PHONE, 18, True, now=later) == ""
    assert outgoing.report(conn, "modem", PHONE, 99, True, now=later) == ""
    assert outgoing.report(conn, "second", PHONE, 17, True, now=later) == ""
    assert [row[0] for row in conn.execute("SELECT delivered FROM outgoing ORDER BY id")] == [None, None, None]
    outgoing.report(conn, "modem", PHONE, 17, True, now=later)
    assert [row[0] for row in conn.execute("SELECT delivered FROM outgoing ORDER BY id")] == [None, 1, None]


@pytest.mark.parametrize(("delivered", "noted"), [(True, 1), (False, 0), (None, None)])
def test_any_report_proves_that_the_network_has_it(
    conn: sqlite3.Connection, outgoing: Outgoing, delivered: bool | None, noted: int | None
) -> None:
    """A message would be sent twice though the service centre spoke of it."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5)
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW + 90, now=NOW)
    assert outgoing.report(conn, "modem", PHONE, 5, delivered, now=NOW + 1) == "sent"
    assert conn.execute("SELECT delivered FROM outgoing").fetchone()[0] == noted
    assert outgoing.settle(conn, "modem", ("reply",), now=NOW + 91) == 0


def test_a_modem_that_counts_by_itself_is_understood(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Where the answer with the modem's own reference was lost, its report would be about nothing."""
    rows = [queue(outgoing, conn) for _ in range(3)]
    for place, row in enumerate(rows):
        start(outgoing, conn, row, place, now=NOW + place)
    outgoing.parts.take(conn, rows[0], 1, 201, now=NOW)
    outgoing.sent(conn, rows[0], now=NOW)
    outgoing.doubtful(conn, rows[1], "no answer", settle_at=NOW + 90, now=NOW)
    assert outgoing.report(conn, "modem", PHONE, 201, True, now=NOW + 5) == ""
    assert outgoing.report(conn, "modem", PHONE, 202, True, now=NOW + 5) == ""  # of the second, or of the third?
    outgoing.take(conn, rows[2], 1, 203, now=NOW + 6)
    assert [state(conn, row) for row in rows] == ["sent", "sent", "sending"]


def test_a_report_that_came_while_another_was_refused_settles_the_one_in_doubt(
    conn: sqlite3.Connection, outgoing: Outgoing
) -> None:
    """A message that the network has would be sent twice because its report came at a bad moment."""
    doubtful, refused = queue(outgoing, conn), queue(outgoing, conn)
    start(outgoing, conn, doubtful, 5)
    outgoing.doubtful(conn, doubtful, "no answer", settle_at=NOW + 90, now=NOW)
    start(outgoing, conn, refused, 6, now=NOW + 1)
    assert outgoing.report(conn, "modem", PHONE, 5, True, now=NOW + 2) == ""
    assert outgoing.not_sent(conn, refused, "busy", fault="network", wait_s=5, now=NOW + 3) == "pending"
    assert [state(conn, row) for row in (doubtful, refused)] == ["sent", "pending"]


@pytest.mark.parametrize("reported", ["before its answer", "after its answer", "after its end"])
@pytest.mark.parametrize("ended", ["told", "untold", "silent"])
def test_a_report_on_another_message_settles_none_that_never_left(
    conn: sqlite3.Connection, outgoing: Outgoing, reported: str, ended: str
) -> None:
    """A modem that counts by itself, over a line that spoils its answers: what never left would pass for sent."""
    never, later = queue(outgoing, conn), queue(outgoing, conn)
    start(outgoing, conn, never, 5)
    outgoing.doubtful(conn, never, "no answer", settle_at=NOW + 90, now=NOW)
    start(outgoing, conn, later, 6, now=NOW + 1)

    def report() -> None:
        outgoing.report(conn, "modem", PHONE, 5, True, now=NOW + 2)

    if reported == "before its answer":
        report()
    if ended == "silent":
        outgoing.doubtful(conn, later, "no answer", settle_at=NOW + 90, now=NOW + 3)
    else:
        outgoing.take(conn, later, 1, 5 if ended == "told" else None, now=NOW + 3)
    if reported == "after its answer" and ended != "silent":
        report()
    if ended != "silent":
        outgoing.sent(conn, later, now=NOW + 4)
        if reported == "after its end":
            report()
        assert state(conn, later) == "sent"
    assert state(conn, never) == "uncertain"
    assert outgoing.parts.known(conn, never).taken == frozenset()


@pytest.mark.parametrize(("told", "delivered"), [(203, 1), (None, None), (77, None)])
def test_a_report_that_is_quicker_than_the_answer_waits_for_it(
    conn: sqlite3.Connection, outgoing: Outgoing, told: int | None, delivered: int | None
) -> None:
    """A report would be lost because the journal was a moment behind it, or be believed of another message."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5)
    assert outgoing.report(conn, "modem", PHONE, 203, True, now=NOW) == ""
    assert outgoing.parts.known(conn, row).taken == frozenset()
    outgoing.parts.take(conn, row, 1, told, now=NOW)
    outgoing.sent(conn, row, now=NOW)
    assert conn.execute("SELECT delivered FROM outgoing").fetchone()[0] == delivered


def test_a_report_instead_of_the_answer_is_one(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message whose report had come before its time-out would be sent twice."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5)
    outgoing.report(conn, "modem", PHONE, 203, True, now=NOW)
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW + 90, now=NOW)
    assert state(conn, row) == "sent"
    assert conn.execute("SELECT uncertain, delivered FROM outgoing").fetchone()[:] == (1, 1)


def test_a_stray_report_makes_no_refused_part_pass_for_taken(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """A message that the network refused would never be sent again."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5)
    outgoing.report(conn, "modem", PHONE, 203, True, now=NOW)
    outgoing.not_sent(conn, row, "busy", fault="network", wait_s=0, now=NOW)
    start(outgoing, conn, row, 6)
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW + 90, now=NOW)
    assert state(conn, row) == "uncertain"


def test_the_rest_of_a_message_goes_on_once_a_report_settles_its_doubt(
    conn: sqlite3.Connection, outgoing: Outgoing
) -> None:
    """A long message would wait as if the part in doubt were still unknown, or count as sent in half."""
    row = queue(outgoing, conn)
    start(outgoing, conn, row, 5, 6)
    outgoing.doubtful(conn, row, "no answer", settle_at=NOW + 90, now=NOW)
    assert outgoing.report(conn, "modem", PHONE, 5, None, now=NOW + 1) == "pending"
    assert outgoing.parts.known(conn, row) == Known(2, frozenset({1}), {})


def test_a_text_moved_to_another_number_does_not_open(conn: sqlite3.Connection, outgoing: Outgoing) -> None:
    """Somebody with the file could send one person's letter news to another."""
    first, second = queue(outgoing, conn), queue(outgoing, conn, number="+6281234567002")
    conn.execute("UPDATE outgoing SET text = (SELECT text FROM outgoing WHERE id = ?) WHERE id = ?", (first, second))
    start(outgoing, conn, first)
    with pytest.raises(SealBroken):
        outgoing.due(conn, ANY, now=NOW)
