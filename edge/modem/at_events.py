"""Pure: what is given to a modem's line and what comes of it: commands, their answers, and what nobody asked for."""

from __future__ import annotations

from dataclasses import dataclass

from edge.modem import at_lines, error_texts

TIMED_OUT, CANCELLED, RESTARTED = "TIMED OUT", "CANCELLED", "RESTARTED"


@dataclass(frozen=True, slots=True)
class Command:
    """One command line without its CR. `timeout` is the longest silence, in seconds; a payload has its own.

    Lines that begin with `prefix` are its answer even where they look unsolicited. With `needed`, a lone OK is none:
    the answer was lost on the way. `payload` is given after the prompt, ended by SUB; when `held`, not before
    `proceed`; with `proof`, SUB follows only once the modem has echoed the payload unchanged (ATE1).
    """

    line: str
    timeout: float
    prefix: str = ""
    needed: bool = False
    payload: str = ""
    payload_timeout: float = 60.0
    held: bool = False
    proof: bool = False


def question(line: str, timeout: float) -> Command:
    """Any command line as a `Command` whose answer is told from unsolicited codes by what `line` asks for."""
    return Command(line, timeout, at_lines.prefix_of(line))


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended: its lines, and the final result code, or `TIMED_OUT`, `CANCELLED` or `RESTARTED`.

    `payload_given`: SUB went out, so that without a final code the modem may or may not have done it.
    """

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
        """No final code came in time, or before the modem restarted."""
        return self.final in (TIMED_OUT, RESTARTED)

    @property
    def cancelled(self) -> bool:
        """The prompt was left by ESC: on demand, held too long, or because the echo was not the payload."""
        return self.final == CANCELLED

    def code(self, kind: str) -> int | None:
        """The number of a +CME or +CMS error (`kind` "CME" or "CMS"), also of its text; None for any other end."""
        return error_texts.number_of(self.final, kind)

    def fields(self) -> str:
        """What follows the prefix on the first line that has it, "" where none has."""
        prefix = self.command.prefix
        return next((line[len(prefix) :].strip() for line in self.lines if line.startswith(prefix)), "")


@dataclass(frozen=True, slots=True)
class Unsolicited:
    """A line nobody asked for, or a late one; `pdu` is the line after it where its kind carries one."""

    line: str
    pdu: str = ""

    @property
    def restarted(self) -> bool:
        """The modem says that it has started or goes down: all its settings are lost."""
        return at_lines.is_restart(self.line)


Event = Answer | Unsolicited
