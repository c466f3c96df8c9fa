"""GET /v1/events: every change of a request's state as it happens, as server-sent events (WHATWG HTML, 9.2).

The id of an event is the number of its transition in the store, so a listener that comes back with Last-Event-ID misses
nothing: each reads from the store at its own pace, and nothing is kept in memory for a slow one, which is dropped.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Protocol

import msgspec
from aiohttp import web

from edge.queue.store.database import StoreError
from edge.queue.store.transitions import Transition
from edge.web import answers
from edge.web.problem import Problem

_BATCH = 100
_ID = re.compile(r"[0-9]{1,18}")


class EventsLike(Protocol):
    """What the API reads of `edge.queue.records.Records`."""

    async def after(self, seq: int, *, limit: int) -> list[Transition]:
        """The transitions after `seq`."""
        ...

    async def span(self) -> tuple[int, int]:
        """The first and the last that are kept."""
        ...

    def watch(self, callback: Callable[[], None]) -> None:
        """Call `callback` when there is news."""
        ...


class DeskEvents:
    """The handler for at most `most` listeners; one that takes nothing for `slow_s` seconds is dropped.

    A comment goes every `beat_s`, news at most every `pause_s`, and a stream ends after `long_s`: the listener comes
    back, with a key that is still valid.
    """

    def __init__(
        self,
        events: EventsLike,
        *,
        most: int = 16,
        slow_s: float,
        beat_s: float,
        pause_s: float,
        long_s: float = 3_600.0,
    ) -> None:
        self._events = events
        self._most = most
        self._slow_s = slow_s
        self._beat_s = beat_s
        self._pause_s = pause_s
        self._long_s = long_s
        self._news: set[asyncio.Event] = set()
        events.watch(self._wake)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/events: the events after Last-Event-ID, without it from now on."""
        last = request.headers.get("Last-Event-ID", "")
        if last and not _ID.fullmatch(last):
            raise Problem("event-id")
        if len(self._news) >= self._most:
            raise Problem("too-many-listeners", headers={"Retry-After": "30"})
        news = asyncio.Event()
        self._news.add(news)
        try:
            return await self._stream(request, last, news)
        finally:
            self._news.discard(news)

    async def _stream(self, request: web.Request, last: str, news: asyncio.Event) -> web.StreamResponse:
        first, newest = await self._events.span()
        seq = int(last) if last else newest
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            if not first - 1 <= seq <= newest:
                # Another store, or so long ago that it is erased: whoever listens must ask for the lists anew.
                seq = newest
                await self._write(response, f"event: reset\nid: {newest}\ndata: {{}}\n\n")
            async with asyncio.timeout(self._long_s):
                while True:
                    seq = await self._send_news(response, seq, news)
        except (TimeoutError, ConnectionError, StoreError):  # it was begun: no other answer can follow
            response.force_close()
        return response

    async def _send_news(self, response: web.StreamResponse, seq: int, news: asyncio.Event) -> int:
        """Send what is new, or a sign of life when there is nothing for a while; the last that was sent."""
        news.clear()
        found = await self._events.after(seq, limit=_BATCH)
        if found:
            await self._write(response, "".join(map(_event, found)))
            await asyncio.sleep(self._pause_s)
            return found[-1].seq
        try:
            async with asyncio.timeout(self._beat_s):
                await news.wait()
        except TimeoutError:
            await self._write(response, ":\n\n")
        return seq

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(self._slow_s):
            await response.write(text.encode())

    def _wake(self) -> None:
        for news in self._news:
            news.set()


def _event(transition: Transition) -> str:
    """One event: its data is the transition as the lists show it."""
    data = msgspec.json.encode(answers.step(transition)).decode()
    return f"event: state\nid: {transition.seq}\ndata: {data}\n\n"
