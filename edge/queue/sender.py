"""Requests up: claim -> sink -> record, each step durable: a crash anywhere repeats a call but loses nothing."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Literal

from edge import step
from edge.clock import Clock
from edge.config import Upstream
from edge.events import Announce, Forwarded
from edge.health import Health
from edge.queue import lifecycle
from edge.queue.contact import Contact
from edge.queue.sink import Dead, Delivered, HandedOver, Outcome, Parcel, Refusal, Replaced, Retry, Sink, Unauthorised
from edge.queue.store import audit, changes, outbox
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.requests import Requests

log = logging.getLogger("edge.queue.sender")

_AT_ONCE = 8
_REST_MOST_S = 60.0
_FULL_REST_S = 10.0
_CONFIRM_S = 3_600.0
_HURRIED = Retry("the way to the portal changed")


class Sender:
    """Empties the outbox into `sink`, several rows at once; while the portal fails, one row at a time."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        sink: Sink,
        settings: Upstream,
        contact: Contact,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
    ) -> None:
        self._store = store
        self._requests = requests
        self._sink = sink
        self._longest_wait_s = settings.retry_most_s * 2
        self._contact = contact
        self._clock = clock
        self._announce = announce
        self._health = health
        self._work = asyncio.Event()
        self._wait_s = 0.0
        self.backlog = outbox.Backlog(0, None, 0, None, False)
        store.watch("outbox", self.wake)

    def wake(self) -> None:
        """There may be something to send."""
        self._work.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                await self._store.write(outbox.free_leases, draining=True)
                await self._send_all()
            except* StoreFull as full:
                log.error("forwarding waits: %s", full.exceptions[0])
            await asyncio.sleep(_FULL_REST_S)

    async def _send_all(self) -> None:
        while True:
            self._work.clear()
            await self._contact.unpaused()
            sent = await self._send_due()
            await self._measure()
            if self._contact.failing("up"):
                await self._contact.rest(self._wait_s, self._work)
            elif not sent:
                await self._contact.rest(self._until_next_s(), self._work)

    async def _send_due(self) -> bool:
        limit = 1 if self._contact.failing("up") else _AT_ONCE
        rows = await self._store.write(lambda conn: self._claim(conn, limit), draining=True)
        if not rows:
            return False
        step.passed("outbox.claimed")
        async with asyncio.TaskGroup() as group:
            for row in rows:
                group.create_task(self._send(row))
        return True

    def _claim(self, conn: sqlite3.Connection, limit: int) -> list[outbox.Row]:
        now, most = self._clock.wall(), self._longest_wait_s
        return outbox.claim(conn, self._requests.seal, limit=limit, now=now, most_wait_s=most)

    async def _send(self, row: outbox.Row) -> None:
        parcel = Parcel(row.event, row.request, row.kind, row.lane, row.seq, row.created_at, row.payload)
        outcomes = await self._contact.unless_hurried(self._sink.deliver([parcel]))
        outcome = outcomes[0] if outcomes else _HURRIED
        step.passed("outbox.sent")
        recovered = self._judge(outcome)
        await self._store.write(lambda conn: self._record(conn, row, outcome, recovered), draining=True)
        step.passed("outbox.committed")
        age = max(0.0, self._clock.wall() - row.created_at)
        self._announce(Forwarded(_result(outcome), row.attempts, age))

    def _judge(self, outcome: Outcome) -> bool:
        """Tell the contact; True when the portal has recovered."""
        if isinstance(outcome, Unauthorised | Replaced):
            self._contact.refused(outcome)
        elif isinstance(outcome, Retry):
            if outcome is not _HURRIED:
                self._wait_s = self._contact.failed("up", outcome)
        else:
            return self._contact.answered("up")
        return False

    def _record(self, conn: sqlite3.Connection, row: outbox.Row, outcome: Outcome, recovered: bool) -> None:
        now = self._clock.wall()
        if isinstance(outcome, Delivered):
            if outbox.settle(conn, row, "delivered", now=now) and row.kind == "request":
                self._hand_over(conn, row.request, now=now)
        elif isinstance(outcome, Dead):
            outbox.settle(conn, row, "dead", now=now, error=outcome.detail)
            audit.record(conn, "dead-letter", row.request, f"{row.kind}: {outcome.detail}", now=now)
        elif isinstance(outcome, HandedOver):
            outbox.hand_over(conn, row, until=now + _CONFIRM_S)
        else:
            outbox.postpone(conn, row, not_before=now + self._wait(row, outcome), error=outcome.detail)
        if recovered:
            outbox.hurry(conn)
        step.passed("outbox.before_commit")

    def _wait(self, row: outbox.Row, outcome: Refusal) -> float:
        if not isinstance(outcome, Retry) or outcome is _HURRIED:
            return 0.0
        return self._contact.delay(row.attempts, outcome)

    def _hand_over(self, conn: sqlite3.Connection, identifier: str, *, now: float) -> None:
        """From here on the portal owns the request, unless a change of its own said so before."""
        request = self._requests.get(conn, identifier)
        if request is None or changes.portal_version(conn, identifier) > 0:
            return
        if lifecycle.legal(request.state, "forwarded", by="box"):
            self._requests.move(conn, identifier, "forwarded", by="forwarder", now=now)

    async def _measure(self) -> None:
        self.backlog = await self._store.read(lambda conn: outbox.backlog(conn))
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


def _result(outcome: Outcome) -> Literal["delivered", "dead", "retry"]:
    if isinstance(outcome, Delivered):
        return "delivered"
    return "dead" if isinstance(outcome, Dead) else "retry"
