r"""Pure: the AT channel, bytes in, events out (ITU-T V.250; 3GPP TS 27.007, TS 27.005 clause 3.1 and annex C).

One command is under way at a time. The channel cuts the bytes into lines, drops echoes and rubbish, tells answers
from unsolicited result codes that come in the middle of them, waits for the ``> `` prompt before it gives a payload,
and ends a command by its final result code or, by `handle_timer`, by time-out. It holds no clock and does no I/O:

    channel.issue(Command("AT+CSQ", timeout=5, prefix="+CSQ:"), now)
    write(channel.to_send()); channel.receive(read(), now)
    while event := channel.next_event(): ...

Final result codes carry no name, so a late OK of a command given up could end the next one. Hence the fence: after an
end without an answer the next command waits behind a question whose answer nothing else gives (`FENCE`). A modem
answers in order, so what comes before that answer is late and belongs to nobody; where an earlier fence may be
unanswered too, or an error comes instead, a short silence must follow. A fence that meets silence ends the waiting
command by time-out, and its line never reached the modem.
"""

from __future__ import annotations

from collections import deque

from edge.modem import at_lines
from edge.modem.at_events import CANCELLED, RESTARTED, TIMED_OUT, Answer, Command, Event, Unsolicited, question

__all__ = ["CANCELLED", "RESTARTED", "TIMED_OUT", "Answer", "Channel", "Command", "Event", "Unsolicited", "question"]

LONGEST_LINE = 1024
MOST_LINES = 1024
MOST_EVENTS = 1024
FENCE, _FENCED = "AT+CSQ", "+CSQ:"
SETTLE_S = 0.3
LONE_OK_S = 2.0
ESCAPE, END_OF_PAYLOAD = b"\x1b", b"\x1a"
_ESCAPE_S = 2.0
_ECHO_S, _ECHO_S_EACH = 3.0, 0.02
_MOST_JOINED = 12


