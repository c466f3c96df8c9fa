"""Uplinks whose addresses come and go: DHCP, PPPoE, both providers on one network, another device of the same name."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from edge import config
from edge.events import HostReconciled
from tests.lab.namespaces import batch, inside, living_in, sh
from tests.lab.steering import Steering, steering
from tests.lab.town import GUEST, INTERNET, OFFICE, PDE, PORT, TELKOM, answering, ask, kernel_state, settings, uplinks

pytestmark = pytest.mark.usefixtures("box")


def by_dhcp(**changed: Any) -> config.Config:
    """Telkom's gateway is whatever its DHCP server says."""
    pde, _ = uplinks()
    given = config.Uplink(name="telkom", device="tel0", gateway="auto", download_mbit=20, upload_mbit=20)
    return settings(uplink=(pde, given), **changed)


@contextmanager
def internet() -> Iterator[None]:
    with answering(PDE), answering(TELKOM):
        yield


def telkoms_table() -> str:
    """Its routes; an empty table is none for the kernel."""
    return sh("ip route show table 20102", check=False)


async def asked(name: str, address: str = INTERNET) -> str:
    return await asyncio.to_thread(ask, name, address)


def lease(device: str, address: str, gateway: str) -> None:
    """What a DHCP client does with a new lease."""
    sh(f"ip address flush dev {device} scope global")
    sh(f"ip address add {address}/24 dev {device}")
    sh(f"ip route replace default via {gateway} dev {device}")


def changes(scene: Steering) -> int:
    return sum(event.changes for event in scene.events if isinstance(event, HostReconciled))


async def test_a_gateway_is_learnt_followed_and_not_dropped_between_two_leases() -> None:
    """A provider that renews its box would cut the guests off until somebody writes the new gateway down."""
    sh("ip route add default via 100.64.7.1 dev tel0")
    with internet():
        async with steering(by_dhcp()) as scene:
            scene.all_up()
            assert await asked(GUEST) == TELKOM
            batch(TELKOM, "address add 100.64.8.1/24 dev line\nroute replace 172.20.0.0/24 via 100.64.8.2\n")
            sh("ip route del default dev tel0")
            await asyncio.sleep(0.3)
            assert "default via 100.64.7.1" in telkoms_table(), "renewing a lease is no loss"
            lease("tel0", "100.64.8.2", "100.64.8.1")
            await scene.until(lambda: "default via 100.64.8.1" in telkoms_table())
            assert await asked(GUEST) == TELKOM


async def test_a_new_address_changes_one_route_and_nothing_else() -> None:
    """Everything would be torn down and built again a hundred times a day by a provider with short leases."""
    sh("ip route add default via 100.64.7.1 dev tel0")
    with internet():
        async with steering(by_dhcp()) as scene:
            scene.all_up()
            batch(TELKOM, "address add 100.64.7.9/24 dev line\n")
            await quiet(scene)
            before = kernel_state()
            with office_call() as call:
                scene.events.clear()
                sh("ip route replace default via 100.64.7.9 dev tel0")
                await scene.until(lambda: "default via 100.64.7.9" in telkoms_table())
                await quiet(scene)
                assert changes(scene) == 1
                assert scene.moves() == []
                assert call() == b"service"
            after = kernel_state()
            assert {name for name in before if before[name] != after[name]} == {"routes"}
            scene.events.clear()
            for _ in range(100):  # a lease renewed: the same address, another lifetime
                sh("ip address replace 100.64.7.2/24 dev tel0 valid_lft 3600 preferred_lft 3600")
            await quiet(scene)
            assert changes(scene) == 0


async def quiet(scene: Steering) -> None:
    """Return once the controller has looked at everything that the kernel has told."""
    told = -1
    while told != len(scene.events):
        told = len(scene.events)
        await asyncio.sleep(0.4)  # twice its pause between two looks


