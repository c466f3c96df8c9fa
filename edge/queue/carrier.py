"""Scans up: the last lane. One blob at a time, piece by piece, so that whatever is newer and smaller goes first.

A piece leaves only while nothing else is due and the way is well: never in a brownout. What the upstream has is noted
at most once a mebibyte, so a power cut costs that much again and the flash little. The lease of a row is renewed while
its pieces go, and given back when others have gone first for a minute: neither runs out beneath a scan.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from edge.clock import Clock
from edge.config import Upstream
from edge.events import Announce, Forwarded
from edge.queue.attachments import AttachmentDamaged
from edge.queue.contact import Contact
from edge.queue.enrolment import Enrolment
from edge.queue.headway import Headway
from edge.queue.lane import Lane
from edge.queue.settlement import Settlement, Trial, result
from edge.queue.sink import Blob, Dead, Declined, Delivered, Outcome, Partly, Replaced, Retry, Sink, Unauthorised
from edge.queue.store import outbox
from edge.queue.store.database import Store
from edge.queue.store.seal import Seal
from edge.queue.trouble import REFUSALS, Trouble

log = logging.getLogger("edge.queue.carrier")

LEASE_S = 900.0
NOTED_EACH = 1 << 20
_PIECE_MOST_S = 300.0
_REST_S = 60.0
_GIVE_WAY_S = 60.0
_REFUSED_REST_S = 10.0
_LATE = Retry(f"the portal did not take a piece within {_PIECE_MOST_S:g} s")
_STUCK = Retry("the portal takes pieces but does not get further", own=True)
_GONE = Declined("nothing is left to carry: it is not on this box any more")


class Attachments(Protocol):
    """What the carrier asks of those who keep the scans."""

    async def blob(self, identifier: str) -> Blob | Delivered | None:
        """The scan, with what the upstream has of it: Delivered when that is all, None when it is not here any more."""
        ...

    async def progress(self, identifier: str, sent: int) -> None:
        """The upstream has the first `sent` bytes."""
        ...

    async def sent(self, identifier: str) -> None:
        """The upstream has all of it."""
        ...


class Idle(Protocol):
    """The sender, as far as the carrier gives way to it."""

    @property
    def idle(self) -> asyncio.Event:
        """Set while nothing but scans is due or under way."""
        ...

    def wake(self) -> None:
        """A row was settled."""
        ...


@dataclass(slots=True)
class _Under:
    """A scan under way: what of it is written down as sent, and when (monotonic) its row was leased."""

    row: outbox.Row
    identifier: str
    blob: Blob
    leased: float
    noted: int = field(init=False)

    def __post_init__(self) -> None:
        self.noted = self.blob.sent


class Carrier:
    """Carries the scans of `attachments` through `sink`, after everything that `sender` has."""

    def __init__(
        self,
        store: Store,
        seal: Seal,
        sink: Sink,
        settings: Upstream,
        contact: Contact,
        enrolment: Enrolment,
        settlement: Settlement,
        attachments: Attachments,
        sender: Idle,
        *,
        clock: Clock,
        announce: Announce,
    ) -> None:
        self._store = store
        self._seal = seal
        self._sink = sink
        self._longest_wait_s = 2 * max(settings.retry_most_s, settings.confirm_s, LEASE_S)
        self._contact = contact
        self._enrolment = enrolment
        self._settlement = settlement
        self._attachments = attachments
        self._sender = sender
        self._clock = clock
        self._announce = announce
        self._trouble = Trouble(log, "scans wait", "scans go on")
        self._work = asyncio.Event()
        store.watch("outbox", self._work.set)

    def wake(self) -> None:
        """The way changed, or there may be something to carry."""
        self._work.set()

    async def run(self) -> None:
        """Carry until cancelled."""
        await self._enrolment.done.wait()
        while True:
            try:
                await self._store.write(lambda conn: outbox.free_leases(conn, (Lane.ATTACHMENT,)), draining=True)
                await self._carry_all()
            except REFUSALS as refused:
                self._trouble.tell(refused)
            await asyncio.sleep(_REFUSED_REST_S)

    async def _carry_all(self) -> None:
        while True:
            self._work.clear()
            await self._clear_way()
            row = await self._store.write(self._claim, draining=True)
            self._trouble.over()
            if row is None:
                await self._contact.rest(_REST_S, self._work)
                continue
            outcome = await self._carry(row)
            if outcome is None:
                await self._store.write(partial(outbox.release, row=row), draining=True)
            else:
                await self._settle(row, outcome)

    async def _clear_way(self) -> None:
        """Wait until nothing else is due and the way is well."""
        while True:
            await self._sender.idle.wait()
            await self._contact.unpaused()
            if not self._sender.idle.is_set():
                continue
            if self._contact.way.well and not self._contact.careful:
                return
            await self._contact.rest(_REST_S, self._work)
            self._work.clear()

    def _claim(self, conn: sqlite3.Connection) -> outbox.Row | None:
        now = self._clock.wall()
        rows = outbox.claim(
            *(conn, self._seal),
            limit=1,
            now=now,
            most_wait_s=self._longest_wait_s,
            lease_s=LEASE_S,
            lanes=(Lane.ATTACHMENT,),
            after=(Lane.REQUEST, Lane.EVENT, Lane.SMS, Lane.DIGEST),
        )
        return rows[0] if rows else None

    async def _clear_soon(self) -> bool:
        """Whether the way is clear again within a minute: a claimed scan is not held for longer than that."""
        try:
            async with asyncio.timeout(_GIVE_WAY_S):
                await self._clear_way()
        except TimeoutError:
            return False
        return True

    async def _carry(self, row: outbox.Row) -> Outcome | None:
        """Carry one blob to its end, or until the upstream refuses a piece; None when others go first for long."""
        identifier = str(json.loads(row.payload)["attachment"])
        try:
            found = await self._attachments.blob(identifier)
            if not isinstance(found, Blob):
                return found or _GONE
            return await self._pieces(_Under(row, identifier, found, self._clock.monotonic()))
        except AttachmentDamaged as damaged:
            return Dead(f"{outbox.DAMAGED}: {damaged}")

    async def _pieces(self, under: _Under) -> Outcome | None:
        headway = Headway(under.blob.sent)
        while await self._clear_soon():
            await self._keep_lease(under)
            outcome = await self._piece(under.blob)
            if outcome is None:
                continue
            if isinstance(outcome, Partly):
                under.blob = replace(under.blob, sent=outcome.sent)
                self._contact.answered("up")
                if not headway.stuck(outcome.sent):
                    await self._note(under, each=NOTED_EACH)
                    continue
                outcome = _STUCK
            if isinstance(outcome, Delivered):
                await self._attachments.sent(under.identifier)
            else:
                await self._note(under)
            return outcome
        await self._note(under)
        return None

    async def _piece(self, blob: Blob) -> Delivered | Partly | Dead | Declined | Retry | Unauthorised | Replaced | None:
        """Carry one piece; None when a hurry cut it: the row keeps its lease and goes on."""
        try:
            async with asyncio.timeout(_PIECE_MOST_S):
                return await self._contact.unless_hurried(self._sink.carry(blob))
        except TimeoutError:
            return _LATE

    async def _note(self, under: _Under, *, each: int = 1) -> None:
        """Write down what the upstream has, once it is `each` bytes more than was written down, or less."""
        if 0 <= under.blob.sent - under.noted < each:
            return
        await self._attachments.progress(under.identifier, under.blob.sent)
        under.noted = under.blob.sent

    async def _keep_lease(self, under: _Under) -> None:
        """A thin line takes longer than any lease: renew it before the next piece can outlast it."""
        now = self._clock.monotonic()
        if now - under.leased < LEASE_S / 3:
            return
        until = self._clock.wall() + LEASE_S
        await self._store.write(lambda conn: outbox.renew(conn, under.row, until=until), draining=True)
        under.leased = now

    async def _settle(self, row: outbox.Row, outcome: Outcome) -> None:
        trial = self._judge(row, outcome)
        now = self._clock.wall()
        await self._store.write(
            lambda conn: self._settlement.record(conn, [row], [outcome], trial, now=now), draining=True
        )
        self._sender.wake()
        self._announce(Forwarded(result(row, outcome), row.attempts, max(0.0, now - row.created_at)))

    def _judge(self, row: outbox.Row, outcome: Outcome) -> Trial:
        if isinstance(outcome, Unauthorised | Replaced):
            self._contact.refused(outcome)
            return Trial(wait_s=0.0)
        if isinstance(outcome, Retry) and not outcome.own:
            # What is too large for this hour's line says nothing of a request: scans alone wait longer.
            return Trial(wait_s=self._contact.delay(row.attempts, outcome))
        return Trial(recovered=self._contact.answered("up"))
