"""The forwarder: requests up and status down, side by side, until cancelled.

Theory of operation. `Sender` claims outbox rows, hands each to the sink and records what became of it; `Receiver` keeps
one long poll open and commits each page with its cursor. Both may die between any two steps: a row that was claimed is
claimed again at the next start, and the portal's contract gives a repeated call no second effect.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from edge.clock import Clock
from edge.config import Upstream
from edge.events import Announce
from edge.health import Health
from edge.queue.contact import Contact
from edge.queue.receiver import OnChange, Receiver
from edge.queue.sender import Sender
from edge.queue.sink import Sink
from edge.queue.store import outbox
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests

__all__ = ["Forwarder", "OnChange", "Status"]


@dataclass(frozen=True, slots=True)
class Status:
    """Rows that wait, the age of the oldest (s), dead letters, Unix time of the portal's last proper answer."""

    waiting: int
    oldest_age_s: float
    dead: int
    last_contact: float | None


class Forwarder:
    """Carries requests to the portal and status changes back, through `sink`."""

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
    ) -> None:
        self._store = store
        self._sink = sink
        self._clock = clock
        self._hurry = asyncio.Event()
        self._contact = Contact(settings, clock=clock, health=health)
        self._sender = Sender(
            store, requests, sink, settings, self._contact, clock=clock, announce=announce, health=health
        )
        self._receiver = Receiver(
            store, requests, sink, self._contact, clock=clock, announce=announce, on_change=on_change
        )

    async def run(self) -> None:
        """Forward until cancelled; a second run after a crash starts where the store says."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sender.run())
                group.create_task(self._receiver.run())
                group.create_task(self._hurry_on())
        finally:
            await self._sink.close()

    def retry_now(self) -> None:
        """An uplink recovered or traffic moved: give up what hangs, forget every wait, try again on new connections."""
        self._hurry.set()

    @property
    def status(self) -> Status:
        """The outbox as last looked at, without touching the database."""
        backlog = self._sender.backlog
        age = 0.0 if backlog.oldest is None else max(0.0, self._clock.wall() - backlog.oldest)
        return Status(backlog.waiting, age, backlog.dead, self._contact.last)

    async def _hurry_on(self) -> None:
        while True:
            await self._hurry.wait()
            self._hurry.clear()
            self._contact.hurry()
            await self._sink.refresh()
            await self._store.write(outbox.hurry, draining=True)
            self._sender.wake()
