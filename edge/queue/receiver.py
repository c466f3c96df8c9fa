"""Status down: a page of changes and the cursor after it in one transaction, each change applied once and in order."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence

from edge import step
from edge.clock import Clock
from edge.events import Announce, StatusReceived
from edge.queue import giving_up, lifecycle
from edge.queue.contact import Contact
from edge.queue.request import Request
from edge.queue.settlement import Settlement
from edge.queue.sink import Change, Changes, Replaced, Retry, Sink, Unauthorised
from edge.queue.store import audit, changes, transitions
from edge.queue.store.database import Store, StoreError
from edge.queue.store.requests import Requests

log = logging.getLogger("edge.queue.receiver")

OnChange = Callable[[sqlite3.Connection, Request, Change], None]

_CHUNK = 50
_QUICK_S = 1.0
_EMPTY_REST_S = 5.0
_REFUSED_REST_S = 10.0


class Receiver:
    """Brings changes down from `sink`; `on_change` runs in the transaction of each one that is applied.

    `confirmed` is called after rows of the outbox were ended by what the far end says it has.
    """

    def __init__(
        self,
        store: Store,
        requests: Requests,
        sink: Sink,
        contact: Contact,
        settlement: Settlement,
        *,
        clock: Clock,
        announce: Announce,
        on_change: OnChange,
        confirmed: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._requests = requests
        self._sink = sink
        self._contact = contact
        self._settlement = settlement
        self._confirmed = confirmed
        self._clock = clock
        self._announce = announce
        self._on_change = on_change

    async def run(self) -> None:
        """Receive until cancelled."""
        cursor = await self._store.read(changes.cursor)
        at_once = True
        while True:
            await self._contact.unpaused()
            started = self._clock.monotonic()
            answer = await self._contact.unless_hurried(self._sink.changes(cursor, at_once=at_once))
            if isinstance(answer, Changes):
                cursor, applied = await self._take(answer, cursor)
                quick = self._clock.monotonic() - started < _QUICK_S
                if quick and not applied and not at_once:
                    await self._contact.rest(_EMPTY_REST_S)
            elif isinstance(answer, Unauthorised | Replaced):
                self._contact.refused(answer)
            elif isinstance(answer, Retry):
                await self._contact.rest(self._contact.failed("down", answer))
            at_once = not isinstance(answer, Changes)

    async def _take(self, page: Changes, cursor: str) -> tuple[str, int]:
        """Make a page durable; returns the cursor to go on from and how much of it was news."""
        self._contact.answered("down")
        self._contact.well("down")
        try:
            news = await self._keep(page, cursor)
        except StoreError as refused:
            log.error("status changes wait: %s", refused)
            await asyncio.sleep(_REFUSED_REST_S)
            return cursor, 0
        if page.done is not None:
            await page.done()
        return page.cursor, news

    async def _keep(self, page: Changes, cursor: str) -> int:
        if not page.changes and not page.unreadable and not page.confirmed and page.cursor == cursor:
            return 0
        step.passed("changes.received")
        news = await self._confirm(page.confirmed) if page.confirmed else 0
        for start in range(0, max(1, len(page.changes)), _CHUNK):
            part = page.changes[start : start + _CHUNK]
            last = start + _CHUNK >= len(page.changes)
            news += await self._commit(part, page if last else None)
        return news

    async def _confirm(self, events: Sequence[str]) -> int:
        """End what the far end has; returns how many rows.

        Before the changes, since that it has a request comes before what it does with it; and by itself, since a full
        store drains but takes no changes.
        """
        now = self._clock.wall()

        def work(conn: sqlite3.Connection) -> int:
            return sum(self._settlement.confirmed(conn, event, now=now) for event in events)

        ended = await self._store.write(work, draining=True)
        if ended:
            self._confirmed()
        return ended

    async def _commit(self, part: Sequence[Change], ends: Changes | None) -> int:
        """Apply a part of a page, with its last part the cursor too; returns how much of it was news."""
        states = await self._store.write(lambda conn: self._apply_all(conn, part, ends), draining=not part)
        step.passed("changes.committed")
        for state in states:
            self._announce(StatusReceived(state))
        return len(states)

    def _apply_all(self, conn: sqlite3.Connection, part: Sequence[Change], ends: Changes | None) -> list[str]:
        now = self._clock.wall()
        states = [change.state for change in part if self._apply(conn, change, now=now)]
        if ends is not None:
            changes.set_cursor(conn, ends.cursor)
            if ends.unreadable:
                audit.record(conn, "change-unreadable", "portal", f"{ends.unreadable} events skipped", now=now)
        step.passed("changes.before_commit")
        return states

    def _apply(self, conn: sqlite3.Connection, change: Change, *, now: float) -> bool:
        if changes.seen(conn, change.event):
            return False
        became = self._became(conn, change, now=now)
        changes.record(conn, change, became, now=now)
        if became in ("unknown", "illegal"):
            log.warning("a change from the portal is skipped as %s: %r", became, change)
            audit.record(conn, f"change-{became}", change.request, f"to {change.state}", now=now)
        return became == "applied"

    def _became(self, conn: sqlite3.Connection, change: Change, *, now: float) -> changes.Became:
        request = self._requests.get(conn, change.request)
        if request is None:
            return "unknown"
        if change.version <= changes.portal_version(conn, change.request):
            return "stale"
        if self._ours(conn, request) and lifecycle.legal("forwarded", change.state, by="portal"):
            # The answer to our PUT was lost: that the portal speaks of the request proves that it has it.
            request = self._requests.move(conn, request.id, "forwarded", by="portal-change", now=now)
        if not lifecycle.legal(request.state, change.state, by="portal"):
            return "illegal"
        after = self._requests.move(conn, request.id, change.state, by="portal", now=now, why=change.why)
        changes.set_portal_version(conn, request.id, change.version)
        self._on_change(conn, after, change)
        return "applied"

    def _ours(self, conn: sqlite3.Connection, request: Request) -> bool:
        """Whether nobody has told yet that the portal has it: as far as the box knows it waits, or was given up."""
        if request.state == "rejected":
            return transitions.last_actor(conn, request.id) == giving_up.ACTOR
        return request.state == "received"
