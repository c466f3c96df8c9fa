"""The shares under real load: what the service gets while guests flood, upwards and downwards.

The providers' ends are left unlimited, so whatever limits here is the box's own shaper. Sources are plain sockets: one
sender thread a flow, counted where they arrive, over a few seconds after a start that is not counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge import config
from tests.lab.namespaces import inside
from tests.lab.steering import steering
from tests.lab.town import GUEST, INTERNET, OFFICE, PDE, PORT, ask, settings

pytestmark = pytest.mark.usefixtures("box")
_SETTLE_S, _MEASURE_S = 1.5, 2.5
_FLOWS = 8


class Meter:
    """Bytes that arrived: by flows as TCP counts them, and all on the wire by the devices behind the shaper."""

    def __init__(self) -> None:
        self._receivers: dict[str, list[socket.socket]] = {OFFICE: [], GUEST: []}

    def watch(self, name: str, receiver: socket.socket) -> None:
        self._receivers[name].append(receiver)

    def bytes(self) -> dict[str, int]:
        return {name: sum(_received(end) for end in ends) for name, ends in self._receivers.items()}

    @staticmethod
    def on_wire(*, down: bool) -> int:
        ends = ((OFFICE, "lan0"), (GUEST, "wlan0")) if down else ((PDE, "line"),)
        return sum(inside(name, partial(_arrived, device)) for name, device in ends)


def _arrived(device: str) -> int:
    """Bytes a device of this thread's namespace has received."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
    return next(int(line.split(":")[1].split()[0]) for line in lines if line.strip().startswith(f"{device}:"))


def _received(end: socket.socket) -> int:
    """tcpi_bytes_received of struct tcp_info (linux/tcp.h)."""
    info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    return int.from_bytes(info[128:136], sys.byteorder)


@contextmanager
def load(meter: Meter, name: str, flows: int, *, down: bool) -> Iterator[None]:
    """`flows` greedy TCP flows between `name` and the internet behind PDE."""
    port = PORT + (1 if name == OFFICE else 2)
    server = inside(PDE, lambda: socket.create_server((INTERNET, port)))
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def send(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                end.sendall(bytes(16384))

    def receive(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while end.recv(65536):
                pass

    try:
        for _ in range(flows):
            near = inside(name, lambda: socket.create_connection((INTERNET, port), 20))
            near.settimeout(None)
            far, _ = server.accept()
            ends += [near, far]
            meter.watch(name, near if down else far)
            pairs = ((send, far), (receive, near)) if down else ((send, near), (receive, far))
            threads += [threading.Thread(target=work, args=(end,), daemon=True) for work, end in pairs]
        for thread in threads:
            thread.start()
        yield
    finally:
        for end in (*ends, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in threads:
            thread.join(5)


def shared(download_mbit: float = 8, cap: dict[str, float] | None = None) -> config.Config:
    """Office and guests on PDE alone, 70 to 20."""
    classes = config.Classes(
        service=config.TrafficClass(uplinks=("pde",), guaranteed_percent=70, devices=("office0",)),
        wifi=config.TrafficClass(uplinks=("pde",), guaranteed_percent=20, devices=("wifi0",), cap_mbit=cap or {}),
        control=config.TrafficClass(uplinks=("pde",), guaranteed_percent=10),
    )
    pde = config.Uplink(name="pde", device="pde0", gateway="10.35.10.1", download_mbit=download_mbit, upload_mbit=8)
    return settings(uplink=(pde,), classes=classes)


def measure(meter: Meter, *, down: bool) -> dict[str, float]:
    """Mbit/s over the measured seconds: by whose flows, and "wire" for everything with its headers."""
    time.sleep(_SETTLE_S)  # load that runs, not a condition to wait for
    before, started = meter.bytes() | {"wire": meter.on_wire(down=down)}, time.monotonic()
    time.sleep(_MEASURE_S)
    after, elapsed = meter.bytes() | {"wire": meter.on_wire(down=down)}, time.monotonic() - started
    return {name: (after[name] - before[name]) * 8 / elapsed / 1e6 for name in before}


@pytest.mark.parametrize("down", [True, False], ids=["download", "upload"])
async def test_the_service_keeps_its_share_under_a_guest_flood(down: bool) -> None:
    """With guests flooding, the service gets what is its own of the shaped 7.2 Mbit/s, and the link is not wasted."""

    def run() -> dict[str, float]:
        meter = Meter()
        with load(meter, GUEST, _FLOWS, down=down), load(meter, OFFICE, 4, down=down):
            return measure(meter, down=down)

    async with steering(shared()):
        rates = await asyncio.to_thread(run)
    assert rates[OFFICE] > 0.5 * 7.2, rates  # by the number of its flows it would have a third
    assert 0.75 * 7.2 < rates["wire"] < 1.1 * 7.2, rates


async def test_guests_take_what_the_service_leaves_up_to_their_cap() -> None:
    """Alone, guests may use the whole link unless the village caps them on this uplink."""

    def run() -> dict[str, float]:
        meter = Meter()
        with load(meter, GUEST, _FLOWS, down=True):
            return measure(meter, down=True)

    async with steering(shared(cap={"pde": 3.0})):
        capped = await asyncio.to_thread(run)
    assert 1.5 < capped[GUEST] < 3.4, capped
    async with steering(shared()):
        free = await asyncio.to_thread(run)
    assert free[GUEST] > 0.6 * 7.2, free


async def test_the_service_answers_fast_under_a_guest_flood() -> None:
    """The guests' queue must not stand in the service's way: a page of the office is not delayed by their flood."""

    def pages() -> float:
        """Seconds a page takes: the second fastest of them, since what else the machine does only adds to it."""
        took: list[float] = []
        for _ in range(20):
            started = time.monotonic()
            assert ask(OFFICE, INTERNET) == "page"
            took.append(time.monotonic() - started)
        return sorted(took)[1]

    def run() -> tuple[float, float]:
        server = inside(PDE, lambda: socket.create_server((INTERNET, PORT)))
        answering = threading.Thread(target=_answer, args=(server,), daemon=True)
        answering.start()
        idle = pages()
        with load(Meter(), GUEST, _FLOWS, down=True):
            time.sleep(_SETTLE_S)
            flooded = pages()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        answering.join(5)
        return idle, flooded

    async with steering(shared()):
        idle, flooded = await asyncio.to_thread(run)
    assert flooded < idle + 0.1, (idle, flooded)


def _answer(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"page")
