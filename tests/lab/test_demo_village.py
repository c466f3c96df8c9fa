"""The village itself, on a real kernel: its lines, its faults, and its eyes, without the daemon."""

import asyncio

import pytest

from edge.simulator import isolation, links, netns, observer, village
from edge.simulator.appliance import traces
from edge.simulator.village import GUESTS, INTERNET, OFFICE, PDE
from tests.lab.demo_lab import built, clamp, lived_in, route

__all__ = ["built"]
pytestmark = pytest.mark.usefixtures("built")


async def test_a_line_carries_its_rate_and_no_more() -> None:
    """A share would be computed from a rate that the line does not have."""
    async with lived_in():
        whole = await observer.use(OFFICE, seconds=2)
        PDE.set_rate(4, 4)
        half = await observer.use(OFFICE, seconds=2)
    assert (whole.line, half.line) == ("pde", "pde")
    assert 6 < whole.mbit < 11
    assert 2.5 < half.mbit < 4.7


async def test_a_cut_line_loses_everything_but_its_gateway_answers() -> None:
    """The demo would cut a line in the easy way, which carrier or gateway give away."""
    async with lived_in():
        PDE.blackhole()
        assert await observer.line_used(OFFICE) == ""
        async with asyncio.timeout(20):
            _, door = await netns.connect(village.BOX, village.GATEWAY["pde"], village.DOOR_PORT)
        door.close()
        PDE.heal()
        assert await observer.line_used(OFFICE, within_s=30) == "pde"


async def test_a_new_request_shows_the_move() -> None:
    """The failover's figure would not be the office's."""
    async with lived_in():
        clamp()
        PDE.blackhole()
        moving = asyncio.create_task(observer.moved(OFFICE, "telkom", within_s=20))
        await asyncio.sleep(0.5)
        route("telkom")
        seconds = await moving
        assert await observer.moved(OFFICE, "pde", within_s=0.5) is None
    assert seconds is not None
    assert 0.5 <= seconds < 20


async def test_a_crowded_line_delays_and_loses() -> None:
    """Slowing PDE would slow nothing."""
    async with lived_in():
        PDE.set_rate(4, 4)
        async with links.crowd(PDE, INTERNET, 5):
            crowded = await observer.use(OFFICE, seconds=2, flows=1, settle_s=1)
        PDE.heal()
        whole = await observer.use(OFFICE, seconds=1, flows=1)
    assert crowded.mbit < 2
    assert crowded.page_p90_ms > 300
    assert whole.mbit > 5


async def test_lost_packets_are_lost_by_chance() -> None:
    """A lossy line would lose all or nothing."""
    async with lived_in():
        PDE.lose(30)
        answered = [bool(await observer.line_used(OFFICE, within_s=0.2)) for _ in range(40)]
    assert any(answered)
    assert not all(answered)


async def test_wide_packets_never_arrive_by_the_narrow_line() -> None:
    """The village would not show a daemon that forgets to clamp the MSS."""
    async with lived_in():
        route("telkom")
        forgotten = await observer.use(OFFICE, seconds=1)
        clamp()
        clamped = await observer.use(OFFICE, seconds=1)
    assert forgotten.mbit < 0.1
    assert clamped.mbit > 8


async def test_every_forbidden_way_is_open_on_an_open_router() -> None:
    """An attempt that cannot succeed would count as isolation."""
    attempts = (*isolation.ALWAYS, *isolation.GUEST_TO_GOVERNMENT)
    async with lived_in():
        netns.nft(
            village.BOX, "delete table ip plain"
        )  # masquerading would stop what comes from outside, replies apart
        for line in ("pde", "telkom"):
            netns.ip(village.LINES[line].gateway, "route replace 203.0.113.0/24 dev backbone")
        through = await isolation.knock(attempts)
    assert len(through) == len(attempts)


async def test_the_government_is_reached_by_telkom_when_nothing_stops_it() -> None:
    """A leak to the internet's impostor would not be seen."""
    async with lived_in():
        PDE.blackhole()
        route("telkom")
        assert len(await isolation.knock(isolation.GOVERNMENT_BY_TELKOM)) == len(isolation.GOVERNMENT_BY_TELKOM)


async def test_a_door_that_is_shut_anyway_proves_nothing() -> None:
    """Attempts at a dead host would count as isolation."""
    async with lived_in():
        netns.ip(OFFICE, "link set lan0 down")
        with pytest.raises(isolation.DoorClosed, match="office host"):
            await isolation.knock(isolation.ALWAYS)


async def test_the_access_point_keeps_its_stations_apart() -> None:
    """Guests would reach each other without the box, which no daemon can stop."""
    straight = isolation.Attempt(
        GUESTS[0], "a guest straight", village.GUEST_HOSTS[GUESTS[2]], village.WEB_PORT, village.BOX
    )
    async with lived_in():
        assert await isolation.knock([straight]) == []


async def test_a_flood_fills_the_line() -> None:
    """The share would be measured on an idle line."""
    async with lived_in(), observer.Flood() as flood:
        before = observer.received_mbyte(GUESTS[0], "wlan0")
        await asyncio.sleep(2)
        assert flood.running
        assert (observer.received_mbyte(GUESTS[0], "wlan0") - before) * 8 / 2 > 3


@pytest.mark.parametrize(
    "change",
    [
        "ip rule add fwmark 1 lookup 77",
        "ip route add default via 100.64.7.1 table 77",
        "ip route add unreachable 10.51.0.0/16",
        "ip link add ifb9 type ifb",
        "nft add table inet other",
        "tc qdisc add dev office0 root pfifo",
    ],
)
def test_traces_show_every_kind_of_change(change: str) -> None:
    """Something would be left behind unseen after a teardown."""
    before = traces()
    netns.run(*change.split(), namespace=village.BOX)
    assert traces() != before


def test_traces_show_forwarding() -> None:
    """A teardown that leaves forwarding on would look clean."""
    before = traces()
    netns.sysctl(village.BOX, "net.ipv4.ip_forward=0")
    assert traces() != before
