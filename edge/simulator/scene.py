"""A living village: its hosts, the daemon, the modem and the portal together, and what people in it can do.

The deeds here touch the daemon only as people do: by SMS, by the desk's HTTP API, at the portal.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from edge.simulator import netns, observer, portal_tls, settings, village
from edge.simulator.appliance import Appliance
from edge.simulator.gsm import GsmModem
from edge.simulator.portal import Portal
from edge.simulator.relay import doorway
from edge.simulator.settings import HEAD_PHONE, HEAD_RT, HEAD_RW, Files, Holds
from edge.simulator.village import BOX_IN_OFFICE, OFFICE, PAGE_PORT

_PORTAL_PORT = 8443


@dataclass(frozen=True, slots=True)
class Asked:
    """A citizen's SMS and what came of it. `reply_s` is None when no reply came; `request` "" when none was filed."""

    phone: str
    text: str
    reply: str
    reply_s: float | None
    request: str


@dataclass(slots=True)
class Scene:
    """Everything of one village, for the deeds below, the menu and the smoke."""

    files: Files
    appliance: Appliance
    modem: GsmModem
    portal: Portal
    citizens: int = 0
    faults: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def citizen(self, within_s: float = 10) -> Asked:
        """Another citizen asks for a letter by SMS; waits for the reply on the phone and the request at the portal."""
        self.citizens += 1
        phone, nik = f"+62812345{self.citizens:05}", _nik(self.citizens)
        text = f"SKTM {nik} SITI AMINAH RT {HEAD_RT:02} RW {HEAD_RW:02} untuk beasiswa"
        begun = time.monotonic()
        self.modem.deliver(phone, text)
        replied = await until(lambda: self._texts(phone), within_s)
        reply_s = round(time.monotonic() - begun, 3) if replied else None
        await until(lambda: bool(self._filed(nik)), within_s)
        return Asked(phone, text, "".join(self._texts(phone)[:1]), reply_s, self._filed(nik))

    async def desk(self, within_s: float = 10) -> str:
        """The office types a request in at its desk; returns its id once the portal has it, else ""."""
        self.citizens += 1
        nik = _nik(self.citizens)
        body = {"letter": "DOMISILI", "nik": nik, "name": "DWI LESTARI", "purpose": "sekolah"}
        status, answer = await observer.post(
            OFFICE,
            BOX_IN_OFFICE,
            "/v1/requests",
            json.dumps(body).encode(),
            port=PAGE_PORT,
            head=f"Authorization: Bearer {self.files.desk_key}\r\nIdempotency-Key: {uuid.uuid4()}\r\n",
        )
        if status != 202:
            raise OSError(f"the desk API answered {status}: {answer[:300]!r}")
        await until(lambda: bool(self._filed(nik)), within_s)
        return self._filed(nik)

    async def approve(self, asked: Asked, within_s: float = 10) -> tuple[list[str], list[str]]:
        """The camat signs at the portal; the new SMS to the applicant and to the RT head, as far as both came."""
        phones = (asked.phone, HEAD_PHONE)
        before = [len(self._texts(phone)) for phone in phones]
        self.portal.complete(asked.request)

        def came() -> tuple[list[str], list[str]]:
            told, head = (self._texts(phone)[skip:] for phone, skip in zip(phones, before, strict=True))
            return told, head

        await until(lambda: all(came()), within_s)
        return came()

    def _texts(self, phone: str) -> list[str]:
        return [sms.text for sms in self.modem.sent if sms.number == phone]

    def _filed(self, nik: str) -> str:
        found = (id_ for id_, filed in self.portal.requests.items() if filed.content["applicant"]["nik"] == nik)
        return next(found, "")

    async def condition(self, code: str, *, holds: bool, within_s: float) -> float | None:
        """Seconds until the daemon's /healthz lists `code` (or no longer does), or None."""
        begun = time.monotonic()
        while time.monotonic() - begun < within_s:
            _, body = await observer.get(OFFICE, BOX_IN_OFFICE, "/healthz", port=PAGE_PORT)
            if (code in {each["code"] for each in json.loads(body)["conditions"]}) == holds:
                return time.monotonic() - begun
            await asyncio.sleep(0.1)
        return None


def _nik(number: int) -> str:
    return f"35100645089{number // 100 % 10}99{number % 100:02}"


async def until(holds: Callable[[], object], within_s: float) -> bool:
    """Wait until `holds()` is true, looking every 20 ms; False when it was not within `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


@contextlib.asynccontextmanager
async def opened(home: Path, holds: Holds) -> AsyncIterator[Scene]:
    """Build the village in this process's namespaces and let it live; the daemon is not started yet."""
    village.build()
    tls = portal_tls.make(home / "portal", [village.PORTAL_HOST])
    modem_link = home / "modem"
    files = settings.write(home, modem=modem_link, ca_file=tls.ca, portal_port=_PORTAL_PORT, holds=holds)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(village.inhabited())
        portal = Portal(key=files.portal_key, village=settings.CODE)
        await portal.start(
            netns.listener(village.INTERNET, village.PORTAL_HOST, _PORTAL_PORT, socket.SOCK_STREAM),
            tls.server_context(),
        )
        stack.push_async_callback(portal.stop)
        modem = GsmModem(modem_link)
        await modem.start()
        stack.push_async_callback(modem.stop)
        page = await doorway(home / "page.sock", OFFICE, BOX_IN_OFFICE, PAGE_PORT)
        await stack.enter_async_context(page)
        scene = Scene(files, Appliance(files), modem, portal)
        stack.push_async_callback(scene.appliance.stop)
        stack.push_async_callback(scene.faults.aclose)
        yield scene
