"""Others meddle with the host, by hand or by program, and with the daemon's own sockets: healed by its notice."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from pathlib import Path

import pytest

from edge import config
from edge.traffic.controller import SWEEP_S
from tests.lab.namespaces import sh
from tests.lab.steering import Steering, steering
from tests.lab.town import kernel_state, settings

pytestmark = pytest.mark.usefixtures("box")
_BY_DEFAULT = settings(policy=config.Policy())


def seen() -> dict[str, str]:
    """The kernel's state without the numbers that it gives to filters and actions as they come."""
    state = kernel_state()
    return state | {"filters": re.sub(r"\b(index|ref|bind) \d+|fh [0-9a-f:]+|ht [0-9a-f]+", "", state["filters"])}


async def fresh(scene: Steering) -> dict[str, str]:
    """The kernel's state once the controller has nothing left to look at."""
    scene.all_up()
    state = await asyncio.to_thread(seen)
    while (after := await asyncio.to_thread(seen)) != state or not scene.controller.settled.is_set():
        state = after
    return state


async def healed(wanted: dict[str, str]) -> None:
    """Return once everything is as it was; AssertionError with the parts that differ if not well before the sweep."""
    began = time.monotonic()
    while (state := await asyncio.to_thread(seen)) != wanted:
        different = [name for name in wanted if state[name] != wanted[name]]
        assert time.monotonic() - began < SWEEP_S / 2, [(wanted[name], state[name]) for name in different]


DAMAGE = {
    "a rule": ("ip rule del priority 20100",),
    "a route": ("ip route del default table 20101",),
    "a table": ("ip route flush table 20102",),
    "a root qdisc": ("tc qdisc del dev pde0 root",),
    "the ifb": ("ip link del keifb0",),
    "the ruleset": ("nft flush ruleset",),
    "all kinds": (
        "ip rule del priority 20060",
        "ip route flush table 20100",
        "nft flush ruleset",
        "tc qdisc del dev tel0 root",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_meddling_is_healed_by_its_notice(what: str) -> None:
    """With the defaults, whatever is deleted by hand must stand again before the sweep, also the second time."""
    async with steering(_BY_DEFAULT) as scene:
        wanted = await fresh(scene)
        for _ in range(2):
            for command in DAMAGE[what]:
                await asyncio.to_thread(sh, command)
            await healed(wanted)


async def test_dead_sockets_are_opened_again() -> None:
    """A daemon that listens to a dead socket would leave the host to whoever meddles with it, for ever."""
    async with steering(_BY_DEFAULT) as scene:
        wanted = await fresh(scene)
        for number in netlink_sockets():
            os.close(number)
        await asyncio.to_thread(sh, "ip rule del priority 20100")
        await healed(wanted)
        await asyncio.to_thread(sh, "ip rule del priority 20100")
        await healed(wanted)
        assert len(netlink_sockets()) == 2
        assert scene.raised() == set()


async def test_a_number_that_was_given_to_somebody_else_is_left_alone() -> None:
    """The daemon would read, and close, another part's file in place of its own dead socket."""
    async with steering(_BY_DEFAULT) as scene:
        wanted = await fresh(scene)
        number = netlink_sockets()[0]
        os.close(number)
        ours, theirs = os.pipe()
        os.dup2(ours, number) if ours != number else None
        await asyncio.to_thread(sh, "ip rule del priority 20100")
        await healed(wanted)
        os.write(theirs, b"still mine")
        assert os.read(number, 100) == b"still mine"
        for descriptor in {ours, theirs, number}:
            os.close(descriptor)


async def test_a_flood_of_notices_loses_nothing() -> None:
    """Where the kernel has to drop notices (ENOBUFS), the damage among them would be found by the next sweep only."""
    async with steering(_BY_DEFAULT) as scene:
        wanted = await fresh(scene)
        lines = "".join(f"route add 198.18.{n // 250}.{n % 250}/32 dev pde0 table 77\n" for n in range(20_000))
        flood = lines + "rule del priority 20100\n" + "route flush table 77\n"
        sh("ip -batch -", stdin=flood)  # the loop hears nothing meanwhile: the socket's buffer overflows
        await healed(wanted)


def netlink_sockets() -> list[int]:
    """The numbers of this process's listening netlink sockets."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        with copy:
            if copy.family == socket.AF_NETLINK:
                found.append(int(entry.name))
    return sorted(found)
