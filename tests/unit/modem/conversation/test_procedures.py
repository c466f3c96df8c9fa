from __future__ import annotations

import pytest

from edge.modem.conversation import procedures
from edge.modem.conversation.procedures import Refused, Silent, Ways
from tests.unit.modem.playing import constantly, play


def test_a_greeting_is_repeated_then_given_up() -> None:
    """A modem still starting would be called absent, or an absent one be waited for."""
    replies = iter(["", "", "OK"])
    assert play(procedures.greet(), lambda _line: next(replies))[1] == ["AT", "AT", "AT"]
    with pytest.raises(Silent):
        play(procedures.greet(), constantly(""))


def test_patience_is_a_greeting_a_second() -> None:
    """A modem that wakes late in a rung's budget would not be noticed."""
    replies = iter([""] * 44 + ["OK"])
    assert len(play(procedures.greet(45.0), lambda _line: next(replies))[1]) == 45


def test_essential_commands_must_succeed() -> None:
    """A refused mode would go unnoticed."""
    with pytest.raises(Refused, match=r"AT\+CMGF: ERROR"):
        play(procedures.must("AT+CMGF=0", 1), constantly("ERROR"))


@pytest.mark.parametrize(
    ("final", "again"), [("ERROR", False), ("+CME ERROR: 4", False), ("+CME ERROR: 14", True), ("OK", True)]
)
def test_a_wish_that_is_unknown_to_the_modem_is_not_repeated(final: str, again: bool) -> None:
    """A command that a modem lacks would be given at every survey, or one refused once by a busy SIM never again."""
    ways = Ways()
    play(procedures.wish(ways, "AT+CEREG?"), constantly(final))
    assert bool(play(procedures.wish(ways, "AT+CEREG?"), constantly(final))[1]) is again


def test_a_wish_that_is_never_answered_is_left_out() -> None:
    """A modem that hangs at a command which we do not need would never become ready."""
    ways = Ways()
    with pytest.raises(Silent) as silent:
        play(procedures.wish(ways, "AT+CTZR=1"), constantly(""))
    assert silent.value.dispensable
    answer, commands = play(procedures.wish(ways, "AT+CTZR=1"), constantly(""))
    assert (answer.ok, commands) == (False, [])
