"""The reference portal: the regency's side of ``docs/openapi.json`` over TLS, correct or as nasty as it is told to be.

It serves the demo, training and tests, and shares no code with the box. As a process of its own, for many villages,
killed and started again, or lying by a seed: `python -m edge.simulator.portal --help`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args

from aiohttp import web

from edge.simulator.portal_blobs import SIZE_MOST, Blobs, Mismatch
from edge.simulator.portal_body import Refused, read, read_json
from edge.simulator.portal_chaos import Chaos, captive, cut
from edge.simulator.portal_ledger import CursorTooOld, Event, Filed, Ledger, Replaced
from edge.simulator.portal_words import REPLACED, UUID7, problem, replaced, wrong_beat, wrong_request

__all__ = ["MODES", "REPLACED", "Filed", "Mode", "Portal", "Refusal", "problem"]

Refusal = Literal["400", "401", "403", "409", "422", "429", "500", "503"]
Mode = Literal["ok", "html200", "silent", "reset", "slow", "lose_answer"] | Refusal
MODES: tuple[str, ...] = (*("ok", "html200", "silent", "reset", "slow", "lose_answer"), *get_args(Refusal))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BATCH_MOST = 50
_BODY_MOST = 256 << 10
_PIECE_MOST = 1 << 20
_BEAT_MOST = 16 << 10
_SNAPSHOT_MOST = 500
_WAIT_MOST_S = 60
_POLLS_MOST = 4
_CALLS_MOST = 100_000
_RANGE = re.compile(r"bytes (?:(\d{1,12})-(\d{1,12})|\*)/(\d{1,12})")
_SHA = re.compile(r"[0-9a-f]{64}")


class Portal:
    """The portal of `village` with its bearer `key`, and of all `villages` (code -> key, "" for certificates only).

    `mode` is the fault it shows to every call, `slow_s` the delay of mode slow; `chaos` lies now and then. `database`
    keeps everything when the portal is killed. Beyond `most` calls at once, long polls aside, it says to come later.
    `poison` maps ids of requests and events to the status that their call gets, as a whole; `verdicts` those of events
    to the status of the problem they alone are rejected with.
    """

    def __init__(
        self,
        *,
        key: str = "",
        village: str = "",
        villages: Mapping[str, str] | None = None,
        database: Path | None = None,
        chaos: Chaos | None = None,
        epochs: bool = True,
        gzip: bool = True,
        most: int = 256,
    ) -> None:
        self.mode: Mode = "ok"
        self.slow_s = 1.0
        self.chaos = chaos or Chaos()
        self.epochs, self.gzip, self.most = epochs, gzip, most
        self.poison: dict[str, int] = {}
        self.verdicts: dict[str, int] = {}
        self.calls: Counter[str] = Counter()
        self.busy = 0
        self.busiest = 0
        self.turned_away = 0
        keys = {**({village: key} if village else {}), **(villages or {})}
        self._speakers = {_digest(f"Bearer {key}"): code for code, key in keys.items() if key}
        self.ledger: Ledger = Ledger(tuple(keys), database)
        self.blobs: Blobs = Blobs(self.ledger)
        self._news = {code: asyncio.Event() for code in keys}
        self._polls: Counter[str] = Counter()
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
        filed = self.ledger.get(identifier)
        self.ring(filed.village if filed else None)

    def ring(self, village: str | None = None) -> None:
        """Wake the long polls of a village, or all."""
        for code in [village] if village else list(self._news):
            self._news[code].set()
            self._news[code] = asyncio.Event()

    async def start(self, sock: socket.socket, ssl_context: ssl.SSLContext) -> None:
        """Serve on a bound socket."""
        app = web.Application(middlewares=[self._misbehave, self._authorise, self._admit, self._lie])
        app.add_routes(
            [
                web.put("/v1/requests/{id}", self._put_request, name="put_request"),
                web.get("/v1/requests/{id}", self._get_request, name="get_request", allow_head=False),
                web.post("/v1/villages/{code}/events", self._post_events, name="post_events"),
                web.get("/v1/villages/{code}/changes", self._get_changes, name="get_changes", allow_head=False),
                web.get("/v1/villages/{code}/snapshot", self._get_snapshot, name="get_snapshot", allow_head=False),
                web.put("/v1/blobs/{sha256}", self._put_blob, name="put_blob"),
                web.post("/v1/villages/{code}/heartbeat", self._post_heartbeat, name="post_heartbeat"),
            ]
        )
        # A question for changes ends with its connection: a box that is killed again and again must not pile them up.
        self._runner = web.AppRunner(
            app, shutdown_timeout=0.1, access_log=None, auto_decompress=False, handler_cancellation=True
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=ssl_context, backlog=1_024).start()

    async def stop(self) -> None:
        """Stop serving; what was filed stays."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # ---- faults, keys and limits -----------------------------------------------------------------------------------

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls[f"{request.method} {request.path if len(self.calls) < _CALLS_MOST else _name(request)}"] += 1
        mode = self.mode
        if mode == "html200":
            return captive()
        if mode.isdigit():
            return problem(int(mode), f"told to answer {mode}")
        if mode == "silent":
            await asyncio.Event().wait()
        if mode == "reset":
            return cut(request)
        response = await handler(request)
        return cut(request) if mode == "lose_answer" else response

    @web.middleware
    async def _authorise(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        village = self._speaker(request)
        if village is None:
            return problem(401, "the key is not right", headers={"WWW-Authenticate": "Bearer"})
        if request.match_info.get("code", village) != village:
            return problem(403, "this key does not speak for that village")
        epoch = request.headers.get("Kampung-Epoch")
        if epoch is not None and not (epoch.isascii() and epoch.isdigit() and len(epoch) <= 15):
            return problem(400, "Kampung-Epoch is no whole number")
        if self.epochs and epoch is not None and int(epoch) < self.ledger.newest(village):
            return replaced()
        try:
            return await handler(request)
        except Refused as refused:
            return refused.answer
        except web.HTTPException as error:
            return problem(error.status, error.reason)

    def _speaker(self, request: web.Request) -> str | None:
        """The village that calls: by its key, else by its certificate's common name."""
        given = request.headers.get("Authorization")
        if given is None:
            found = _common_name(request)
            return found if found in self._news else None
        return self._speakers.get(_digest(given))

    def _of(self, request: web.Request) -> str:
        """The village that calls, behind `_authorise`."""
        return self._speaker(request) or ""

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if _name(request) == "get_changes":
            return await handler(request)
        if self.busy >= self.most:
            self.turned_away += 1
            return problem(503, "too many calls at once", headers={"Retry-After": "2"})
        with self._counted():
            return await handler(request)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            yield
        finally:
            self.busy -= 1

    @web.middleware
    async def _lie(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.mode == "slow":
            await asyncio.sleep(self.slow_s)
        lie = self.chaos.lie(_name(request))
        if lie == "forget_blob":
            self.blobs.forget(self._of(request), request.match_info["sha256"])
        return await self.chaos.play(lie, request, handler)

    # ---- the contract ----------------------------------------------------------------------------------------------

    async def _put_request(self, request: web.Request) -> web.StreamResponse:
        identifier, village = request.match_info["id"], self._of(request)
        if request.headers.get("If-None-Match") != "*":
            return problem(400, "If-None-Match: * is needed")
        if not UUID7.fullmatch(identifier):
            return problem(400, "the id is not a UUID version 7")
        content = await read_json(request, _BODY_MOST, "application/json", gzip=self.gzip)
        if not isinstance(content, dict):
            return problem(400, "the body is not a JSON object")
        if content.get("village") != village:
            return problem(403, "the request is for another village")
        if identifier in self.poison:
            return problem(self.poison[identifier], "told to choke on this request")
        if (wrong := wrong_request(identifier, content)) is not None:
            return problem(422, "the request is not complete", detail=wrong)
        if self._silent_before_enrolment(request):
            return replaced()
        outcome = self.ledger.put(identifier, content, village=village)
        if outcome in ("differs", "other"):
            return problem(409, "another request has this id")
        return self._shown(identifier, village, 201 if outcome == "created" else 200)

    async def _get_request(self, request: web.Request) -> web.StreamResponse:
        return self._shown(request.match_info["id"], self._of(request), 200)

    def _shown(self, identifier: str, village: str, status: int) -> web.Response:
        filed = self.ledger.get(identifier)
        if filed is None or filed.village != village:
            return problem(404, "no such request")
        shown = {"id": identifier, "state": filed.state, "version": filed.version}
        return web.json_response(shown, status=status, headers={"ETag": f'"{filed.version}"'})

    async def _post_events(self, request: web.Request) -> web.StreamResponse:
        village = self._of(request)
        events = await read_json(request, _BODY_MOST, "application/cloudevents-batch+json", gzip=self.gzip)
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            return problem(400, "the body is not a batch of events")
        if len(events) > _BATCH_MOST:
            return problem(413, f"a batch holds at most {_BATCH_MOST} events")
        newest = self.ledger.newest(village) if self.epochs else 0
        if any(isinstance(epoch := event.get("epoch", 0), int) and epoch < newest for event in events):
            return replaced()
        for event in events:
            if event.get("id") in self.poison:
                return problem(self.poison[event["id"]], "told to choke on one of these events")
        results = self.ledger.take_events(events, village=village, verdicts=self.verdicts)
        self.ring(village)
        return web.json_response({"results": results, "last_seq": self.ledger.last_seq(village)})

    async def _get_changes(self, request: web.Request) -> web.StreamResponse:
        village = self._of(request)
        if self._polls[village] >= _POLLS_MOST:
            return problem(429, "too many questions for changes are open", headers={"Retry-After": "5"})
        self._polls[village] += 1
        try:
            wait = min(int(request.query.get("wait", "0")), _WAIT_MOST_S)
            limit = min(max(int(request.query.get("limit", "50")), 1), 50)
            events, cursor = await self._page(village, request.query.get("after", ""), limit, wait)
        except CursorTooOld:
            return problem(410, "the cursor is too old: read the snapshot")
        except ValueError:
            return problem(400, "after, wait or limit is not readable")
        finally:
            self._polls[village] -= 1
        if not events:
            return web.Response(status=204)
        return web.json_response({"events": events, "cursor": cursor})

    async def _page(self, village: str, cursor: str, limit: int, wait: float) -> tuple[list[Event], str]:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            news = self._news[village]
            page = self.ledger.after(cursor, limit, village=village)
            left = deadline - asyncio.get_running_loop().time()
            if page[0] or left <= 0:
                return page
            try:
                await asyncio.wait_for(news.wait(), left)
            except TimeoutError:
                return page

    async def _get_snapshot(self, request: web.Request) -> web.StreamResponse:
        try:
            limit = min(max(int(request.query.get("limit", "200")), 1), _SNAPSHOT_MOST)
        except ValueError:
            return problem(400, "limit is not readable")
        after = request.query.get("after", "")
        events, cursor, more = self.ledger.snapshot(after, limit, village=self._of(request))
        return web.json_response({"events": events, "cursor": cursor, **({"next": more} if more else {})})

    async def _put_blob(self, request: web.Request) -> web.StreamResponse:
        digest, village = request.match_info["sha256"], self._of(request)
        if not _SHA.fullmatch(digest):
            return problem(400, "the name is not a SHA-256")
        body = await read(request, _PIECE_MOST, gzip=False)
        given = request.headers.get("Content-Range", f"bytes 0-{len(body) - 1}/{len(body)}")
        found = _RANGE.fullmatch(given)
        if found is None or (int(found[2]) - int(found[1]) + 1 if found[1] else 0) != len(body):
            return problem(400, "Content-Range does not fit the body")
        if not 0 < int(found[3]) <= SIZE_MOST:
            return problem(413, f"a blob holds from 1 to {SIZE_MOST} bytes")
        if self._silent_before_enrolment(request):
            return replaced()
        before = self.blobs.held(village, digest)
        if before is not None and before.whole:
            return web.json_response({"received": before.total}, status=200)
        if not found[1]:
            return web.json_response({"received": before.received if before else 0}, status=202)
        try:
            held = self.blobs.take(village, digest, int(found[1]), int(found[3]), body)
        except Mismatch:
            return problem(422, "the bytes do not have this SHA-256")
        return web.json_response({"received": held.received}, status=201 if held.whole else 202)

    async def _post_heartbeat(self, request: web.Request) -> web.StreamResponse:
        village = self._of(request)
        state = await read_json(request, _BEAT_MOST, "application/json", gzip=self.gzip)
        if (wrong := wrong_beat(state)) is not None:
            return problem(400, wrong)
        self.ledger.note_beat(village, state)
        if not self.epochs or state.get("installation") is None:
            return web.Response(status=204)
        try:
            return web.json_response(
                {"epoch": self.ledger.enrol(village, state["installation"], state.get("epoch", 0))}
            )
        except Replaced:
            return replaced()

    def _silent_before_enrolment(self, request: web.Request) -> bool:
        """Whether an installation without an epoch writes although another one has enrolled."""
        return self.epochs and "Kampung-Epoch" not in request.headers and self.ledger.newest(self._of(request)) > 0


def _digest(given: str) -> bytes:
    return hashlib.sha256(given.encode()).digest()


def _name(request: web.Request) -> str:
    return request.match_info.route.name or "unknown"


def _common_name(request: web.Request) -> str | None:
    certificate = request.get_extra_info("peercert")
    subject = certificate.get("subject", ()) if certificate else ()
    return next((value for part in subject for name, value in part if name == "commonName"), None)


if __name__ == "__main__":
    from edge.simulator.portal_alone import main

    sys.exit(main(sys.argv[1:]))
