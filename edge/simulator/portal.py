"""The reference portal: the regency's side of ``docs/openapi.json`` over TLS, correct or as nasty as it is told to be.

It serves the demo, training and tests, and shares no code with the box. Alone, for tests that kill the box:
`python -m edge.simulator.portal --port N --dir DIR --control SOCKET`.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal, get_args

from aiohttp import web

from edge.simulator.portal_ledger import CursorTooOld, Filed, Ledger

Refusal = Literal["400", "401", "403", "409", "422", "429", "500", "503"]
Mode = Literal["ok", "html200", "silent", "reset", "slow", "lose_answer"] | Refusal
MODES: tuple[str, ...] = (*("ok", "html200", "silent", "reset", "slow", "lose_answer"), *get_args(Refusal))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CAPTIVE = "<!doctype html><title>WiFi</title><h1>Silakan masuk</h1>"
_BATCH_MOST = 50
_BODY_MOST = 256 << 10
_WAIT_MOST_S = 60
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RANGE = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})")
_APPLICANT = {"nik": str, "kk": str, "name": str, "phone": str}
_FIELDS = {"id": str, "village": str, "letter": str, "ticket": str, "source": str, "applicant": dict, "created_at": str}


class Portal:
    """One village's portal. `mode` is the fault it shows to every call; `slow_s` the delay of mode slow."""

    def __init__(self, *, key: str, village: str) -> None:
        self.mode: Mode = "ok"
        self.slow_s = 1.0
        self.calls: Counter[str] = Counter()
        self.ledger = Ledger(village)
        self._key = key
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def requests(self) -> dict[str, Filed]:
        """The requests filed, by id."""
        return self.ledger.requests

    @property
    def effects(self) -> Counter[str]:
        """How often each request id had an effect: once each is right."""
        return self.ledger.effects

    def complete(self, identifier: str) -> None:
        """The camat signed: the request is completed. KeyError for an unknown one."""
        self.change(identifier, "completed")

    def reject(self, identifier: str, why: str) -> None:
        """The kecamatan refuses the request."""
        self.change(identifier, "rejected", why)

    def change(self, identifier: str, state: str, why: str = "") -> None:
        """Any change of state, told to the box at once."""
        self.ledger.change(identifier, state, why)
        self.ring()

    def ring(self) -> None:
        """Wake every long poll."""
        self._news.set()
        self._news = asyncio.Event()

    async def start(self, sock: socket.socket, ssl_context: ssl.SSLContext) -> None:
        """Serve on a bound socket."""
        app = web.Application(client_max_size=_BODY_MOST, middlewares=[self._misbehave, self._authorise])
        app.add_routes(
            [
                web.put("/v1/requests/{id}", self._put_request),
                web.get("/v1/requests/{id}", self._get_request),
                web.post("/v1/villages/{code}/events", self._post_events),
                web.get("/v1/villages/{code}/changes", self._get_changes),
                web.get("/v1/villages/{code}/snapshot", self._get_snapshot),
                web.put("/v1/blobs/{sha256}", self._put_blob),
                web.post("/v1/villages/{code}/heartbeat", self._post_heartbeat),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=ssl_context).start()

    async def stop(self) -> None:
        """Stop serving; what was filed stays."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # ---- faults and the key --------------------------------------------------------------------------------------

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls[f"{request.method} {request.path}"] += 1
        mode = self.mode
        if mode == "html200":
            return web.Response(text=_CAPTIVE, content_type="text/html")
        if mode.isdigit():
            return problem(int(mode), f"told to answer {mode}")
        if mode == "silent":
            await asyncio.Event().wait()
        if mode == "reset":
            return _cut(request)
        if mode == "slow":
            await asyncio.sleep(self.slow_s)
        response = await handler(request)
        return _cut(request) if mode == "lose_answer" else response

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._key}".encode()):
            return problem(401, "the key is not right", headers={"WWW-Authenticate": "Bearer"})
        if request.match_info.get("code", self.ledger.village) != self.ledger.village:
            return problem(403, "this key does not speak for that village")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return problem(error.status, error.reason)

    # ---- the contract --------------------------------------------------------------------------------------------

    async def _put_request(self, request: web.Request) -> web.StreamResponse:
        identifier = request.match_info["id"]
        if request.headers.get("If-None-Match") != "*":
            return problem(400, "If-None-Match: * is needed")
        if not _UUID7.fullmatch(identifier):
            return problem(400, "the id is not a UUID version 7")
        content = await _json(request)
        if not isinstance(content, dict):
            return problem(400, "the body is not a JSON object")
        if content.get("village") != self.ledger.village:
            return problem(403, "the request is for another village")
        if (wrong := _wrong(identifier, content)) is not None:
            return problem(422, "the request is not complete", detail=wrong)
        outcome = self.ledger.put(identifier, content)
        if outcome == "differs":
            return problem(409, "another request has this id")
        return self._shown(identifier, 201 if outcome == "created" else 200)

    async def _get_request(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] not in self.ledger.requests:
            return problem(404, "no such request")
        return self._shown(request.match_info["id"], 200)

    def _shown(self, identifier: str, status: int) -> web.Response:
        filed = self.ledger.requests[identifier]
        shown = {"id": identifier, "state": filed.state, "version": filed.version}
        return web.json_response(shown, status=status, headers={"ETag": f'"{filed.version}"'})

    async def _post_events(self, request: web.Request) -> web.StreamResponse:
        events = await _json(request)
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            return problem(400, "the body is not a batch of events")
        if len(events) > _BATCH_MOST:
            return problem(413, f"a batch holds at most {_BATCH_MOST} events")
        results = [self.ledger.take_event(event) for event in events]
        self.ring()
        return web.json_response({"results": results, "last_seq": self.ledger.last_seq})

    async def _get_changes(self, request: web.Request) -> web.StreamResponse:
        try:
            wait = min(float(request.query.get("wait", "0")), _WAIT_MOST_S)
            limit = min(max(int(request.query.get("limit", "50")), 1), 50)
            page = await self._page(request.query.get("after", ""), limit, wait)
        except CursorTooOld:
            return problem(410, "the cursor is too old: read the snapshot")
        except ValueError:
            return problem(400, "after, wait or limit is not readable")
        if not page[0]:
            return web.Response(status=204)
        return web.json_response({"events": page[0], "cursor": page[1]})

    async def _page(self, cursor: str, limit: int, wait: float) -> tuple[list[dict[str, Any]], str]:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            news = self._news
            page = self.ledger.after(cursor, limit)
            left = deadline - asyncio.get_running_loop().time()
            if page[0] or left <= 0:
                return page
            try:
                await asyncio.wait_for(news.wait(), left)
            except TimeoutError:
                return page

    async def _get_snapshot(self, _request: web.Request) -> web.StreamResponse:
        events, cursor = self.ledger.snapshot()
        return web.json_response({"events": events, "cursor": cursor})

    async def _put_blob(self, request: web.Request) -> web.StreamResponse:
        digest = request.match_info["sha256"]
        body = await request.read()
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return problem(400, "the name is not a SHA-256")
        if self.ledger.whole(digest):
            return web.json_response({"received": self.ledger.blobs[digest].total}, status=200)
        given = request.headers.get("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
        found = _RANGE.fullmatch(given)
        if found is None or int(found[2]) - int(found[1]) + 1 != len(body):
            return problem(400, "Content-Range does not fit the body")
        try:
            whole, received = self.ledger.take_range(digest, int(found[1]), int(found[3]), body)
        except ValueError as error:
            return problem(422, str(error))
        return web.json_response({"received": received}, status=201 if whole else 202)

    async def _post_heartbeat(self, _request: web.Request) -> web.StreamResponse:
        self.ledger.heartbeats += 1
        return web.Response(status=204)


def problem(status: int, title: str, *, detail: str = "", headers: dict[str, str] | None = None) -> web.Response:
    """An RFC 9457 problem."""
    body = {"type": "about:blank", "title": title, "status": status, **({"detail": detail} if detail else {})}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


def _wrong(identifier: str, content: dict[str, Any]) -> str | None:
    for name, kind in _FIELDS.items():
        if not isinstance(content.get(name), kind):
            return f"{name} is missing or of a wrong type"
    for name, kind in _APPLICANT.items():
        if not isinstance(content["applicant"].get(name), kind):
            return f"applicant.{name} is missing or of a wrong type"
    return None if content["id"] == identifier else "id differs from the path"


async def _json(request: web.Request) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError:
        return None


def _cut(request: web.Request) -> web.Response:
    """Drop the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


if __name__ == "__main__":
    from edge.simulator.portal_alone import main

    sys.exit(asyncio.run(main(sys.argv[1:])))
