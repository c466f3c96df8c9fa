"""What a modem says too late, and payloads that are held, proven or cancelled."""

from __future__ import annotations

import pytest

from edge.modem.at import (
    CANCELLED,
    FENCE,
    SETTLE_S,
    TIMED_OUT,
    Answer,
    Channel,
    Command,
    Unsolicited,
)
from tests.unit.modem.at_conversations import CSQ, GREETING, LIST, MODE, SEND, converse, drain


def given_up(command: Command, *, payload: bool = False) -> Channel:
    """A channel whose command met silence, and what is left of it."""
    channel = Channel()
    channel.issue(command, now=0)
    if payload:
        channel.receive(b"\r\n> ", now=0)
    channel.handle_timer(now=100)
    assert drain(channel) == [Answer(command, (), TIMED_OUT, payload)]
    channel.to_send()
    return channel


@pytest.mark.parametrize(
    "late", [b"", b"OK\r\n", b"ERROR\r\n", b"+CMGL: 1,1,,2\r\n0001AA\r\nOK\r\n", b"+CME ERROR: 3\r\n"]
)
def test_a_late_answer_ends_no_later_command(late: bytes) -> None:
    """A command would be called done, or failed, by the answer to an earlier one."""
    channel = given_up(LIST)
    channel.issue(MODE, now=100)
    assert channel.to_send() == FENCE.encode() + b"\r"
    channel.receive(late, now=101)
    assert channel.busy
    assert channel.to_send() == b""
    channel.receive(b"\r\n+CSQ: 9,99\r\n\r\nOK\r\n", now=101)
    channel.handle_timer(101 + SETTLE_S)
    assert channel.to_send() == b"AT+CMGF=0\r"
    channel.receive(b"\r\nERROR\r\n", now=102)
    assert [event for event in drain(channel) if isinstance(event, Answer)] == [Answer(MODE, (), "ERROR")]
    channel.issue(GREETING, now=103)
    assert channel.to_send() == b"AT\r"


@pytest.mark.parametrize("answers", [1, 2])
def test_a_fence_that_was_itself_unanswered_is_followed_by_silence(answers: int) -> None:
    """Two answers to the same question would shift all later ones by one."""
    channel = given_up(LIST)
    channel.issue(MODE, now=100)
    channel.handle_timer(105)
    assert drain(channel) == [Answer(MODE, (), TIMED_OUT)]
    channel.issue(MODE, now=105)
    channel.to_send()
    for _ in range(answers):
        channel.receive(b"\r\n+CSQ: 9,99\r\n\r\nOK\r\n", now=106)
        assert channel.to_send() == b""
    assert channel.get_timer() == 106 + SETTLE_S
    channel.handle_timer(106 + SETTLE_S)
    assert channel.to_send() == b"AT+CMGF=0\r"


def test_a_fence_answered_at_the_last_moment_is_passed() -> None:
    """A modem that always takes its time would be called silent for ever."""
    channel = given_up(CSQ)
    channel.issue(Command("AT", 1), now=100)
    channel.to_send()
    channel.receive(b"\r\n+CSQ: 9,99\r\n\r\nOK\r\n", now=100.9)
    channel.handle_timer(101)
    assert channel.busy
    channel.handle_timer(101.3)
    assert channel.to_send() == b"AT\r"


def test_a_modem_that_refuses_the_fence_is_not_locked_out() -> None:
    """A modem without a SIM answers the question with an error; it would never be spoken to again."""
    channel = given_up(LIST)
    channel.issue(MODE, now=100)
    channel.to_send()
    channel.receive(b"\r\n+CME ERROR: 10\r\n", now=101)
    channel.handle_timer(101 + SETTLE_S)
    assert channel.to_send() == b"AT+CMGF=0\r"


def test_what_comes_late_is_still_told() -> None:
    """The reference of a message taken late by the network would be lost."""
    channel = given_up(SEND, payload=True)
    channel.issue(MODE, now=100)
    channel.receive(b"\r\n+CMGS: 7\r\nOK\r\n", now=101)
    assert drain(channel) == [Unsolicited("+CMGS: 7")]


def test_a_prompt_that_comes_late_is_left() -> None:
    """The next command would become the text of a message."""
    channel = given_up(SEND)
    channel.receive(b"\r\n> ", now=101)
    assert channel.to_send() == b"\x1b"
    channel = given_up(SEND)
    channel.issue(MODE, now=101)
    channel.to_send()
    channel.receive(b"\r\n> ", now=101)
    assert channel.to_send() == b"\x1b" + FENCE.encode() + b"\r"


def test_a_payload_without_its_end_is_not_completed_by_later_commands() -> None:
    """The modem, which missed the SUB, would send a message that ends in commands."""
    channel = Channel()
    channel.issue(SEND, now=0)
    channel.receive(b"\r\n> ", now=0)
    channel.to_send()
    channel.handle_timer(60)
    assert channel.to_send() == b"\x1b"


