from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


LINES = (
    *("E0", "+CMEE=1", '+CPIN="1234"', '+CPMS="SM","SM","SM"', "+CNMI=2,1,0,1,0", "+CMGF=0", "+CMGL=4", "+CMGR=1"),
    *("+CMGD=1", "+CMGD=1,4", "+CREG=1", "+COPS=3,0", '+CSCA="+6281100000",145', "+CSMS=1", "+CMMS=2", "+CFUN=1,1"),
    *('+CUSD=1,"*888#",15', '+CSCS="GSM"', "+CTZR=1", "+CLIP=1", "+CRC=1"),
)


@given(st.sampled_from(LINES), st.integers(0, 30), st.characters(max_codepoint=255))
def test_a_spoilt_command_ends_with_an_error_or_another_meaning(line: str, place: int, heard: str) -> None:
    """One damaged byte would silence the modem for good, and a test of noise would show nothing but that."""
    commands = unit(5)
    commands.answer("+CMGF", "0")
    commands.put("AA", 1)
    spoilt = line[:place] + heard + line[place + 1 :]
    try:
        for name, argument in commands.split(spoilt):
            commands.answer(name, argument)
    except CommandError:
        return


def test_an_unknown_command_is_an_error() -> None:
    """A daemon that asks nonsense would be told OK."""
    with pytest.raises(CommandError, match="ERROR"):
        unit(5).answer("+CFLY", "1,1")
