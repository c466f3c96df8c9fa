"""The far end of every kind of sink behind one face: a portal, a broker with its regency, an OpenDK."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from edge.config import Upstream
from edge.queue.lane import Lane
from edge.queue.request import uuid7
from edge.queue.sink import KINDS, Parcel, Sink
from edge.simulator import portal_tls
from edge.simulator.opendk import OpenDk
from edge.simulator.portal import Portal
from tests.contract.nats_server import PASSWORD, NatsServer, Regency
from tests.contract.tcp_proxy import Fault, Proxy
from tests.office import free_port

VILLAGE = "3510052001"
EMAIL = "desa@kecamatan.example"
QUICK: dict[str, Any] = {
    "connect_timeout_s": 1,
    "read_timeout_s": 1,
    "wait_s": 1,
    "retry_first_s": 0.05,
    "retry_most_s": 1,
}


class Far(Protocol):
    """One far end. It forgets nothing when it stops."""

    kind: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def settings(self, **more: Any) -> Upstream: ...
    def show(self, fault: Fault) -> None: ...
    async def refuse(self, refuse: bool) -> None: ...
    def effects(self, request: str) -> int: ...
    def order(self) -> list[str]: ...
    async def change(self, request: str, state: str) -> None: ...


class HttpsFar:
    """The reference portal."""

    kind = "https"

    def __init__(self, directory: Path) -> None:
        self._tls = portal_tls.make(directory / "tls", ["localhost", "127.0.0.1"])
        self.portal = Portal(key=PASSWORD, village=VILLAGE)
        self._port = free_port()

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        await self.portal.start(listener, self._tls.server_context())

    async def stop(self) -> None:
        await self.portal.stop()

    def settings(self, **more: Any) -> Upstream:
        return Upstream(url=f"https://127.0.0.1:{self._port}", ca_file=str(self._tls.ca), **{**QUICK, **more})

    def show(self, fault: Fault) -> None:
        self.portal.mode = "html200" if fault == "garbage" else fault

    async def refuse(self, refuse: bool) -> None:
        self.portal.mode = "401" if refuse else "ok"

    def effects(self, request: str) -> int:
        return self.portal.effects[request]

    def order(self) -> list[str]:
        return list(self.portal.requests)

    async def change(self, request: str, state: str) -> None:
        self.portal.change(request, state)


class OpenDkFar:
    """The stand-in for OpenDK."""

    kind = "opendk"
    _NUMBERS: Mapping[str, int] = {"district_check": 1, "head_approval": 3, "completed": 5, "rejected": 6}

    def __init__(self, directory: Path) -> None:
        self._tls = portal_tls.make(directory / "tls", ["localhost", "127.0.0.1"])
        self.opendk = OpenDk(email=EMAIL, password=PASSWORD, api_key="api-key", villages=["35.10.05.2001"])
        self._port = free_port()

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port))
        await self.opendk.start(listener, self._tls.server_context())

    async def stop(self) -> None:
        await self.opendk.stop()

    def settings(self, **more: Any) -> Upstream:
        url = f"https://127.0.0.1:{self._port}"
        mine = {"sink": "opendk", "user": EMAIL, "ca_file": str(self._tls.ca), "poll_s": 0.2}
        return Upstream(url=url, **{**QUICK, **mine, **more})

    def show(self, fault: Fault) -> None:
        self.opendk.mode = fault

    async def refuse(self, refuse: bool) -> None:
        self.opendk.mode = "401" if refuse else "ok"

    def effects(self, request: str) -> int:
        return sum(times for nomor, times in self.opendk.effects.items() if request in nomor)

    def order(self) -> list[str]:
        return [nomor.split("/")[1] for nomor in self.opendk.letters]

    async def change(self, request: str, state: str) -> None:
        self.opendk.move(request, self._NUMBERS[state])


class NatsFar:
    """A real nats-server behind a relay, and the regency's consumer."""

    kind = "nats"

    def __init__(self, directory: Path) -> None:
        self.server = NatsServer(directory / "nats", VILLAGE)
        self.proxy = Proxy(self.server.port, b"PUB kampung.")
        self.regency = Regency(self.server.url, VILLAGE)

    async def start(self) -> None:
        await self.server.start()
        if not self.proxy.port:
            await self.proxy.start()
        await self.regency.start()

    async def stop(self) -> None:
        await self.regency.stop()
        self.server.kill()

    def settings(self, **more: Any) -> Upstream:
        return Upstream(url=f"nats://127.0.0.1:{self.proxy.port}", sink="nats", **{**QUICK, **more})

    def show(self, fault: Fault) -> None:
        self.proxy.fault = fault

    async def refuse(self, refuse: bool) -> None:
        await self.stop()
        self.server.password = "another" if refuse else PASSWORD
        await self.start()

    def effects(self, request: str) -> int:
        return self.regency.effects[f"kampung.request.filed {request}"]

    def order(self) -> list[str]:
        filed = [event for event in self.regency.landed.values() if event["type"] == "kampung.request.filed"]
        return [event["subject"] for event in filed]

    async def change(self, request: str, state: str) -> None:
        await self.regency.change(request, state)


FARS: Mapping[str, Callable[[Path], Far]] = {"https": HttpsFar, "nats": NatsFar, "opendk": OpenDkFar}


def make_sink(far: Far, **more: Any) -> Sink:
    """The sink of a far end."""
    settings = far.settings(**more)
    return KINDS[settings.sink]()(settings, code=VILLAGE, key=PASSWORD)


def parcel(number: int, *, kind: str = "request", request: str = "", size: int = 0) -> Parcel:
    """The `number`-th parcel of a test, the same each time it is made."""
    identifier = request or uuid7(1_764_000_000_000 + number, number)
    content: dict[str, Any] = {"reason": "sms"}
    if kind == "request":
        applicant = {"nik": "3510152306089909", "kk": "", "name": "SITI AMINAH", "phone": "+6281234567001"}
        content = {
            "id": identifier,
            "ticket": "K47-M2",
            "letter": "SKCK",
            "source": "sms",
            "applicant": {**applicant, "rt": 3, "rw": 1},
            "purpose": "melamar" + "x" * size,
            "flags": [],
            "missing": [],
            "created_at": "2026-11-22T03:04:05.000+00:00",
        }
    event = uuid7(1_764_000_100_000 + number, number)
    body = json.dumps(content).encode()
    return Parcel(event, identifier, kind, Lane.REQUEST, number, time.time(), body, 1)
