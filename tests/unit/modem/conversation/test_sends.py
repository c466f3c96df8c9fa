from __future__ import annotations

import pytest

from edge.modem.conversation.sends import MOST_GARBLED
from edge.modem.outcomes import PartTaken, Ready, SendEnded
from tests.unit.modem.dialogue import ANSWERS, Conversation

TWO = [("00AABB", 9), ("00CCDD", 9)]


def sending(*payloads: str, held: bool = True) -> Conversation:
    """A conversation in which a message of two parts was given."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGS=9": ">"}, payloads=list(payloads))
    conversation.commands.clear()
    conversation.session.send(1, TWO, conversation.now, held=held)
    conversation.settle()
    return conversation


def test_a_held_part_leaves_only_once_the_journal_knows_it() -> None:
    """After a crash the network would have a message that no journal knows."""
    conversation = sending("+CMGS: 7|OK", "+CMGS: 8|OK")
    assert conversation.commands == ["AT+CMGS=9"]
    conversation.session.proceed(1, 1, conversation.now)
    conversation.settle()
    assert conversation.commands == ["AT+CMGS=9", "00AABB", "AT+CMGS=9"]
    assert conversation.take(PartTaken) == [PartTaken(1, 1, 7)]
    conversation.session.proceed(1, 2, conversation.now)
    conversation.settle()
    assert conversation.take(PartTaken) == [PartTaken(1, 2, 8)]
    assert conversation.take(SendEnded) == [SendEnded(1, True, True, (7, 8))]


def test_proceed_may_come_before_the_prompt() -> None:
    """A journal that is quicker than the modem would stall the message."""
    conversation = Conversation(answers=ANSWERS | {"AT+CMGS=9": ""}, payloads=["+CMGS: 7|OK"])
    conversation.session.send(1, TWO[:1], conversation.now, held=True)
    conversation.session.proceed(1, 1, conversation.now)
    conversation.settle()
    conversation.session.receive(b"\r\n> ", conversation.now)
    conversation.settle()
    assert conversation.take(SendEnded) == [SendEnded(1, True, True, (7,))]


def test_a_prompt_held_too_long_is_left_and_asked_for_again() -> None:
    """A disk that stalls would block receiving, or lose the message."""
    conversation = sending("+CMGS: 7|OK", "+CMGS: 8|OK")
    conversation.wait(5)  # the command's time-out: ESC
    conversation.say("OK")
    conversation.commands.clear()
    conversation.wait(20)
    assert "AT+CMGS=9" not in conversation.commands
    assert conversation.take(SendEnded) == []
    for part in (1, 2):
        conversation.session.proceed(1, part, conversation.now)
        conversation.settle()
    assert conversation.take(SendEnded) == [SendEnded(1, True, True, (7, 8))]


def test_a_message_that_waits_for_the_shell_lets_others_by() -> None:
    """One message whose journal is stuck would block all others."""
    conversation = sending("+CMGS: 3|OK")
    conversation.wait(5)
    conversation.say("OK")
    conversation.session.send(2, TWO[:1], conversation.now)
    conversation.settle()
    assert conversation.take(SendEnded) == [SendEnded(2, True, True, (3,))]


def test_a_cancelled_message_leaves_the_prompt() -> None:
    """A message that was withdrawn would be sent all the same, or the modem wait for its text for ever."""
    conversation = sending()
    conversation.session.cancel(1, conversation.now)
    assert conversation.session.to_send() == b"\x1b"
    conversation.say("OK")
    assert conversation.take(SendEnded) == [SendEnded(1, False, True, (), "cancelled")]
    conversation.session.cancel(1, conversation.now)
    conversation.session.proceed(1, 1, conversation.now)
    assert conversation.take(SendEnded) == []


def test_cancelling_one_that_waits_ends_it_at_once() -> None:
    """A message that waits behind another would be sent after it was withdrawn."""
    conversation = sending()
    conversation.session.send(2, TWO, conversation.now)
    conversation.session.cancel(2, conversation.now)
    conversation.settle()
    assert conversation.take(SendEnded) == [SendEnded(2, False, True, (), "cancelled")]


def test_a_part_whose_payload_has_left_is_waited_for() -> None:
    """A part that the network has would be called not sent."""
    conversation = sending("", held=False)
    conversation.session.cancel(1, conversation.now)
    conversation.say("+CMGS: 7", "OK")
    assert conversation.take(PartTaken) == [PartTaken(1, 1, 7)]
    assert conversation.take(SendEnded) == [SendEnded(1, False, True, (7,), "cancelled")]


def test_a_message_without_parts_or_given_twice_is_a_bug() -> None:
    """A slip in the shell would send a message twice."""
    conversation = sending()
    with pytest.raises(ValueError, match="being sent already"):
        conversation.session.send(1, TWO, conversation.now)
    with pytest.raises(ValueError, match="no parts"):
        conversation.session.send(2, [], conversation.now)


def test_a_restart_after_the_payload_is_uncertain_and_before_it_is_not() -> None:
    """A message would be sent twice, or one that never left be called uncertain."""
    for proceeds, certain in ((True, False), (False, True)):
        conversation = sending("")
        if proceeds:
            conversation.session.proceed(1, 1, conversation.now)
            conversation.settle()
        conversation.say("RDY")
        (ended,) = conversation.take(SendEnded)
        assert isinstance(ended, SendEnded)
        assert (ended.sent, ended.certain) == (False, certain)
        conversation.wait(5)
        assert len(conversation.take(Ready)) == 2


def noisy(*payloads: str) -> Conversation:
    """A conversation over a line that has shown noise, with a modem that echoes what it heard of a payload."""
    conversation = Conversation(
        answers=ANSWERS | {"AT+CMGS=9": ">", "ATE1": "OK", "AT+CNMI=2,1,0,2,0": "OK"}, payloads=list(payloads)
    )
    conversation.session.receive(b"\xff\xfe\r\n", conversation.now)
    conversation.session.send(1, TWO[:1], conversation.now)
    conversation.settle()
    return conversation


def test_over_a_noisy_line_a_payload_is_sent_off_only_when_it_was_heard_right() -> None:
    """The network would get a text, or a number, that nobody wrote."""
    conversation = noisy("", "")
    assert conversation.commands[-3:] == ["ATE1", "AT+CMGS=9", "00AABB"]
    conversation.session.receive(b"00AACB", conversation.now)
    assert conversation.session.to_send() == b"\x1b"
    conversation.say("OK")
    assert conversation.commands[-2:] == ["AT+CMGS=9", "00AABB"]
    conversation.session.receive(b"00AABB", conversation.now)
    assert conversation.session.to_send() == b"\x1a"
    conversation.say("+CMGS: 7", "OK")
    assert conversation.take(SendEnded) == [SendEnded(1, True, True, ())]  # 7 may be any other number


def test_a_modem_that_never_echoes_a_payload_sends_all_the_same() -> None:
    """Nothing would ever be sent over a noisy line to a modem that cannot echo."""
    conversation = noisy("", "", "", "+CMGS: 7|OK")
    for _ in range(3):
        conversation.wait(4)
        assert conversation.take(SendEnded) == []
        conversation.say("OK")
    assert conversation.take(SendEnded) == [SendEnded(1, True, True, ())]


def test_an_error_code_that_came_over_a_noisy_line_is_not_final() -> None:
    """A digit that the line replaced would cost a message that only waited for the network."""
    conversation = noisy("")
    conversation.session.receive(b"00AABB", conversation.now)
    assert conversation.session.to_send() == b"\x1a"
    conversation.say("+CMS ERROR: 28")
    (ended,) = conversation.take(SendEnded)
    assert isinstance(ended, SendEnded)
    assert (ended.code, ended.permanent) == (28, False)


@pytest.mark.parametrize(("parts", "asked"), [(TWO, True), (TWO[:1], False)])
def test_a_modem_that_keeps_the_link_once_only_is_asked_before_each_part_of_a_long_message(
    parts: list[tuple[str, int]], asked: bool
) -> None:
    """A long message would set up the radio link anew for each part, a short one pay for a command in vain."""
    answers = ANSWERS | {"AT+CMMS=?": "+CMMS: (0,1)|OK", "AT+CMMS=1": "OK", "AT+CMGS=9": ">"}
    conversation = Conversation(answers=answers, payloads=["+CMGS: 7|OK"] * len(parts))
    conversation.commands.clear()
    conversation.session.send(1, parts, conversation.now)
    conversation.settle()
    assert conversation.commands.count("AT+CMMS=1") == (len(parts) if asked else 0)
    assert len(conversation.take(PartTaken)) == len(parts)


def test_the_word_for_one_message_lets_no_other_leave() -> None:
    """A message whose start no journal knows would be in the network after a crash, and be sent again."""
    conversation = sending("+CMGS: 7|OK")
    conversation.session.send(2, TWO[:1], conversation.now, held=True)
    conversation.session.proceed(2, 1, conversation.now)
    conversation.settle()
    assert "00AABB" not in conversation.commands


def test_the_word_for_a_part_said_twice_lets_no_other_part_leave() -> None:
    """A second part that no journal knows would be in the network after a crash."""
    conversation = sending("+CMGS: 7|OK", "+CMGS: 8|OK")
    for _ in range(2):
        conversation.session.proceed(1, 1, conversation.now)
        conversation.settle()
    assert conversation.commands[-1] == "AT+CMGS=9"
    assert "00CCDD" not in conversation.commands


def test_a_line_that_spoils_every_payload_is_given_up_at_last() -> None:
    """One message would keep a modem with a broken cable busy for ever."""
    conversation = noisy(*[""] * (MOST_GARBLED + 2))
    for _ in range(MOST_GARBLED + 1):
        assert conversation.take(SendEnded) == []
        conversation.session.receive(b"00AACB", conversation.now)
        assert conversation.session.to_send() == b"\x1b"
        conversation.say("OK")
    (ended,) = conversation.take(SendEnded)
    assert ended == SendEnded(1, False, True, (), "the line spoils every message")
    assert conversation.commands.count("00AABB") == MOST_GARBLED + 1


def test_an_echo_that_was_asked_for_is_no_restart() -> None:
    """A modem would be set up anew after every message that went over a noisy line."""
    conversation = noisy("")
    conversation.session.receive(b"00AABB", conversation.now)
    assert conversation.session.to_send() == b"\x1a"
    conversation.say("+CMGS: 7", "OK")
    conversation.answers = {command: f"{command}|{answer}" for command, answer in conversation.answers.items()}
    conversation.commands.clear()
    conversation.wait(150)
    assert "ATE1" in conversation.commands  # the mode is asserted as it is wanted now
    assert "ATE0" not in conversation.commands


def test_a_modem_that_falls_silent_over_a_noisy_line_is_greeted_anew() -> None:
    """A modem that hangs would be taken for a disturbed line, and given the same message hundreds of times."""
    conversation = noisy("")
    conversation.answers["AT+CMGS=9"] = ""
    conversation.session.receive(b"00AACB", conversation.now)
    conversation.say("OK")
    conversation.commands.clear()
    conversation.wait(20)
    assert conversation.commands.count("AT+CMGS=9") <= 3
    assert "ATE0" in conversation.commands


def test_one_echo_lost_now_and_then_is_no_modem_without_echo() -> None:
    """After some days on a disturbed line messages would leave unproven, with another text or number."""
    conversation = noisy(*[""] * 20)
    for message in range(1, 6):
        conversation.wait(4)  # the echo does not come: ESC
        conversation.say("OK")
        conversation.session.receive(b"00AABB", conversation.now)
        assert conversation.session.to_send() == b"\x1a"
        conversation.say("+CMGS: 7", "OK")
        assert len(conversation.take(SendEnded)) == 1
        conversation.session.send(message + 1, TWO[:1], conversation.now)
        conversation.settle()
    assert conversation.commands[-1] == "00AABB"
    assert conversation.session.to_send() == b""
