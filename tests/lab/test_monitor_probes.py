"""Probes by TCP, and what holds for probes of every kind, on a real kernel."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from edge.monitor.probes import flights
from tests.lab.monitor_lab import DEVICE, TABLE, TARGET6, WAY, Line, eventually, line, sh
from tests.lab.monitor_peers import HOST, listening
from tests.lab.namespaces import inside
from tests.lab.probing import descriptors, one, probing

__all__ = ["line"]

pytestmark = pytest.mark.usefixtures("line")


@pytest.mark.parametrize(
    ("family", "address", "target"),
    [(socket.AF_INET, HOST, f"tcp://{HOST}:443"), (socket.AF_INET6, TARGET6, f"tcp://[{TARGET6}]:443")],
    ids=["ipv4", "ipv6"],
)
async def test_connection_is_a_sign_of_life(family: int, address: str, target: str) -> None:
    """A host that takes connections must count as answering, and be left without a connection."""
    with inside("pde", lambda: listening(family, address, 443)) as sock:
        result = await one("tcp", target)
        assert result.rtt_ms is not None
        assert 0 < result.rtt_ms < 1_000
        accepted, _ = sock.accept()
        await eventually(lambda: _is_reset(accepted))
        accepted.close()


@pytest.mark.parametrize("target", [f"tcp://{HOST}:81", f"tcp://[{TARGET6}]:81"])
async def test_refused_connection_is_a_sign_of_life(target: str) -> None:
    """A host that refuses a port lives: its RST must count as an answer."""
    result = await one("tcp", target)
    assert result.rtt_ms is not None
    assert 0 < result.rtt_ms < 1_000


async def test_connection_is_timed_by_the_kernel() -> None:
    """A busy daemon must not look like a slow uplink."""
    with inside("pde", lambda: listening(socket.AF_INET, HOST, 443)), probing("tcp") as (probe, results):
        probe.send(1, f"tcp://{HOST}:443")
        _be_busy(0.3)
        await eventually(lambda: bool(results))
        assert results[0].rtt_ms is not None
        assert results[0].rtt_ms < 100


async def test_silent_port_is_given_up_before_its_syn_is_sent_again(line: Line) -> None:
    """A repeated SYN that is answered would hide the loss of the first; sockets without an answer would pile up."""
    line.drop("tcp dport 443")
    sh("nft add table inet seen")
    sh("nft add chain inet seen out { type filter hook output priority 0 ; }")
    sh("nft add rule inet seen out tcp dport 443 counter")
    opened = descriptors()
    try:
        with probing("tcp") as (probe, results):
            probe.send(1, f"tcp://{HOST}:443")
            assert descriptors() == opened + 1
            await eventually(lambda: descriptors() == opened)
            await asyncio.sleep(0.3)  # a second SYN would leave after one second
            assert results == []
        assert "packets 1 " in sh("nft list table inet seen")
    finally:
        sh("nft delete table inet seen")


@pytest.mark.parametrize(("kind", "target"), [("tcp", f"tcp://{HOST}:443"), ("dns", HOST)])
async def test_sockets_in_flight_are_bounded(line: Line, kind: str, target: str) -> None:
    """A target that never answers must hold no more than a bounded number of sockets, and none after closing."""
    line.drop("tcp dport 443", "udp dport 53")
    opened = descriptors()
    with probing(kind) as (probe, results):
        for serial in range(flights.MOST_IN_FLIGHT + 3):
            probe.send(serial, target)
        assert [result.reason for result in results] == ["too-many"] * 3
        assert descriptors() == opened + flights.MOST_IN_FLIGHT
    assert descriptors() == opened


@pytest.mark.parametrize(
    ("kind", "target", "match"),
    [
        ("tcp", f"tcp://{HOST}:443", "tcp dport 443"),
        ("dns", HOST, "udp dport 53"),
        ("http", f"http://{HOST}/", "tcp dport 80"),
    ],
)
async def test_probe_leaves_by_its_device_with_its_mark(kind: str, target: str, match: str) -> None:
    """A probe without its mark or on another device would judge the wrong uplink."""
    sh("nft add table inet seen")
    sh("nft add chain inet seen out { type filter hook output priority 0 ; }")
    sh(f"nft add rule inet seen out oifname {DEVICE} meta mark {WAY.mark} {match} counter")
    sh("ip route add blackhole 198.51.100.0/24")
    try:
        assert (await one(kind, target)).reason in ("", "refused")
        assert "packets 1 " in sh("nft list table inet seen")
    finally:
        sh("ip route del blackhole 198.51.100.0/24")
        sh("nft delete table inet seen")


@pytest.mark.parametrize(
    ("kind", "target"), [("tcp", f"tcp://[{TARGET6}]:443"), ("dns", TARGET6), ("http", f"http://[{TARGET6}]/")]
)
async def test_unsendable_probe_is_reported_with_its_reason(line: Line, kind: str, target: str) -> None:
    """A missing route and a vanished device must be failed probes with a reason, never exceptions."""
    with probing(kind) as (probe, results):
        sh(f"ip -6 route del default table {TABLE}")
        probe.send(1, target)
        await eventually(lambda: len(results) == 1)
        line.unplug()
        probe.send(2, target)
        await eventually(lambda: len(results) == 2)
        assert [(r.serial, r.rtt_ms, r.reason) for r in results] == [(1, None, "no-route"), (2, None, "no-device")]


def _is_reset(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        return sock.recv(1) == b"never"
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False


def _be_busy(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass
