from __future__ import annotations

import pytest

from edge.modem.conversation import messages
from edge.modem.conversation.messages import APART, Listed, PartSent
from edge.modem.conversation.procedures import Ways
from tests.unit.modem.playing import constantly, play


@pytest.mark.parametrize(
    ("answer", "listed", "whole"),
    [
        ("OK", [], True),
        ('+CMGL: 0,1,,24|07AA|+CMGL: 12,0,"Pak 5",30|07bb|OK', [Listed(0, "07AA", 24), Listed(12, "07BB", 30)], True),
        ("+CMGL: 0,1,,24|+CMGL: 1,0,,30|07BB|OK", [Listed(1, "07BB", 30)], False),
        ("+CMGL: 0,1,,24|OK", [], False),
        ("#?|+CMGL: 0,1,,24|07AA|OK", [Listed(0, "07AA", 24)], False),
        ("+CMGL: |07AA|OK", [], True),
        ("07AA|OK", [], False),
    ],
)
def test_listings(answer: str, listed: list[Listed], whole: bool) -> None:
    """A disturbed listing would pair a message with another's place."""
    assert play(messages.list_all(Ways()), constantly(answer))[0] == (listed, whole)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("+CMGR: 0,,24|07AA|OK", Listed(3, "07AA", 24)),
        ("OK", None),
        ("+CMS ERROR: 321", None),
        ("+CMGR: 0,,24|OK", None),
    ],
)
def test_reading_one(answer: str, found: Listed | None) -> None:
    """An empty place would crash the driver."""
    assert play(messages.read(3, Ways()), constantly(answer))[0] == found


@pytest.mark.parametrize(
    ("answer", "gone"), [("OK", True), ("+CMS ERROR: 321", True), ("+CMS ERROR: 320", False), ("ERROR", False)]
)
def test_deleting(answer: str, gone: bool) -> None:
    """A failed deletion would be called done."""
    assert play(messages.delete(3, Ways()), constantly(answer))[0] is gone


def test_reports_that_lie_apart_are_read_and_deleted_there() -> None:
    """A message at the same place of the other storage would be deleted unread."""
    storage = "SM"

    def answers(line: str) -> str:
        nonlocal storage
        if line.startswith("AT+CPMS="):
            storage = line[9:11]
        if line == "AT+CMGL=4":
            return f"+CMGL: 3,1,,24|{'07AA' if storage == 'SM' else '06BB'}|OK"
        return "OK" if not line.startswith("AT+CMGD") or storage == "SR" else "ERROR"

    ways = Ways(reports_apart=True)
    listed, whole = play(messages.list_all(ways), answers)[0]
    assert (listed, whole) == ([Listed(3, "07AA", 24), Listed(APART + 3, "06BB", 24)], True)
    assert play(messages.read(APART + 3, ways), answers)[0] == Listed(APART + 3, "06BB", 24)
    gone, commands = play(messages.delete(APART + 3, ways), answers)
    assert gone
    assert commands == ['AT+CPMS="SR"', "AT+CMGD=3", 'AT+CPMS="SM"']
    assert storage == "SM"


def test_a_modem_without_a_storage_for_reports_is_not_asked_again() -> None:
    """Every listing would fail."""
    ways = Ways(reports_apart=True)
    play(messages.list_all(ways), lambda line: "ERROR" if "SR" in line else "OK")
    assert not ways.reports_apart


def test_a_part_without_an_answer_before_the_payload_was_surely_not_sent() -> None:
    """A message would be called uncertain, and never tried again."""
    part, commands = play(messages.send_part("00AA", 1, 1, 9), constantly(""))
    assert part == PartSent(False, True, error="no prompt", silent=True)
    assert commands == ["AT+CMGS=1"]
