from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import pytest

from edge.modem.link import Link
from edge.modem.mailbox import Part, Report
from edge.modem.outcomes import Arrived
from edge.modem.pdu import Deliver, StatusReport, decode
from edge.modem.receiving import Receiving, read
from tests.contract.modem_rig import MemoryMailbox, until

CENTRE, STAMP = "07912618010000F0", "62112221000082"
SENDER = "0B912618436507F1"


def arrived(pdu: str) -> Arrived:
    message = decode(pdu)
    assert isinstance(message, Deliver | StatusReport)
    return Arrived(3, pdu, message)


def deliver(*, first: str = "04", protocol: str = "00", coding: str = "00", data: str = "02E834") -> str:
    return f"{CENTRE}{first}{SENDER}{protocol}{coding}{STAMP}{data}"


def test_a_persons_words_are_a_part() -> None:
    """A citizen's SMS would be taken for a machine's."""
    part = read("modem", arrived(deliver()))
    assert isinstance(part, Part)
    assert (part.text, part.alphanumeric, part.total, part.sequence, part.reference) == ("hi", False, 1, 1, None)


@pytest.mark.parametrize(
    ("data", "wide", "reference"),
    [("0A05000307020166" + "32" * 3, False, 7), ("0B060804010702016632" + "32" * 2, True, 263)],
)
def test_the_place_of_a_part_is_kept_with_the_width_of_its_reference(data: str, wide: bool, reference: int) -> None:
    """Halves of two long messages would be joined."""
    octets = data[2:]
    part = read("modem", arrived(deliver(first="44", coding="08", data=f"{len(octets) // 2:02X}{octets}")))
    assert isinstance(part, Part)
    assert (part.reference, part.total, part.sequence, part.wide) == (reference, 2, 1, wide)


@pytest.mark.parametrize(
    ("pdu", "kept"),
    [
        (deliver(first="44", coding="04", data="090605040B8423F00102"), False),
        (deliver(coding="04", data="0301FF02"), True),
        (deliver(protocol="40"), False),
        (deliver(protocol="7F"), False),
        (deliver(coding="C8"), False),
    ],
    ids=["wap push", "octets", "silent", "for the SIM", "voicemail"],
)
def test_what_no_person_wrote_is_never_answered(pdu: str, kept: bool) -> None:
    """An MMS notification would be answered with help, or a message nobody understands be lost."""
    part = read("modem", arrived(pdu))
    assert isinstance(part, Part)
    assert (part.sender, part.alphanumeric) == ("binary", True)
    assert part.text == (pdu if kept else "")


def test_an_unreadable_pdu_is_kept_as_it_is() -> None:
    """What nobody can read would be thrown away."""
    part = read("modem", Arrived(3, "0011", None))
    assert isinstance(part, Part)
    assert (part.sender, part.alphanumeric, part.text) == ("unreadable", True, "0011")


@pytest.mark.parametrize(("status", "delivered"), [("00", True), ("30", None), ("46", False)])
def test_a_status_report_says_what_it_says(status: str, delivered: bool | None) -> None:
    """A message that is still being tried would count as delivered or lost."""
    report = read("modem", arrived(f"{CENTRE}06{'2A'}{SENDER}{STAMP}{STAMP}{status}"))
    assert report == Report("+62813456701", 42, delivered)


async def test_a_message_that_no_sim_keeps_waits_for_room_in_the_store() -> None:
    """An SMS that the modem brought without storing it (+CMT) would be gone when the disk is full in that moment."""
    mailbox, none = MemoryMailbox(full=True), cast(Link, None)
    receiving = Receiving("modem", mailbox, lambda _event: None, store_again_s=0.01)
    running = asyncio.create_task(receiving.run())
    brought = arrived(deliver())
    receiving.happened(none, Arrived(None, brought.pdu, brought.message))
    await until(lambda: receiving.idle)
    mailbox.full = False
    await until(lambda: mailbox.has("hi"))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
