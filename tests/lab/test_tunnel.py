"""Pinned prefixes and management by a real WireGuard tunnel: in order, never open, and whatever befalls the uplinks."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pytest

from edge import config
from edge.kernel.host import Host
from edge.kernel.state import only
from edge.traffic.plan import desired
from tests.lab.namespaces import inside, sh
from tests.lab.regency import BOX_INSIDE, INSIDE, REGENCY, WG_PORT, regency, tunnel
from tests.lab.steering import Steering, steering
from tests.lab.town import (
    BOX,
    GOVERNMENT,
    GUEST,
    INTERNET,
    OFFICE,
    PDE,
    PORT,
    PRIVATE,
    TELKOM,
    WAIT_S,
    answering,
    ask,
    cut_off,
    first,
    settings,
)

pytestmark = pytest.mark.usefixtures("box")


def with_tunnel(**changed: Any) -> config.Config:
    way = config.Tunnel(name="dinas", device="wg0", port=WG_PORT, pinned=("10.51.0.0/16",))
    return settings(tunnel=(way,), **changed)


@contextmanager
def everyone() -> Iterator[None]:
    """The government answers behind PDE, behind Telkom (a leak) and in the regency."""
    with regency(), answering(PDE), answering(TELKOM), answering(REGENCY):
        yield


@asynccontextmanager
async def tunnelled(settings_: config.Config | None = None) -> AsyncIterator[Steering]:
    """A controller, and a tunnel whose ends have found each other by the ways it made."""
    with everyone():
        async with steering(settings_ or with_tunnel()) as scene:
            scene.all_up()
            with tunnel():
                await scene.until(lambda: int(sh("wg show wg0 latest-handshakes").split()[-1]))
                await scene.until(lambda: "dev wg0" in sh("ip route show table 20100"))
                yield scene


async def reached(name: str, address: str, wanted: str, within_s: float = 30.0) -> float:
    """Seconds until `name` reaches `wanted` at `address`; never meanwhile somebody who must not be reached."""
    began = time.monotonic()
    while (answer := await asyncio.to_thread(ask, name, address, wait_s=WAIT_S)) != wanted:
        assert address != GOVERNMENT or answer != TELKOM, "the government's packets leak to the internet"
        assert time.monotonic() - began < within_s, f"{name} reaches {answer or 'nobody'} and not {wanted}"
    return time.monotonic() - began


async def test_a_silent_outage_sends_pinned_prefixes_by_the_tunnel_and_back() -> None:
    """The portal would be out of reach in every outage of PDE, though a tunnel leads there; guests must not use it."""
    async with tunnelled() as scene:
        await reached(OFFICE, GOVERNMENT, PDE)
        scene.judge("pde", "down", "no-reply")
        for name in (OFFICE, BOX):
            await reached(name, GOVERNMENT, REGENCY)
        assert await asyncio.to_thread(cut_off, GUEST, GOVERNMENT)
        scene.judge("pde", "up")
        for name in (OFFICE, BOX):
            await reached(name, GOVERNMENT, PDE)


async def test_the_tunnel_carries_its_own_prefixes_alone() -> None:
    """The office's internet, or a private network that nobody declared, must not enter the government's network."""
    async with tunnelled() as scene:
        scene.judge("pde", "down", "no-reply")
        await reached(OFFICE, INTERNET, TELKOM)
        sh(f"ip route add {PRIVATE}/32 dev wg0")  # somebody else's route into the tunnel
        with answering(REGENCY, port=PORT + 1):
            sh(f"ip -n {REGENCY} address add {PRIVATE}/32 dev lo")
            assert await asyncio.to_thread(cut_off, OFFICE, PRIVATE, PORT + 1)


async def test_without_a_way_the_prefix_fails_closed_for_the_box_too() -> None:
    """The box's own packets would follow a foreign, more specific route in the main table to the internet."""
    with everyone():
        async with steering(with_tunnel()) as scene:  # wg0 does not exist
            scene.all_up()
            assert ("device-missing", "wg0") in scene.raised()
            sh("ip route add 10.51.0.0/24 via 100.64.7.1 dev tel0")
            await reached(BOX, GOVERNMENT, PDE)
            sh("ip link set pde0 down")
            await scene.until(lambda: "pde0" not in sh("ip route show table 20100"))
            for name in (BOX, OFFICE, GUEST):
                assert await asyncio.to_thread(cut_off, name, GOVERNMENT)


