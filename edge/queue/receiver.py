"""Status down: a page of changes and the cursor after it in one transaction, each change applied once and in order.

What is not applied (of a request that is not here, out of order, an impossible step) is skipped and never holds back
what comes after it. A portal may send as much of it as it likes: of a page the first fifty are kept and one audit row
for each kind; the table of changes keeps its newest rows.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

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
from edge.queue.trouble import REFUSALS, Trouble

log = logging.getLogger("edge.queue.receiver")

OnChange = Callable[[sqlite3.Connection, Request, Change], None]

_CHUNK = 50
_CONFIRMED_AT_ONCE = 500
_NOTED_EACH = 50
_QUICK_S = 1.0
_IDLE_REST_S, _IDLE_MOST_S = 5.0, 20.0
_REFUSED_REST_S = 10.0
_ODD = frozenset({"unknown", "illegal"})


@dataclass(frozen=True, slots=True)
class Skipped:
    """What of a page was not applied: of each kind the first change, and how many."""

    kinds: Mapping[str, tuple[Change, int]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many in all."""
        return sum(count for _, count in self.kinds.values())

    @property
    def first(self) -> Change | None:
        """The first odd one."""
        return next((change for kind, (change, _) in self.kinds.items() if kind in _ODD), None)

    def and_(self, kind: str, change: Change) -> Skipped:
        """With one more."""
        first, count = self.kinds.get(kind, (change, 0))
        return Skipped({**self.kinds, kind: (first, count + 1)})


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
        self._trouble = Trouble(log, "status changes wait", "status changes are taken again")
        self._skipping = False

    async def run(self) -> None:
        """Receive until cancelled."""
        cursor = await self._begin()
        at_once, idle = True, 0
        while True:
            await self._contact.unpaused()
            started = self._clock.monotonic()
            answer = await self._contact.unless_hurried(self._sink.changes(cursor, at_once=at_once))
            quick = self._clock.monotonic() - started < _QUICK_S
            if isinstance(answer, Changes):
                cursor, news = await self._take(answer, cursor)
                idle = idle + 1 if quick and news == 0 and not at_once else 0
                if idle:
                    await self._contact.rest(min(_IDLE_MOST_S, _IDLE_REST_S * 2.0 ** (idle - 1)))
            elif isinstance(answer, Unauthorised | Replaced):
                self._contact.refused(answer)
            elif isinstance(answer, Retry):
                await self._contact.rest(self._contact.failed("down", answer))
            at_once = not isinstance(answer, Changes)

    async def _begin(self) -> str:
        """The cursor to go on from, once the store gives it."""
        while True:
            try:
                cursor = await self._store.read(changes.cursor)
            except StoreError as refused:
                self._trouble.tell(refused)
                await asyncio.sleep(_REFUSED_REST_S)
            else:
                self._trouble.over()
                return cursor

    async def _take(self, page: Changes, cursor: str) -> tuple[str, int | None]:
        """Make a page durable; returns the cursor to go on from and how much of it was news, None if it was refused."""
        self._contact.answered("down")
        self._contact.well("down")
        try:
            news = await self._keep(page, cursor)
        except REFUSALS as refused:
            self._trouble.tell(refused)
            await asyncio.sleep(_REFUSED_REST_S)
            return cursor, None
        if page.done is not None:
            await page.done()
        return page.cursor, news

    async def _keep(self, page: Changes, cursor: str) -> int:
        if not page.changes and not page.unreadable and not page.confirmed and page.cursor == cursor:
            return 0
        step.passed("changes.received")
        news, skipped = await self._confirm(page.confirmed), Skipped()
        for start in range(0, max(1, len(page.changes)), _CHUNK):
            part = page.changes[start : start + _CHUNK]
            last = start + _CHUNK >= len(page.changes)
            applied, skipped = await self._commit(part, skipped, page if last else None)
            news += applied
        self._say(skipped, news)
        return news

    async def _confirm(self, events: Sequence[str]) -> int:
        """End what the far end has; returns how many rows.

        Before the changes, since that it has a request comes before what it does with it; and by itself, since a full
        store drains but takes no changes.
        """
        ended = 0
        for start in range(0, len(events), _CONFIRMED_AT_ONCE):
            part = events[start : start + _CONFIRMED_AT_ONCE]
            ended += await self._store.write(partial(self._confirm_all, events=part), draining=True)
        if ended:
            self._confirmed()
        return ended

    def _confirm_all(self, conn: sqlite3.Connection, events: Sequence[str]) -> int:
        now = self._clock.wall()
        return sum(self._settlement.confirmed(conn, event, now=now) for event in events)

    async def _commit(self, part: Sequence[Change], before: Skipped, ends: Changes | None) -> tuple[int, Skipped]:
        """Apply a part of a page, with its last part the cursor too.

        Returns how much of it was news, and what of the page was skipped up to here.
        """
        states, skipped = await self._store.write(
            lambda conn: self._apply_all(conn, part, before, ends), draining=not part
        )
        self._trouble.over()
        step.passed("changes.committed")
        for state in states:
            self._announce(StatusReceived(state))
        return len(states), skipped

    def _apply_all(
        self, conn: sqlite3.Connection, part: Sequence[Change], before: Skipped, ends: Changes | None
    ) -> tuple[list[str], Skipped]:
        now, states, skipped = self._clock.wall(), list[str](), before
        for change in part:
            if changes.seen(conn, change.event):
                continue
            became = self._became(conn, change, now=now)
            if became == "applied":
                states.append(change.state)
            else:
                skipped = skipped.and_(became, change)
            if became == "applied" or skipped.count <= _NOTED_EACH:
                changes.record(conn, change, became, now=now)
        changes.forget_oldest(conn)
        if ends is not None:
            changes.set_cursor(conn, ends.cursor)
            _note(conn, skipped, ends.unreadable, now=now)
        step.passed("changes.before_commit")
        return states, skipped

    def _became(self, conn: sqlite3.Connection, change: Change, *, now: float) -> changes.Became:
        request = self._requests.get(conn, change.request)
        if request is None:
            return "unknown"
        if change.version <= changes.portal_version(conn, change.request):
            return "stale"
        if transitions.many(conn, change.request):
            return "illegal"
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

    def _say(self, skipped: Skipped, news: int) -> None:
        """Tell the log once when the portal begins to send what means nothing here, and once when that is over."""
        odd = skipped.kinds.keys() & _ODD
        if odd and not self._skipping:
            log.warning("changes from the portal are skipped as %s: %r", " and ".join(sorted(odd)), skipped.first)
            self._skipping = True
        elif self._skipping and news and not odd:
            log.info("changes from the portal are applied again")
            self._skipping = False


def _note(conn: sqlite3.Connection, skipped: Skipped, unreadable: int, *, now: float) -> None:
    """One row for each kind of oddity of a page, however many there are of it."""
    for kind in sorted(skipped.kinds.keys() & _ODD):
        first, count = skipped.kinds[kind]
        audit.record(conn, f"change-{kind}", first.request, f"to {first.state}; {count} in the page", now=now)
    if unreadable:
        audit.record(conn, "change-unreadable", "portal", f"{unreadable} events skipped", now=now)
