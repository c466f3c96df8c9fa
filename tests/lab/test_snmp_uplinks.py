"""Devices behind uplinks in real namespaces: two boxes of one address, and an uplink that comes back as another one."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.devices import Devices
from tests.contract.snmp_responder import Responder, dotted, integer, interfaces, serving
from tests.lab.monitor_lab import eventually
from tests.lab.namespaces import inside, sh

ADDRESS = "192.168.1.1"
LEASES = dotted("1.3.6.1.4.1.14988.1.1.6.1.0")
PROVIDERS = {"pde": ("snmp-pde", 11), "telkom": ("snmp-tel", 22)}  # namespace, leases of its box


def _plug(uplink: str) -> None:
    room, _ = PROVIDERS[uplink]
    sh(f"ip link add {uplink}s0 type veth peer name far netns {room}")
    sh(f"ip -n {room} addr add {ADDRESS}/24 dev far")
    sh(f"ip -n {room} link set far up")
    sh(f"ip addr add 192.168.1.{9 if uplink == 'pde' else 8}/24 dev {uplink}s0")
    sh(f"ip link set {uplink}s0 up")


@pytest.fixture
def providers() -> Iterator[None]:
    try:
        for uplink, (room, _) in PROVIDERS.items():
            sh(f"ip netns add {room}")
            sh(f"ip -n {room} link set lo up")
            _plug(uplink)
        yield
    finally:
        for uplink, (room, _) in PROVIDERS.items():
            sh(f"ip link del {uplink}s0", check=False)
            sh(f"ip netns del {room}", check=False)


def _bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.bind(("0.0.0.0", 161))
    return sock


def _same(box: Responder) -> Responder:
    return box


@asynccontextmanager
async def _watched() -> AsyncIterator[tuple[Devices, Health]]:
    """Both providers' boxes answer, and the daemon's part reads them twice a second."""
    loop = asyncio.get_running_loop()
    boxes = []
    for room, leases in PROVIDERS.values():
        box = Responder(serving(interfaces(1) | {LEASES: integer(leases)}))
        boxes.append((await loop.create_datagram_endpoint(partial(_same, box), sock=inside(room, _bound)))[0])
    settings = tuple(
        config.Snmp(name=name, host=ADDRESS, role="mikrotik", uplink=name, poll_s=0.5) for name in PROVIDERS
    )
    uplinks = tuple(
        config.Uplink(name=name, device=f"{name}s0", gateway=ADDRESS, download_mbit=10, upload_mbit=10)
        for name in PROVIDERS
    )
    health = Health(time.time)
    secrets = dict.fromkeys(PROVIDERS, "desa")
    devices = Devices(settings, secrets, uplinks=uplinks, clock=SystemClock(), announce=print, health=health)
    running = asyncio.create_task(devices.run())
    try:
        yield devices, health
    finally:
        running.cancel()
        for transport in boxes:
            transport.close()


async def _until(devices: Devices, wanted: list[int | None]) -> None:
    def known() -> list[int | None]:
        return [each.reading.dhcp_leases if each.reading else None for each in devices.figures()]

    await eventually(lambda: known() == wanted, 60)


@pytest.mark.usefixtures("providers")
async def test_two_boxes_of_one_address_are_told_apart() -> None:
    """The commercial provider's ONT would be read as the regency's: both are 192.168.1.1."""
    async with _watched() as (devices, health):
        await _until(devices, [11, 22])
        assert health.current() == ()


@pytest.mark.usefixtures("providers")
async def test_an_uplink_that_returns_with_another_ifindex_is_followed() -> None:
    """A device behind a USB adapter that was plugged in again would stay silent until a restart."""
    async with _watched() as (devices, health):
        await _until(devices, [11, 22])
        sh("ip link del pdes0")
        await _until(devices, [None, 22])
        assert [(raised.condition.code, raised.subject) for raised in health.current()] == [("device-silent", "pde")]
        assert "no way there" in health.current()[0].detail
        _plug("pde")
        await _until(devices, [11, 22])
        assert health.current() == ()