async def test_a_long_connection_to_a_pinned_host_follows_its_way() -> None:
    """A connection that began by PDE would hang on PDE's address while the tunnel works, and the other way round."""
    async with tunnelled() as scene:
        await reached(OFFICE, GOVERNMENT, PDE)
        scene.judge("pde", "down", "no-reply")
        await reached(OFFICE, GOVERNMENT, REGENCY)
        await scene.until(lambda: "mark=1114112" not in marks())
        assert "mark=9502720" in marks(), "service by the tunnel: 9 << 20 | 1 << 16"
        scene.judge("pde", "up")
        await reached(OFFICE, GOVERNMENT, PDE)
        await scene.until(lambda: "mark=9502720" not in marks())


def marks() -> str:
    return sh(f"conntrack -L -d {GOVERNMENT}")


async def test_a_switch_of_the_service_spares_its_connections_to_pinned_hosts() -> None:
    """A brownout of the internet by PDE must not tear the office's work with the government, which stays there."""
    with everyone():
        async with steering(with_tunnel()) as scene:
            scene.all_up()
            await reached(OFFICE, GOVERNMENT, PDE)
            await reached(OFFICE, INTERNET, PDE)
            scene.judge("pde", "degraded", "lossy")
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert "mark=1114112" in marks()
            assert "mark=1114112" not in sh(f"conntrack -L -d {INTERNET}")


@contextmanager
def session() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection from the regency to the box through the tunnel, as an engineer's SSH: both its ends."""
    with closing(inside(BOX, lambda: socket.create_server((BOX_INSIDE, PORT)))) as server:
        there = inside(REGENCY, lambda: socket.create_connection((BOX_INSIDE, PORT), 30))
        here, _ = server.accept()
        with there, here:
            yield here, there


async def echoed(ends: tuple[socket.socket, socket.socket]) -> None:
    """Return once a word said to the box has come back; TimeoutError if it does not."""
    here, there = ends
    for speaker, hearer in ((there, here), (here, there)):
        speaker.sendall(b"still there?")
        hearer.settimeout(30)
        assert await asyncio.to_thread(hearer.recv, 100)


async def test_management_survives_failover_reload_and_crash() -> None:
    """An engineer would be locked out by the very switch, reload or crash he is looking into."""
    managed = with_tunnel(
        policy=config.Policy(
            failback_hold_s=0.5,
            reconcile_s=0.2,
            failback_in_service_hours="allowed",
            management=("10.77.0.0/24",),
        )
    )
    async with tunnelled(managed) as scene:
        with session() as ends:
            await echoed(ends)
            await lose_pde(scene)
            await echoed(ends)
            heal_pde()
            scene.judge("pde", "up")
            await scene.until(lambda: ("control", "telkom", "pde") in scene.moves())
            await echoed(ends)
            async with steering(managed) as reloaded:  # another controller takes over, as after a reload
                reloaded.all_up()
                await echoed(ends)
            await scene.crash()
            await echoed(ends)


async def lose_pde(scene: Steering) -> None:
    """PDE carries nothing any more, and is judged so."""
    sh(f"ip -n {PDE} link set behind down")
    scene.judge("pde", "down", "no-reply")
    await scene.until(lambda: ("control", "pde", "telkom") in scene.moves())


def heal_pde() -> None:
    sh(f"ip -n {PDE} link set behind up")
    sh(f"ip -n {PDE} route add 198.51.100.1 via 198.51.101.2")


async def test_strangers_in_the_tunnel_are_kept_out() -> None:
    """Whoever holds a key of the tunnel reaches nothing of the box or the office, unless he is of management."""
    with answering(BOX), answering(OFFICE):
        async with tunnelled():
            sh(f"ip -n {REGENCY} route add 192.168.10.0/24 dev wg1")
            for address in (BOX_INSIDE, "192.168.10.1", "192.168.10.20"):
                assert await asyncio.to_thread(cut_off, REGENCY, address)
            assert "1 received" in await asyncio.to_thread(sh, f"ping -c1 -W10 {INSIDE}")


async def test_a_tunnel_that_comes_and_goes_changes_its_own_routes_alone() -> None:
    """A tunnel that starts after the daemon must join without a switch, and leave without a trace."""
    with everyone():
        async with steering(with_tunnel()) as scene:
            scene.all_up()
            await scene.until(lambda: scene.controller.settled.is_set())
            before = sh("ip route show table all proto 75")
            with tunnel():
                await scene.until(lambda: "dev wg0" in sh("ip route show table 20100"))
                await scene.until(lambda: ("device-missing", "wg0") not in scene.raised())
            await scene.until(lambda: sh("ip route show table all proto 75") == before)
            assert [move for move in scene.moves() if move[1] is not None] == []
            host = Host()
            wanted = only(desired(with_tunnel(), first(with_tunnel()), host.facts()), ("routing",))
            assert wanted == host.observe(("routing",))
