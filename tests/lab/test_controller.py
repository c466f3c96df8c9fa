"""The controller in a real kernel: it moves classes, heals what others break, and stays out where it must."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from edge.kernel.conntrack import ConntrackFailed
from edge.kernel.door import Door
from edge.kernel.host import Host
from edge.kernel.state import Stale, diff
from edge.traffic.plan import desired
from tests.lab.namespaces import inside, sh
from tests.lab.steering import Steering, steering
from tests.lab.town import (
    GOVERNMENT,
    GUEST,
    INTERNET,
    OFFICE,
    PDE,
    PORT,
    TELKOM,
    answering,
    ask,
    classes,
    cut_off,
    kernel_state,
    settings,
)

pytestmark = pytest.mark.usefixtures("box")


@contextmanager
def internet() -> Iterator[None]:
    with answering(PDE), answering(TELKOM):
        yield


async def asked(name: str, address: str) -> str:
    return await asyncio.to_thread(ask, name, address)


class Forgetful(Door):
    """A door behind which the kernel refuses to forget connections the first time it is asked."""

    refusing = True

    async def forget(self, stale: Iterable[Stale]) -> None:
        if self.refusing:
            self.refusing = False
            raise ConntrackFailed("no memory")
        await super().forget(stale)


async def wanted_state(scene: Steering, within_s: float = 30.0) -> None:
    """Return once the kernel holds what the controller wants, as somebody else reads it."""

    def missing() -> list[str]:
        host = Host()
        wanted = desired(settings(), scene.controller.assignment, host.facts())
        return [f"{change.action} {change.what}" for change in diff(wanted, host.observe())]

    deadline = time.monotonic() + within_s
    while changes := await asyncio.to_thread(missing):
        assert time.monotonic() < deadline, changes
        await asyncio.sleep(0.02)


async def test_classes_use_their_uplinks_and_the_service_fails_over_and_back() -> None:
    """Service by PDE, guests by Telkom; a verdict moves the service at once, and the hold brings it back."""
    with internet():
        async with steering() as scene:
            scene.all_up()
            assert await asked(OFFICE, INTERNET) == PDE
            assert await asked(GUEST, INTERNET) == TELKOM
            assert await asked("box", INTERNET) == PDE
            scene.events.clear()
            scene.judge("pde", "down", "no-reply")
            await scene.until(lambda: scene.moves() == [("service", "pde", "telkom"), ("control", "pde", "telkom")])
            assert await asked(OFFICE, INTERNET) == TELKOM
            assert await asked("box", INTERNET) == TELKOM
            scene.judge("pde", "up")
            back = await scene.until(lambda: len(scene.moves()) == 4)
            assert back > 0.3, "the failback hold of half a second must pass"
            assert await asked(OFFICE, INTERNET) == PDE


async def test_a_verdict_moves_the_class_at_once() -> None:
    """A slow switch is an outage of its own; bench/switch.py has the figure: under 100 ms from verdict to telling."""
    took: list[float] = []
    async with steering() as scene:
        scene.all_up()
        await wanted_state(scene)
        for from_uplink, to_uplink, table in (("pde", "telkom", "20102"), ("telkom", "pde", "20101")) * 3:
            scene.events.clear()
            scene.judge(to_uplink, "up")
            scene.judge(from_uplink, "down", "no-reply")
            took.append(await scene.until(lambda: len(scene.moves()) == 2))
            assert f"fwmark 0x10000/0xf0000 lookup {table}" in sh("ip rule list priority 20100")
    assert min(took) < 0.5, took  # the best of six: what the switch needs, whatever else the machine does


async def test_only_the_moved_class_loses_its_connections() -> None:
    """At a switch the service's connections are forgotten, the guests' must live on."""
    with internet():
        async with steering(settings(classes=classes(uplinks=("pde",)))) as scene:
            scene.all_up()
            assert await asked(GUEST, INTERNET) == PDE
            assert await asked(OFFICE, INTERNET) == PDE
            before = sh("conntrack -L -d " + INTERNET)
            assert "mark=1114112" in before
            assert "mark=1179648" in before
            scene.judge("pde", "down", "no-reply")
            await scene.until(lambda: len(scene.moves()) >= 2 and ("service", "pde", "telkom") in scene.moves())
            after = sh("conntrack -L -d " + INTERNET)
            assert "mark=1114112" not in after
            assert "mark=1179648" in after


async def test_connections_that_could_not_be_forgotten_are_tried_again() -> None:
    """The page would tell the office to call for help until the next switch, and calls would hang till their end."""
    async with steering(door=Forgetful) as scene:
        scene.all_up()
        scene.judge("pde", "down", "no-reply")
        await scene.until(lambda: ("network-apply", "") in scene.raised())
        await scene.until(lambda: ("network-apply", "") not in scene.raised())


async def test_an_established_connection_does_not_hang_on_the_dead_uplink() -> None:
    """A connection of the service must end or go on after a switch, never stay on the old uplink's address."""
    with internet():
        async with steering() as scene:
            scene.all_up()
            server = inside(TELKOM, lambda: socket.create_server((INTERNET, PORT + 1)))
            other = inside(PDE, lambda: socket.create_server((INTERNET, PORT + 1)))
            with server, other:
                client = inside(OFFICE, lambda: socket.create_connection((INTERNET, PORT + 1), 10))
                with client:
                    scene.judge("pde", "down", "no-reply")
                    await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
                    client.sendall(b"still there?")
                    client.settimeout(30)
                    with pytest.raises(ConnectionResetError):
                        await asyncio.to_thread(client.recv, 10)


