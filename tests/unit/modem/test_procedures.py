from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from edge.modem import procedures
from edge.modem.at import TIMED_OUT, Answer, Command
from edge.modem.procedures import Escape, Listed, Network, PartSent, Pause, Procedure, Refused, Silent

T = TypeVar("T")


def play(procedure: Procedure[T], answers: Callable[[str], str]) -> tuple[T, list[str]]:
    """Run a procedure against `answers` (lines divided by "|", "" is silence); its result and the commands."""
    commands: list[str] = []
    answer: Answer | None = None
    while True:
        try:
            step = next(procedure) if answer is None else procedure.send(answer)
        except StopIteration as end:
            return end.value, commands
        if isinstance(step, Pause | Escape):
            answer = Answer(Command("", 0), (), "OK")
            continue
        commands.append(step.line)
        *lines, final = (answers(step.line) or TIMED_OUT).split("|")
        answer = Answer(step, tuple(lines), final)


def constantly(answer: str) -> Callable[[str], str]:
    return lambda _line: answer


def test_a_greeting_is_repeated_then_given_up() -> None:
    """A modem still starting would be called absent, or an absent one be waited for."""
    replies = iter(["", "", "OK"])
    assert play(procedures.greet(), lambda _line: next(replies))[1] == ["AT", "AT", "AT"]
    with pytest.raises(Silent):
        play(procedures.greet(), constantly(""))


def test_essential_commands_must_succeed() -> None:
    """A refused mode would go unnoticed."""
    with pytest.raises(Refused, match=r"AT\+CMGF: ERROR"):
        play(procedures.must("AT+CMGF=0", 1), constantly("ERROR"))


@pytest.mark.parametrize(
    ("offered", "storage", "command"),
    [
        ('+CPMS: ("ME","MT","SM","SR"),("ME","SM"),("ME","SM")|OK', "SM", 'AT+CPMS="SM","SM","SM"'),
        ('+CPMS: ("ME"),("ME","SM"),("ME")|OK', "ME", 'AT+CPMS="ME","ME","ME"'),
        ('+CPMS: ("SM"),("SM")|OK', "SM", 'AT+CPMS="SM","SM"'),
        ("ERROR", "SM", 'AT+CPMS="SM","SM","SM"'),
        ("+CPMS: rubbish|OK", "SM", 'AT+CPMS="SM","SM","SM"'),
    ],
)
def test_the_storage_all_three_can_share(offered: str, storage: str, command: str) -> None:
    """Messages would arrive in one storage and be looked for in another."""
    chosen, commands = play(procedures.choose_storage(1), lambda line: offered if line.endswith("?") else "OK")
    assert (chosen, commands[1]) == (storage, command)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)|OK", "2,1,0,1,0"),
        ("+CNMI: (0,1,2),(0,1),(0),(0,2),(0)|OK", "2,1,0,2,0"),
        ("+CNMI: (1),(1),(0),(0),(1)|OK", "1,1,0,0,1"),
        ("+CNMI: (3),(0-1),(0),(0,1),(0,1)|OK", "3,1,0,1,0"),
        ("ERROR", "2,1,0,1,0"),
        ("+CNMI: (0|OK", "2,1,0,1,0"),
    ],
)
def test_the_best_indications(offered: str, chosen: str) -> None:
    """A modem would refuse the setting and never announce a message."""
    assert play(procedures.choose_indications(1), constantly(offered))[0] == chosen


def test_refused_indications_fall_back() -> None:
    """A modem with few abilities would announce nothing."""
    _, commands = play(
        procedures.assert_mode("2,1,0,1,0", 1), lambda line: "ERROR" if line == "AT+CNMI=2,1,0,1,0" else "OK"
    )
    assert "AT+CNMI=1,1" in commands


@pytest.mark.parametrize(
    ("creg", "cops", "csq", "network"),
    [
        ("+CREG: 0,1|OK", '+COPS: 0,0,"Telkomsel",7|OK', "+CSQ: 31,99|OK", Network(1, "Telkomsel", 100)),
        ('+CREG: 2,5,"1A2B","3C4D"|OK', '+COPS: 0,0,"XL"|OK', "+CSQ: 0,0|OK", Network(5, "XL", 0)),
        ("+CREG: 1,3|OK", "+COPS: 0|OK", "+CSQ: 99,99|OK", Network(3, "", None)),
        ("ERROR", "ERROR", "+CME ERROR: 13", Network(0, "", None)),
        ("+CREG: x|OK", "+COPS:|OK", "+CSQ: |OK", Network(0, "", None)),
    ],
)
def test_surveys(creg: str, cops: str, csq: str, network: Network) -> None:
    """The page would show a wrong network, or a strange answer would crash the driver."""
    answers = {"AT+CREG?": creg, "AT+COPS?": cops, "AT+CSQ": csq}
    found, _ = play(procedures.survey(1), lambda line: answers[line])
    assert found == network
    assert found.registered == (network.registration in (1, 5))


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
    assert play(procedures.list_all(1), constantly(answer))[0] == (listed, whole)


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
    assert play(procedures.read(3, 1), constantly(answer))[0] == found


@pytest.mark.parametrize(
    ("answer", "gone"), [("OK", True), ("+CMS ERROR: 321", True), ("+CMS ERROR: 320", False), ("ERROR", False)]
)
def test_deleting(answer: str, gone: bool) -> None:
    """A failed deletion would be called done."""
    assert play(procedures.delete(3, 1), constantly(answer))[0] is gone


def test_a_part_without_an_answer_before_the_payload_was_surely_not_sent() -> None:
    """A message would be called uncertain, and never tried again."""
    part, commands = play(procedures.send_part("00AA", 1, 1, 9), constantly(""))
    assert part == PartSent(False, True, error="no prompt", silent=True)
    assert commands == ["AT+CMGS=1"]
