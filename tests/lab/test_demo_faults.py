"""What can be wrong with the village's lines, each seen from the box as a daemon would see it."""

import asyncio
import json
import socket

import pytest

from edge.simulator import mishaps, netns, observer, village
from edge.simulator.village import BOX, NAME_HOST, OFFICE, PDE, TARGETS, WEB_HOST
from tests.lab.demo_lab import built, lived_in

__all__ = ["built"]
pytestmark = pytest.mark.usefixtures("built")
PATIENCE_S = 30  # for an answer that should come, however busy the machine is


def pings(address: str, wait_s: int) -> bool:
    """Whether `address` answers the box by PDE within so many seconds."""
    try:
        netns.run(*f"ping -n -c 1 -W {wait_s} -I pde0 {address}".split(), namespace=BOX)
    except netns.CommandFailed:
        return False
    return True


async def answered(address: str, within_s: int = PATIENCE_S) -> bool:
    return await asyncio.to_thread(pings, address, within_s)


async def resolved(within_s: float = PATIENCE_S) -> bool:
    """Whether the name server beyond PDE answers the office."""
    question = b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3web\7example\0\0\1\0\1"
    with netns.open_socket(OFFICE, socket.SOCK_DGRAM) as sock:
        sock.connect((NAME_HOST, 53))
        sock.send(question)
        try:
            async with asyncio.timeout(within_s):
                answer = await asyncio.get_running_loop().sock_recv(sock, 512)
        except TimeoutError:
            return False
    return answer[:2] == question[:2]


def link() -> dict[str, object]:
    links: list[dict[str, object]] = json.loads(netns.run("ip", "-j", "link", "show", "pde0", namespace=BOX))
    return links[0]


async def test_a_silent_line_swallows_its_gateway_too() -> None:
    """A fault that the gateway gives away would be taken for a dead line."""
    async with lived_in():
        assert await answered(village.GATEWAY["pde"])
        PDE.silence()
        assert link()["operstate"] == "UP"
        assert not await answered(village.GATEWAY["pde"], within_s=1)
        assert await observer.line_used(OFFICE) == ""
        PDE.heal()
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"


async def test_a_mute_gateway_passes_everything_on() -> None:
    """A gateway that ignores pings, which is common, would not be told from a dead line."""
    async with lived_in():
        PDE.mute()
        assert not await answered(village.GATEWAY["pde"], within_s=1)
        assert await answered(TARGETS[0])
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"


async def test_lost_names_are_all_that_is_lost() -> None:
    """A dead resolver would look like a dead line."""
    async with lived_in():
        assert await resolved()
        PDE.lose_names()
        assert not await resolved(within_s=2)
        assert await answered(TARGETS[0])
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"


async def test_a_captive_portal_answers_in_the_web_servers_name() -> None:
    """A login page that pings or names give away would be found in the easy way."""
    async with lived_in():
        PDE.intercept()
        status, body = await observer.get(OFFICE, WEB_HOST, village.CHECK_PATH)
        assert (status, b"Login" in body) == (200, True)
        assert await answered(WEB_HOST)
        assert await resolved()
        PDE.heal()
        assert await observer.get(OFFICE, WEB_HOST, village.CHECK_PATH) == (204, b"")


async def test_a_pulled_cable_takes_the_carrier_and_gives_it_back() -> None:
    """The carrier's loss would leave the line broken after it was healed."""
    async with lived_in():
        mishaps.unplug(PDE)
        assert link()["operstate"] == "DOWN"
        mishaps.plug(PDE)
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"


async def test_a_replaced_device_is_another_one() -> None:
    """An adapter that comes back as the same device would show nothing."""
    async with lived_in():
        before = link()["ifindex"]
        mishaps.remove(PDE)
        mishaps.replace(PDE)
        assert link()["ifindex"] != before
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"


async def test_a_renumbered_line_has_the_new_address_alone() -> None:
    """A renewal that leaves the old address would change nothing."""
    async with lived_in():
        mishaps.renumber(PDE, mishaps.own_address(PDE), "10.35.10.12")
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "10.35.10.12"


async def test_a_narrow_line_loses_wide_packets_without_a_word() -> None:
    """A page that never loads behind filtered ICMP could not be shown."""
    async with lived_in():
        assert (await observer.use(OFFICE, seconds=1)).mbit > 3
        PDE.narrow(1400)
        assert await observer.line_used(OFFICE, within_s=PATIENCE_S) == "pde"
        assert (await observer.use(OFFICE, seconds=1)).mbit < 0.1
        PDE.heal()
        assert (await observer.use(OFFICE, seconds=1)).mbit > 3


async def test_a_collapsed_line_answers_pings_as_ever() -> None:
    """A rate that idle probes see would be no collapse."""
    async with lived_in():
        PDE.collapse(0.05)
        assert await answered(TARGETS[0])
        assert (await observer.use(OFFICE, seconds=2, flows=1)).mbit < 1
