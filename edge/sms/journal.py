"""What is written down of a modem's sending, and what each end means for its message.

An end is judged once, before its transaction (which may run twice), and becomes known here only when it is durable.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.modem.mailbox import Ended, Given, Outgoing, Started, Step, Taken
from edge.queue.store import modems
from edge.queue.store.outgoing import Outgoing as OutgoingRows
from edge.sms.restraint import Restraint, Sentence

log = logging.getLogger("edge.sms")

REFERENCE = "tp_mr"
"""Under this name a modem's last TP-MR is remembered."""

Told = Literal["sent", "failed", "retry", "uncertain"]
_AGAIN = Sentence(over=False)


@dataclass(slots=True)
class _Under:
    """The message under way, the part that the network was given last, and how its end was judged."""

    outgoing: Outgoing
    giving: int
    judged: Judged | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An end with what it means; without `wait_s` there is no other try."""

    ended: Ended
    under: _Under
    became: Literal["sent", "uncertain", "twin", "failed"]
    sentence: Sentence = _AGAIN
    wait_s: float | None = None


class Journal:
    """One modem's journal over `rows`; `retry_s` are the first and the longest wait before another try."""

    def __init__(
        self, rows: OutgoingRows, modem: str, restraint: Restraint, *, settle_s: float, retry_s: tuple[float, float]
    ) -> None:
        self._rows, self._modem, self._restraint = rows, modem, restraint
        self._settle_s, self._retry_s = settle_s, retry_s
        self._reference = 0
        self._under: _Under | None = None

    @property
    def next_reference(self) -> int:
        """The TP-MR of the next part that was never given (TS 23.040 clause 9.2.3.6: 0 to 255, counting on)."""
        return (self._reference + 1) & 0xFF

    def begin(self, reference: str) -> None:
        """A driver starts; `reference` is the TP-MR last used, as it was remembered."""
        self._reference, self._under = int(reference or 0), None

    def judge(self, steps: Sequence[Step], *, now: float) -> list[Step | Judged]:
        """The steps, each end of the message under way with what it means; `now` is monotonic.

        What the store did not take is told again: the same end is no further failure.
        """
        return [self._judged(done, now) if isinstance(done, Ended) else done for done in steps]

    def write(self, conn: sqlite3.Connection, steps: Sequence[Step | Judged], *, now: float) -> bool:
        """Write all of it down; whether what is to be started was still pending. `now` is wall time."""
        written = [self._write(conn, done, now) for done in steps]
        return all(written)

    def conclude(self, steps: Sequence[Step | Judged], *, well: bool) -> Iterator[tuple[str, Told]]:
        """It is durable: know it here, and say what is to be told, as kind and result."""
        for done in steps:
            if isinstance(done, Judged):
                self._under = None
                yield done.under.outgoing.kind, self._told(done)
            elif isinstance(done, Started) and well:
                self._begin(done)
            elif isinstance(done, Given) and self._under is not None:
                self._under.giving = done.sequence

    def _begin(self, started: Started) -> None:
        self._under = _Under(started.outgoing, started.parts[0][0] if started.parts else 0)
        new = _new(started)
        self._reference = new[-1] if new else self._reference
        self._rows.claims.pop(self._modem, None)

    def _told(self, judged: Judged) -> Told:
        if judged.became == "failed":
            if not judged.sentence.over:
                return "retry"
            log.warning("SMS %d is given up: %s", judged.ended.id, judged.ended.error)
        return "sent" if judged.became == "twin" else judged.became

    def _judged(self, ended: Ended, now: float) -> Step | Judged:
        under = self._under
        if under is None or under.outgoing.id != ended.id:
            return ended
        if under.judged is None or under.judged.ended != ended:
            under.judged = self._judge(under, ended, now)
        return under.judged

    def _judge(self, under: _Under, ended: Ended, now: float) -> Judged:
        if ended.result == "sent" or ended.fault == "duplicate":
            self._restraint.sent(now=now)
            return Judged(ended, under, "sent" if ended.result == "sent" else "twin")
        if ended.result == "uncertain" or ended.fault is None:
            self._restraint.doubted(ended.id, now=now)
            return Judged(ended, under, "uncertain")
        attempts, jitter = under.outgoing.attempts + 1, random.random()  # noqa: S311 - spreads retries, no secret
        sentence = self._restraint.failed(
            ended.fault, ended.id, under.outgoing.number, attempts=attempts, now=now, jitter=jitter
        )
        first, most = self._retry_s
        wait_s = min(first * 2.0 ** min(attempts - 1, 20), most) * (0.75 + jitter / 2)
        return Judged(ended, under, "failed", sentence, None if sentence.over else wait_s)

    def _write(self, conn: sqlite3.Connection, done: Step | Judged, now: float) -> bool:
        match done:
            case Started(outgoing, parts):
                if not self._rows.start(conn, outgoing.id, self._modem, parts, now=now):
                    return False
                if new := _new(done):
                    modems.remember(conn, self._modem, REFERENCE, str(new[-1]), now=now)
            case Given(message, sequence):
                self._rows.parts.give(conn, message, sequence, now=now)
            case Taken(message, sequence, reference):
                self._rows.take(conn, message, sequence, reference, now=now)
            case Judged():
                self._end(conn, done, now)
        return True

    def _end(self, conn: sqlite3.Connection, judged: Judged, now: float) -> None:
        ended = judged.ended
        if judged.became == "sent":
            self._rows.sent(conn, ended.id, now=now)
        elif judged.became == "uncertain":
            self._rows.doubtful(conn, ended.id, ended.error, settle_at=now + self._settle_s, now=now)
        elif judged.became == "twin":
            self._end_twin(conn, judged, now)
        else:
            self._not_sent(conn, judged, judged.wait_s, now, counted=judged.sentence.counted)

    def _end_twin(self, conn: sqlite3.Connection, judged: Judged, now: float) -> None:
        """The service centre rejected a part that it has already: that one is with the network, the rest goes on."""
        message = judged.ended.id
        self._rows.take(conn, message, judged.under.giving, None, now=now)
        if self._rows.parts.states(conn, message) == {"taken"}:
            self._rows.sent(conn, message, now=now)
        else:
            self._not_sent(conn, judged, 0.0, now, counted=False)

    def _not_sent(
        self, conn: sqlite3.Connection, judged: Judged, wait_s: float | None, now: float, *, counted: bool
    ) -> None:
        self._rows.not_sent(
            conn,
            judged.ended.id,
            judged.ended.error,
            fault=judged.ended.fault or "",
            twins=judged.under.outgoing.given,
            wait_s=wait_s,
            counted=counted,
            now=now,
        )


def _new(started: Started) -> list[int]:
    """The TP-MRs that are used for the first time."""
    return [mr for sequence, mr in started.parts if started.outgoing.given.get(sequence) != mr]
