from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from edge.modem.codec.fields import Address
from edge.modem.concat import Piece
from edge.modem.conversation.inbox import DELETE_AGAIN_S, FEW, LIST_AGAIN_S, LONGEST_DELETE_AGAIN_S, Inbox
from edge.modem.conversation.messages import APART, Listed
from edge.modem.outcomes import Arrived
from edge.modem.pdu import Deliver, encode_deliver

EVERY = 60.0


def message(index: int, text: str = "INFO") -> Listed:
    pdu, length = encode_deliver(Address("+628123"), Piece(text, False, None), datetime(2026, 11, 22, tzinfo=UTC))
    return Listed(index, pdu, length)


def spoilt(entry: Listed, digit: str = "2") -> Listed:
    """As `entry`, with another letter: a digit that the line replaced."""
    place = len(entry.pdu) - 3
    assert entry.pdu[place] != digit
    return Listed(entry.index, entry.pdu[:place] + digit + entry.pdu[place + 1 :], entry.length)


def inbox() -> Inbox:
    return Inbox(list_every=EVERY, now=0.0)


def listing(box: Inbox, entries: list[Listed], *, now: float, trusted: bool = False, whole: bool = True) -> list[int]:
    found = box.listed(entries, whole=whole, trusted=trusted, capacity=10, now=now)
    return [arrived.index for arrived in found if arrived.index is not None]


def settle(box: Inbox, index: int) -> None:
    """Announce and commit the message at `index`."""
    box.found(message(index), sure=False, now=0.0)
    assert isinstance(box.found(message(index), sure=False, now=0.0), Arrived)
    box.commit(index)


def test_a_message_is_announced_when_it_read_the_same_twice() -> None:
    """A digit that the line replaced would be stored as a wrong letter."""
    box = inbox()
    assert box.found(spoilt(message(3)), sure=False, now=0) is None
    assert box.next_read() == 3
    assert box.found(message(3), sure=False, now=1) is None
    assert box.next_read() == 3
    assert text(box.found(message(3), sure=False, now=2)) == "INFO"
    assert box.next_read() is None


@pytest.mark.parametrize("lengths", [(0, 1), (1, 0), (1, 1)])
def test_a_spoilt_length_does_not_make_a_message_unreadable(lengths: tuple[int, int]) -> None:
    """A citizen's request would be put away as rubbish, since the line replaced a digit of the answer's head."""
    box, entry = inbox(), message(3)
    assert entry.length is not None
    first, second = (replace(entry, length=entry.length + wrong) for wrong in lengths)
    assert box.found(first, sure=False, now=0) is None
    arrived = box.found(second, sure=False, now=1) or box.found(entry, sure=False, now=2)
    assert text(arrived) == "INFO"


def text(arrived: Arrived | None) -> str:
    assert arrived is not None
    assert isinstance(arrived.message, Deliver)
    return arrived.message.text


def test_a_burst_is_believed_at_once_on_a_proven_line_only() -> None:
    """Fifty messages at once would cost two listings, or be believed on any line."""
    burst = [message(index, f"text {index}") for index in range(FEW + 1)]
    assert listing(inbox(), burst, now=0, trusted=True) == list(range(FEW + 1))
    assert listing(inbox(), burst, now=0, trusted=False) == []
    assert listing(inbox(), burst, now=0, trusted=True, whole=False) == []
    assert listing(inbox(), burst[:FEW], now=0, trusted=True) == []
    assert listing(inbox(), [*burst, message(0, "text 9")], now=0, trusted=True) == []  # an index was spoilt
    assert listing(inbox(), [*burst, Listed(9, "07AA", 1)], now=0, trusted=True) == []


def test_a_reading_that_contradicts_another_is_a_sign_of_noise() -> None:
    """A line that spoils letters would be called clean."""
    box = inbox()
    assert not box.differs(message(3))
    box.found(message(3), sure=False, now=0)
    assert not box.differs(message(3))
    assert box.differs(spoilt(message(3)))


def test_another_message_at_the_place_of_a_deleted_one_is_a_new_one() -> None:
    """A deletion whose answer was lost would cost the next message at that place."""
    box = inbox()
    settle(box, 3)
    other = message(3, "another")
    assert not box.differs(other)
    assert box.found(other, sure=True, now=1) is None  # even so it is read twice
    assert text(box.found(other, sure=False, now=1)) == "another"


def test_a_deletion_that_fails_is_repeated_after_growing_pauses() -> None:
    """A SIM that does not delete would be asked all the time, or never again."""
    box = inbox()
    settle(box, 3)
    now, tries = 0.0, list[float]()
    while now < 3_600:
        while box.deletes:
            tries.append(now)
            box.not_deleted(box.deletes.popleft(), now)
        now = max(now + 0.01, box.list_at)
        assert listing(box, [message(3)], now=now) == []
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[0] >= DELETE_AGAIN_S
    assert len(tries) < 25
    assert all(gap <= LONGEST_DELETE_AGAIN_S + EVERY for gap in gaps)


def test_a_deletion_waits_until_the_same_message_is_seen_again() -> None:
    """A message of another SIM would be deleted unread."""
    box = inbox()
    settle(box, 3)
    listing(box, [message(3)], now=0.5)
    box.start_over(1.0)
    assert box.list_due(1.0)
    assert not box.deletes
    listing(box, [message(3, "of another SIM")], now=1.0)
    assert not box.deletes
    listing(box, [message(3)], now=2.0)
    assert list(box.deletes) == [3]


