from __future__ import annotations

import pytest

from edge.simulator.gsm_commands import Commands
from edge.simulator.gsm_faults import CommandError, Faults
from edge.simulator.gsm_models import MODELS
from edge.simulator.gsm_network import Network


def unit(capacity: int, pin: str | None = None) -> Commands:
    faults = Faults()
    return Commands(capacity, pin, faults, Network(faults), MODELS["generic"])


def test_three_wrong_pins_lock_the_sim() -> None:
    """A daemon that retries a PIN would go unpunished."""
    commands = unit(5, "1234")
    commands.answer("+CMEE", "1")
    for wanted in ("+CME ERROR: 16", "+CME ERROR: 16", "+CME ERROR: 12", "+CME ERROR: 12"):
        with pytest.raises(CommandError, match=wanted.replace("+", r"\+")):
            commands.answer("+CPIN", '"0000"')
    assert commands.answer("+CPIN?", "") == (("+CPIN: SIM PUK",),)
    assert commands.pin_attempts == ["0000"] * 4


def test_a_locked_sim_shows_nothing() -> None:
    """A daemon that forgets the PIN would pass."""
    commands = unit(5, "1234")
    with pytest.raises(CommandError, match="CMS ERROR: 311"):
        commands.answer("+CMGL", "4")
    with pytest.raises(CommandError, match="CME ERROR: 11"):
        commands.answer("+COPS?", "")
    assert commands.answer("+CPIN?", "") == (("+CPIN: SIM PIN",),)
    commands.answer("+CPIN", '"1234"')
    commands.answer("+CMGF", "0")
    assert commands.answer("+CMGL", "4") == []


def test_text_mode_is_refused() -> None:
    """A daemon that stays in text mode would pass."""
    commands = unit(5)
    for name, argument in (("+CMGL", "4"), ("+CMGR", "0"), ("+CMGD", "0")):
        with pytest.raises(CommandError, match="305"):
            commands.answer(name, argument)


def test_a_sim_holds_what_it_can() -> None:
    """The SIM would be larger than any real one."""
    commands = unit(2)
    commands.answer("+CMGF", "0")
    assert [commands.put("AA", 1), commands.put("BB", 1), commands.put("CC", 1)] == [("SM", 0), ("SM", 1), None]
    assert commands.answer("+CMGL", "4") == [("+CMGL: 0,0,,1", "AA"), ("+CMGL: 1,0,,1", "BB")]
    assert commands.answer("+CMGR", "0") == (("+CMGR: 1,,1", "AA"),)
    commands.answer("+CMGD", "0")
    assert commands.put("CC", 1) == ("SM", 0)
    assert commands.answer("+CPMS", '"SM","SM","SM"') == (("+CPMS: 2,2,2,2,2,2",),)


def test_an_unknown_command_is_an_error() -> None:
    """A daemon that asks nonsense would be told OK."""
    with pytest.raises(CommandError, match="ERROR"):
        unit(5).answer("+CFLY", "1,1")
