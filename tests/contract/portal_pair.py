"""The HTTPS sink and the reference portal, joined by real TLS and nothing else."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import Upstream
from edge.queue.lane import Lane
from edge.queue.request import uuid7
from edge.queue.sink import Parcel
from edge.queue.sinks.https import HttpsSink
from edge.simulator import portal_tls
from edge.simulator.portal import Portal

CODE, KEY = "3510052001", "portal-key"
APPLICANT = {"nik": "3510152306089909", "kk": "", "name": "SITI AMINAH", "phone": "", "rt": None, "rw": None}


@dataclass
class Pair:
    portal: Portal
    sink: HttpsSink
    tls: portal_tls.Files
    port: int

    def settings(self, **more: Any) -> Upstream:
        return settings(self.port, self.tls, **more)

    async def file(self, number: int, epoch: int = 0) -> Parcel:
        """A request that the portal has."""
        parcel = request(number, epoch=epoch)
        await self.sink.deliver([parcel])
        return parcel


def settings(port: int, tls: portal_tls.Files, **more: Any) -> Upstream:
    quick = {"connect_timeout_s": 5, "read_timeout_s": 10, "wait_s": 1}
    return Upstream(**{"url": f"https://127.0.0.1:{port}", "ca_file": str(tls.ca), **quick, **more})


@asynccontextmanager
async def pair(
    directory: Path, *, clients: bool = False, read_timeout_s: float = 10, **options: Any
) -> AsyncIterator[Pair]:
    """A portal of one village (`options` are its own) and a sink with the right key."""
    tls = portal_tls.made(directory / "tls", ["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    portal = Portal(key=KEY, village=CODE, **options)
    await portal.start(listener, tls.server_context(clients=clients))
    sink = HttpsSink(settings(port, tls, read_timeout_s=read_timeout_s), code=CODE, key=KEY)
    try:
        yield Pair(portal, sink, tls, port)
    finally:
        await sink.close()
        await portal.stop()


def request(number: int, epoch: int = 0, **content: Any) -> Parcel:
    """A request that is right."""
    identifier = uuid7(1_790_000_000_000 + number, number)
    whole = {
        "id": identifier,
        "letter": "SKTM",
        "ticket": f"K{number}",
        "source": "sms",
        "applicant": APPLICANT,
        "created_at": "2026-11-22T00:00:00+00:00",
        **content,
    }
    event = uuid7(1_790_000_000_000 + number, number + 10_000)
    return Parcel(event, identifier, "request", Lane.REQUEST, number, 0.0, json.dumps(whole).encode(), epoch)


def event(number: int, about: Parcel | None, *, kind: str = "rt_answered", epoch: int = 0, **content: Any) -> Parcel:
    """An event about a request, or about none."""
    name = uuid7(1_790_000_000_000 + number, number + 20_000)
    subject = about.request if about else ""
    return Parcel(name, subject, kind, Lane.EVENT, number, 0.0, json.dumps(content).encode(), epoch)