class Channel:
    """The state of one serial line.

    `rubbish` counts the signs of a disturbed line, `echoes` the commands that came back (a reset modem echoes).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._overlong = False
        self._outgoing = bytearray()
        self._events: deque[Event] = deque()
        self._command: Command | None = None
        self._lines: list[str] = []
        self._deadline: float | None = None
        self._quiet_at: float | None = None
        self._prompted = self._released = self._cancelled = self._payload_given = False
        self._echo: bytearray | None = None
        self._in_doubt = self._ambiguous = False
        self._fencing = self._fence_answered = False
        self._before_pdu = ""
        self._open_text: list[str] = []
        self._echo_rest = ""
        self.rubbish = 0
        self.echoes = 0

    # --- what is asked of it

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
        self._command = command
        self._released = not command.held
        self._deadline = now + command.timeout
        if self._in_doubt:
            self._fencing, self._fence_answered = True, False
            self._put(FENCE)
        else:
            self._put(command.line)

    def proceed(self, now: float) -> None:
        """The held payload may go, at once or when its prompt comes."""
        waited, self._released = not self._released, True
        if self._command is not None and self._prompted and waited and not self._cancelled:
            self._give(self._command, now)

    def cancel(self, now: float) -> None:
        """Give up the command under way; ends `CANCELLED`. Without effect once its payload is given.

        A prompt is left by ESC as soon as it is there. What a modem still says to any other command ends nothing.
        """
        command = self._command
        if command is None or self._payload_given or self._cancelled:
            return
        if self._fencing or not command.payload:
            self._give_up(command, CANCELLED)
            return
        self._cancelled, self._echo = True, None
        if self._prompted:
            self._leave_prompt(now)

    def abandon(self) -> None:
        """Forget the command under way without an `Answer`, also one that ended and was not told yet."""
        if self._command is not None:
            self._give_up(self._command, CANCELLED)
        self._events = deque(event for event in self._events if not isinstance(event, Answer))

    def escape(self) -> None:
        """Leave a prompt that an earlier command, or an earlier process, may have left open."""
        self._outgoing += ESCAPE + b"\r"
        self._buffer.clear()
        self._before_pdu = ""
        self._open_text.clear()
        self._in_doubt = True

    def to_send(self) -> bytes:
        """Bytes for the line, each given out once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def get_timer(self) -> float | None:
        """When `handle_timer` is due, None while no command is under way."""
        if self._deadline is None or self._quiet_at is None:
            return self._deadline
        return min(self._deadline, self._quiet_at)

    def handle_timer(self, now: float) -> None:
        """End the command under way by time-out if it is due, or let it pass the fence after its silence."""
        command = self._command
        if command is None:
            return
        if self._quiet_at is not None and now >= self._quiet_at:
            if self._fencing:
                self._pass_fence(command, now)
            else:
                self._give_up(command, TIMED_OUT)
        elif self._deadline is not None and now >= self._deadline:
            if self._prompted and not self._payload_given and not self._cancelled:
                self.cancel(now)
            else:
                self._give_up(command, CANCELLED if self._cancelled else TIMED_OUT)

    def next_event(self) -> Event | None:
        """The oldest event not yet taken, None when there is none."""
        return self._events.popleft() if self._events else None

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the line, cut anywhere."""
        if self._echo is not None:
            data = self._hear_echo(data, now)
        first, *others = data.replace(b"\r", b"\n").split(b"\n")
        self._extend(first, now)
        for piece in others:
            self._end_line(now)
            if piece:
                self._extend(piece, now)

    # --- bytes to lines

    def _extend(self, piece: bytes, now: float) -> None:
        while b">" in piece or b" " in piece[:1]:
            end = self._find_prompt(piece, now)
            if not end:
                break
            piece = piece[end:]
        room = LONGEST_LINE - len(self._buffer)
        self._overlong = self._overlong or len(piece) > room
        self._buffer += piece[:room]

    def _find_prompt(self, piece: bytes, now: float) -> int:
        """Where in `piece` a prompt ended, 0 where there is none; the line before a prompt is taken.

        The prompt is "> "; some modems leave the space out, noise may stand before it, and so may a line whose end was
        lost. Inside quotation marks it is somebody's text.
        """
        command = self._command
        awaited = command is not None and bool(command.payload) and not self._fencing and not self._prompted
        if not (awaited or self._in_doubt) or len(self._buffer) >= LONGEST_LINE:
            return 0
        sofar = (bytes(self._buffer) + piece)[:LONGEST_LINE]
        at = sofar.find(b">", max(0, len(self._buffer) - 1))
        while at >= 0:
            before = at_lines.clean(sofar[:at])
            spaced = sofar[at + 1 : at + 2] == b" "
            if (not before and (spaced or at >= len(self._buffer))) or (
                awaited and spaced and before.count('"') % 2 == 0
            ):
                end = max(1, at + 1 - len(self._buffer))
                self._take_prompt(sofar[:at], now, awaited=awaited)
                return end
            at = sofar.find(b">", at + 1)
        return 0

    def _take_prompt(self, before: bytes, now: float, *, awaited: bool) -> None:
        self._buffer[:] = before
        self._end_line(now)
        command = self._command
        if awaited and command is not None:
            self._prompted = True
            self._deadline = now + command.timeout
            if self._cancelled:
                self._leave_prompt(now)
            elif self._released:
                self._give(command, now)
        else:  # of a command given up; what was written since went into its message
            self._outgoing += ESCAPE
            if self._fencing:
                self._put(FENCE)

    def _end_line(self, now: float) -> None:
        raw, overlong = bytes(self._buffer), self._overlong
        self._buffer.clear()
        self._overlong = False
        if overlong or at_lines.is_spoilt(raw):
            self.rubbish += 1
        line = "" if overlong else at_lines.clean(raw)
        if line:
            self._take_line(line, now)

    # --- lines to events

    def _take_line(self, line: str, now: float) -> None:
        if self._is_echo(line) or self._takes_pdu(line) or self._joins(line):
            return
        if at_lines.is_restart(line):
            self._restart(line)
        elif at_lines.is_final(line, self._command.line if self._command else ""):
            self._end_by(line, now)
        elif self._is_unsolicited(line):
            self._take_unsolicited(line)
        else:
            self._take_answer(line, now)

    def _is_echo(self, line: str) -> bool:
        """Whether `line` is a command sent back, or a half of one in whose middle something else came."""
        rest, self._echo_rest = self._echo_rest, ""
        if rest and line == rest:
            return True
        command = self._command
        if command is not None:
            sent = FENCE if self._fencing else command.line
            if sent.startswith(line) and line.startswith("AT"):
                self._echo_rest = sent[len(line) :]
                self.echoes += not self._echo_rest
                return True
            if self._prompted and command.payload.startswith(line):
                return True
        self._echo_rest = rest
        return at_lines.is_echo(line)

    def _takes_pdu(self, line: str) -> bool:
        """Whether `line` is the PDU that the line before it announced."""
        header, self._before_pdu = self._before_pdu, ""
        if not header:
            return False
        if at_lines.belongs(header, line):
            self._tell(Unsolicited(header, line))
            return True
        self._tell(Unsolicited(header))
        return at_lines.in_text_mode(header)

    def _joins(self, line: str) -> bool:
        """Whether `line` goes on with a text that was begun in quotation marks; a lost mark must not swallow all."""
        if not self._open_text:
            return False
        going_on = not at_lines.is_unsolicited(line, "") and not at_lines.is_final(line, "")
        if going_on:
            self._open_text.append(line)
        if not going_on or '"' in line or len(self._open_text) >= _MOST_JOINED:
            self._tell(Unsolicited("\n".join(self._open_text)[:LONGEST_LINE]))
            self._open_text.clear()
        return going_on

    def _restart(self, line: str) -> None:
        if self._command is not None:
            self._give_up(self._command, RESTARTED)
        self._tell(Unsolicited(line))

    def _is_unsolicited(self, line: str) -> bool:
        command = self._command
        if command is None:
            return True
        if self._fencing:
            return not line.startswith(_FENCED)
        return at_lines.is_unsolicited(line, command.prefix)

    def _take_unsolicited(self, line: str) -> None:
        if at_lines.announces_pdu(line):
            self._before_pdu = line
        elif at_lines.is_open(line):
            self._open_text.append(line)
        else:
            self._tell(Unsolicited(line))

    def _take_answer(self, line: str, now: float) -> None:
        command = self._command
        if self._fencing:
            self._fence_answered = True
            if self._quiet_at is not None:
                self._quiet_at = now + SETTLE_S
        elif command is not None and len(self._lines) < MOST_LINES:
            self._lines.append(line)
            # A long listing on a slow line takes its time, but never falls silent; the result of a message is brief.
            if not self._prompted or line.startswith(command.prefix or "?"):
                self._deadline = now + command.timeout

    def _tell(self, event: Unsolicited) -> None:
        if len(self._events) < MOST_EVENTS:  # what a mad modem says beyond that is lost, an answer never
            self._events.append(event)

    # --- how a command ends

    def _end_by(self, final: str, now: float) -> None:
        command = self._command
        if command is None:
            return  # a late answer to a command given up
        if self._fencing:
            if self._fence_answered and final == "OK" and not self._ambiguous:
                self._pass_fence(command, now)
            else:
                self._quiet_at = now + SETTLE_S
                self._deadline = max(self._deadline or 0.0, self._quiet_at)  # a slow answer is one, too
        elif final == "OK" and command.needed and not any(line.startswith(command.prefix) for line in self._lines):
            self._quiet_at = now + LONE_OK_S
        elif self._cancelled and self._prompted:
            self._finish(command, CANCELLED)
        elif final != "OK" or not command.payload or self._payload_given:
            self._finish(command, final)

    def _pass_fence(self, command: Command, now: float) -> None:
        self._fencing = self._in_doubt = self._ambiguous = False
        self._quiet_at = None
        self._deadline = now + command.timeout
        self._put(command.line)

    def _give_up(self, command: Command, final: str) -> None:
        """End without an answer: whatever still comes is late."""
        if command.payload and not self._fencing and final != RESTARTED:
            self._outgoing += ESCAPE
        self._ambiguous = self._ambiguous or self._fencing or command.line.startswith(FENCE)
        self._in_doubt = True
        self._finish(command, final)

    def _finish(self, command: Command, final: str) -> None:
        self._events.append(Answer(command, tuple(self._lines), final, self._payload_given))
        self._command, self._lines = None, []
        self._deadline = self._quiet_at = None
        self._fencing = self._prompted = self._cancelled = self._payload_given = False
        self._echo = None

    def _give(self, command: Command, now: float) -> None:
        self._outgoing += command.payload.encode("ascii")
        if command.proof:
            self._echo = bytearray()
            self._deadline = now + _ECHO_S + _ECHO_S_EACH * len(command.payload)
        else:
            self._end_payload(command, now)

    def _end_payload(self, command: Command, now: float) -> None:
        self._payload_given, self._echo = True, None
        self._deadline = now + command.payload_timeout
        self._outgoing += END_OF_PAYLOAD

    def _hear_echo(self, data: bytes, now: float) -> bytes:
        """Compare the payload with its echo; returns what is no part of it."""
        command, echo = self._command, self._echo
        if command is None or echo is None:
            return data
        wanted = command.payload.encode("ascii")
        echo += data if echo else data.lstrip(b" ")  # the prompt's own space may come late
        if echo.startswith(wanted):
            self._end_payload(command, now)
            return bytes(echo[len(wanted) :])
        if wanted.startswith(echo):
            return b""
        self.rubbish += 1
        self.cancel(now)
        return bytes(echo)

    def _leave_prompt(self, now: float) -> None:
        self._outgoing += ESCAPE
        self._deadline = now + _ESCAPE_S

    def _put(self, line: str) -> None:
        self._outgoing += line.encode("ascii") + b"\r"
        self._echo_rest = ""
