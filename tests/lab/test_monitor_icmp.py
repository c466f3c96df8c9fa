"""The ICMP prober against a target that answers as it pleases, on a real kernel."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from edge.clock import SystemClock
from edge.marks import probe_mark
from edge.monitor.probe import ProbeResult
from edge.monitor.probes.echo import checksum
from edge.monitor.probes.icmp import IcmpProbe
from tests.lab.monitor_lab import DEVICE, SETTINGS, TARGET6, TARGETS, WAY, Line, eventually, line, sh
from tests.lab.namespaces import inside

__all__ = ["line"]
NASTY, HONEST, THIRD = TARGETS[0], TARGETS[1], TARGETS[2]
Answer = tuple[str, bytes]  # source address, ICMP message


def raw_icmp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)


def message(request: bytes, *, identifier: bytes = b"", sequence: bytes = b"", payload: bytes | None = None) -> bytes:
    """A reply to `request` (an ICMP message) with some of it forged."""
    body = request[8:] if payload is None else payload
    rest = (identifier or request[4:6]) + (sequence or request[6:8]) + body
    total = checksum(b"\0\0\0\0" + rest)
    return b"\0\0" + total.to_bytes(2, "big") + rest


@contextmanager
def answering(play: Callable[[bytes], list[Answer]]) -> Iterator[list[bytes]]:
    """Let the provider's side answer echo requests to NASTY by `play`, all others honestly; yields the requests."""
    sh("ip netns exec pde sysctl -qw net.ipv4.icmp_echo_ignore_all=1")
    sock, seen = inside("pde", raw_icmp), list[bytes]()
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)

    def readable() -> None:
        packet = sock.recv(2_048)
        request, target = packet[20:], socket.inet_ntoa(packet[16:20])
        if request[0] != 8:
            return
        seen.append(request)
        for source, reply in play(request) if target == NASTY else [(target, message(request))]:
            header = bytearray(20)
            header[0], header[8], header[9] = 0x45, 64, socket.IPPROTO_ICMP
            header[12:16], header[16:20] = socket.inet_aton(source), packet[12:16]
            sock.sendto(bytes(header) + reply, (socket.inet_ntoa(packet[12:16]), 0))

    loop = asyncio.get_running_loop()
    loop.add_reader(sock, readable)
    try:
        yield seen
    finally:
        loop.remove_reader(sock)
        sock.close()


@contextmanager
def probing() -> Iterator[tuple[IcmpProbe, list[ProbeResult]]]:
    results: list[ProbeResult] = []
    probe = IcmpProbe(WAY, SETTINGS, clock=SystemClock(), report=results.append)
    probe.open()
    try:
        yield probe, results
    finally:
        probe.close()


FORGERIES: dict[str, Callable[[bytes], list[Answer]]] = {
    "another token": lambda request: [(NASTY, message(request, payload=bytes(16)))],
    "a shortened token": lambda request: [(NASTY, message(request, payload=request[8:-1]))],
    "no token": lambda request: [(NASTY, message(request, payload=b""))],
    "another identifier": lambda request: [(NASTY, message(request, identifier=bytes((request[4] ^ 1, request[5]))))],
    "a sequence never sent": lambda request: [(NASTY, message(request, sequence=b"\xee\xee"))],
    "another address": lambda request: [(THIRD, message(request))],
    "a wrong checksum": lambda request: [(NASTY, message(request)[:-1] + b"\0\0")],
    "four bytes": lambda request: [(NASTY, message(request)[:4])],
    "an error": lambda request: [(NASTY, b"\x03\x01" + bytes(6) + request)],
}


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("play", FORGERIES.values(), ids=FORGERIES.keys())
async def test_forged_reply_is_ignored(play: Callable[[bytes], list[Answer]]) -> None:
    """A reply that does not repeat exactly what was sent, from where it was sent, must not count."""
    with answering(play), probing() as (probe, results):
        probe.send(1, NASTY)
        probe.send(2, HONEST)
        await eventually(lambda: bool(results))
        assert [(result.serial, result.target) for result in results] == [(2, HONEST)]


@pytest.mark.usefixtures("line")
async def test_duplicate_reply_counts_once() -> None:
    """A reply that comes twice must be reported once."""
    with answering(lambda request: [(NASTY, message(request))] * 3), probing() as (probe, results):
        probe.send(1, NASTY)
        probe.send(2, HONEST)
        await eventually(lambda: len(results) >= 2)
        assert [result.serial for result in results] == [1, 2]


@pytest.mark.usefixtures("line")
async def test_every_probe_has_its_own_token() -> None:
    """A reply recorded earlier must not answer a later probe: tokens are never repeated."""
    with answering(lambda request: [(NASTY, message(request))]) as seen, probing() as (probe, results):
        for serial in range(50):
            probe.send(serial, NASTY)
        await eventually(lambda: len(results) == 50)
        assert len({request[8:] for request in seen}) == 50


@pytest.mark.usefixtures("line")
async def test_busy_loop_does_not_lengthen_the_round_trip() -> None:
    """The round trip must be measured to the kernel's timestamp, not to when the daemon found the time to read."""
    with probing() as (probe, results):
        # The kernel begins to stamp a moment after the first socket has asked for it (net_enable_timestamp).
        trips: list[float] = []
        while len(trips) < 5 and not (trips and trips[-1] < 100):
            probe.send(len(trips), HONEST)
            _be_busy(0.3)
            await eventually(lambda: len(results) > len(trips))
            trips.append(results[-1].rtt_ms or 0.0)
        assert 0 < trips[-1] < 100, trips


