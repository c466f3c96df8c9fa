"""The forwarder: requests up and status down, side by side, until cancelled.

Theory of operation. `Heartbeat` enrols this installation and says that it lives; `Sender` claims outbox rows, hands
them to the sink and records what became of them; `Carrier` does so with scans, after everything else; `Receiver` keeps
one long poll open and commits each page with its cursor. Each may die between any two steps: a row that was claimed is
claimed again at the next start, and the contract gives a repeated call no second effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.clock import Clock
from edge.config import Upstream
from edge.events import Announce
from edge.health import Health
from edge.queue.breaker import State
from edge.queue.carrier import Attachments, Carrier
from edge.queue.contact import Contact, Way
from edge.queue.enrolment import Enrolment
from edge.queue.heartbeat import Heartbeat
from edge.queue.lane import Lane
from edge.queue.receiver import OnChange, Receiver
from edge.queue.sender import Sender
from edge.queue.settlement import Settlement
from edge.queue.sink import Certificate, Sink
from edge.queue.store import outbox
from edge.queue.store.database import Store, StoreError
from edge.queue.store.outbox_view import Depth
from edge.queue.store.requests import Requests

__all__ = ["Forwarder", "OnChange", "Status", "Way"]

_REFUSED_REST_S = 10.0


@dataclass(frozen=True, slots=True)
class Status:
    """Rows that wait, the age of the oldest (s), dead letters, Unix time of the upstream's last proper answer.

    `depths` are rows and bytes by lane and state, `next_try_s` the seconds until the next row is due (None: none waits
    for a time), `breaker` the state of the present uplink's way, `epoch` what the upstream calls this installation,
    `refused` why it refuses this box itself ("": it does not).
    """

    waiting: int
    oldest_age_s: float
    dead: int
    last_contact: float | None
    depths: Mapping[tuple[Lane, str], Depth] = field(default_factory=dict)
    bytes: int = 0
    next_try_s: float | None = None
    breaker: State = "closed"
    uplink: str | None = None
    epoch: int = 0
    last_beat: float | None = None
    certificates: tuple[Certificate, ...] = ()
    refused: str = ""


class Forwarder:
    """Carries requests to the upstream and status changes back, through `sink`.

    `way()` tells how it is reached now, `state()` what a heartbeat says of the village; `attachments` keeps the scans.
    """

    def __init__(
        self,
        store: Store,
        requests: Requests,
        sink: Sink,
        settings: Upstream,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
        on_change: OnChange,
        way: Callable[[], Way] = Way,
        state: Callable[[], Mapping[str, Any]] = dict,
        attachments: Attachments | None = None,
    ) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._hurry = asyncio.Event()
        contact = self._contact = Contact(settings, clock=clock, health=health, way=way)
        self._enrolment = enrolment = Enrolment(store)
        settlement = Settlement(requests, settings, contact.delay)
        self._heartbeat = Heartbeat(sink, settings, contact, enrolment, state, clock=clock, health=health)
        self._sender = Sender(
            store, requests, sink, settings, contact, enrolment, clock=clock, announce=announce, health=health
        )
        self._receiver = Receiver(
            *(store, requests, sink, contact, settlement),
            clock=clock,
            announce=announce,
            on_change=on_change,
            confirmed=self._sender.wake,
        )
        self._carrier = attachments and Carrier(
            *(store, requests.seal, sink, settings, contact, enrolment, settlement, attachments, self._sender),
            clock=clock,
            announce=announce,
        )

    async def run(self) -> None:
        """Forward until cancelled; a second run after a crash starts where the store says."""
        try:
            await self._enrol()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._heartbeat.run())
                group.create_task(self._sender.run())
                group.create_task(self._receive())
                group.create_task(self._hurry_on())
                if self._carrier:
                    group.create_task(self._carrier.run())
        finally:
            await self._sink.close()

    async def _receive(self) -> None:
        """A box that was replaced meanwhile hears so first: the changes are for its successor."""
        await self._heartbeat.tried.wait()
        await self._receiver.run()

    async def _enrol(self) -> None:
        while True:
            try:
                await self._enrolment.load()
            except StoreError:  # the store has told its own condition
                await asyncio.sleep(_REFUSED_REST_S)
            else:
                return

    def retry_now(self) -> None:
        """An uplink recovered or traffic moved: give up what hangs, forget every wait, try again on new connections."""
        self._hurry.set()

    def wake(self) -> None:
        """Somebody changed a row of the outbox by hand."""
        self._sender.wake()
        if self._carrier:
            self._carrier.wake()

    def changed(self) -> None:
        """Something of importance changed in the village: let the next heartbeat come soon."""
        self._heartbeat.soon()
        if self._carrier:
            self._carrier.wake()

    @property
    def enrolled(self) -> bool:
        """Whether the upstream knows this installation."""
        return self._enrolment.done.is_set()

    @property
    def status(self) -> Status:
        """The outbox as last looked at, without touching the database."""
        backlog, now = self._sender.backlog, self._clock.wall()
        return Status(
            waiting=backlog.waiting,
            oldest_age_s=0.0 if backlog.oldest is None else max(0.0, now - backlog.oldest),
            dead=backlog.dead,
            last_contact=self._contact.last,
            depths=backlog.depths,
            bytes=backlog.bytes,
            next_try_s=None if backlog.next_try is None else max(0.0, backlog.next_try - now),
            breaker=self._contact.state,
            uplink=self._contact.way.uplink,
            epoch=self._enrolment.epoch,
            last_beat=self._heartbeat.last,
            certificates=self._sink.certificates(),
            refused=self._contact.refusal,
        )

    async def _hurry_on(self) -> None:
        while True:
            await self._hurry.wait()
            self._hurry.clear()
            self._contact.hurry(self._sender.backlog.waiting)
            await self._sink.refresh()
            try:
                await self._store.write(outbox.hurry, draining=True)
            except StoreError:  # the waits are short enough to do without
                continue
            finally:
                self.wake()
