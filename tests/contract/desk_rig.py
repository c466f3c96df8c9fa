"""The desk API on a real store, with records and scans: the whole of edge.web over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from edge.clock import SystemClock
from edge.desk_keys import KeyRing
from edge.queue.attachments import Attachments
from edge.queue.desk import Desk
from edge.queue.records import Records
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters
from edge.web.problem import KINDS
from edge.web.server import Limits
from tests.unit.web.serving import BODY, KEY, USUAL, running

HEADERS = {"Authorization": f"Bearer {KEY}"}


@dataclass
class Counter:
    """The office's program at the counter: speaks to one box."""

    url: str
    session: aiohttp.ClientSession
    store: Store
    requests: Requests
    scans: Attachments

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **given: Any
    ) -> tuple[aiohttp.ClientResponse, Any]:
        """The answer and its JSON, None when there is none."""
        sent = {**HEADERS, **(headers or {})}
        async with self.session.request(method, self.url + path, headers=sent, **given) as answer:
            content = await answer.read()
            return answer, await answer.json(content_type=None) if content else None

    async def file(self, key: str, **fields: object) -> dict[str, Any]:
        """A request that is filed."""
        answer, made = await self.call(
            "POST", "/v1/requests", json={**BODY, **fields}, headers={"Idempotency-Key": key}
        )
        assert answer.status == 202, made
        document: dict[str, Any] = made
        return document

    async def move(self, identifier: str, *states: str, by: str = "portal") -> None:
        """Let the portal (or a part of the box) change a request's state."""
        for state in states:
            move = partial(self.requests.move, identifier=identifier, state=state, by=by, now=SystemClock().wall())
            await self.store.write(move)


_BLANK: list[bytes] = []


async def _blank(directory: Path) -> bytes:
    """An empty store of this version; made once, since bringing it up to date takes a process of its own."""
    if not _BLANK:
        store = await Store.open(directory / "blank.db", max_mbyte=64, group_commit_ms=2)
        await store.close()
        _BLANK.append((directory / "blank.db").read_bytes())
    return _BLANK[0]


@asynccontextmanager
async def counter(
    directory: Path, *, keys: KeyRing | None = None, limits: Limits = USUAL, calls_per_s: int = 1_000
) -> AsyncIterator[Counter]:
    """A box that serves, and somebody who calls it."""
    (directory / "box.db").write_bytes(await _blank(directory))
    store = await Store.open(directory / "box.db", max_mbyte=64, group_commit_ms=2)
    requests = Requests(Seal(bytes(range(32))))
    clock = SystemClock()
    scans = Attachments(store, requests.seal, directory / "attachments", max_mbyte=64, clock=clock)
    try:
        async with (
            running(
                desk=Desk(store, requests, missing=letters.missing, clock=clock, announce=lambda _: None),
                records=Records(store, requests, clock=clock),
                scans=scans,
                keys=keys,
                limits=limits,
                calls_per_s=calls_per_s,
            ) as server,
            aiohttp.ClientSession() as session,
        ):
            yield Counter(server.url, session, store, requests, scans)
    finally:
        await store.close()


def refused(answered: tuple[aiohttp.ClientResponse, Any], code: str) -> dict[str, Any]:
    """The problem document of an answer that refuses with `code`."""
    answer, body = answered
    assert (answer.status, body["type"]) == (KINDS[code].status, f"urn:kampung-edge:problem:{code}")
    document: dict[str, Any] = body
    return document
