"""Pure: what a modem's failures mean for the messages that still wait.

One bad number never holds up another; a network that takes nothing is not asked again in the same millisecond.
Networks have no code for "no credit": a refusal is first taken for the recipient's own. When a second recipient is
refused with no success between, or the balance is known to be used up, it is the SIM that is refused: all sending then
waits, and now and then one message tries whether that is over. Where the balance is then told and is enough, yet the
next ones are refused as well, it is the operator who bars. No message is given up for a fault of SIM or network.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

from edge import config
from edge.modem.errors import Fault

Held = Literal["", "credit", "barred", "network"]

HOLD_FIRST_S, HOLD_MOST_S = 600.0, 3_600.0
BACKOFF_FIRST_S, BACKOFF_MOST_S = 1.0, 300.0
REFUSED_MOST = 3
FORMAT_MOST = 4
_MOST_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Gate:
    """Until when (monotonic seconds) nothing may leave and why, and until when notifications and digests wait.

    `held` stays credit or barred, also while one message tries, until the network takes one.
    """

    until: float = 0.0
    held: Held = ""
    bulk_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a failure means for its message: it is `over`, or tried again; `counted` is whether the try counts."""

    over: bool
    counted: bool = True


class Restraint:
    """One modem's failures. Times are monotonic seconds; `jitter` is from 0 to 1."""

    def __init__(self, settings: config.Sms, *, backoff_first_s: float = BACKOFF_FIRST_S) -> None:
        self._settings, self._first_s = settings, backoff_first_s
        self._gate = Gate()
        self._in_a_row: dict[Hashable, None] = {}
        self._refused: dict[Hashable, None] = {}
        self._suspected_at: dict[int, float] = {}
        self._row = self._holds = 0
        self._worked_at = float("-inf")
        self._broke = self._solvent = False

    def gate(self, *, now: float) -> Gate:
        """What waits now."""
        gate = self._gate
        held = gate.held if now < gate.until or gate.held != "network" else ""
        return Gate(max(gate.until, now), held, gate.bulk_until if gate.bulk_until > now else 0.0)

    def sent(self, *, now: float) -> None:
        """The network took a message: whatever was wrong is over."""
        self._worked_at, self._row, self._holds = now, 0, 0
        self._broke = self._solvent = False
        self._in_a_row.clear()
        self._refused.clear()
        self._gate = Gate(bulk_until=self._gate.bulk_until)

    def credit(self, *, enough: bool) -> None:
        """The operator told the balance."""
        self._broke = not enough
        self._solvent &= enough
        if enough and self._gate.held == "credit":
            self._solvent = True
            self._refused.clear()
            self._holds = 0
            self._gate = Gate(bulk_until=self._gate.bulk_until)

    def doubted(self, message: int, *, now: float) -> None:
        """A message ended without a word: one more failure in a row."""
        self._count(message, now)

    def failed(
        self, fault: Fault, message: int, recipient: Hashable, *, attempts: int, now: float, jitter: float
    ) -> Sentence:
        """The network or the modem refused `message`, tried `attempts` times by now."""
        self._count(message, now)
        if fault == "recipient":
            return Sentence(True)
        if fault == "format":
            return Sentence(attempts >= FORMAT_MOST)
        if fault in ("network", "modem"):
            self._back_off(now, jitter)
        if fault in ("refused", "barred"):
            return self._suspect(fault, message, recipient, attempts, now, jitter)
        return Sentence(False)

    def _count(self, message: int, now: float) -> None:
        _put(self._in_a_row, message)
        if len(self._in_a_row) >= self._settings.pause_after_failures:
            self._gate = Gate(self._gate.until, self._gate.held, now + self._settings.pause_s)

    def _back_off(self, now: float, jitter: float) -> None:
        wait = min(self._first_s * 2.0 ** min(self._row, 20), BACKOFF_MOST_S) * (0.75 + jitter / 2)
        self._row += 1
        self._gate = Gate(now + wait, self._gate.held or "network", self._gate.bulk_until)

    def _suspect(
        self, fault: Fault, message: int, recipient: Hashable, attempts: int, now: float, jitter: float
    ) -> Sentence:
        _put(self._refused, recipient)
        if len(self._refused) > 1 or (self._broke and fault == "refused"):
            wait = min(HOLD_FIRST_S * 2.0 ** min(self._holds, 10), HOLD_MOST_S) * (0.75 + jitter / 2)
            self._holds += 1
            self._suspected_at.clear()
            held: Held = "barred" if fault == "barred" or self._solvent else "credit"
            self._gate = Gate(now + wait, held, self._gate.bulk_until)
            return Sentence(False, counted=False)
        first = self._suspected_at.setdefault(message, now)
        over = attempts >= REFUSED_MOST or (attempts > 1 and first < self._worked_at)
        if over:
            del self._suspected_at[message]
        elif len(self._suspected_at) > _MOST_REMEMBERED:
            del self._suspected_at[next(iter(self._suspected_at))]
        return Sentence(over)


def _put(known: dict[Hashable, None], one: Hashable) -> None:
    """Remember `one`; nobody needs more than the newest few."""
    known[one] = None
    if len(known) > _MOST_REMEMBERED:
        del known[next(iter(known))]
