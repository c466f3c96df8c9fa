"""The modem's mailbox, kept in the store: parts in, one message at a time out, paced for the SIM."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge import config, step
from edge.clock import Clock
from edge.events import Announce, SmsSent
from edge.modem import concat
from edge.modem.mailbox import NotStored, Outgoing, Part
from edge.queue.store import messages as rows
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.messages import Messages
from edge.sms import pacing, roles

log = logging.getLogger("edge.sms")

LOOK_S = 2.0


class StoreMailbox:
    """Implements the driver's `Mailbox` over `messages`; the store itself wakes the Center when a message is whole."""

    def __init__(
        self,
        store: Store,
        messages: Messages,
        settings: config.Sms,
        *,
        clock: Clock,
        announce: Announce,
        timezone: str = "Asia/Jakarta",
        look_s: float = LOOK_S,
    ) -> None:
        self._store, self._messages, self._settings = store, messages, settings
        self._clock, self._announce = clock, announce
        self._zone, self._look_s = ZoneInfo(timezone), look_s
        self._queued = asyncio.Event()
        self._last: float | None = None
        self._recovered = False
        self._held = False
        store.watch("outgoing", self._queued.set)

    async def store_part(self, part: Part) -> bool:
        """Keep a part durably; False when it is known already. Raises `NotStored` while the store is full."""

        sender = part.sender if part.alphanumeric else roles.number(part.sender)
        stored = rows.Part(**{**asdict(part), "sender": sender})

        def work(conn: sqlite3.Connection) -> bool:
            new = self._messages.add_part(conn, stored, now=self._clock.wall(), assemble=concat.assemble)
            step.passed("sms.part.before_commit")
            return new

        try:
            return await self._store.write(work)
        except StoreFull as full:
            raise NotStored(str(full)) from full

    async def next_outgoing(self) -> Outgoing | None:
        """The next message, journalled as "sending"; None when there is none to send within `look_s`."""
        deadline = self._clock.monotonic() + self._look_s
        try:
            return await self._next(deadline)
        except StoreFull:  # the store says so itself; what cannot be journalled is not sent
            await asyncio.sleep(self._look_s)
            return None

    async def _next(self, deadline: float) -> Outgoing | None:
        if not self._recovered:
            await self._recover()
        while True:
            self._queued.clear()
            wait = pacing.gap(self._clock.monotonic(), self._last, self._settings).total_seconds()
            if wait == 0 and (found := await self._take()) is not None:
                return found
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return None
            await self._rest(min(left, wait) if wait else left, wakeable=not wait)

    async def record_sent(self, message_id: int, references: tuple[int, ...], /) -> None:
        """The network took it."""
        now = self._clock.wall()
        await self._store.write(
            lambda conn: self._messages.outgoing.sent(conn, message_id, references, now=now), draining=True
        )

    async def record_failure(self, message_id: int, error: str, /, *, permanent: bool) -> None:
        """The network did not take it; unless `permanent` it is tried again, with growing waits, ten times in all."""
        now = self._clock.wall()
        state = await self._store.write(
            lambda conn: self._messages.outgoing.not_sent(conn, message_id, error, permanent=permanent, now=now),
            draining=True,
        )
        if state == "failed":
            log.warning("SMS %d is given up: %s", message_id, error)

    async def record_uncertain(self, message_id: int, error: str, /) -> None:
        """Nobody knows whether the network took it: it is sent once more, not twice."""
        now = self._clock.wall()
        await self._store.write(
            lambda conn: self._messages.outgoing.doubtful(conn, message_id, error, now=now), draining=True
        )
        self._queued.set()

    async def record_report(self, number: str, reference: int, delivered: bool) -> None:
        """Note a status report on the message that it is about, if there is one."""
        await self._store.write(
            lambda conn: self._messages.outgoing.report(conn, number, reference, delivered=delivered), draining=True
        )

    async def _recover(self) -> None:
        """What was being sent when the process died is uncertain."""
        now = self._clock.wall()

        def work(conn: sqlite3.Connection) -> list[str]:
            left = self._messages.outgoing.left_sending(conn)
            for outgoing, _ in left:
                self._messages.outgoing.doubtful(conn, outgoing, "the daemon ended while it was sent", now=now)
            return [kind for _, kind in left]

        for kind in await self._store.write(work, draining=True):
            self._announce(SmsSent("", kind, "uncertain"))
        self._recovered = True

    async def _take(self) -> Outgoing | None:
        """Journal the next message that may leave now."""
        now = self._clock.wall()
        quiet = self._clock.trusted() and pacing.quiet(
            datetime.fromtimestamp(now, UTC).astimezone(self._zone).time(), self._settings
        )
        due = await self._store.read(lambda conn: self._due(conn, quiet=quiet, now=now))
        if due is None:
            return None
        journalled = await self._store.write(
            lambda conn: self._messages.outgoing.journal(conn, due, now=now), draining=True
        )
        if journalled is None:
            return None
        self._last = self._clock.monotonic()
        return Outgoing(journalled.id, journalled.number, journalled.text, journalled.kind)

    def _due(self, conn: sqlite3.Connection, *, quiet: bool, now: float) -> int | None:
        due = self._messages.outgoing.due(conn, replies_only=quiet, now=now)
        if due is None:
            return None
        used = self._messages.outgoing.sends(conn, now=now)
        free = pacing.within_budget(used.hour, used.day, self._settings)
        if free == self._held:
            self._held = not free
            log.warning("SMS wait: the SIM's budget is used up") if self._held else log.info("SMS are sent again")
        return due if free else None

    async def _rest(self, seconds: float, *, wakeable: bool) -> None:
        try:
            async with asyncio.timeout(seconds):
                await (self._queued.wait() if wakeable else asyncio.sleep(seconds))
        except TimeoutError:
            pass
