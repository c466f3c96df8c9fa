from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem import at
from edge.modem.at import (
    CANCELLED,
    FENCE,
    RESTARTED,
    SETTLE_S,
    TIMED_OUT,
    Answer,
    Channel,
    Command,
    Event,
    Unsolicited,
    question,
)

CSQ = Command("AT+CSQ", 5, "+CSQ:", needed=True)
LIST = Command("AT+CMGL=4", 5, "+CMGL:")
GREETING = Command("AT", 5)
MODE = Command("AT+CMGF=0", 5)
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
        b"\r\n+CDS: 2\r\n0006AA\r\n\r\nOK\r\n",
        [Unsolicited("+CDS: 2", "0006AA"), Answer(LIST, (), "OK")],
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
    (
        LIST,
        b"\r\n+CDS: 25\r\n+CMGL: 0,1,,2\r\n0006AA\r\nOK\r\n",  # the report's own line was lost
        [Unsolicited("+CDS: 25"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        LIST,
        b"\r\n+CMGL: 0,1,,2\r\n+CDS: 25\r\n0006AA\r\nOK\r\n",  # so it was, and the next is a listed message's
        [Unsolicited("+CDS: 25"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        CSQ,
        b'\r\n+CMT: "+62812","","26/11/22,10:00:00+28"\r\nOK\r\n+CSQ: 1,1\r\nOK\r\n',  # a text, still in text mode
        [Unsolicited('+CMT: "+62812","","26/11/22,10:00:00+28"'), Answer(CSQ, ("+CSQ: 1,1",), "OK")],
    ),
    (None, b"\r\n+CBM: 3\r\n0006AA\r\n", [Unsolicited("+CBM: 3", "0006AA")]),  # a page has no service centre
    (
        LIST,
        b"\r\n+CMGL: 0,1,,2\r\nNO CARRIER\r\n0006AA\r\nOK\r\n",  # a caller hung up
        [Unsolicited("NO CARRIER"), Answer(LIST, ("+CMGL: 0,1,,2", "0006AA"), "OK")],
    ),
    (
        None,
        b'\r\n+CUSD: 1,"Sisa pulsa Rp 5.000\r\n1. YA\r\n2. > Info Kartu",15\r\n',
        [Unsolicited('+CUSD: 1,"Sisa pulsa Rp 5.000\n1. YA\n2. > Info Kartu",15')],
    ),
    (
        CSQ,
        b'\r\n+CUSD: 0,"Pulsa\r\nhabis",15\r\n+CSQ: 1,1\r\nOK\r\n',
        [Unsolicited('+CUSD: 0,"Pulsa\nhabis",15'), Answer(CSQ, ("+CSQ: 1,1",), "OK")],
    ),
    (
        Command("AT", 5),
        b'\r\n+CUSD: 0,"Pulsa\r\nOK\r\n',  # the closing mark was lost
        [Unsolicited('+CUSD: 0,"Pulsa'), Answer(Command("AT", 5), (), "OK")],
    ),
    (
        Command("AT+CMGF=0", 5),
        b'AT+CM\r\n+CMTI: "SM",4\r\nGF=0\r\r\nOK\r\n',  # in the middle of the echo
        [Unsolicited('+CMTI: "SM",4'), Answer(Command("AT+CMGF=0", 5), (), "OK")],
    ),
    (CSQ, b"AT+COPS?\r\n+CSQ: 1,1\r\nOK\r\n", [Answer(CSQ, ("+CSQ: 1,1",), "OK")]),  # a late echo
    (None, b"AT+COPS?\r\n", []),
    (
        SEND,
        b'\r\n+CMTI: "SM",1> \r\n+CMGS: 7\r\nOK\r\n',  # the line's end was lost
        [Unsolicited('+CMTI: "SM",1'), Answer(SEND, ("+CMGS: 7",), "OK", True)],
    ),
    (SEND, b'\r\n+CUSD: 0,"a > b",15\r\nERROR\r\n', [Unsolicited('+CUSD: 0,"a > b",15'), Answer(SEND, (), "ERROR")]),
    (
        SEND,
        b"\r\n> 00AA\r\n^RSSI:9\r\n+CMGS: 7\r\nOK\r\n",
        [Unsolicited("^RSSI:9"), Answer(SEND, ("+CMGS: 7",), "OK", True)],
    ),
    (LIST, b"\r\nRDY\r\n", [Answer(LIST, (), RESTARTED), Unsolicited("RDY")]),
    (
        SEND,
        b"\r\n> \r\nUNDER-VOLTAGE POWER DOWN\r\n",
        [Answer(SEND, (), RESTARTED, True), Unsolicited("UNDER-VOLTAGE POWER DOWN")],
    ),
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
