"""Pure: how a conversation with a modem is written down (3GPP TS 27.005 and TS 27.007 are what it is about).

A procedure is a generator: it yields a `Command` and is sent its `Answer`, or yields a `Pause` or an `Escape`; the
session performs them. So it reads from top to bottom like the script of a conversation, and knows no clock and no line.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from edge.modem.at import TIMED_OUT, Answer, Command
from edge.modem.conversation.models import GENERIC, Model
from edge.modem.outcomes import DENIED, REGISTERED, SEARCHING, Network

__all__ = ["DENIED", "REGISTERED", "SEARCHING", "Network", "Pin", "PinNews"]

PinNews = Literal["wanted", "refused", "open"]
_T = TypeVar("_T")
_GREETINGS = 3
_GREETING_S = 1.0
_NOT_SUPPORTED = frozenset({3, 4, 50, 100})


@dataclass(frozen=True, slots=True)
class Pause:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Escape:
    """Leave a prompt that may be open."""


Step = Command | Pause | Escape
Procedure = Generator[Step, Answer, _T]


class Silent(Exception):
    """The modem did not answer in time. `dispensable` is a command that is left out from now on."""

    def __init__(self, command: str, *, dispensable: bool = False) -> None:
        super().__init__(command)
        self.dispensable = dispensable


class Refused(Exception):
    """The modem answered an essential command with an error."""


class SimFault(Exception):
    """The SIM needs a person; the text says what for. `curable`: a reset of the modem may help as well."""

    def __init__(self, text: str, *, curable: bool = False) -> None:
        super().__init__(text)
        self.curable = curable


class Pin:
    """The SIM's PIN, given to a SIM once: after an attempt that did not succeed it is `spent`.

    `refused` is what the SIM said; without it nobody knows whether the attempt reached the SIM at all. `tell` is where
    this is made durable: it is told "wanted" before the PIN is given, and sets `noted` once that is written down
    and `spent` and `refused` are what earlier processes knew; and how it ended. Without it only this process knows.
    """

    def __init__(self, code: str, tell: Callable[[PinNews], None] | None = None) -> None:
        self.code = code
        self.spent = self.refused = False
        self.noted = tell is None
        self._tell = tell

    def want(self) -> None:
        """It is about to be given."""
        if self._tell and not self.noted:
            self._tell("wanted")

    def refuse(self) -> None:
        """The SIM did not take it."""
        self.refused = True
        if self._tell:
            self._tell("refused")

    def open(self) -> None:
        """The SIM is open: whatever was known of an attempt is over."""
        self.spent = self.refused = False
        if self._tell and self.code:
            self.noted = False
            self._tell("open")


@dataclass(slots=True)
class Ways:
    """How this modem is talked to: what was configured, what it turned out to be able to, what it never answers.

    `timeout` (seconds) is for what may take long, `quick` for a cheap question. `keeps_link` is the best value that
    AT+CMMS takes, 0 for none. `echo`: it was told to send back what it hears. `reports_apart`: status reports lie in
    the storage "SR". `capacity` 0 is unknown.
    """

    timeout: float = 10.0
    reports: bool = True
    model: Model = GENERIC
    storage: str = "SM"
    capacity: int = 0
    indications: str = "2,1,0,1,0"
    reports_apart: bool = False
    keeps_link: int = 0
    echo: bool = False
    avoid: set[str] = field(default_factory=set)

    @property
    def quick(self) -> float:
        """The longest that a cheap answer takes: sooner a hang is noticed sooner."""
        return min(self.timeout, self.model.slow_s)


def ask(line: str, timeout: float, prefix: str = "", *, needed: bool = False) -> Procedure[Answer]:
    """One command and its answer, whatever it says; `Silent` on time-out."""
    answer = yield Command(line, timeout, prefix, needed)
    if answer.timed_out:
        raise Silent(line.partition("=")[0])
    return answer


def must(line: str, timeout: float, prefix: str = "", *, needed: bool = False) -> Procedure[Answer]:
    """As `ask`, but an error is `Refused`."""
    answer = yield from ask(line, timeout, prefix, needed=needed)
    if not answer.ok:
        raise Refused(f"{line.partition('=')[0]}: {answer.final}")
    return answer


def wish(ways: Ways, line: str, prefix: str = "") -> Procedure[Answer]:
    """A command that is as well left out: one that is unknown to the modem, or never answered, is not given again."""
    if line in ways.avoid:
        return Answer(Command(line, 0.0, prefix), (), "ERROR")
    answer = yield Command(line, ways.quick, prefix)
    if answer.timed_out:
        if answer.final == TIMED_OUT:
            ways.avoid.add(line)
        raise Silent(line.partition("=")[0], dispensable=True)
    code = answer.code("CME")
    if answer.final == "ERROR" or code in _NOT_SUPPORTED:
        ways.avoid.add(line)
    return answer


def greet(patience: float = _GREETINGS * _GREETING_S) -> Procedure[None]:
    """Find a modem at the other end, whatever state it was left in; `Silent` when there is none for `patience` s."""
    for _ in range(max(_GREETINGS, round(patience / _GREETING_S))):
        yield Escape()
        answer = yield Command("AT", _GREETING_S)
        if not answer.timed_out:
            return
    raise Silent("AT")