async def test_pinned_prefix_fails_closed() -> None:
    """The government's network is reached by PDE only; with PDE gone it is unreachable, not leaked to Telkom."""
    with internet():
        async with steering() as scene:
            scene.all_up()
            assert await asked(OFFICE, GOVERNMENT) == PDE
            assert await asked("box", GOVERNMENT) == PDE
            scene.judge("pde", "down", "carrier")
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert await asked(OFFICE, INTERNET) == TELKOM
            sh("ip link set pde0 down")
            assert await asyncio.to_thread(cut_off, OFFICE, GOVERNMENT)
            assert await asyncio.to_thread(cut_off, "box", GOVERNMENT)
            assert await asked(OFFICE, INTERNET) == TELKOM


@pytest.mark.parametrize(
    "damage",
    [
        "ip rule del priority 20100",
        "ip rule del priority 20070",
        "ip route flush table 20102",
        "ip route del unreachable 10.51.0.0/16 table 20100 metric 4096",
        "ip rule add priority 20100 fwmark 0x10000/0xf0000 lookup 20102 protocol 75",
        "nft delete table inet kampung_edge",
        "nft flush ruleset",
        "nft flush chain inet kampung_edge from_guest",
        "nft insert rule inet kampung_edge ours accept",
        "nft flush chain inet kampung_edge seal",
        "tc qdisc del dev pde0 root",
        "tc qdisc del dev wifi0 clsact",
        "tc filter del dev office0 egress",
        "tc class change dev tel0 parent 4b45:2 classid 4b45:21 htb rate 1mbit ceil 1mbit",
        "tc qdisc del dev pde0 parent 4b45:13",
        "ip link del keifb0",
        "ip link set tel0 down",
    ],
)
async def test_what_others_break_is_healed(damage: str) -> None:
    """Another program's meddling must be undone within a few reconciliations, whatever part it hits."""
    async with steering() as scene:
        scene.all_up()
        await wanted_state(scene)
        told = scene.reconciled()
        sh(damage)
        if damage.endswith("down"):
            sh("ip link set tel0 up")
        await scene.until(lambda: scene.reconciled() > told)
        await wanted_state(scene)
        assert scene.raised() == set()