HELD = Command("AT+CMGS=20", 5, "+CMGS:", payload="00AABB", held=True)
PROVEN = Command("AT+CMGS=20", 5, "+CMGS:", payload="00AABB", proof=True)


@pytest.mark.parametrize("early", [True, False])
def test_a_held_payload_waits_for_its_journal(early: bool) -> None:
    """After a crash nobody would know that the message may have been sent."""
    channel = Channel()
    channel.issue(HELD, now=0)
    channel.to_send()
    if early:
        channel.proceed(now=1)
    channel.receive(b"\r\n> ", now=1)
    if not early:
        assert channel.to_send() == b""
        channel.proceed(now=2)
    channel.proceed(now=2)
    assert channel.to_send() == b"00AABB\x1a"


def test_a_payload_held_too_long_is_left() -> None:
    """A modem at its prompt receives nothing."""
    channel = Channel()
    channel.issue(HELD, now=0)
    channel.to_send()
    channel.receive(b"\r\n> ", now=1)
    channel.handle_timer(6)
    assert channel.to_send() == b"\x1b"
    channel.receive(b"\r\nOK\r\n", now=6)
    assert drain(channel) == [Answer(HELD, (), CANCELLED)]
    channel.issue(GREETING, now=6)
    assert channel.to_send() == b"AT\r"


@pytest.mark.parametrize("prompt_first", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_cancelling_leaves_the_prompt_and_sends_nothing(prompt_first: bool, answered: bool) -> None:
    """A message called back would go out, or the modem stay at its prompt."""
    channel = Channel()
    channel.issue(HELD, now=0)
    channel.to_send()
    if not prompt_first:
        channel.cancel(now=0)
    channel.receive(b"\r\n> ", now=0)
    if prompt_first:
        channel.cancel(now=0)
    channel.proceed(now=0)
    assert channel.to_send() == b"\x1b"
    if answered:
        channel.receive(b"\r\nOK\r\n", now=1)
    else:
        channel.handle_timer(10)
    assert drain(channel) == [Answer(HELD, (), CANCELLED)]
    channel.issue(GREETING, now=10)
    assert channel.to_send().endswith(b"AT\r" if answered else FENCE.encode() + b"\r")


@pytest.mark.parametrize("ended", [True, False])
def test_an_abandoned_command_is_never_heard_of(ended: bool) -> None:
    """A new beginning would take the answer to an old question for that to its own."""
    channel = Channel()
    channel.issue(MODE, now=0)
    if ended:
        channel.receive(b"\r\n+CPIN: NOT READY\r\nOK\r\n", now=0)
    channel.abandon()
    channel.to_send()
    channel.issue(GREETING, now=0)
    assert channel.to_send() == b"AT\r" if ended else FENCE.encode() + b"\r"
    assert [event for event in drain(channel) if isinstance(event, Answer)] == []


def test_a_payload_given_is_not_cancelled() -> None:
    """What the network may have would be called not sent."""
    channel = Channel()
    channel.issue(SEND, now=0)
    channel.receive(b"\r\n> ", now=0)
    channel.cancel(now=0)
    channel.receive(b"\r\n+CMGS: 7\r\nOK\r\n", now=1)
    assert drain(channel) == [Answer(SEND, ("+CMGS: 7",), "OK", True)]


def test_any_other_command_can_be_cancelled() -> None:
    """A person's question that nobody answers would hold up the messages, or its late end another command."""
    channel = Channel()
    channel.issue(MODE, now=0)
    channel.cancel(now=1)
    assert drain(channel) == [Answer(MODE, (), CANCELLED)]
    channel.to_send()
    channel.issue(GREETING, now=1)
    channel.receive(b"\r\nOK\r\n", now=1)
    assert channel.busy


@pytest.mark.parametrize(
    ("chunks", "sent", "final"),
    [
        ([b"\r\n> ", b"00AABB"], b"00AABB\x1a", None),
        ([b"\r\n>", b" ", b"00A", b"ABB"], b"00AABB\x1a", None),
        ([b"\r\n> ", b"00AABB\r\n+CMGS: 7\r\nOK\r\n"], b"00AABB\x1a", "OK"),
        ([b"\r\n> ", b"00A#BB", b"\r\nOK\r\n"], b"00AABB\x1b", CANCELLED),
        ([b"\r\n> ", b"00A", b'\r\n+CMTI: "SM",1\r\n', b"\r\nOK\r\n"], b"00AABB\x1b", CANCELLED),
    ],
)
def test_a_payload_is_proven_by_its_echo(chunks: list[bytes], sent: bytes, final: str | None) -> None:
    """A wrong letter, or a message to a wrong number, would go out over a noisy line."""
    events, written = converse(PROVEN, *chunks)
    assert written == b"AT+CMGS=20\r" + sent
    assert [event.final for event in events if isinstance(event, Answer)] == ([final] if final else [])
