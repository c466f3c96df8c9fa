from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.modem.conversation import sim
from edge.modem.conversation.procedures import Pin, SimFault, Ways
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