@contextmanager
def office_call() -> Iterator[Any]:
    """A connection from the office by PDE; call it to hear that it lives."""
    with closing(inside(PDE, lambda: socket.create_server((INTERNET, PORT + 1)))) as server:
        client = inside(OFFICE, lambda: socket.create_connection((INTERNET, PORT + 1), 10))
        peer, _ = server.accept()
        with client, peer:

            def speak() -> bytes:
                client.sendall(b"service")
                peer.settimeout(60)
                return peer.recv(100)

            assert speak() == b"service"
            yield speak


async def test_connections_of_the_old_address_are_forgotten_and_no_others() -> None:
    """A connection that keeps the translation to an address that is gone hangs until its time-out."""
    sh("ip route add default via 100.64.7.1 dev tel0")
    managed = config.Policy(reconcile_s=0.2, management=("100.64.7.0/24",))
    with internet(), closing(inside("box", lambda: socket.create_server(("", 22)))):
        async with steering(by_dhcp(policy=managed)) as scene:
            scene.all_up()
            assert await asked(GUEST) == TELKOM
            assert await asked(OFFICE) == PDE
            with inside(TELKOM, lambda: socket.create_connection(("100.64.7.2", 22), 10)):
                assert sh("conntrack -L").count("dst=100.64.7.2") > 1
                batch(TELKOM, "address add 100.64.8.1/24 dev line\nroute replace 172.20.0.0/24 via 100.64.8.2\n")
                lease("tel0", "100.64.8.2", "100.64.8.1")
                await scene.until(lambda: "dst=100.64.7.2" not in sh("conntrack -L"))
            assert "dst=10.35.10.2" in sh("conntrack -L"), "PDE's connections were nobody's business"
            await scene.until(lambda: "default via 100.64.8.1" in telkoms_table())
            assert await asked(GUEST) == TELKOM


async def test_a_point_to_point_uplink_needs_no_gateway() -> None:
    """PPPoE has no router on a network: the other end of the device is the way, and a redial brings a new device."""
    pde, _ = uplinks()
    given = config.Uplink(name="telkom", device="ppp0", gateway="auto", download_mbit=20, upload_mbit=20)
    with internet():
        async with steering(settings(uplink=(pde, given))) as scene:
            scene.all_up()
            for _ in range(2):
                with Dialled():
                    await scene.until(lambda: "default dev ppp0" in telkoms_table())
                    await scene.until(lambda: "htb 4b45: root" in sh("tc qdisc show dev ppp0"))
                    assert await asked(GUEST) == TELKOM
                    assert await asked(OFFICE) == PDE
                await scene.until(lambda: telkoms_table() == "")


class Dialled:
    """A point-to-point device from the box to Telkom, as a PPPoE client makes one; both ends vanish with the call."""

    def __init__(self) -> None:
        self._ends = [inside(name, _point_to_point) for name in ("box", TELKOM)]
        for name, address, other in (("box", "10.200.0.2", "10.200.0.1"), (TELKOM, "10.200.0.1", "10.200.0.2")):
            batch(name, f"link set ppp0 mtu 1492 up\naddress add {address} peer {other} dev ppp0\n")
        batch(TELKOM, "route replace 172.20.0.0/24 via 10.200.0.2\n")
        self._threads = [
            threading.Thread(target=_carry, args=ends, daemon=True) for ends in (self._ends, self._ends[::-1])
        ]

    def __enter__(self) -> Dialled:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("box", TELKOM):
            sh(f"ip -n {name} link del ppp0")
        for thread in self._threads:
            thread.join(5)
        for end in self._ends:
            os.close(end)


