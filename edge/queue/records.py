"""What the desk may look up and do with requests that are there: lists, a person's requests, what became of one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

from edge.clock import Clock
from edge.queue import lifecycle
from edge.queue.request import Request
from edge.queue.sink import scrub
from edge.queue.store import transitions
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.transitions import Transition


class Records:
    """The requests in `store`, for the desk."""

    def __init__(self, store: Store, requests: Requests, *, clock: Clock) -> None:
        self._store = store
        self._requests = requests
        self._clock = clock

    async def page(self, *, state: str = "", letter: str = "", before: str = "", limit: int) -> list[Request]:
        """Requests older than the id `before`, the newest first."""
        return await self._store.read(
            lambda conn: self._requests.page(conn, state=state, letter=letter, before=before, limit=limit)
        )

    async def by_ticket(self, ticket: str) -> Request | None:
        """The request with this ticket in its canonical form, or None."""
        return await self._store.read(lambda conn: self._requests.by_ticket(conn, ticket))

    async def by_nik(self, nik: str, *, limit: int) -> list[Request]:
        """The requests for a person, the newest first; found by the keyed hash of the NIK."""
        return await self._store.read(lambda conn: self._requests.by_nik(conn, nik, limit=limit))

    async def transitions(self, identifier: str) -> list[Transition] | None:
        """What became of a request, the oldest first, or None; `why` without the person's data."""
        return await self._store.read(lambda conn: self._transitions(conn, identifier))

    async def after(self, seq: int, *, limit: int) -> list[Transition]:
        """What became of any request after the transition `seq`; `why` is left out."""
        return await self._store.read(lambda conn: transitions.after(conn, seq, limit=limit))

    async def span(self) -> tuple[int, int]:
        """The first and the last transition that are kept; (1, 0) when there is none."""
        return await self._store.read(transitions.span)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every commit with a transition."""
        self._store.watch("transition", callback)

    async def cancel(self, identifier: str) -> tuple[Request, bool] | None:
        """Cancel a request, or ask the portal to; the request and whether it is cancelled. None: no such request.

        Doing it again changes nothing. Raises `lifecycle.IllegalTransition` when it is closed otherwise.
        """
        return await self._store.write(lambda conn: self._cancel(conn, identifier))

    async def hand_out(self, identifier: str) -> Request | None:
        """The letter was handed out: *completed* becomes *collected*. None: no such request.

        Doing it again changes nothing. Raises `lifecycle.IllegalTransition` when it is not completed.
        """
        return await self._store.write(lambda conn: self._hand_out(conn, identifier))

    def _transitions(self, conn: sqlite3.Connection, identifier: str) -> list[Transition] | None:
        request = self._requests.get(conn, identifier)
        if request is None:
            return None
        personal = (request.nik, request.kk, request.name, request.phone, *request.name.split())
        found = transitions.of_request(conn, self._requests.seal, identifier)
        return [replace(transition, why=scrub(transition.why, personal)) for transition in found]

    def _cancel(self, conn: sqlite3.Connection, identifier: str) -> tuple[Request, bool] | None:
        request = self._requests.get(conn, identifier)
        if request is None:
            return None
        if request.state == "cancelled":
            return request, True
        done = self._requests.cancel(conn, identifier, by="desk", now=self._clock.wall())
        return self._requests.get(conn, identifier) or request, done == "cancelled"

    def _hand_out(self, conn: sqlite3.Connection, identifier: str) -> Request | None:
        request = self._requests.get(conn, identifier)
        if request is None or request.state == "collected":
            return request
        lifecycle.check(request.state, "collected", by="desk")
        return self._requests.move(conn, identifier, "collected", by="desk", now=self._clock.wall())
