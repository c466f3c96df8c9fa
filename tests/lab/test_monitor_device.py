"""The watcher and its device: cables pulled, adapters replaced, addresses gone, sockets dead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest

from edge import config
from edge.events import ProbeAnswered
from tests.lab.monitor_lab import DEVICE, SETTINGS, TARGETS, Line, eventually, line, sh, watching

__all__ = ["line"]


async def test_carrier_loss_is_down_at_once(line: Line) -> None:
    """A pulled cable must be down by its carrier, and back once it answers again."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.carrier("down")
        await scene.until("down", cause="carrier")
        assert scene.watcher.verdict.loss == 1
        line.carrier("up")
        await scene.until("up")


async def test_flapping_carrier_is_seen_each_time(line: Line) -> None:
    """A second change, whose netlink news the kernel holds back for a second, must be seen by reading."""
    async with watching(config.Monitor(interval_ms=50, rise_s=0.1)) as scene:
        await scene.until("up")
        for _ in range(3):
            line.carrier("down")
            await scene.until("down", cause="carrier")
            line.carrier("up")
            await scene.until("up")


async def test_device_that_returns_with_another_ifindex_recovers(line: Line) -> None:
    """A USB adapter that re-enumerates must be told missing, then probed again through the new device."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.unplug()
        await scene.until("down", cause="no-device")
        assert ("device-missing", "pde") in scene.raised()
        line.plug()
        await scene.until("up")
        assert scene.raised() == set()


async def test_device_replaced_in_a_blink_recovers(line: Line) -> None:
    """A device replaced faster than anyone looks must not leave the probe on the dead one."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.unplug()
        line.plug()
        await scene.until("up")
        told = len(scene.events)
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.rtt_ms for e in scene.events[told:]))


async def test_device_absent_at_start_is_data(line: Line) -> None:
    """A device that does not exist yet must be a condition and a verdict, and be used once it comes."""
    line.unplug()
    async with watching(SETTINGS) as scene:
        await scene.until("down", cause="no-device")
        line.plug()
        await scene.until("up")


@pytest.mark.usefixtures("line")
async def test_no_route_is_loss_not_a_crash() -> None:
    """Probes that the kernel refuses to send must count as lost and make the uplink down."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        sh(f"ip addr flush dev {DEVICE}")
        await scene.until("down")


async def test_without_privilege_the_condition_is_raised(line: Line) -> None:
    """A process without CAP_NET_RAW must say so in one sentence, keep running, and still see the carrier."""
    program = (
        "import asyncio, sys\n"
        "from tests.lab.monitor_lab import SETTINGS, watching\n"
        "async def main():\n"
        "    async with watching(SETTINGS) as scene:\n"
        "        await scene.until('degraded', cause='no-privilege')\n"
        "        for r in scene.health.current():\n"
        "            print(r.condition.code, r.subject, r.detail, flush=True)\n"
        "        sys.stdin.readline()\n"
        "        await scene.until('down', cause='carrier')\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--bounding-set=-net_raw,-net_admin", sys.executable, "-c", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told = await asyncio.wait_for(process.stdout.readline(), 60)
    assert told == b"probe-privilege pde a raw ICMP socket needs CAP_NET_RAW\n"
    line.carrier("down")
    process.stdin.write(b"\n")
    await process.communicate()
    assert process.returncode == 0


async def test_bytes_of_the_device_are_told_once_a_second(line: Line) -> None:
    """Own load would not be known, so a full link would look sick."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        await eventually(lambda: len(scene.carried) >= 2)
        told_before = len(scene.carried)
        sh(f"ping -q -c 50 -i 0.01 -s 1400 -I {DEVICE} {TARGETS[0]}")
        await eventually(lambda: sum(facts.sent_bytes for facts in scene.carried[told_before:]) > 50 * 1400)
        await eventually(lambda: sum(facts.received_bytes for facts in scene.carried[told_before:]) > 50 * 1400)
        assert all(0.1 < facts.seconds < 30 for facts in scene.carried)
        line.unplug()
        line.plug()
        await scene.until("up")
        assert all(facts.received_bytes >= 0 for facts in scene.carried)


async def test_dead_netlink_socket_is_reopened(line: Line) -> None:
    """A monitor whose news have died would see a pulled cable a quarter of a second later for ever after."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        before = _netlink_sockets()
        assert len(before) == 1
        os.close(before[0])
        await eventually(lambda: len(_netlink_sockets()) == 1)
        line.carrier("down")
        await scene.until("down", cause="carrier")


def _netlink_sockets() -> list[int]:
    lines = Path("/proc/thread-self/net/netlink").read_text().splitlines()[1:]
    known = {f"socket:[{line.split()[-1]}]" for line in lines}
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own descriptor
            if str(entry.readlink()) in known:
                found.append(int(entry.name))
    return found
