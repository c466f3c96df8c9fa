from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from edge.modem.conversation import sim
from edge.modem.conversation.procedures import Pin, PinNews, Silent, SimFault, Ways
from tests.unit.modem.playing import constantly, play


def one_by_one(*answers: str) -> Callable[[str], str]:
    rest = iter(answers)
    return lambda _line: next(rest)


def test_a_sim_that_starts_slowly_is_waited_for() -> None:
    """A modem that was just plugged in would be called without a SIM."""
    answers = one_by_one("+CPIN: NOT READY|OK", "+CME ERROR: 14", "+CPIN: READY|OK")
    assert play(sim.state(Ways()), answers)[0] == "READY"


def test_a_fault_is_told_when_it_was_told_twice() -> None:
    """One disturbed answer would call a person to a SIM that is well."""
    answers = one_by_one("+CPIN: RADY|OK", "+CME ERROR: 10", "+CPIN: READY|OK")
    assert play(sim.state(Ways()), answers)[0] == "READY"
    with pytest.raises(SimFault, match="SIM not inserted"):
        play(sim.state(Ways()), constantly("+CPIN: NOT INSERTED|OK"))
    with pytest.raises(SimFault, match="asks for SIM PUK"):
        play(sim.state(Ways()), constantly("+CPIN: SIM PUK|OK"))


@pytest.mark.parametrize(
    ("answer", "curable"), [("+CME ERROR: 13", True), ("+CME ERROR: 14", True), ("+CME ERROR: 10", False)]
)
def test_only_what_a_reset_may_cure_is_curable(answer: str, curable: bool) -> None:
    """A missing SIM would be answered by resets, or a hung one by none."""
    with pytest.raises(SimFault) as fault:
        play(sim.state(Ways()), constantly(answer))
    assert fault.value.curable is curable


def test_no_pin_over_a_disturbed_line() -> None:
    """Three PINs that the line spoilt would lock the SIM for good."""
    commands: list[str] = []

    def answers(line: str) -> str:
        commands.append(line)
        return "+CPIN: SIM PIN|OK" if line.endswith("?") else "+CPINR: SIM PIN,3,3|OK"

    with pytest.raises(SimFault, match="too disturbed"):
        play(sim.unlock(Pin("1234"), Ways(), noisy=True), answers)
    assert not any("1234" in command for command in commands)


def unlocking(pin: Pin, answers: dict[str, str]) -> int:
    """How often the PIN is given while the SIM is unlocked once, whatever comes of it."""
    given: list[str] = []

    def answer(line: str) -> str:
        given.append(line)
        return answers[line]

    with contextlib.suppress(SimFault, Silent):
        play(sim.unlock(pin, Ways()), answer)
    return sum("1234" in line for line in given)


def test_a_pin_whose_answer_was_lost_is_no_refused_one() -> None:
    """Unplugged in that second, the modem would never come back, with a wrong reason, until somebody restarts us."""
    asks, left = {"AT+CPIN?": "+CPIN: SIM PIN|OK"}, {'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,3,10|OK"}
    lost, taken = {'AT+CPIN="1234"': ""}, {"AT+CPIN?": "+CPIN: READY|OK"}
    pin = Pin("1234")
    assert unlocking(pin, asks | left | lost) == 1
    assert unlocking(pin, asks | left | lost) == 1
    assert unlocking(pin, asks | {'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,2,10|OK"}) == 0
    assert unlocking(pin, asks | {'AT+CPINR="SIM PIN"': "ERROR"}) == 0
    assert unlocking(pin, taken) == 0
    assert unlocking(pin, asks | {'AT+CPINR="SIM PIN"': "ERROR"} | lost) == 1


def test_a_refused_pin_is_not_given_again_whatever_the_sim_says_of_attempts() -> None:
    """A modem that counts wrongly would lock the SIM."""
    asks, left = {"AT+CPIN?": "+CPIN: SIM PIN|OK"}, {'AT+CPINR="SIM PIN"': "+CPINR: SIM PIN,3,10|OK"}
    pin = Pin("1234")
    assert unlocking(pin, asks | left | {'AT+CPIN="1234"': "+CME ERROR: 16"}) == 1
    assert unlocking(pin, asks | left) == 0


def test_a_pin_of_which_nobody_knows_or_that_nobody_notes_is_not_given() -> None:
    """A modem that does not count attempts would get the PIN from each process that is killed just then."""
    asks, mute = {"AT+CPIN?": "+CPIN: SIM PIN|OK"}, {'AT+CPINR="SIM PIN"': "ERROR"}

    def earlier(_news: PinNews) -> None:
        pin.spent = pin.noted = True

    pin = Pin("1234", earlier)
    assert unlocking(pin, asks | mute) == 0
    assert unlocking(Pin("1234", lambda _news: None), asks | mute) == 0
