from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import at
from edge.modem.at import TIMED_OUT, Answer, Channel, Command, Event, Unsolicited

CSQ = Command("AT+CSQ", 5, "+CSQ:", needed=True)
LIST = Command("AT+CMGL=4", 5, "+CMGL:")
SEND = Command("AT+CMGS=20", 5, "+CMGS:", payload="00AABB", payload_timeout=60)


def drain(channel: Channel) -> list[Event]:
    events = []
    while (event := channel.next_event()) is not None:
        events.append(event)
    return events


def converse(command: Command | None, *chunks: bytes) -> tuple[list[Event], bytes]:
    """What comes of `chunks` after `command` was issued, and what was sent."""
    channel = Channel()
    sent = b""
    if command is not None:
        channel.issue(command, now=0)
        sent += channel.to_send()
    for chunk in chunks:
        channel.receive(chunk, now=0)
        sent += channel.to_send()
    return drain(channel), sent


GOLDEN = [
    # command, bytes from the modem, events
    (CSQ, b"\r\n+CSQ: 18,99\r\n\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),
    (CSQ, b"AT+CSQ\r\r\n+CSQ: 18,99\r\n\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),  # echo
    (CSQ, b"\r\nOK\r\n+CSQ: 1,9\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,9",), "OK")]),  # a late OK comes first
    (CSQ, b"\r\nERROR\r\n", [Answer(CSQ, (), "ERROR")]),
    (CSQ, b"\r\n+CME ERROR: 14\r\n", [Answer(CSQ, (), "+CME ERROR: 14")]),
    (
        LIST,
        b'\r\n+CMGL: 0,1,,24\r\n+CMTI: "SM",3\r\n07AA\r\nRING\r\n\r\nOK\r\n',  # indications in the middle
        [Unsolicited('+CMTI: "SM",3'), Unsolicited("RING"), Answer(LIST, ("+CMGL: 0,1,,24", "07AA"), "OK")],
    ),
    (
        LIST,
        b"\r\n+CDS: 25\r\n0006AA\r\n\r\nOK\r\n",
        [Unsolicited("+CDS: 25", "0006AA"), Answer(LIST, (), "OK")],
    ),
    (
        LIST,
        b"\r\n^RSSI:18\r\n*PSUTTZ: 26\r\nOK\r\n",
        [Unsolicited("^RSSI:18"), Unsolicited("*PSUTTZ: 26"), Answer(LIST, (), "OK")],
    ),
    (None, b'\r\n+CMTI: "ME",0\r\n', [Unsolicited('+CMTI: "ME",0')]),
    (None, b"\r\nOK\r\n", []),  # a late answer to what timed out
    (
        Command("AT+CREG?", 5, "+CREG:", needed=True),
        b"\r\n+CREG: 5\r\n+CREG: 1,1\r\nOK\r\n",  # a change is announced while it is asked
        [Unsolicited("+CREG: 5"), Answer(Command("AT+CREG?", 5, "+CREG:", needed=True), ("+CREG: 1,1",), "OK")],
    ),
    (
        Command("AT+CPIN?", 5, "+CPIN:", needed=True),
        b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n",
        [Answer(Command("AT+CPIN?", 5, "+CPIN:", needed=True), ("+CPIN: SIM PIN",), "OK")],
    ),
    (SEND, b"\r\n> \r\n+CMGS: 7\r\n\r\nOK\r\n", [Answer(SEND, ("+CMGS: 7",), "OK", True)]),
    (SEND, b"\r\n> 00AABB\x1a\r\n+CMGS: 7\r\n\r\nOK\r\n", [Answer(SEND, ("+CMGS: 7",), "OK", True)]),  # payload echoed
    (
        SEND,
        b'\r\n+CMTI: "SM",1\r\n\r\n> \r\n+CMS ERROR: 38\r\n',
        [Unsolicited('+CMTI: "SM",1'), Answer(SEND, (), "+CMS ERROR: 38", True)],
    ),
    (SEND, b"\r\n+CMS ERROR: 500\r\n", [Answer(SEND, (), "+CMS ERROR: 500", False)]),
    (SEND, b"\r\nOK\r\n\xfe\x81> \r\n+CMGS: 9\r\nOK\r\n", [Answer(SEND, ("+CMGS: 9",), "OK", True)]),
    (CSQ, b"\xff\x00\x80\x9f\r\n+CSQ: 18,99\r\n\xfeOK\r\n", [Answer(CSQ, ("+CSQ: 18,99",), "OK")]),  # noise
    (CSQ, b"x" * 5000 + b"\r\n+CSQ: 1,1\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,1",), "OK")]),  # an endless line
]


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
    channel.issue(CSQ, now=0)
    assert channel.to_send() == b"\x1b\rAT+CSQ\r"
    channel.receive(b"\r\n+CSQ: 1,1\r\nOK\r\n", now=0)
    assert drain(channel) == [Answer(CSQ, ("+CSQ: 1,1",), "OK")]


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
    ("final", "cms", "cme"),
    [
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
