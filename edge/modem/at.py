r"""Pure: the AT channel, bytes in, events out (ITU-T V.250; 3GPP TS 27.007, TS 27.005 clause 3.1 and annex C).

One command is under way at a time. The channel cuts the bytes into lines, drops echoes and rubbish, tells answers
from unsolicited result codes that come in the middle of them, waits for the ``> `` prompt before it gives a payload,
and ends a command by its final result code or, by `handle_timer`, by time-out. It holds no clock and does no I/O:

    channel.issue(Command("AT+CSQ", timeout=5, prefix="+CSQ:"), now)
    write(channel.to_send()); channel.receive(read(), now)
    while event := channel.next_event(): ...
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

LONGEST_LINE = 1024
MOST_LINES = 1024
MOST_EVENTS = 1024
ESCAPE, END_OF_PAYLOAD = b"\x1b", b"\x1a"
TIMED_OUT, CANCELLED = "TIMED OUT", "CANCELLED"
_ESCAPE_S = 2.0
_ECHO_S, _ECHO_S_EACH = 3.0, 0.02
_RUBBISH = re.compile(rb"[^\x20-\x7e]")
_FINAL = re.compile(r"OK|ERROR|NO CARRIER|BUSY|COMMAND NOT SUPPORT|TOO MANY PARAMETERS|\+CM[ES] ERROR: ?.*")
_UNSOLICITED = re.compile(
    r"\+(CMTI|CDSI|CDS|CMT|CBM|CREG|CGREG|CEREG|CUSD|CPIN|CRING|CLIP|CIEV)\b|RING$|\^[A-Z]+|\*[A-Z]+"
)
_REGISTRATION = re.compile(r"\+C(?:G|E)?REG: ?\d+(?:,\"|$)")
_WITH_PDU = re.compile(r"\+(CDS|CMT|CBM):")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ERROR = re.compile(r"\+(CM[ES]) ERROR: ?(\d+)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command line without its CR. `timeout` is the longest silence, in seconds; a payload has its own.

    Lines that begin with `prefix` are its answer even where they look unsolicited. With `needed`, a lone OK is taken
    for a late one of an earlier command and passed over. `payload` is given after the prompt, ended by SUB; when
    `held`, not before `proceed`; with `proof`, SUB follows only once the modem has echoed the payload unchanged (ATE1).
    """

    line: str
    timeout: float
    prefix: str = ""
    needed: bool = False
    payload: str = ""
    payload_timeout: float = 60.0
    held: bool = False
    proof: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: its lines, the final result code (or `TIMED_OUT`, `CANCELLED`), and whether SUB went out."""

    command: Command
    lines: tuple[str, ...]
    final: str
    payload_given: bool = False

    @property
    def ok(self) -> bool:
        """The modem did it."""
        return self.final == "OK"

    @property
    def timed_out(self) -> bool:
        """Nothing final came in time."""
        return self.final == TIMED_OUT

    @property
    def cancelled(self) -> bool:
        """The prompt was left by ESC: on demand, held too long, or because the echo was not the payload."""
        return self.final == CANCELLED

    def code(self, kind: str) -> int | None:
        """The number of a +CME or +CMS error (`kind` "CME" or "CMS"), None for any other end."""
        found = _ERROR.fullmatch(self.final)
        return int(found[2]) if found and found[1] == kind else None

    def fields(self) -> str:
        """What follows the prefix on the first line that has it, "" where none has."""
        prefix = self.command.prefix
        return next((line[len(prefix) :].strip() for line in self.lines if line.startswith(prefix)), "")


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """A line nobody asked for; `pdu` is the line after it where its kind carries one."""

    line: str
    pdu: str = ""


Event = Answer | Unsolicited


class Channel:
    """The state of one serial line.

    `rubbish` counts the signs of a disturbed line, `echoes` the commands that came back (a reset modem echoes).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self._outgoing = bytearray()
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._command: Command | None = None
        self._lines: list[str] = []
        self._payload_given = False
        self._prompted = self._released = self._cancelled = False
        self._echo: bytearray | None = None
        self.rubbish = 0
        self.echoes = 0
        self._deadline: float | None = None
        self._before_pdu: str | None = None

    @property
    def busy(self) -> bool:
        """A command is under way."""
        return self._command is not None

    @property
    def payload_given(self) -> bool:
        """The command under way has given its payload to the modem, with the SUB that sends it."""
        return self._command is not None and self._payload_given

    def issue(self, command: Command, now: float) -> None:
        """Begin `command`. A second one at once is a bug (RuntimeError)."""
        if self._command is not None:
            raise RuntimeError(f"{self._command.line} is still under way")
        self._command, self._lines, self._payload_given = command, [], False
        self._prompted = self._cancelled = False
        self._released, self._echo = not command.held, None
        self._deadline = now + command.timeout
        self._outgoing += command.line.encode("ascii") + b"\r"

    def proceed(self, now: float) -> None:
        """The held payload may go, at once or when its prompt comes."""
        self._released = True
        if self._prompted and not self._cancelled and not self._payload_given and self._echo is None:
            self._give(now)

    def cancel(self, now: float) -> None:
        """Leave the prompt without giving the payload; ends `CANCELLED`. Without effect once the payload is given."""
        if self._command is None or not self._command.payload or self._payload_given or self._cancelled:
            return
        self._cancelled, self._echo = True, None
        if self._prompted:
            self._leave_prompt(now)

    def escape(self) -> None:
        """Leave a prompt that an earlier command, or an earlier process, may have left open."""
        self._outgoing += ESCAPE + b"\r"
        self._buffer.clear()
        self._before_pdu = None

    def to_send(self) -> bytes:
        """Bytes for the line, each given out once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def get_timer(self) -> float | None:
        """When `handle_timer` is due, None while no command is under way."""
        return self._deadline

    def handle_timer(self, now: float) -> None:
        """End the command under way by time-out if it is due."""
        if self._command is None or self._deadline is None or now < self._deadline:
            return
        if self._prompted and not self._payload_given:
            if self._cancelled:
                self._finish(self._command, CANCELLED)
            else:
                self.cancel(now)
        else:
            self._finish(self._command, TIMED_OUT)

    def next_event(self) -> Event | None:
        """The oldest event not yet taken, None when there is none."""
        return self._events.popleft() if self._events else None

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line, cut anywhere."""
        for byte in data:
            if self._echo is not None:
                self._hear_echo(byte, now)
            elif byte in b"\r\n":
                self._end_line(now)
            elif len(self._buffer) < LONGEST_LINE:
                self._buffer.append(byte)
                if byte in b"> ":
                    self._look_for_prompt(now)
            else:
                self._overlong = True

    def _look_for_prompt(self, now: float) -> None:
        command = self._command
        if command is None or not command.payload or self._prompted:
            return
        # The prompt is "> "; some modems leave the space out, and noise may stand before it.
        if _RUBBISH.sub(b"", self._buffer).strip() == b">" or self._buffer.endswith(b"> "):
            self._buffer.clear()
            self._prompted = True
            self._deadline = now + command.timeout
            if self._cancelled:
                self._leave_prompt(now)
            elif self._released:
                self._give(now)

    def _give(self, now: float) -> None:
        command = self._command
        if command is None:
            return
        self._outgoing += command.payload.encode("ascii")
        if command.proof:
            self._echo = bytearray()
            self._deadline = now + _ECHO_S + _ECHO_S_EACH * len(command.payload)
        else:
            self._end_payload(command, now)

    def _end_payload(self, command: Command, now: float) -> None:
        self._payload_given = True
        self._deadline = now + command.payload_timeout
        self._outgoing += END_OF_PAYLOAD

    def _hear_echo(self, byte: int, now: float) -> None:
        command, echo = self._command, self._echo
        if command is None or echo is None:
            return
        echo.append(byte)
        if command.payload.encode("ascii") == echo:
            self._echo = None
            self._end_payload(command, now)
        elif not command.payload.encode("ascii").startswith(echo):
            self.rubbish += 1
            self.cancel(now)

    def _leave_prompt(self, now: float) -> None:
        self._outgoing += ESCAPE
        self._deadline = now + _ESCAPE_S

    def _end_line(self, now: float) -> None:
        clean, rubbish = _RUBBISH.subn(b"", self._buffer)
        self.rubbish += bool(rubbish) or self._overlong
        line = clean.decode("ascii").strip()
        usable = line and not self._overlong
        self._buffer.clear()
        self._overlong = False
        if usable:
            self._take_line(line, now)

    def _take_line(self, line: str, now: float) -> None:
        if self._before_pdu is not None:
            header, self._before_pdu = self._before_pdu, None
            if _HEX.fullmatch(line):
                self._events.append(Unsolicited(header, line))
                return
        if self._is_echo(line):
            self.echoes += 1
            return
        if self._is_unsolicited(line):
            if _WITH_PDU.match(line):
                self._before_pdu = line
            else:
                self._events.append(Unsolicited(line))
        elif _FINAL.fullmatch(line):
            self._end_by(line)
        elif self._command is not None and len(self._lines) < MOST_LINES:
            self._lines.append(line)
            if not self._payload_given:  # a long listing on a slow line takes its time, but never falls silent
                self._deadline = now + self._command.timeout

    def _is_echo(self, line: str) -> bool:
        command = self._command
        if command is None:
            return False
        return line == command.line or (bool(command.payload) and line.lstrip("> ") == command.payload)

    def _is_unsolicited(self, line: str) -> bool:
        if self._command is None:
            return not _FINAL.fullmatch(line)
        prefix = self._command.prefix
        if prefix and line.startswith(prefix):
            return bool(_REGISTRATION.match(line))
        return bool(_UNSOLICITED.match(line))

    def _end_by(self, final: str) -> None:
        command = self._command
        if command is None:
            return  # a late answer to a command that has timed out
        if final == "OK" and command.needed and not any(line.startswith(command.prefix) for line in self._lines):
            return
        if self._cancelled and self._prompted:
            self._finish(command, CANCELLED)
            return
        if final == "OK" and command.payload and not self._payload_given:
            return
        self._finish(command, final)

    def _finish(self, command: Command, final: str) -> None:
        self._events.append(Answer(command, tuple(self._lines), final, self._payload_given))
        self._command, self._lines, self._deadline, self._echo = None, [], None, None
