"""The office's desks: programs that file requests, one after another each, and remember what they were promised.

A promise is an answer of 202, kept from the moment it is read. A desk that hears nothing does as docs/api.md says: once
the box answers again it files the same request with the same Idempotency-Key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import aiohttp

from bench.power import until

Body = dict[str, Any]
_PATIENCE = aiohttp.ClientTimeout(total=60)
_AGAIN_S = 0.25
_SINCE_MOST_S = 900.0
_LOAD_MOST_S = 1_200.0
# Busy answers: the box did not judge the call, and it is to be sent again (docs/api.md).
_BUSY = (429, 503)
_WAIT_MOST_S = 60.0
# What a GET must show as the 202 did; state and version go on as the request is forwarded.
_STANDS = ("id", "ticket", "letter", "source", "person", "missing", "created_at")


@dataclass(frozen=True, slots=True)
class Promise:
    """What the box said it has: the key and body that were sent, and its answer."""

    key: str
    body: Body
    answer: Body


@dataclass
class Desks:
    """All desks of one box at `url`, with the desk key. While `lied_to`, promises are void."""

    url: str
    key: str
    promised: dict[str, Promise] = field(default_factory=dict)
    doubtful: dict[str, Body] = field(default_factory=dict)
    void: dict[str, Promise] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    refused: int = 0
    lied_to: bool = False
    filed: int = 0
    _fresh: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, desks: int) -> AsyncIterator[None]:
        """So many desks file one request after another; the block must cut the power, for that alone ends them."""
        async with self._session() as session, asyncio.timeout(_LOAD_MOST_S), asyncio.TaskGroup() as group:
            for _ in range(desks):
                group.create_task(self._work(session))
            yield

    async def until_promised(self, number: int) -> None:
        """Wait for so many more promises."""
        wanted = len(self.promised) + number
        await until(lambda: len(self.promised) >= wanted, within_s=_SINCE_MOST_S)

    async def until_silent(self, for_s: float) -> None:
        """Wait until no promise came for so long: what had been answered has arrived."""
        async with asyncio.timeout(_SINCE_MOST_S):
            seen = -1
            while seen != len(self.promised):
                seen = len(self.promised)
                await asyncio.sleep(for_s)

    async def ready(self) -> list[str]:
        """Wait until the box answers; what its health then says of the store, by code."""
        async with self._session() as session, asyncio.timeout(_SINCE_MOST_S):
            while True:
                try:
                    async with session.get("/healthz") as answer:
                        said = await answer.json()
                    return [raised["code"] for raised in said["conditions"] if raised["code"].startswith("store-")]
                except (aiohttp.ClientError, TimeoutError, OSError):
                    await asyncio.sleep(0.2)

    async def file_again(self) -> None:
        """Every request without an answer, or with a void one, with its own key; all must be taken."""
        waiting = self.doubtful | {key: promise.body for key, promise in self.void.items()}
        self.doubtful, self.void = {}, {}
        async with self._session() as session:
            for key, body in waiting.items():
                async with asyncio.timeout(_SINCE_MOST_S):
                    await self._insist(session, key, body)

    async def broken(self, *, everything: bool) -> dict[str, list[str]]:
        """Ask for what was promised since this was last asked, or for everything: ids that are lost, or differ."""
        asked, self._fresh = list(self.promised) if everything else self._fresh, []
        broken: dict[str, list[str]] = {"lost": [], "differ": []}
        async with self._session() as session, asyncio.timeout(_SINCE_MOST_S):
            for identifier in asked:
                await self._compare(session, identifier, broken)
        return broken

    async def _compare(self, session: aiohttp.ClientSession, identifier: str, broken: dict[str, list[str]]) -> None:
        promise = self.promised[identifier]
        status, said = await _shown(session, promise)
        if status != HTTPStatus.OK:
            self.lost.add(identifier)
            broken["lost"].append(f"{identifier} ({promise.key}): {status}")
        elif any(said[name] != promise.answer[name] for name in _STANDS):
            broken["differ"].append(f"{identifier} ({promise.key}): {said}")

    async def gone(self, promises: dict[str, Promise]) -> int:
        """How many void promises the box knows nothing of."""
        async with self._session() as session, asyncio.timeout(_SINCE_MOST_S):
            shown = [await _shown(session, promise) for promise in promises.values()]
        return sum(status == HTTPStatus.NOT_FOUND for status, _ in shown)

    def _session(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"Bearer {self.key}"}
        return aiohttp.ClientSession(self.url, headers=headers, timeout=_PATIENCE)

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            self.filed += 1
            key, body = _request(self.filed)
            try:
                await self._insist(session, key, body)
            except (aiohttp.ClientError, TimeoutError, OSError):
                return

    async def _insist(self, session: aiohttp.ClientSession, key: str, body: Body) -> None:
        """File until it is taken; while the box is busy wait as long as it says."""
        while True:
            wait_s = await self._file(session, key, body)
            if wait_s is None:
                return
            await asyncio.sleep(wait_s)

    async def _file(self, session: aiohttp.ClientSession, key: str, body: Body) -> float | None:
        """File once: None when it is taken, else how long to wait (seconds).

        Until it is answered 202 the request is in doubt, also when the task is cancelled meanwhile.
        """
        self.doubtful[key] = body
        async with session.post("/v1/requests", json=body, headers={"Idempotency-Key": key}) as answer:
            said = await answer.json(content_type=None)
            status = answer.status
            wait_s = _wait_s(answer)
        if status in _BUSY:
            self.refused += 1
            return wait_s
        if status != 202:
            raise RuntimeError(f"the desk was answered {status}: {said}")
        del self.doubtful[key]
        promise = Promise(key, body, said)
        if self.lied_to:
            self.void[key] = promise
        else:
            self.promised[said["id"]] = promise
            self._fresh.append(said["id"])
        return None


def _request(number: int) -> tuple[str, Body]:
    """A key and a request that no other is like; both tell the number."""
    body = {
        "letter": ("SKTM", "DOMISILI", "SKCK")[number % 3],
        "nik": f"35100645089{number % 90_000 + 10_000:05}",
        "name": f"SITI {chr(65 + number % 26)}MINAH",
        "phone": f"+62812{number:08}",
        "purpose": f"pemadaman {number}",
    }
    return f"powercut-{number}", body


async def _shown(session: aiohttp.ClientSession, promise: Promise) -> tuple[int, Body]:
    """What the box answers when asked for a promise; that it is too busy to look says nothing about it."""
    while True:
        async with session.get(f"/v1/requests/{promise.answer['id']}") as answer:
            said = await answer.json(content_type=None)
        if answer.status not in _BUSY:
            return answer.status, said
        await asyncio.sleep(_wait_s(answer))


def _wait_s(answer: aiohttp.ClientResponse) -> float:
    """Seconds until a busy box may be asked again (Retry-After, RFC 9110, 10.2.3)."""
    given = answer.headers.get("Retry-After", "")
    return min(float(given), _WAIT_MOST_S) if given.isdecimal() else _AGAIN_S