YEARS = 10 * 31_536_000


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("jump", [-86_400, -YEARS, YEARS])
async def test_wall_clock_set_meanwhile_does_not_spoil_the_round_trip(jump: float) -> None:
    """A jump of the wall clock, of a day or of years either way, must fall back to monotonic time."""

    class Jumping(SystemClock):
        def wall(self) -> float:
            return super().wall() + jump

    results: list[ProbeResult] = []
    probe = IcmpProbe(WAY, SETTINGS, clock=Jumping(), report=results.append)
    probe.open()
    probe.send(1, HONEST)
    await eventually(lambda: bool(results))
    probe.close()
    assert results[0].rtt_ms is not None
    assert 0 <= results[0].rtt_ms < 1_000


@pytest.mark.usefixtures("line")
async def test_probe_leaves_by_its_device_with_its_mark() -> None:
    """A probe without its mark or on another device would judge the wrong uplink."""
    sh("nft add table inet seen")
    sh("nft add chain inet seen out { type filter hook output priority 0 ; }")
    sh(f"nft add rule inet seen out oifname {DEVICE} meta mark {probe_mark(1)} icmp type echo-request counter")
    sh("ip route add blackhole 198.51.100.0/24")
    try:
        with probing() as (probe, results):
            probe.send(1, HONEST)
            await eventually(lambda: bool(results))
        assert results[0].reason == ""
        assert "packets 1 " in sh("nft list table inet seen")
    finally:
        sh("ip route del blackhole 198.51.100.0/24")
        sh("nft delete table inet seen")


async def test_unsendable_probe_is_reported_with_its_reason(line: Line) -> None:
    """A firewall's refusal and a vanished device must be lost probes with a reason, never exceptions."""
    with probing() as (probe, results):
        sh("nft add table inet refuse")
        sh("nft add chain inet refuse out { type filter hook output priority 0 ; policy drop ; }")
        probe.send(1, HONEST)
        sh("nft delete table inet refuse")
        line.unplug()
        probe.send(2, HONEST)
        assert [(r.serial, r.rtt_ms, r.reason) for r in results] == [(1, None, "refused"), (2, None, "no-device")]


@pytest.mark.usefixtures("line")
async def test_target_of_ipv6_answers() -> None:
    """A target of IPv6 must be probed through its device, by any spelling, and beside one of IPv4."""
    with probing() as (probe, results):
        probe.send(1, TARGET6.upper())
        probe.send(2, f"[{TARGET6}]")
        probe.send(3, HONEST)
        await eventually(lambda: len(results) == 3)
        assert sorted(result.serial for result in results) == [1, 2, 3]
        assert all(result.rtt_ms is not None and 0 < result.rtt_ms < 1_000 for result in results)


@contextmanager
def answering6(play: Callable[[bytes], list[bytes]]) -> Iterator[None]:
    """Let the provider's side answer echo requests to TARGET6 by `play`, from TARGET6."""
    sh("ip netns exec pde sysctl -qw net.ipv6.icmp.echo_ignore_all=1")
    sock = inside("pde", lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 58))
    sock.bind((TARGET6, 0))

    def readable() -> None:
        request, sender = sock.recvfrom(2_048)
        if request[0] == 128:
            for reply in play(request):
                sock.sendto(reply, sender)

    loop = asyncio.get_running_loop()
    loop.add_reader(sock, readable)
    try:
        yield
    finally:
        loop.remove_reader(sock)
        sock.close()


FORGERIES6: dict[str, Callable[[bytes], bytes]] = {
    "another token": lambda request: b"\x81" + request[1:8] + bytes(16),
    "another identifier": lambda request: b"\x81" + request[1:4] + bytes((request[4] ^ 1,)) + request[5:],
    "a sequence never sent": lambda request: b"\x81" + request[1:6] + b"\xee\xee" + request[8:],
    "a shortened token": lambda request: b"\x81" + request[1:-1],
    "four bytes": lambda request: b"\x81" + request[1:4],
    "a code": lambda request: b"\x81\1" + request[2:],
}


@pytest.mark.usefixtures("line")
@pytest.mark.parametrize("forge", FORGERIES6.values(), ids=FORGERIES6.keys())
async def test_forged_reply6_is_ignored(forge: Callable[[bytes], bytes]) -> None:
    """A forged or truncated reply of IPv6 must not count."""
    with answering6(lambda request: [forge(request)]), probing() as (probe, results):
        probe.send(1, TARGET6)
        probe.send(2, HONEST)
        await eventually(lambda: bool(results))
        probe.send(3, HONEST)
        await eventually(lambda: len(results) >= 2)
        assert [result.serial for result in results] == [2, 3]


@pytest.mark.usefixtures("line")
async def test_duplicate_reply6_counts_once() -> None:
    """A reply of IPv6 that comes twice must be reported once."""
    with answering6(lambda request: [b"\x81" + request[1:]] * 2), probing() as (probe, results):
        for serial in (1, 2):
            probe.send(serial, TARGET6)
            await eventually(partial(_holds, results, serial))
        assert [result.serial for result in results] == [1, 2]


def _holds(results: list[ProbeResult], count: int) -> bool:
    return len(results) >= count


def _be_busy(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass
