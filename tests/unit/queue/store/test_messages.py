from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue.store.messages import Contacts, Messages
from edge.queue.store.seal import Seal, SealBroken
from edge.queue.store.windows import Recent
from tests.unit.queue.store.rows import database, joined, part

NOW = 1_795_323_600.0
PHONE = "+6281234567001"


@pytest.fixture
def conn() -> sqlite3.Connection:
    return database()


@pytest.fixture
def messages() -> Messages:
    return Messages(Seal(bytes(32)))


def take(messages: Messages, conn: sqlite3.Connection, text: str, pdu: str, now: float = NOW) -> int:
    assert messages.add_part(conn, part(text, pdu), now=now, assemble=joined)
    return messages.waiting(conn, limit=100)[-1]


def test_a_part_is_known_by_its_modem_and_pdu(conn: sqlite3.Connection, messages: Messages) -> None:
    """A message read twice from the SIM would be two, or two messages one."""
    assert messages.add_part(conn, part(pdu="07aa"), now=NOW, assemble=joined)
    assert not messages.add_part(conn, part(pdu="07AA"), now=NOW + 9, assemble=joined)
    assert messages.add_part(conn, part(pdu="07AB"), now=NOW, assemble=joined)
    assert messages.add_part(conn, part(pdu="07AA", modem="second"), now=NOW, assemble=joined)
    assert len(messages.waiting(conn, limit=100)) == 3


@given(order=st.permutations(range(1, 6)))
def test_parts_join_in_any_order(order: list[int]) -> None:
    """A long message would be handled before it is whole, or in the wrong order."""
    conn, messages = database(), Messages(Seal(bytes(32)))
    for place, sequence in enumerate(order):
        assert messages.waiting(conn, limit=10) == [], place
        long = part(str(sequence), f"{sequence:02X}", reference=7, total=5, sequence=sequence)
        assert messages.add_part(conn, long, now=NOW, assemble=joined)
    (inbound,) = messages.waiting(conn, limit=10)
    found = messages.get(conn, inbound)
    assert found is not None
    assert found.text == "12345"
    assert conn.execute("SELECT count(*) FROM inbound_part WHERE content IS NOT NULL").fetchone()[0] == 0


def test_a_reference_used_again_later_starts_a_new_message(conn: sqlite3.Connection, messages: Messages) -> None:
    """A phone that counts its references to 255 would join messages of two weeks."""
    for number, (sequence, text) in enumerate(itertools.product((1, 2), ("a", "b"))):
        long = part(f"{text}{sequence}", f"{number:02X}", reference=1 if text == "a" else 2, total=2, sequence=sequence)
        messages.add_part(conn, long, now=NOW, assemble=joined)
    again = [part(f"c{n}", f"C{n}", reference=1, total=2, sequence=n) for n in (1, 2)]
    for long in again:
        messages.add_part(conn, long, now=NOW, assemble=joined)
    found = [messages.get(conn, inbound) for inbound in messages.waiting(conn, limit=10)]
    assert [inbound.text for inbound in found if inbound] == ["a1a2", "b1b2", "c1c2"]


def test_parts_of_two_senders_never_join(conn: sqlite3.Connection, messages: Messages) -> None:
    """One citizen's words would end up in another's message."""
    messages.add_part(conn, part("a", "01", reference=1, total=2, sequence=1), now=NOW, assemble=joined)
    other = part("b", "02", reference=1, total=2, sequence=2, sender="+6281234567002")
    messages.add_part(conn, other, now=NOW, assemble=joined)
    assert messages.waiting(conn, limit=10) == []


def test_what_stayed_incomplete_for_a_day_is_taken_as_it_is(conn: sqlite3.Connection, messages: Messages) -> None:
    """A lost part would keep the rest from people for ever."""
    for sequence in (3, 1):
        long = part(str(sequence), f"{sequence:02X}", reference=1, total=3, sequence=sequence)
        messages.add_part(conn, long, now=NOW, assemble=joined)
    assert messages.join_incomplete(conn, now=NOW + 86_000, assemble=joined) == 0
    assert messages.join_incomplete(conn, now=NOW + 86_401, assemble=joined) == 1
    (inbound,) = messages.waiting(conn, limit=10)
    found = messages.get(conn, inbound)
    assert found is not None
    assert found.text == "13"


def test_a_part_that_came_while_the_clock_ran_years_ahead_is_not_kept_back(
    conn: sqlite3.Connection, messages: Messages
) -> None:
    """The rest of a long message would come up in 2038."""
    long = part("1", "01", reference=1, total=2, sequence=1)
    messages.add_part(conn, long, now=2_147_483_647.0, assemble=joined)
    assert messages.join_incomplete(conn, now=NOW, assemble=joined) == 1
    assert len(messages.waiting(conn, limit=10)) == 1


def test_references_of_8_and_16_bits_are_two(conn: sqlite3.Connection, messages: Messages) -> None:
    """Halves of two long messages would be joined."""
    for sequence, wide in ((1, False), (2, True)):
        long = part(str(sequence), f"{sequence:02X}", reference=7, total=2, sequence=sequence, wide=wide)
        messages.add_part(conn, long, now=NOW, assemble=joined)
    assert messages.waiting(conn, limit=10) == []


def test_late_twins_of_a_whole_message_make_none(conn: sqlite3.Connection, messages: Messages) -> None:
    """A part that the network delivers again would come up a day later as a torn message of its own."""
    for number, sequence in enumerate((1, 2, 2, 1)):
        long = part(f"text {sequence}", f"{number:02X}", reference=1, total=2, sequence=sequence)
        messages.add_part(conn, long, now=NOW + number, assemble=joined)
    again = part("text 2", "FF", reference=1, total=2, sequence=2)
    messages.add_part(conn, again, now=NOW + 9, assemble=joined)
    assert len(messages.waiting(conn, limit=10)) == 2
    assert messages.join_incomplete(conn, now=NOW + 90_000, assemble=joined) == 1
    assert len(messages.waiting(conn, limit=10)) == 2
    assert messages.join_incomplete(conn, now=NOW + 90_000, assemble=joined) == 0


def test_a_late_part_that_says_something_else_is_no_twin(conn: sqlite3.Connection, messages: Messages) -> None:
    """Words of a citizen would be thrown away because an earlier message had the same reference."""
    for number, (sequence, text) in enumerate(((1, "a"), (2, "b"), (2, "c"))):
        long = part(text, f"{number:02X}", reference=1, total=2, sequence=sequence)
        messages.add_part(conn, long, now=NOW, assemble=joined)
    messages.join_incomplete(conn, now=NOW + 90_000, assemble=joined)
    found = [messages.get(conn, inbound) for inbound in messages.waiting(conn, limit=10)]
    assert [inbound.text for inbound in found if inbound] == ["ab", "c"]


def test_a_flood_of_one_part_is_not_read_again_and_again(conn: sqlite3.Connection, messages: Messages) -> None:
    """A thousand forged parts would be opened at each arrival, or fill the memory when the last one comes."""
    opened: list[int] = []

    def counting(texts: Iterable[str]) -> str:
        opened.append(len(list(texts)))
        return "whole"

    for number in range(1_000):
        flood = part(f"x{number}", f"{number:04X}", reference=1, total=3, sequence=1 + number % 2)
        messages.add_part(conn, flood, now=NOW + number, assemble=counting)
    assert opened == []
    messages.add_part(conn, part("end", "FFFF", reference=1, total=3, sequence=3), now=NOW, assemble=counting)
    assert opened == [3]


def test_a_handled_message_waits_no_more(conn: sqlite3.Connection, messages: Messages) -> None:
    """A message would be answered again at every start."""
    inbound = take(messages, conn, "status", "01")
    messages.handled(conn, inbound, "STATUS", now=NOW)
    assert messages.get(conn, inbound) is None
    assert messages.waiting(conn, limit=10) == []


def test_a_message_that_fails_is_set_aside_for_people(conn: sqlite3.Connection, messages: Messages) -> None:
    """A message with a bug of ours would be tried for ever, or be forgotten."""
    inbound = take(messages, conn, "status", "01")
    assert [messages.failed(conn, inbound, most=3, now=NOW) for _ in range(3)] == [False, False, True]
    assert messages.waiting(conn, limit=10) == []
    assert conn.execute("SELECT inbound, kind FROM staff_message").fetchall()[0][:] == (inbound, "set-aside")


def test_contacts_count_the_last_hour_and_day_only(conn: sqlite3.Connection, messages: Messages) -> None:
    """Limits would count what was long ago, or what a clock that jumped back calls the future."""
    for number, ago in enumerate((90_000, 80_000, 4_000, 100, -500)):
        inbound = take(messages, conn, "x", f"{number:02X}", NOW - ago)
        messages.handled(conn, inbound, "RECEIVED", now=NOW)
    for code, stranger in (("HELP", False), ("RECEIVED", True)):
        messages.outgoing.queue(conn, kind="reply", code=code, number=PHONE, text="x", now=NOW, stranger=stranger)
    messages.outgoing.queue(conn, kind="notification", code="COMPLETED", number=PHONE, text="x", now=NOW)
    last = take(messages, conn, "now", "FF", NOW)
    assert messages.contacts(conn, PHONE, before=last, recent=Recent.at(NOW)) == Contacts(
        1, 3, 3, ("HELP", "RECEIVED"), False, 1
    )
    nobody = messages.contacts(conn, "+6281234567999", before=last, recent=Recent.at(NOW))
    assert nobody == Contacts(0, 0, 0, (), True, 1)


def test_repeats_are_the_same_words_of_the_same_number_within_seconds(
    conn: sqlite3.Connection, messages: Messages
) -> None:
    """A double tap would be two requests, or a question asked again be ignored."""
    take(messages, conn, "sktm", "01", NOW)
    soon, late, other = (
        take(messages, conn, *given)
        for given in (("sktm", "02", NOW + 5), ("sktm", "03", NOW + 60), ("ktp", "04", NOW + 61))
    )
    answers = [messages.get(conn, inbound) for inbound in (soon, late, other)]
    assert [messages.repeated(conn, found, within_s=10) for found in answers if found] == [True, False, False]


def test_a_text_moved_to_another_sender_does_not_open(conn: sqlite3.Connection, messages: Messages) -> None:
    """Somebody with the file could put one person's words under another's number."""
    take(messages, conn, "sktm", "01")
    messages.add_part(conn, part("ktp", "02", sender="+6281234567002"), now=NOW, assemble=joined)
    first, second = messages.waiting(conn, limit=10)
    conn.execute("UPDATE inbound SET text = (SELECT text FROM inbound WHERE id = ?) WHERE id = ?", (first, second))
    with pytest.raises(SealBroken):
        messages.get(conn, second)


def test_nothing_personal_shows_in_a_traceback(conn: sqlite3.Connection, messages: Messages) -> None:
    """A number or a text would reach the log through repr()."""
    inbound = messages.get(conn, take(messages, conn, "sktm", "01"))
    assert PHONE not in repr(inbound) + repr(part())
    assert "sktm" not in repr(inbound)
