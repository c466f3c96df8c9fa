"""The channel to an AT modem: every conversation, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import at
from edge.modem.at import (
    TIMED_OUT,
    Answer,
    Channel,
    Command,
    Event,
    Unsolicited,
    question,
)
from tests.unit.modem.at_conversations import CSQ, GOLDEN, GREETING, LIST, MODE, SEND, converse, drain


@pytest.mark.parametrize(("command", "data", "events"), GOLDEN)
def test_golden_conversations(command: Command | None, data: bytes, events: list[Event]) -> None:
    """An answer would be mistaken for an indication, or an indication lost."""
    assert converse(command, data)[0] == events


@pytest.mark.parametrize(("command", "data", "events"), GOLDEN)
def test_golden_conversations_one_byte_at_a_time(command: Command | None, data: bytes, events: list[Event]) -> None:
    """A slow line would be understood otherwise than a fast one."""
    assert converse(command, *[bytes((byte,)) for byte in data])[0] == events


@given(st.sampled_from(GOLDEN), st.lists(st.integers(0, 60), max_size=12))
def test_any_chunking_is_the_same(golden: tuple[Command | None, bytes, list[Event]], sizes: list[int]) -> None:
    """Where the kernel cuts the bytes would change what they mean."""
    command, data, events = golden
    chunks, rest = [], data
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    assert converse(command, *chunks, rest)[0] == events


def test_the_payload_waits_for_the_prompt() -> None:
    """A payload sent too early would be taken for commands."""
    channel = Channel()
    channel.issue(SEND, now=0)
    assert channel.to_send() == b"AT+CMGS=20\r"
    channel.receive(b"\r\n>", now=1)
    assert channel.to_send() == b"00AABB\x1a"
    assert channel.payload_given
    assert channel.get_timer() == 61
    channel.receive(b" ", now=2)
    assert channel.to_send() == b""


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        # (time, bytes) before the timer, moment of the timer, how it ends
        ([(1.0, b"\r\n+CSQ: 1,2")], (4.9, [])),
        ([(1.0, b"\r\nOK\r\n")], (2.9, [])),
        ([(1.0, b"\r\nOK\r\n")], (3.0, [Answer(CSQ, (), TIMED_OUT)])),  # the answer before it was lost
        ([(1.0, b"\r\n+CSQ: 1,2\r\n")], (5.9, [])),
        ([(1.0, b"\r\n+CSQ: 1,2\r\n")], (6.0, [Answer(CSQ, ("+CSQ: 1,2",), TIMED_OUT)])),
        ([], (5.0, [Answer(CSQ, (), TIMED_OUT)])),
        ([(4.0, b"\r\n+CSQ: 1,2\r\nOK\r\n")], (99.0, [Answer(CSQ, ("+CSQ: 1,2",), "OK")])),
    ],
)
def test_time_outs(steps: list[tuple[float, bytes]], wanted: tuple[float, list[Event]]) -> None:
    """A silent modem would be waited for for ever."""
    channel = Channel()
    channel.issue(CSQ, now=0)
    assert channel.get_timer() == 5
    for now, data in steps:
        channel.receive(data, now)
    channel.handle_timer(wanted[0])
    assert drain(channel) == wanted[1]


def test_a_second_command_at_once_is_a_bug() -> None:
    """Two commands' answers would mix."""
    channel = Channel()
    channel.issue(CSQ, now=0)
    with pytest.raises(RuntimeError, match="still under way"):
        channel.issue(LIST, now=0)


def test_escape_leaves_a_prompt() -> None:
    """A prompt left open would swallow the next commands."""
    channel = Channel()
    channel.receive(b"\r\n> ", now=0)
    channel.escape()
    channel.issue(GREETING, now=0)
    assert channel.to_send() == b"\x1b\rAT+CSQ\r"
    channel.receive(b"\r\nOK\r\n\r\n+CSQ: 1,1\r\nOK\r\n", now=0)
    assert channel.to_send() == b"AT\r"
    channel.receive(b"\r\nOK\r\n", now=0)
    assert drain(channel) == [Answer(GREETING, (), "OK")]


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_rubbish_neither_crashes_nor_grows(chunks: list[bytes]) -> None:
    """Noise on the line would stop the daemon or fill its memory."""
    channel = Channel()
    channel.issue(SEND, now=0)
    for chunk in chunks:
        channel.receive(chunk, now=0)
    channel.handle_timer(1000)
    assert not channel.busy
    for event in drain(channel):
        if isinstance(event, Answer):
            assert all(len(line) <= at.LONGEST_LINE for line in event.lines)


