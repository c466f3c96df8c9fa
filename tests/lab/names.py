"""Names in the town: both providers run a resolver of the same address, and the box the real dnsmasq."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from edge import config
from edge.lan.dnsmasq import CONFIGURATION
from edge.simulator.hosts import answer_dns
from tests.lab.namespaces import batch, inside
from tests.lab.town import BOX, BOX_IN_OFFICE, OFFICE, PDE, TELKOM, classes, settings, uplinks

RESOLVER = "203.0.113.53"
SAYS = {PDE: "198.51.100.1", TELKOM: "198.51.100.2"}
LIE = "10.0.0.1"


def named(tmp_path: Path, *, pinned: tuple[str, ...] = ()) -> config.Config:
    """The town's configuration with resolvers, and networks for office and guests; `pinned` belong to PDE."""
    pde, telkom = (replace(uplink, resolvers=(RESOLVER,)) for uplink in uplinks())
    ways = classes()
    return settings(
        uplink=(replace(pde, pinned=pinned), telkom),
        classes=replace(
            ways,
            service=replace(ways.service, networks=("192.168.10.0/24",)),
            wifi=replace(ways.wifi, networks=("172.20.0.0/24",)),
        ),
        run_dir=str(tmp_path),
        state_dir=str(tmp_path),
    )


class Providers:
    """The resolver of each provider: it says where it is, stays silent, or lies about every name."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.lying: set[str] = set()
        self.heard: list[tuple[str, str]] = []
        self._sockets = [inside(name, self._open) for name in SAYS]

    @staticmethod
    def _open() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((RESOLVER, 53))
        return made

    @contextmanager
    def answering(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._serve, args=pair) for pair in zip(SAYS, self._sockets, strict=True)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for made in self._sockets:
                made.sendto(b"", made.getsockname())  # an empty datagram ends its thread
            for thread in threads:
                thread.join()

    def _serve(self, where: str, made: socket.socket) -> None:
        with made:
            while True:
                query, asker = made.recvfrom(600)
                if not query:
                    return
                self.heard.append((where, asker[0]))
                says = LIE if where in self.lying else SAYS[where]
                if where not in self.silent:
                    made.sendto(answer_dns(query, {_name(query): says}), asker)


def _name(query: bytes) -> str:
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels)


def ways() -> None:
    """What the daemon's rules do for a socket that insists on a device, and the providers' resolver addresses."""
    for name in SAYS:
        batch(name, f"address add {RESOLVER}/32 dev lo\n")
    batch(
        BOX,
        "rule add oif pde0 lookup 101\nrule add oif tel0 lookup 102\n"
        "route add default via 10.35.10.1 dev pde0 table 101\n"
        "route add default via 100.64.7.1 dev tel0 table 102\n",
    )


class Dnsmasq:
    """The real dnsmasq with the configuration in `run_dir`, started and killed as a service manager would."""

    def __init__(self, run_dir: Path, *before: str) -> None:
        self._run_dir = run_dir
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def start(self, *arguments: str) -> None:
        line = [*self._before, "dnsmasq", "--keep-in-foreground", f"--conf-file={self._run_dir / CONFIGURATION}"]
        with (self._run_dir / "dnsmasq.log").open("ab") as log:
            self._process = subprocess.Popen([*line, *arguments], stderr=log)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


ROOT = ("--user=root", "--group=root") if os.geteuid() == 0 else ()


def ask(name: str, *, number: int, wait_s: float = 0.2) -> str:
    """The address that the box's dnsmasq tells the office for `name`; "" without an answer (RFC 1035 section 4.1)."""

    def call() -> str:
        labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(wait_s)
            asking.sendto(struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1", (BOX_IN_OFFICE, 53))
            try:
                answer = asking.recv(600)
            except OSError:
                return ""
            return socket.inet_ntoa(answer[-4:]) if struct.unpack("!H", answer[6:8])[0] else ""

    return inside(OFFICE, call)


async def asked(name: str, *, within_s: float = 15.0) -> str:
    """The first answer for `name`, asked anew, as another program would, until there is one.

    Well below the half a minute for which dnsmasq ties a name to whom it has asked.
    """
    loop = asyncio.get_running_loop()
    deadline, number = loop.time() + within_s, 0
    while loop.time() < deadline:
        number += 1
        if answer := await asyncio.to_thread(ask, name, number=number):
            return answer
    return ""


def discover(device: str = "lan0", wait_s: float = 6.0) -> str:
    """The address that a DHCP server offers to the office on `device`; "" without an offer (RFC 2131)."""
    mac, xid = b"\x02\0\0\0\0\x77", b"\x39\x03\xf3\x26"
    head = b"\1\1\6\0" + xid + b"\0\0\x80\0" + bytes(16) + mac + bytes(10 + 192) + b"\x63\x82\x53\x63"

    def call() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
            client.settimeout(wait_s)
            client.bind(("", 68))
            client.sendto(head + b"\x35\1\1\xff" + bytes(60), ("255.255.255.255", 67))
            try:
                offer = client.recv(1500)
            except OSError:
                return ""
            return socket.inet_ntoa(offer[16:20]) if offer[4:8] == xid else ""

    return inside(OFFICE, call)
