"""The web server on a free port with a desk in memory, and an overview to show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edge import config
from edge.desk_keys import KeyRing
from edge.health import CONDITIONS, Health, Raised
from edge.queue.attachments import Attachment, NewAttachment, Refused, Taken
from edge.queue.desk import Accepted, KeyReused, NewRequest
from edge.queue.request import Request, uuid7
from edge.queue.store.transitions import Transition
from edge.web.desk_api import DeskLike
from edge.web.desk_scans import ScansLike
from edge.web.overview import (
    ClassView,
    HostView,
    ModemView,
    Overview,
    QueueView,
    RequestView,
    UplinkView,
)
from edge.web.server import Limits, RecordsLike, Server

VILLAGE = config.Village(code="3510052001", name="Sumberberas", district="Muncar")
KEY = "a-desk-key-for-tests"
USUAL = Limits()
NOW = 1_795_000_000.0  # 2026-11-18 in Jakarta
BODY = {"letter": "SKTM", "nik": "3510054107859901", "name": "Siti Aminah", "purpose": "beasiswa"}


@dataclass
class FakeDesk:
    """Keeps requests in memory under their keys; `refusal` is raised instead when it is set."""

    refusal: Exception | None = None
    made: dict[str, tuple[NewRequest, Request]] = field(default_factory=dict)

    async def submit(self, new: NewRequest, *, idempotency_key: str) -> Accepted:
        if self.refusal is not None:
            raise self.refusal
        if idempotency_key in self.made:
            before, request = self.made[idempotency_key]
            if before != new:
                raise KeyReused
            return Accepted(request, created=False)
        request = Request(
            id=uuid7(1_795_000_000_000, len(self.made)),
            ticket="K47-M2",
            letter=new.letter,
            source="desk",
            state="received",
            version=1,
            nik=new.nik,
            kk=new.kk,
            name=new.name,
            phone=new.phone,
            purpose=new.purpose,
            created_at=NOW,
            updated_at=NOW,
        )
        self.made[idempotency_key] = (new, request)
        return Accepted(request, created=True)

    async def get(self, identifier: str) -> Request | None:
        return next((request for _, request in self.made.values() if request.id == identifier), None)


class EmptyOffice:
    """An office in which nothing was ever filed, by anybody but the desk."""

    async def page(self, *, state: str = "", letter: str = "", before: str = "", limit: int) -> list[Request]:
        return []

    async def by_ticket(self, ticket: str) -> Request | None:
        return None

    async def by_nik(self, nik: str, *, limit: int) -> list[Request]:
        return []

    async def transitions(self, identifier: str) -> list[Transition] | None:
        return None

    async def after(self, seq: int, *, limit: int) -> list[Transition]:
        return []

    async def span(self) -> tuple[int, int]:
        return 1, 0

    def watch(self, callback: Callable[[], None]) -> None:
        """Nothing ever happens."""

    async def cancel(self, identifier: str) -> tuple[Request, bool] | None:
        return None

    async def hand_out(self, identifier: str) -> Request | None:
        return None

    async def begin(self, request: str, new: NewAttachment) -> Taken:
        raise Refused("no-such-request")

    async def of_request(self, request: str) -> list[Attachment] | None:
        return None

    async def receive(self, request: str, identifier: str, start: int | None, source: AsyncIterator[bytes]) -> Taken:
        raise Refused("no-such-attachment")


def raised(code: str, subject: str = "", *, since: float = NOW - 240) -> Raised:
    return Raised(CONDITIONS[code], subject, "", since)


WELL = Overview(
    village="Sumberberas",
    kind="desa",
    version="0.1.0",
    uplinks=(UplinkView("pde", "up", "", 0.0, 11.8, 86_400), UplinkView("telkom", "up", "", 0.004, 23.4, 700_000)),
    classes=(ClassView("service", "pde", ""), ClassView("wifi", "telkom", ""), ClassView("control", "pde", "")),
    modems=(ModemView("modem", "ready", "TELKOMSEL", "LTE", 71, balance_rp=25_000, expires="2026-12-31"),),
    queue=QueueView(0, None, 0, 4.0),
    requests=(
        RequestView("K47-M2", "SKTM", "head_approval", "sms", "S••• A•••", NOW - 3_600),
        RequestView("C12-A9", "DOMISILI", "received", "desk", "B••• S•••", NOW - 7_200),
        RequestView("T08-R4", "USAHA", "needs_data", "sms", "M•••", NOW - 90_000),
        RequestView("P31-D0", "LAHIR", "completed", "desk", "", NOW - 200_000),
    ),
    host=HostView(4.2, 31.0, 12.4, 950_400),
)
TROUBLED = Overview(
    village="Sumberberas",
    kind="desa",
    version="0.1.0",
    uplinks=(
        UplinkView("pde", "down", "beyond-gateway", 1.0, None, 240),
        UplinkView("telkom", "degraded", "lossy", 0.18, 412.0, 65),
    ),
    classes=(ClassView("service", "telkom", ""), ClassView("wifi", None, ""), ClassView("control", "telkom", "")),
    modems=(ModemView("modem", "missing", waiting=3, uncertain=1, failed=2),),
    queue=QueueView(17, 7_500, 1, None),
    requests=WELL.requests,
    host=HostView(97.0, 91.5, 99.0, 45),
    health=(raised("uplink-down", "pde"), raised("modem-missing"), raised("uplink-degraded", "telkom")),
)


@dataclass
class Running:
    """A server that runs: its address and the parts a test may turn."""

    url: str
    desk: DeskLike
    health: Health
    shown: Overview


async def once(condition: Callable[[], object], *, within_s: float = 60.0) -> None:
    """Return as soon as `condition` holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


