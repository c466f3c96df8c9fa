"""The watcher on a real line: what befalls the line must become the right verdict in time."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from edge import config
from edge.events import ProbeAnswered, UplinkJudged
from edge.monitor.track import SPAN_S
from tests.lab.monitor_lab import DEVICE, SETTINGS, TARGETS, Line, eventually, line, sh, watching

__all__ = ["line"]


@pytest.mark.usefixtures("line")
async def test_healthy_line_is_up_and_told_once() -> None:
    """A line that answers must be up within a second, without loss, and announced exactly once."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        await asyncio.sleep(1.5)
        verdict = scene.watcher.verdict
        assert (verdict.loss, verdict.cause) == (0.0, "")
        assert verdict.rtt_ms is not None
        assert 0 < verdict.rtt_ms < 50
        assert [type(e) for e in scene.events if not isinstance(e, ProbeAnswered)] == [UplinkJudged]
        assert {e.target for e in scene.events if isinstance(e, ProbeAnswered)} == {*TARGETS, "gateway"}
        assert scene.raised() == set()


async def test_silence_beyond_the_gateway_is_down(line: Line) -> None:
    """A provider that is dead behind a living gateway must be told within the outage time and a second."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.drop("ip daddr 198.51.100.0/24")
        took = await scene.until("down", cause="beyond-gateway", within_s=SETTINGS.outage_s + 1)
        assert took >= 1, "declared before the outage time"
        assert ("uplink-down", "pde") in scene.raised()
        line.heal()
        await scene.until("up", within_s=SETTINGS.outage_s + 1)
        assert scene.raised() == set()


async def test_silence_of_the_gateway_too_is_down(line: Line) -> None:
    """A line that swallows everything must be down with the gateway named."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.target == "gateway" for e in scene.events), 3)
        line.drop("meta l4proto icmp")
        await scene.until("down", cause="gateway", within_s=SETTINGS.outage_s + 1)


async def test_carrier_loss_is_down_at_once(line: Line) -> None:
    """A pulled cable must be down within half a second, and back once it answers again."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.carrier("down")
        await scene.until("down", cause="carrier", within_s=0.5)
        assert scene.watcher.verdict.loss == 1
        line.carrier("up")
        await scene.until("up", within_s=SETTINGS.outage_s + 1.5)


async def test_flapping_carrier_is_seen_each_time(line: Line) -> None:
    """A second change, whose netlink news the kernel holds back for a second, must be seen by reading."""
    async with watching(config.Monitor(interval_ms=50, rise_s=0.1)) as scene:
        await scene.until("up", within_s=1)
        for _ in range(3):
            line.carrier("down")
            await scene.until("down", cause="carrier", within_s=0.5)
            line.carrier("up")
            await scene.until("up", within_s=1)


async def test_loss_is_degraded_and_heals(line: Line) -> None:
    """Thirty percent of loss must become degraded, lossy, never down, and up again once it ends."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.drop("numgen random mod 100 < 30")
        await scene.until("degraded", cause="lossy", within_s=12)
        assert ("uplink-degraded", "pde") in scene.raised()
        line.heal()
        await scene.until("up", within_s=SPAN_S + SETTINGS.rise_s + 5)
        assert "down" not in [verdict.level for _, verdict in scene.verdicts]


async def test_one_dead_target_of_four_stays_up(line: Line) -> None:
    """A target that dies alone must be set aside, not bring the uplink down or degrade it."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.drop(f"ip daddr {TARGETS[2]}")
        await eventually(lambda: scene.watcher.faulty == {TARGETS[2]}, 8)
        await asyncio.sleep(SETTINGS.fall_s + 0.5)
        assert {verdict.level for _, verdict in scene.verdicts} == {"up"}
        assert scene.watcher.verdict.loss == 0


async def test_device_that_returns_with_another_ifindex_recovers(line: Line) -> None:
    """A USB adapter that re-enumerates must be told missing, then probed again through the new device."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.unplug()
        await scene.until("down", cause="no-device", within_s=0.5)
        assert ("device-missing", "pde") in scene.raised()
        line.plug()
        await scene.until("up", within_s=SETTINGS.outage_s + 1.5)
        assert scene.raised() == set()


async def test_device_replaced_in_a_blink_recovers(line: Line) -> None:
    """A device replaced faster than anyone looks must not leave the probe on the dead one."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        line.unplug()
        line.plug()
        await scene.until("up", within_s=SETTINGS.outage_s + 1.5)
        told = len(scene.events)
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.rtt_ms for e in scene.events[told:]), 2)


async def test_device_absent_at_start_is_data(line: Line) -> None:
    """A device that does not exist yet must be a condition and a verdict, and be used once it comes."""
    line.unplug()
    async with watching(SETTINGS) as scene:
        await scene.until("down", cause="no-device", within_s=0.5)
        line.plug()
        await scene.until("up", within_s=SETTINGS.outage_s + 1.5)


@pytest.mark.usefixtures("line")
async def test_no_route_is_loss_not_a_crash() -> None:
    """Probes that the kernel refuses to send must count as lost and make the uplink down."""
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
        sh(f"ip addr flush dev {DEVICE}")
        await scene.until("down", within_s=SETTINGS.outage_s + 1)


async def test_without_targets_the_gateway_is_judged(line: Line) -> None:
    """An uplink without targets must be judged by its gateway and say so."""
    async with watching(SETTINGS, targets=()) as scene:
        await scene.until("up", cause="no-targets", within_s=1)
        line.drop("meta l4proto icmp")
        await scene.until("down", cause="gateway", within_s=SETTINGS.outage_s + 1)


async def test_without_privilege_the_condition_is_raised(line: Line) -> None:
    """A process without CAP_NET_RAW must say so in one sentence, keep running, and still see the carrier."""
    program = (
        "import asyncio, sys\n"
        "from tests.lab.monitor_lab import SETTINGS, watching\n"
        "async def main():\n"
        "    async with watching(SETTINGS) as scene:\n"
        "        await scene.until('degraded', cause='no-privilege', within_s=2)\n"
        "        for r in scene.health.current():\n"
        "            print(r.condition.code, r.subject, r.detail, flush=True)\n"
        "        sys.stdin.readline()\n"
        "        await scene.until('down', cause='carrier', within_s=1)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--bounding-set=-net_raw,-net_admin", sys.executable, "-c", program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told = await asyncio.wait_for(process.stdout.readline(), 10)
    assert told == b"probe-privilege pde a raw ICMP socket needs CAP_NET_RAW\n"
    line.carrier("down")
    process.stdin.write(b"\n")
    await process.communicate()
    assert process.returncode == 0


@pytest.mark.usefixtures("line")
async def test_watcher_may_be_run_again() -> None:
    """A supervised restart must probe again with the verdict kept, and leave no descriptor open."""
    opened = _descriptors()
    async with watching(SETTINGS) as scene:
        await scene.until("up", within_s=1)
    for _ in range(3):
        scene.events.clear()
        again = asyncio.create_task(scene.watcher.run())
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.rtt_ms for e in scene.events), 2)
        again.cancel()
        await asyncio.wait([again])
    assert {verdict.level for _, verdict in scene.verdicts} == {"up"}
    assert _descriptors() == opened


@pytest.mark.usefixtures("line")
async def test_idle_costs_little() -> None:
    """Two healthy uplinks at the default pace must cost well under one percent of a core."""
    async with watching(config.Monitor()) as first, watching(config.Monitor()) as second:
        await first.until("up", within_s=1)
        await second.until("up", within_s=1)
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(4)
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        assert share < 0.01, f"{share:.2%} of a core"


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
