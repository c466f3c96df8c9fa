"""What becomes of outbox rows by the outcomes of a try, written in one transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from edge import step
from edge.config import Upstream
from edge.queue import lifecycle
from edge.queue.request import Request
from edge.queue.sink import Dead, Declined, Delivered, HandedOver, Outcome, Retry, scrub
from edge.queue.store import audit, changes, outbox
from edge.queue.store.requests import Requests


@dataclass(frozen=True, slots=True)
class Trial:
    """What a try says beyond its rows.

    `wait_s` is how long the upstream is left alone now (None: it answered), `recovered` whether it had failed before,
    `suspects` are rows that failed alone before, while these here were taken.
    """

    wait_s: float | None = None
    recovered: bool = False
    suspects: Collection[int] = ()


class Settlement:
    """Settles rows. `delay(attempt, outcome)` gives the seconds to wait after a failure."""

    def __init__(self, requests: Requests, settings: Upstream, delay: Callable[[int, Retry], float]) -> None:
        self._requests = requests
        self._poison = settings.poison_attempts
        self._confirm_s = settings.confirm_s
        self._delay = delay

    def record(
        self,
        conn: sqlite3.Connection,
        rows: Sequence[outbox.Row],
        outcomes: Sequence[Outcome],
        trial: Trial,
        *,
        now: float,
    ) -> None:
        """Write what became of `rows`."""
        for row, outcome in zip(rows, outcomes, strict=True):
            if isinstance(outcome, Delivered):
                self._delivered(conn, row, now=now)
            elif isinstance(outcome, HandedOver):
                outbox.hand_over(conn, row, until=now + self._confirm_s)
            elif isinstance(outcome, Dead):
                self._die(conn, row, outcome.detail, now=now)
            elif isinstance(outcome, Declined) and row.kind == "request":
                # Whose request it is waits for it: that it goes nowhere is for a person to decide.
                self._die(conn, row, outcome.detail, now=now)
            elif isinstance(outcome, Declined):
                outbox.settle(conn, row, "discarded", now=now, error=outcome.detail)
            elif isinstance(outcome, Retry) and outcome.own:
                self._own(conn, row, outcome, now=now)
            else:
                outbox.postpone(conn, row, not_before=now + self._wait(row, outcome, trial), error=outcome.detail)
        for kind, subject, error in outbox.blame(conn, trial.suspects, most=self._poison, now=now):
            audit.record(conn, "dead-letter", subject, f"{kind}: {error}", now=now)
        if trial.recovered:
            outbox.hurry(conn)
        step.passed("outbox.before_commit")

    def confirmed(self, conn: sqlite3.Connection, event: str, *, now: float) -> bool:
        """The far end says that it has an event of ours; False when nothing was open for it."""
        ended = outbox.confirm(conn, event, now=now)
        if ended is not None and ended[0] == "request":
            self._hand_over(conn, ended[1], now=now)
        return ended is not None

    def _delivered(self, conn: sqlite3.Connection, row: outbox.Row, *, now: float) -> None:
        if outbox.settle(conn, row, "delivered", now=now) and row.kind == "request":
            self._hand_over(conn, row.request, now=now)

    def _own(self, conn: sqlite3.Connection, row: outbox.Row, outcome: Retry, *, now: float) -> None:
        faults = row.faults + 1
        if faults >= self._poison:
            self._die(conn, row, f"{faults} tries failed by its own fault: {outcome.detail}", now=now)
            return
        wait_s = self._delay(faults, outcome)
        outbox.postpone(conn, row, not_before=now + wait_s, error=outcome.detail, fault=True)

    def _wait(self, row: outbox.Row, outcome: Outcome, trial: Trial) -> float:
        """A row that failed with the upstream waits longer than the upstream is left alone: others have their turn."""
        if not isinstance(outcome, Retry):
            return 0.0
        own_s = self._delay(row.faults + 1, outcome) if row.faults or trial.wait_s is None else 0.0
        return max(own_s, (trial.wait_s or 0.0) * 1.5)

    def _die(self, conn: sqlite3.Connection, row: outbox.Row, words: str, *, now: float) -> None:
        error = self._nameless(conn, row, words)
        outbox.settle(conn, row, "dead", now=now, error=error)
        audit.record(conn, "dead-letter", row.request or row.event, f"{row.kind}: {error}", now=now)

    def _nameless(self, conn: sqlite3.Connection, row: outbox.Row, words: str) -> str:
        """A peer's words without whom the row is about: of a mere event the sink does not know that."""
        request = self._requests.get(conn, row.request) if row.request else None
        personal = personal_of(request) if request else ()
        if row.kind == "attachment":
            personal = (*personal, str(json.loads(row.payload).get("name", "")))
        return scrub(words, personal)

    def _hand_over(self, conn: sqlite3.Connection, identifier: str, *, now: float) -> None:
        """From here on the portal owns the request, unless a change of its own said so before."""
        request = self._requests.get(conn, identifier)
        if request is None or changes.portal_version(conn, identifier) > 0:
            return
        if request.state in lifecycle.BEFORE_HANDOVER and lifecycle.legal(request.state, "forwarded", by="box"):
            self._requests.move(conn, identifier, "forwarded", by="forwarder", now=now)


def personal_of(request: Request) -> tuple[str, ...]:
    """What names the person of a request, also in part."""
    words = [word for word in request.name.split() if len(word) > 2]
    return (request.nik, request.kk, request.name, request.phone, request.purpose, *words)


def result(row: outbox.Row, outcome: Outcome) -> Literal["delivered", "dead", "retry"]:
    """What a try counts as: an event that is declined is done with, a request that is declined waits for a person."""
    if isinstance(outcome, Dead) or (isinstance(outcome, Declined) and row.kind == "request"):
        return "dead"
    return "delivered" if isinstance(outcome, Delivered | HandedOver | Declined) else "retry"