def build(
    overview: Callable[[], Awaitable[Overview]],
    *,
    desk: DeskLike,
    health: Health,
    records: RecordsLike | None = None,
    scans: ScansLike | None = None,
    keys: KeyRing | None = None,
    calls_per_s: int = 1_000,
    allow: tuple[str, ...] = (),
    listen: tuple[str, ...] = ("127.0.0.1:0",),
    limits: Limits = USUAL,
) -> Server:
    return Server(
        config.Web(listen=listen, calls_per_s=calls_per_s),
        allow=allow,
        desk=desk,
        records=records or EmptyOffice(),
        scans=scans or EmptyOffice(),
        keys=KeyRing(KEY) if keys is None else keys,
        overview=overview,
        metrics=no_metrics,
        health=health,
        village=VILLAGE,
        limits=limits,
    )


@asynccontextmanager
async def running(
    *,
    shown: Overview = WELL,
    desk: DeskLike | None = None,
    records: RecordsLike | None = None,
    scans: ScansLike | None = None,
    keys: KeyRing | None = None,
    calls_per_s: int = 1_000,
    allow: tuple[str, ...] = (),
    listen: tuple[str, ...] = ("127.0.0.1:0",),
    limits: Limits = USUAL,
) -> AsyncIterator[Running]:
    """A server that listens, until the block ends."""
    state = Running("", FakeDesk() if desk is None else desk, Health(wall=lambda: NOW), shown)

    async def overview() -> Overview:
        return state.shown

    server = build(
        overview,
        desk=state.desk,
        health=state.health,
        records=records,
        scans=scans,
        keys=keys,
        calls_per_s=calls_per_s,
        allow=allow,
        listen=listen,
        limits=limits,
    )
    task = asyncio.create_task(server.run())
    try:
        await once(lambda: task.done() or len(server.addresses) == len(listen))
        state.url = "http://{}:{}".format(*server.addresses[0])
        yield state
    finally:
        task.cancel()
        await asyncio.wait([task])


async def no_metrics() -> bytes:
    return b"# HELP kampung_edge_test A line.\n"
