"""Requests and events up: claim -> sink -> record, each step durable: a crash anywhere repeats a call, loses nothing.

Theory of operation. Two lines empty the outbox, each a batch at a time: new requests have one to themselves, so that
none stands behind a long batch of events; the other waits while a request is due. Scans have `edge.queue.carrier`.

A batch that fails is narrowed to one row: while the last try failed, rows go one at a time, by the breaker's waits, and
those that failed wait longer than the breaker, so that others have their turn, and then go alone. Each success doubles
the batch again. When a row failed alone and then another is taken, that was its own fault. Rows with several such
faults go alone for good, and after `upstream.poison_attempts` they are dead: one bad row never holds the others.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from functools import partial

from edge import step
from edge.clock import Clock
from edge.config import Upstream
from edge.events import Announce, Forwarded
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.enrolment import Enrolment
from edge.queue.lane import Lane
from edge.queue.settlement import Settlement, Trial, result
from edge.queue.sink import (
    Outcome,
    Parcel,
    Replaced,
    Retry,
    Sink,
    Unauthorised,
)
from edge.queue.store import outbox, outbox_view
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.trouble import REFUSALS, Trouble

log = logging.getLogger("edge.queue.sender")

LEASE_S = 300.0
BATCH_S = 10.0
_CALL_MOST_S = LEASE_S * 0.9
_REST_MOST_S = 60.0
_REFUSED_REST_S = 10.0
_DOUBTFUL_MOST = 64
_HURRIED = Retry("the way to the portal changed")
_LATE = Retry(f"the portal did not take it within {_CALL_MOST_S:g} s")


@dataclass(slots=True, eq=False)
class Line:
    """One after another: rows of `lanes`, while none of `after` is due. `limit` rows go together."""

    lanes: tuple[Lane, ...]
    after: tuple[Lane, ...]
    limit: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = True

    def narrow(self) -> None:
        """One row at a time."""
        self.limit = 1

    def took(self, seconds: float, most: int) -> None:
        """A batch was answered: more together next time, fewer where that takes too long on this line."""
        self.limit = max(1, self.limit // 2) if seconds > BATCH_S else min(most, self.limit * 2)


class Sender:
    """Empties the outbox but for scans into `sink`. `idle` is set while nothing is due or under way."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        sink: Sink,
        settings: Upstream,
        contact: Contact,
        enrolment: Enrolment,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
    ) -> None:
        self._store = store
        self._seal = requests.seal
        self._sink = sink
        self._longest_wait_s = 2 * max(settings.retry_most_s, settings.confirm_s)
        self._contact = contact
        self._enrolment = enrolment
        self._clock = clock
        self._announce = announce
        self._health = health
        self._settlement = Settlement(requests, settings, contact.delay)
        self._suspects: set[int] = set()
        self._doubtful: dict[int, None] = {}
        most = sink.batch_most
        self._lines = (
            Line((Lane.REQUEST,), (), most),
            Line((Lane.EVENT, Lane.SMS, Lane.DIGEST), (Lane.REQUEST,), most),
        )
        self._trouble = Trouble(log, "forwarding waits", "forwarding goes on")
        self.idle = asyncio.Event()
        self.backlog = outbox_view.Backlog()
        store.watch("outbox", self._news)

    def wake(self) -> None:
        """There may be something to send."""
        self.idle.clear()
        for line in self._lines:
            line.wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        lanes = [lane for line in self._lines for lane in line.lanes]
        while True:
            try:
                await self._store.write(partial(outbox.free_leases, lanes=lanes), draining=True)
                await self._measure()
                await self._enrolment.done.wait()
                async with asyncio.TaskGroup() as group:
                    for line in self._lines:
                        group.create_task(self._run(line))
            except* REFUSALS as refused:
                self._trouble.tell(refused.exceptions[0])
            await asyncio.sleep(_REFUSED_REST_S)

    async def _run(self, line: Line) -> None:
        while True:
            line.wake.clear()
            self._busy(line, True)
            async with self._contact.turn() as careful:
                sent = await self._send_due(line, careful)
            self._trouble.over()
            if not sent:
                self._busy(line, False)
                await self._contact.rest(self._until_next_s(), line.wake)

    def _busy(self, line: Line, busy: bool) -> None:
        line.busy = busy
        if any(line.busy or line.wake.is_set() for line in self._lines):
            self.idle.clear()
        else:
            self.idle.set()

    def _news(self) -> None:
        self._contact.hasten()
        self.wake()

    async def _send_due(self, line: Line, careful: bool) -> bool:
        limit = 1 if careful else line.limit
        rows = await self._store.write(lambda conn: self._claim(conn, line, limit), draining=True)
        if rows:
            step.passed("outbox.claimed")
            await self._send_all(line, rows)
            self.wake()
        await self._measure()
        return bool(rows)

    def _claim(self, conn: sqlite3.Connection, line: Line, limit: int) -> list[outbox.Row]:
        now, most = self._clock.wall(), self._longest_wait_s
        if self._clock.trusted():
            outbox.expire(conn, now=now)
        return outbox.claim(
            *(conn, self._seal),
            limit=limit,
            now=now,
            most_wait_s=most,
            lease_s=LEASE_S,
            lanes=line.lanes,
            after=line.after,
        )

    async def _send_all(self, line: Line, rows: Sequence[outbox.Row]) -> None:
        """Send rows, the doubtful alone; what is left when a try fails is given back."""
        groups = batches(rows, self._doubtful)
        while groups:
            await self._send(line, groups.pop(0))
            if groups and self._contact.careful:
                rest = [row for group in groups for row in group]
                await self._store.write(partial(_release, rows=rest), draining=True)
                return

    async def _send(self, line: Line, rows: Sequence[outbox.Row]) -> None:
        started = self._clock.monotonic()
        outcomes = await self._deliver(rows)
        step.passed("outbox.sent")
        trial = self._judge(line, rows, outcomes, self._clock.monotonic() - started)
        now = self._clock.wall()
        await self._store.write(
            lambda conn: self._settlement.record(conn, rows, outcomes, trial, now=now), draining=True
        )
        step.passed("outbox.committed")
        for row, outcome in zip(rows, outcomes, strict=True):
            self._announce(Forwarded(result(row, outcome), row.attempts, max(0.0, now - row.created_at)))

    async def _deliver(self, rows: Sequence[outbox.Row]) -> Sequence[Outcome]:
        epoch = self._enrolment.epoch
        parcels = [
            Parcel(row.event, row.request, row.kind, row.lane, row.seq, row.created_at, row.payload, epoch)
            for row in rows
        ]
        try:
            async with asyncio.timeout(_CALL_MOST_S):
                outcomes = await self._contact.unless_hurried(self._sink.deliver(parcels))
        except TimeoutError:
            return [_LATE] * len(rows)
        return [_HURRIED] * len(rows) if outcomes is None else outcomes

    def _judge(self, line: Line, rows: Sequence[outbox.Row], outcomes: Sequence[Outcome], seconds: float) -> Trial:
        """What a try says of the contact and of the rows that were tried before it."""
        failed = [outcome for outcome in outcomes if isinstance(outcome, Retry) and not outcome.own]
        if failed and failed[0] is _HURRIED:
            return Trial(wait_s=0.0)
        for outcome in outcomes:
            if isinstance(outcome, Unauthorised | Replaced):
                self._contact.refused(outcome)
                return Trial(wait_s=0.0)
        seqs = [row.seq for row in rows]
        if len(failed) == len(rows):
            line.narrow()
            self._doubt(seqs)
            return Trial(wait_s=self._contact.failed("up", max(failed, key=lambda each: each.after_s or 0.0)))
        recovered = self._contact.answered("up")
        if failed:
            line.narrow()
        else:
            line.took(seconds, self._sink.batch_most)
        suspects = self._suspects - set(seqs)
        self._suspects.clear()
        for seq in seqs:
            self._doubtful.pop(seq, None)
        return Trial(recovered=recovered, suspects=sorted(suspects))

    def _doubt(self, seqs: Sequence[int]) -> None:
        """These rows failed together, by the upstream or by one of them: each goes alone next time."""
        if len(seqs) == 1:
            self._suspects.add(seqs[0])
        for seq in seqs:
            self._doubtful.pop(seq, None)
            self._doubtful[seq] = None
        while len(self._doubtful) > _DOUBTFUL_MOST:
            oldest = next(iter(self._doubtful))
            del self._doubtful[oldest]
            self._suspects.discard(oldest)

    async def _measure(self) -> None:
        self.backlog = await self._store.read(outbox_view.backlog)
        if not self._contact.failing("up") and not self.backlog.failing:
            self._contact.well("up")
        if self.backlog.dead:
            self._health.raise_("upstream-dead-letter", f"{self.backlog.dead} kept")
        else:
            self._health.clear("upstream-dead-letter")

    def _until_next_s(self) -> float:
        if self.backlog.next_try is None:
            return _REST_MOST_S
        return min(_REST_MOST_S, max(0.01, self.backlog.next_try - self._clock.wall()))


def batches(rows: Sequence[outbox.Row], doubtful: Container[int]) -> list[list[outbox.Row]]:
    """What goes together: the well ones in one call, and each that is suspected for itself in its own."""
    alone = [row for row in rows if row.faults >= outbox.ALONE_FROM or row.seq in doubtful]
    together = [row for row in rows if row not in alone]
    return [group for group in (together, *([row] for row in alone)) if group]


def _release(conn: sqlite3.Connection, rows: Sequence[outbox.Row]) -> None:
    for row in rows:
        outbox.release(conn, row)
