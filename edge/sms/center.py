"""The SMS Center's shell: durable messages in, one at a time; a request, its outbox row and the reply in one commit.

A message that cannot be handled is a bug of ours: it is tried three times, then set aside for people, and never holds
up the ones behind it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import traceback

from edge import config, step
from edge.clock import Clock
from edge.events import Announce, Event, SmsHandled
from edge.modem import concat
from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.store.database import Store, StoreCorrupt, StoreError
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.windows import Recent
from edge.sms import replies
from edge.sms.handling import Handling
from edge.sms.notices import Notices
from edge.sms.reckoning import Reckoning
from edge.sms.replies import Catalogue

log = logging.getLogger("edge.sms")

MOST_TRIES = 3
TRY_AGAIN_S = 5.0
SWEEP_S = 60.0
_AT_ONCE = 50


class Center:
    """Handles inbound SMS and writes the SMS of status events."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        messages: Messages,
        village: config.Village,
        settings: config.Sms,
        *,
        clock: Clock,
        announce: Announce,
        handling: Handling | None = None,
        try_again_s: float = TRY_AGAIN_S,
    ) -> None:
        self._store, self._messages, self._try_again_s = store, messages, try_again_s
        self._clock, self._announce = clock, announce
        self._catalogue = Catalogue(village.name, village.kind)
        self._handling = handling or Handling(requests, messages, village, settings, self._catalogue)
        self._notices = Notices(messages, settings, self._catalogue)
        self._reckoning = Reckoning(store, clock)
        self._woken = asyncio.Event()
        self._again: dict[int, float] = {}
        self._refused = False
        store.watch("inbound", self.wake)

    def wake(self) -> None:
        """A message waits (call it on the loop)."""
        self._woken.set()

    def on_change(self, conn: sqlite3.Connection, request: Request, change: Change) -> None:
        """Write the SMS rows of a status event in the transaction of the event."""
        self._notices.write(conn, request, change.why, now=self._clock.wall())

    async def run(self) -> None:
        """Handle messages until cancelled."""
        swept = None
        while True:
            self._woken.clear()
            await self._handle_waiting()
            if swept is None or self._clock.monotonic() - swept >= SWEEP_S:
                swept = self._clock.monotonic()
                await self._sweep()
            try:
                async with asyncio.timeout(self._rest_s()):
                    await self._woken.wait()
            except TimeoutError:
                pass

    def _rest_s(self) -> float:
        if self._refused:
            return self._try_again_s
        soonest = min(self._again.values(), default=None)
        return SWEEP_S if soonest is None else min(SWEEP_S, max(0.01, soonest - self._clock.monotonic()))

    async def _handle_waiting(self) -> None:
        """Handle every message that is due, the oldest first, for as long as the store takes what comes of them."""
        while True:
            try:
                waiting = await self._store.read(self._waiting)
            except StoreError as refused:
                self._wait(refused)
                return
            now = self._clock.monotonic()
            due = [inbound for inbound in waiting if self._again.get(inbound, now) <= now]
            if not due:
                return
            for inbound in due:
                await self._handle(inbound)
                if self._refused:
                    return

    def _waiting(self, conn: sqlite3.Connection) -> list[int]:
        return self._messages.waiting(conn, limit=_AT_ONCE + len(self._again))

    async def _handle(self, inbound: int) -> None:
        try:
            recent = await self._reckoning.recent()
            now, trusted = self._clock.wall(), self._clock.trusted()
            events = await self._store.write(
                lambda conn: self._handling.handle(conn, inbound, now=now, trusted=trusted, recent=recent)
            )
        except StoreError as refused:
            self._wait(refused)
            return
        except Exception as error:
            await self._failed(inbound, error)
            return
        if self._refused:
            log.info("SMS are handled again")
            self._refused = False
        self._again.pop(inbound, None)
        step.passed("sms.handled.committed")
        self._tell(events)

    def _wait(self, refused: StoreError) -> None:
        """Try again later; a damaged file needs the restart that puts it aside."""
        if isinstance(refused, StoreCorrupt):
            raise refused
        if not self._refused:
            log.error("SMS wait to be handled: %s", refused)
        self._refused = True

    async def _failed(self, inbound: int, error: Exception) -> None:
        """Count a failed try. The error's own text is not logged: it may hold what the citizen wrote."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        now = self._clock.wall()
        try:
            aside = await self._store.write(
                lambda conn: self._messages.failed(conn, inbound, most=MOST_TRIES, now=now), draining=True
            )
        except StoreError as refused:
            self._wait(refused)
            return
        log.error(
            "SMS %d could not be handled: %s at %s:%d%s",
            inbound,
            type(error).__name__,
            place.filename,
            place.lineno or 0,
            "; it is set aside for people" if aside else "",
        )
        if aside:
            self._again.pop(inbound, None)
            self._tell([SmsHandled("set-aside")])
        else:
            self._again[inbound] = self._clock.monotonic() + self._try_again_s

    async def _sweep(self) -> None:
        """Close drafts of yesterday and take long messages that stayed incomplete; only while days can be counted."""
        try:
            recent = await self._reckoning.recent()  # a clock that is not trusted yet is followed all the same
            if not self._clock.trusted():
                return
            now = self._clock.wall()
            await self._store.write(lambda conn: self._close_old(conn, recent, now=now))
        except StoreError as refused:
            log.debug("the sweep waits: %s", refused)

    def _close_old(self, conn: sqlite3.Connection, recent: Recent, *, now: float) -> None:
        self._messages.join_incomplete(conn, now=now, assemble=concat.assemble, recent=recent)
        for phone, fields in self._messages.drafts.take_expired(conn, now=now, limit=_AT_ONCE, recent=recent):
            letter = str(fields["letter"])
            if not letter or self._messages.stops.holds(conn, phone):
                continue
            text = self._catalogue.text("DRAFT_EXPIRED", **replies.letter_fill(letter))
            self._messages.outgoing.queue(
                conn, kind="notification", code="DRAFT_EXPIRED", number=phone, text=text, now=now
            )

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self._announce(event)