async def test_a_quiet_host_is_left_alone() -> None:
    """Once in the wanted state nothing may be written any more."""
    async with steering() as scene:
        scene.all_up()
        await wanted_state(scene)
        await asyncio.sleep(0.5)  # the notices of our own changes are looked at once
        told = len(scene.events)
        before = kernel_state()
        await asyncio.sleep(1)
        assert len(scene.events) == told
        assert kernel_state() == before


async def test_a_restart_adopts_what_the_kernel_shows() -> None:
    """A restarted daemon must not move traffic back to a dead uplink before it has judged it."""
    async with steering() as scene:
        scene.all_up()
        scene.judge("pde", "down", "no-reply")
        await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
    before = kernel_state()
    async with steering() as scene:
        scene.judge("pde", "down", "starting")
        assert scene.controller.assignment.service.uplink == "telkom"
        assert scene.moves() == []
        assert scene.reconciled() == 0
        assert kernel_state() == before


async def test_a_missing_lan_device_is_told_until_it_is_there() -> None:
    """The office would search for a fault of the internet when its own cable is out."""
    sh("ip link set office0 down")
    sh("ip link set office0 name away")
    async with steering() as scene:
        assert ("device-missing", "office0") in scene.raised()
        sh("ip link set away name office0")
        sh("ip link set office0 up")
        await scene.until(lambda: ("device-missing", "office0") not in scene.raised())


async def test_a_missing_device_costs_only_its_own_part() -> None:
    """An uplink whose device is absent must not keep the others from working; it joins when it appears."""
    sh("ip link set pde0 down")
    sh("ip link set pde0 name away")
    with internet():
        async with steering() as scene:
            scene.judge("telkom", "up")
            scene.judge("pde", "down", "no-device")
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert await asked(OFFICE, INTERNET) == TELKOM
            sh("ip link set away name pde0")
            sh("ip link set pde0 up")
            await wanted_state(scene)
            scene.judge("pde", "up")
            await scene.until(lambda: ("service", "telkom", "pde") in scene.moves())
            assert await asked(OFFICE, INTERNET) == PDE


async def test_beside_writes_nothing() -> None:
    """Next to another router the daemon decides and tells, and leaves the kernel as it is."""
    before = kernel_state()
    async with steering(settings(mode="beside")) as scene:
        scene.all_up()
        scene.judge("pde", "down", "no-reply")
        await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
        assert scene.raised() == set()
    assert kernel_state() == before


async def test_forwarding_that_is_off_is_told() -> None:
    """A router that does not forward must say so instead of looking well."""
    sh("sysctl -qw net.ipv4.ip_forward=0")
    async with steering() as scene:
        assert ("forwarding-off", "") in scene.raised()


async def test_no_uplink_is_told_and_traffic_stays() -> None:
    """With all uplinks down nothing moves; the office is told and the condition goes with the first that returns."""
    async with steering() as scene:
        scene.all_up()
        scene.judge("pde", "down", "no-reply")
        scene.judge("telkom", "down", "no-reply")
        await scene.until(lambda: ("no-uplink", "") in scene.raised())
        assert "stays on" in scene.controller.assignment.service.because
        scene.judge("telkom", "up")
        await scene.until(lambda: ("no-uplink", "") not in scene.raised())
        assert scene.controller.assignment.service.uplink == "telkom"


async def test_safe_plan_keeps_routes_and_denies_guests() -> None:
    """After three crashes the office keeps the routes it had, and guests go nowhere."""
    with internet():
        async with steering() as scene:
            scene.all_up()
            scene.judge("pde", "down", "no-reply")
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
        async with steering(safe=True) as scene:
            scene.all_up()
            assert await asked(OFFICE, INTERNET) == TELKOM
            assert await asyncio.to_thread(cut_off, GUEST, INTERNET)
            assert scene.moves() == []
