"""A portal that lies, call by call, by a seed: answers lost before and after the effect, errors, disorder."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from edge.simulator.portal_words import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HANG_MOST_S = 60.0
_CAPTIVE = "<!doctype html><title>WiFi</title><h1>Silakan masuk</h1>"
# What each call can meet, by the name of its handler; "after" lies let the call have its effect first.
_ANYWHERE = ("error_before", "cut_before", "hang_before", "captive", "busy", "slow", "error_200")
_AFTER = ("error_after", "cut_after", "hang_after", "error_200_after", "empty_after", "text_after")
LIES: dict[str, tuple[str, ...]] = {
    "put_request": (*_ANYWHERE, *_AFTER, "refuse_resend"),
    "post_events": (*_ANYWHERE, *_AFTER, "wrong_results"),
    "put_blob": (*_ANYWHERE, *_AFTER, "forget_blob", "wrong_received"),
    "post_heartbeat": (*_ANYWHERE, "error_after", "cut_after", "hang_after"),
    "get_changes": (*_ANYWHERE, "cut_after", "repeat", "shuffle", "too_old"),
    "get_snapshot": (*_ANYWHERE, "cut_after", "repeat", "shuffle"),
    "get_request": _ANYWHERE,
}


class Chaos:
    """Tells each call whether it meets a lie (with probability `rate`) and which one; `told` counts them."""

    def __init__(self, seed: int = 0, rate: float = 0.0, *, hang_s: float = _HANG_MOST_S) -> None:
        self.rate = rate
        self.hang_s = hang_s
        self.told: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 - a seed must give the same lies again

    @classmethod
    def parse(cls, text: str) -> Chaos:
        """From ``SEED:RATE``, RATE from 0 to 1. Raises ValueError."""
        seed, _, rate = text.partition(":")
        if not 0 <= float(rate) <= 1:
            raise ValueError(f"{text}: write SEED:RATE with a rate from 0 to 1, for example 7:0.3")
        return cls(int(seed), float(rate))

    def lie(self, name: str) -> str | None:
        """The lie for the next call of this name."""
        if self._random.random() >= self.rate:
            return None
        lie = self._random.choice(LIES[name])
        self.told[lie] += 1
        return lie

    async def play(self, lie: str | None, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a call with its lie."""
        if lie is None:
            return await handler(request)
        if (before := await self._before(lie, request)) is not None:
            return before
        response = await handler(request)
        if lie in ("hang_after", "cut_after"):
            return await self._hang(request) if lie == "hang_after" else cut(request)
        if response.status >= 300 or not isinstance(response, web.Response):
            return response
        return _after(lie, response, self._random)

    async def _before(self, lie: str, request: web.Request) -> web.StreamResponse | None:
        if lie == "slow":
            await asyncio.sleep(self._random.random() * min(1.0, self.hang_s))
        if lie == "hang_before":
            return await self._hang(request)
        if lie == "cut_before":
            return cut(request)
        return _instead(lie)

    async def _hang(self, request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(self.hang_s)
        return cut(request)


def captive() -> web.Response:
    """A provider's login page in place of an answer."""
    return web.Response(text=_CAPTIVE, content_type="text/html")


def cut(request: web.Request) -> web.Response:
    """Drop the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _instead(lie: str) -> web.Response | None:
    if lie == "captive":
        return captive()
    if lie == "error_before":
        return problem(500, "told to fail before the effect")
    if lie == "busy":
        return problem(503, "told to be busy", headers={"Retry-After": "1"})
    if lie == "too_old":
        return problem(410, "told that the cursor is too old")
    return web.json_response({"error": "database is locked"}) if lie == "error_200" else None


def _after(lie: str, response: web.Response, chance: random.Random) -> web.Response:
    if lie == "error_after":
        return problem(500, "told to fail after the effect")
    if lie == "error_200_after":
        return web.json_response({"error": "deadlock detected"})
    if lie == "empty_after":
        return web.Response(status=204)
    if lie == "text_after":
        return web.Response(status=response.status, text=response.text, content_type="text/plain")
    if lie == "refuse_resend" and response.status == 200:
        return problem(422, "told to refuse what is filed already")
    if lie in ("wrong_results", "repeat", "shuffle", "wrong_received") and response.status != 204:
        return _changed(lie, response, chance)
    return response


def _changed(lie: str, response: web.Response, chance: random.Random) -> web.Response:
    body: dict[str, Any] = json.loads(response.text or "{}")
    if lie == "wrong_results":
        results = [one for one in body["results"] if chance.random() < 0.7]
        stranger = {"id": "01900000-0000-7000-8000-000000000000", "status": "accepted"}
        body["results"] = chance.sample([*results, stranger], len(results) + 1)
    elif lie == "repeat":
        body["events"] = [event for event in body["events"] for _ in range(chance.randint(1, 3))]
    elif lie == "shuffle":
        chance.shuffle(body["events"])
    elif response.status == 202:
        body["received"] = chance.randint(0, body["received"])
    return web.json_response(body, status=response.status)