def _point_to_point() -> int:
    """A tun device (kernel: networking/tuntap); the descriptor is its far end."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(end, 0x400454CA, struct.pack("16sH22x", b"ppp0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    return end


def _carry(source: int, target: int) -> None:
    """Carry packets from one end to the other until the device is gone."""
    with contextlib.suppress(OSError):
        while packet := os.read(source, 65536):
            os.write(target, packet)


async def test_a_device_that_returns_with_another_number_gets_everything_back() -> None:
    """A cable or a USB network card that was pulled and put back would stay without routes and shaping."""
    with internet():
        async with steering() as scene:
            scene.all_up()
            before = telkoms_table(), sh("tc class show dev tel0")
            index = socket.if_nametoindex("tel0")
            sh("ip link del tel0")
            await scene.until(lambda: telkoms_table() == "")
            batch("box", f"link add tel0 type veth peer name line netns {TELKOM}\n")
            batch("box", "link set dev tel0 mtu 1492 up\naddress add 100.64.7.2/24 dev tel0\n")
            batch(
                TELKOM, "link set line up\naddress add 100.64.7.1/24 dev line\nroute add 172.20.0.0/24 via 100.64.7.2\n"
            )
            assert socket.if_nametoindex("tel0") != index
            await scene.until(lambda: (telkoms_table(), sh("tc class show dev tel0")) == before)
            assert await asked(GUEST) == TELKOM
            assert scene.raised() == set()


async def test_overlapping_uplink_networks_switch_and_forget_apart() -> None:
    """Two providers' boxes both on 192.168.1.0/24 are common: neither may catch the other's packets or connections."""
    for device, namespace, network in (("pde0", PDE, "10.35.10"), ("tel0", TELKOM, "100.64.7")):
        sh(f"ip address del {network}.2/24 dev {device}")
        sh(f"ip address add 192.168.1.2/24 dev {device}")
        batch(namespace, f"address del {network}.1/24 dev line\naddress add 192.168.1.1/24 dev line\n")
        batch(namespace, "route add 192.168.10.0/24 via 192.168.1.2\nroute add 172.20.0.0/24 via 192.168.1.2\n")
    both = tuple(
        config.Uplink(name=u.name, device=u.device, gateway="192.168.1.1", download_mbit=10, upload_mbit=10)
        for u in uplinks()
    )
    service_by_pde, guests_by_telkom = f"mark={0x110000}", f"mark={0x220000}"
    with internet(), gateway_says(PDE), gateway_says(TELKOM):
        async with steering(settings(uplink=both)) as scene:
            scene.all_up()
            assert await asked(OFFICE) == PDE
            assert await asked(GUEST) == TELKOM
            for device, name in (("pde0", PDE), ("tel0", TELKOM)):
                assert await asyncio.to_thread(bound, device, "192.168.1.1") == name, "the other box answered"
            assert {service_by_pde, guests_by_telkom} <= marks()
            scene.judge("pde", "down", "gateway")
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert service_by_pde not in marks()
            assert guests_by_telkom in marks(), "the guests' connections by the other box were nobody's business"
            assert await asked(OFFICE) == TELKOM


async def test_halves_of_a_default_route_do_not_take_the_office_away() -> None:
    """A provider whose DHCP server sends two routes of /1 would draw all traffic to itself, whatever is judged."""
    with internet():
        async with steering(by_dhcp()) as scene:
            scene.all_up()
            lease("tel0", "100.64.7.2", "100.64.7.1")
            for half in ("0.0.0.0/1", "128.0.0.0/1"):
                sh(f"ip route add {half} via 100.64.7.1 dev tel0")
            assert await asked(OFFICE) == PDE
            assert "dev pde0" in sh(f"ip route get {INTERNET}"), "the box's own traffic stays too"


def marks() -> set[str]:
    return {word for word in sh("conntrack -L").split() if word.startswith("mark=")}


@contextmanager
def gateway_says(name: str) -> Iterator[None]:
    with answering(name, "192.168.1.1", PORT + 2):
        yield


def bound(device: str, address: str) -> str:
    """What a socket of the box that insists on `device` hears at `address`."""
    with living_in("box"), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        probe.settimeout(60)
        probe.connect((address, PORT + 2))
        return probe.recv(100).decode()
