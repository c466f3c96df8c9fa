"""The local HTTP server: desk API, status page, metrics and health, for the office network and the box itself.

It listens on each configured address and waits for one that is not there yet. Callers are bounded in number, in what
they send and in how long they take, so no machine of the office can starve the daemon.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from edge import config
from edge.desk_keys import KeyRing
from edge.health import Health
from edge.web.access import Access, parse_listen
from edge.web.desk_api import ActionsLike, DeskApi, DeskLike
from edge.web.desk_events import DeskEvents, EventsLike
from edge.web.desk_lists import DeskLists, ListsLike
from edge.web.desk_scans import DeskScans, ScansLike
from edge.web.door import Door
from edge.web.gate import Gate
from edge.web.overview import Overview
from edge.web.page import Page
from edge.web.routes import Api, application

log = logging.getLogger("edge.web")

_http_log = log.getChild("http")

_STALLED_MS = 20_000  # a peer that takes nothing of an answer for this long is dropped by the kernel (tcp(7))


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers may take: seconds for a whole header, for a body, for taking news; open connections.

    Also the seconds between tries to listen, and for a listener between signs of life and between news.
    """

    header_s: float = 15.0
    body_s: float = 10.0
    slow_s: float = 10.0
    beat_s: float = 15.0
    pause_s: float = 0.2
    retry_s: float = 2.0
    connections: int = 128
    connections_each: int = 64


class RecordsLike(ActionsLike, ListsLike, EventsLike, Protocol):
    """The requests that are there: `edge.queue.records.Records`."""


class Server:
    """Serves until cancelled. `allow` are the networks that may call, beside loopback; `keys` the desk's secrets.
    `started` is set once one address is open; `api` is the desk API that it serves.

    ValueError when an address, a network or the time zone of the configuration cannot be used.
    """

    def __init__(
        self,
        settings: config.Web,
        *,
        allow: tuple[str, ...],
        desk: DeskLike,
        records: RecordsLike,
        scans: ScansLike,
        keys: KeyRing,
        overview: Callable[[], Awaitable[Overview]],
        metrics: Callable[[], Awaitable[bytes]],
        health: Health,
        village: config.Village,
        limits: Limits = Limits(),
    ) -> None:
        self._limits = limits
        self._listen = tuple(parse_listen(text) for text in settings.listen)
        self._access = Access(allow)
        self.api = Api(
            Gate(keys, calls_per_s=settings.calls_per_s, now=time.monotonic),
            DeskApi(desk, records, body_s=limits.body_s),
            DeskLists(records, body_s=limits.body_s),
            DeskScans(scans, body_s=limits.body_s),
            DeskEvents(records, slow_s=limits.slow_s, beat_s=limits.beat_s, pause_s=limits.pause_s),
        )
        self._page = Page(overview, timezone=village.timezone)
        self._metrics = metrics
        self._health = health
        self.started = asyncio.Event()
        self._sockets: dict[tuple[str, int], tuple[str, int]] = {}

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """The addresses and ports that are open now (port 0 of the configuration shows as the one that was given)."""
        return tuple(self._sockets.values())

    async def run(self) -> None:
        """Serve until cancelled; may be run again."""
        app = application(
            access=self._access, api=self.api, page=self._page, metrics=self._metrics, health=self._health
        )
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_http_log,
            handle_signals=False,
            shutdown_timeout=1.0,
            keepalive_timeout=self._limits.header_s,
            lingering_time=2.0,
            max_line_size=2_048,
            max_field_size=4_096,
            max_headers=64,
            auto_decompress=False,
        )
        await runner.setup()
        try:
            await self._serve(self._door(runner))
        finally:
            await runner.cleanup()

    def _door(self, runner: web.AppRunner) -> Door:
        handlers = runner.server
        if handlers is None:
            raise RuntimeError("the runner was not set up")
        return Door(handlers, most=self._limits.connections, most_each=self._limits.connections_each)

    async def _serve(self, door: Door) -> None:
        async with asyncio.TaskGroup() as group:
            for address in self._listen:
                group.create_task(self._serve_at(address, door))

    async def _serve_at(self, address: tuple[str, int], door: Door) -> None:
        server = await asyncio.get_running_loop().create_server(door.protocol, sock=await self._open(address))
        host, port = server.sockets[0].getsockname()[:2]
        self._sockets[address] = (host, port)
        self.started.set()
        try:
            await server.serve_forever()
        finally:
            del self._sockets[address]

    async def _open(self, address: tuple[str, int]) -> socket.socket:
        """A listening socket; an address that cannot be had is said once and tried until it can."""
        missing = False
        while True:
            try:
                listener = _bound(address)
            except OSError as error:
                if not missing:
                    log.warning(
                        "cannot listen on %s port %d yet (%s): trying again until it can", *address, error.strerror
                    )
                missing = True
                await asyncio.sleep(self._limits.retry_s)
            else:
                if missing:
                    log.info("listening on %s port %d", *address)
                return listener


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether an entry is a fault of ours: what a caller sends malformed may hold its key, and would fill the log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log.addFilter(_is_ours)


def _bound(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALLED_MS)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