def test_a_full_sim_is_listed_again_once_it_was_drained() -> None:
    """What waits in the network would never come where the modem does not announce it."""
    box = inbox()
    for index in range(10):
        settle(box, index)
    box.deletes.clear()
    listing(box, [message(index) for index in range(10)], now=1.0)
    assert box.list_at == 1.0 + EVERY
    while box.deletes:
        box.deleted(box.deletes.popleft(), 5.0)
    assert box.list_at == 5.0


def test_a_place_that_never_reads_the_same_is_not_read_without_end() -> None:
    """A broken place on the SIM would keep the modem busy for ever."""
    box, readings, now = inbox(), 0, 0.0
    while now < 600:
        listing(box, [Listed(3, f"{readings:08X}", None)], now=now)
        while (index := box.next_read()) is not None:
            readings += 1
            box.found(Listed(index, f"{readings:08X}", None), sure=False, now=now)
        assert box.list_at > now
        now = box.list_at
    assert readings < 16 * 600 / LIST_AGAIN_S / 4


def test_a_draft_that_somebody_stored_is_left_alone() -> None:
    """A draft would be read twice at every listing, or stored as received."""
    box, draft = inbox(), Listed(1, "0011000B918126543210F700000000", None)
    assert box.found(draft, sure=False, now=0) is None
    assert box.found(draft, sure=False, now=0) is None
    box.next_read()
    assert box.found(draft, sure=False, now=0) is None
    assert box.doubts == 0
    assert not box.undecided


def test_a_disturbed_line_waits_until_everything_is_stored() -> None:
    """A deletion that the line spoilt would take a message that nobody has stored."""
    box = inbox()
    assert not box.undecided
    box.told(3)
    assert box.undecided
    box.next_read()
    box.found(message(3), sure=False, now=0)
    assert box.undecided
    box.next_read()
    box.found(message(3), sure=False, now=0)
    assert box.undecided
    box.commit(3)
    assert not box.undecided


def test_indications_beyond_a_few_are_one_listing() -> None:
    """A burst would be read one by one, or pile up in the memory."""
    box = inbox()
    listing(box, [], now=0)
    for index in range(FEW):
        box.told(index)
    assert not box.list_due(1)
    box.told(FEW)
    assert box.list_due(1)


def test_a_burst_whose_length_was_not_told_is_read_again() -> None:
    """One spoilt head in a listing, and what may be cut short would be stored as whole."""
    burst = [message(index, f"text {index}") for index in range(FEW + 1)]
    burst[0] = replace(burst[0], length=None)
    assert listing(inbox(), burst, now=0, trusted=True) == []


def test_what_was_announced_but_cannot_be_read_is_listed_again_ever_later() -> None:
    """A modem that tells of messages that are not there would be asked all the time."""
    box, pauses = inbox(), list[float]()
    for _ in range(40):
        box.list_at = EVERY
        box.missed(0.0)
        pauses.append(box.list_at)
    assert pauses[0] == LIST_AGAIN_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == EVERY


def test_after_a_calm_listing_a_missed_message_is_looked_for_at_once_again() -> None:
    """One bad hour, and every later message would wait for a minute."""
    box = inbox()
    for _ in range(40):
        box.missed(0.0)
    listing(box, [], now=60.0)
    box.missed(60.0)
    assert box.list_at == 60.0 + LIST_AGAIN_S


def test_what_could_not_be_stored_is_announced_again_soon() -> None:
    """A message that met a full disk would lie on the SIM for ever, or be asked for without a pause."""
    box = inbox()
    listing(box, [message(3)], now=0.0)
    assert box.next_read() == 3
    assert box.found(message(3), sure=False, now=0.0) is not None
    box.release(3, 10.0)
    assert box.list_at == 10.0 + LIST_AGAIN_S
    assert listing(box, [message(3)], now=12.0) == []
    assert text(box.found(message(3), sure=False, now=12.1)) == "INFO"


def test_a_word_about_a_place_that_nobody_knows_changes_nothing() -> None:
    """A shell that is late, after the modem was set up anew, would crash the session or delete what it never stored."""
    box = inbox()
    box.commit(9)
    box.not_deleted(9, 0.0)
    box.deleted(9, 0.0)
    box.release(9, 0.0)
    assert not box.deletes


def test_the_same_words_at_the_place_of_a_deleted_message_are_announced() -> None:
    """A message that a service centre repeats would be deleted without anybody having seen that it came."""
    box = inbox()
    settle(box, 3)
    box.deleted(box.deletes.popleft(), 1.0)
    assert not box.holds(3)
    assert box.found(message(3), sure=False, now=2.0) is None
    assert text(box.found(message(3), sure=False, now=2.1)) == "INFO"


def test_a_sim_that_is_full_is_not_listed_after_every_single_deletion() -> None:
    """Draining fifty messages would cost fifty listings, and a SIM that is not full one more for nothing."""
    box = inbox()
    for index in range(10):
        settle(box, index)
    listing(box, [message(index) for index in range(10)], now=1.0)
    box.deleted(box.deletes.popleft(), 5.0)
    assert box.list_at == 1.0 + EVERY
    while box.deletes:
        box.deleted(box.deletes.popleft(), 6.0)
    listing(box, [], now=6.0)
    settle(box, 3)
    box.deleted(box.deletes.popleft(), 7.0)
    assert box.list_at == 6.0 + EVERY


def test_reports_that_lie_apart_do_not_fill_the_sim() -> None:
    """A storage of status reports would be taken for a full SIM, and listed again after each deletion."""
    box = inbox()
    for index in range(APART, APART + 10):
        settle(box, index)
    listing(box, [message(index) for index in range(APART, APART + 10)], now=1.0)
    while box.deletes:
        box.deleted(box.deletes.popleft(), 5.0)
    assert box.list_at == 1.0 + EVERY