def test_endless_lines_and_answers_are_bounded() -> None:
    """A mad modem would fill the memory."""
    channel = Channel()
    channel.issue(LIST, now=0)
    channel.receive(b"07AA\r\n" * 5000 + b"x" * 100_000, now=0)
    channel.receive(b"\r\nOK\r\n", now=0)
    (answer,) = drain(channel)
    assert isinstance(answer, Answer)
    assert len(answer.lines) == at.MOST_LINES
    channel.receive(b"RING\r\n" * 5000, now=0)
    assert len(drain(channel)) == at.MOST_EVENTS


@pytest.mark.parametrize(
    "line",
    ["RDY", "^SYSSTART", "SYSSTART AIRPLANE MODE", "NORMAL POWER DOWN", "POWERED DOWN", "*ATREADY: 1", "^SHUTDOWN"],
)
def test_restarts_are_told(line: str) -> None:
    """A modem that lost its settings would be left without them."""
    assert converse(None, f"\r\n{line}\r\n".encode())[0] == [Unsolicited(line)]
    assert Unsolicited(line).restarted


@pytest.mark.parametrize("line", ["^BOOT:20952548,0,0,0,75", "+CPIN: READY", "SMS Ready", "^RSSI:3", "+CFUN: 1"])
def test_chatter_is_no_restart(line: str) -> None:
    """A stick that chatters would be initialised again and again."""
    assert not Unsolicited(line).restarted


def test_noise_is_counted() -> None:
    """A line that changes letters would be trusted like a whole one."""
    channel = Channel()
    channel.receive(b"\r\n+CREG: 1\r\n00AABB\x1a\r\n", now=0)
    assert channel.rubbish == 0
    channel.receive(b"\r\n+C\xffREG: 1\r\n" + b"x" * 2000 + b"\r\n", now=0)
    assert channel.rubbish == 2


def test_an_answer_is_never_crowded_out() -> None:
    """A mad modem's chatter would leave the session waiting for ever."""
    channel = Channel()
    channel.issue(MODE, now=0)
    channel.receive(b"^RI\r" * 5000 + b"OK\r", now=0)
    assert Answer(MODE, (), "OK") in drain(channel)


@pytest.mark.parametrize(
    ("line", "prefix"),
    [
        ("AT+CSQ", "+CSQ:"),
        ("AT^SYSINFOEX", "^SYSINFOEX:"),
        ("AT+CMGF?", "+CMGF:"),
        ("AT+CPMS=?", "+CPMS:"),
        ("AT+CMGF=0", ""),
        ("ATI", ""),
    ],
)
def test_a_question_knows_its_answer(line: str, prefix: str) -> None:
    """What a person asked for would be shown as chatter."""
    assert question(line, 5).prefix == prefix


@pytest.mark.parametrize(
    ("final", "cms", "cme"),
    [
        ("+CME ERROR: SIM not inserted", None, 10),
        ("+CME ERROR: (U)SIM PUK required", None, 12),
        ("+CMS ERROR: Unknown Error", 500, None),
        ("+CMS ERROR: no network service", 331, None),
        ("+CME ERROR: no network service", None, 30),
        ("+CMS ERROR: 38", 38, None),
        ("+CME ERROR:14", None, 14),
        ("ERROR", None, None),
        ("+CMS ERROR: busy", None, None),
    ],
)
def test_error_codes(final: str, cms: int | None, cme: int | None) -> None:
    """A permanent error would be retried, or a passing one given up."""
    answer = Answer(CSQ, (), final)
    assert (answer.code("CMS"), answer.code("CME"), answer.ok) == (cms, cme, False)
