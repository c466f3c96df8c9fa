"""The watcher on a real line: what befalls the line must become the right verdict in time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge import config
from edge.clock import SystemClock
from edge.events import ProbeAnswered, UplinkJudged
from edge.monitor.facts import LinkFacts
from edge.monitor.fetches import DOUBT_S, FIRST_WITHIN_S, IDLE_S, Fetches
from edge.monitor.tally import Row
from edge.monitor.watcher import Watcher
from tests.lab.monitor_lab import DEVICE, GATEWAY, SETTINGS, TABLE, TARGETS, WAY, Line, eventually, line, sh, watching
from tests.lab.monitor_peers import HOST, resolver, serving, told

__all__ = ["line"]
ROOT = Path(__file__).parents[2]
HEALS_S = 90  # at most: what is past must leave the figures, and good ones last


@pytest.fixture(scope="module", autouse=True)
def aside() -> Iterator[subprocess.Popen[str]]:
    """What takes a minute of waiting runs beside the other tests of this module."""
    worker = (str(ROOT / "script" / "sandbox"), sys.executable, "-m", "tests.lab.aside")
    with subprocess.Popen(worker, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("line")
async def test_healthy_line_is_up_and_told_once() -> None:
    """A line that answers must be up soon, without loss, and announced exactly once."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        await asyncio.sleep(1.5)
        verdict = scene.watcher.verdict
        assert (verdict.loss, verdict.cause) == (0.0, "")
        assert verdict.rtt_ms is not None
        assert 0 < verdict.rtt_ms < 1_000
        assert [type(e) for e in scene.events if not isinstance(e, ProbeAnswered)] == [UplinkJudged]
        assert {e.target for e in scene.events if isinstance(e, ProbeAnswered)} == {*TARGETS, "gateway"}
        assert scene.raised() == set()


async def test_silence_beyond_the_gateway_is_down(line: Line) -> None:
    """A provider that is dead behind a living gateway must be told, and not before the outage time."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.drop("ip daddr 198.51.100.0/24")
        took = await scene.until("down", cause="beyond-gateway")
        assert took >= 1, "declared before the outage time"
        assert ("uplink-down", "pde") in scene.raised()
        line.heal()
        await scene.until("up")
        assert scene.raised() == set()


async def test_silence_of_the_gateway_too_is_down(line: Line) -> None:
    """A line that swallows everything must be down with the gateway named."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.target == "gateway" for e in scene.events))
        line.drop("meta l4proto icmp")
        await scene.until("down", cause="gateway")


async def test_loss_is_degraded_and_heals(line: Line) -> None:
    """Thirty percent of loss must become degraded, lossy, never down, and up again once it ends."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.drop("numgen random mod 100 < 30")
        await scene.until("degraded", cause="lossy")
        assert ("uplink-degraded", "pde") in scene.raised()
        line.heal()
        await scene.until("up", within_s=HEALS_S)
        assert "down" not in [verdict.level for _, verdict in scene.verdicts]


async def test_one_dead_target_of_four_stays_up(line: Line) -> None:
    """A target that dies alone must be set aside, not bring the uplink down or degrade it."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.drop(f"ip daddr {TARGETS[2]}")
        await eventually(lambda: scene.watcher.faulty == {TARGETS[2]})
        await asyncio.sleep(SETTINGS.fall_s + 0.5)
        assert {verdict.level for _, verdict in scene.verdicts} == {"up"}
        assert scene.watcher.verdict.loss == 0


async def test_without_targets_the_gateway_is_judged(line: Line) -> None:
    """An uplink without targets must be judged by its gateway and say so."""
    async with watching(SETTINGS, targets=()) as scene:
        await scene.until("up", cause="no-targets")
        line.drop("meta l4proto icmp")
        await scene.until("down", cause="gateway")


@pytest.mark.usefixtures("line")
async def test_watcher_may_be_run_again() -> None:
    """A supervised restart must probe again with the verdict kept, and leave no descriptor open."""
    opened = _descriptors()
    async with watching(SETTINGS) as scene:
        await scene.until("up")
    for _ in range(3):
        scene.events.clear()
        again = asyncio.create_task(scene.watcher.run())
        await eventually(lambda: any(isinstance(e, ProbeAnswered) and e.rtt_ms for e in scene.events))
        again.cancel()
        await asyncio.wait([again])
    assert {verdict.level for _, verdict in scene.verdicts} == {"up"}
    assert _descriptors() == opened


CHECKED = msgspec.structs.replace(
    SETTINGS, check_url=f"http://{HOST}/", check_status=200, check_body="Banyuwangi", check_every_s=1
)
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nBanyuwangi"
PORTAL = b"HTTP/1.1 302 Found\r\nLocation: http://login.wifi/\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.usefixtures("line")
async def test_dead_resolver_is_degraded_and_heals() -> None:
    """An uplink whose name servers have died must be told from a dead one, with cause dns."""
    async with watching(SETTINGS, resolvers=(GATEWAY,)) as scene:
        with resolver(lambda query: [told(query)]):
            await scene.until("up")
        await scene.until("degraded", cause="dns")
        with resolver(lambda query: [told(query)]):
            await scene.until("up", within_s=HEALS_S)
        assert "down" not in [verdict.level for _, verdict in scene.verdicts]


@pytest.mark.usefixtures("line")
async def test_captive_portal_is_down_and_heals() -> None:
    """An uplink on which somebody else answers the check must be down, though every target answers ping."""
    async with watching(CHECKED) as scene:
        with serving(PAGE) as asked:
            await scene.until("up")
            await eventually(lambda: bool(asked))
        with serving(PORTAL):
            await scene.until("down", cause="captive-portal")
        with serving(PAGE):
            await scene.until("up", within_s=HEALS_S)


@pytest.mark.usefixtures("line")
async def test_baseline_survives_a_restart_and_rubbish(tmp_path: Path) -> None:
    """What is usual would be forgotten at every restart; a spoiled file would keep the monitor from starting."""
    kept = tmp_path / "baseline-pde.json"
    async with watching(SETTINGS, state_dir=tmp_path) as scene:
        await scene.until("up")
        for _ in range(50):
            scene.watcher.baseline.learn(TARGETS[0], 33.0, 10)
        taught = scene.watcher.baseline.usual(TARGETS[0], 10, 400.0)
    assert kept.exists()
    async with watching(SETTINGS, state_dir=tmp_path) as scene:
        assert taught is not None
        assert scene.watcher.baseline.usual(TARGETS[0], 10, 400.0) == pytest.approx(taught, abs=0.1)
    kept.write_text("{half a fi")
    async with watching(SETTINGS, state_dir=tmp_path) as scene:
        await scene.until("up")


@pytest.mark.usefixtures("line")
async def test_gateway_of_dhcp_is_followed_without_a_new_verdict() -> None:
    """A lease that names another gateway must be followed, and nothing be told of it."""
    other = "10.91.0.9"
    sh(f"ip -n pde addr add {other}/24 dev box")
    async with watching(SETTINGS, gateway="auto") as scene:
        await scene.until("up")
        sh(f"ip route add default via {GATEWAY} dev {DEVICE} metric 5000")
        await eventually(lambda: _answered(scene.watcher, "gateway"))
        sh(f"ip -n pde addr del {GATEWAY}/24 dev box")
        sh(f"ip -n pde addr add {other}/24 dev box", check=False)
        sh(f"ip route replace default via {other} dev {DEVICE} metric 5000")
        sh(f"ip route replace default via {other} dev {DEVICE} table {TABLE}")
        await eventually(lambda: _gateway_asked(other))
        await eventually(lambda: _answered(scene.watcher, "gateway"))
        assert [verdict.level for _, verdict in scene.verdicts] == ["up"]


@pytest.mark.usefixtures("line")
async def test_gateway_that_is_not_known_yet_is_no_crash() -> None:
    """An uplink without a lease must be judged by its targets alone."""
    async with watching(SETTINGS, gateway="auto") as scene:
        await scene.until("up")
        await eventually(lambda: _row(scene.watcher, "gateway").loss == 1)


async def test_two_providers_with_the_same_addresses_are_told_apart(line: Line) -> None:
    """Two boxes on one network are common: a probe that left by the wrong link would find the dead one well."""
    other = Line("telkom", "telkom0", "1092")
    other.build()
    try:
        async with (
            watching(SETTINGS) as pde,
            watching(SETTINGS, name="telkom", device=other.device, number=2) as telkom,
        ):
            await pde.until("up")
            await telkom.until("up")
            line.drop("meta l4proto icmp")
            await pde.until("down")
            line.heal()
            other.drop("meta l4proto icmp")
            await telkom.until("down")
            await pde.until("up", within_s=HEALS_S)
            assert [verdict.level for _, verdict in telkom.verdicts] == ["up", "down"]
    finally:
        other.raze()


@pytest.mark.usefixtures("line")
async def test_idle_uplink_is_fetched_from_and_a_slow_one_again_soon() -> None:
    """A collapsed rate that pings cannot see must be found by a timed fetch, on an idle uplink only."""
    sh("ip netns exec pde tc qdisc replace dev box root tbf rate 1mbit burst 16k latency 300ms")
    settings = msgspec.structs.replace(SETTINGS, fetch_url=f"http://{HOST}/file", fetch_every_s=60)
    fetches = Fetches(WAY, settings, (10.0, 10.0), clock=SystemClock())
    idle, busy = LinkFacts(1.0, 1_000, 1_000), LinkFacts(1.0, 500_000, 1_000)
    now = time.monotonic() + FIRST_WITHIN_S
    with serving(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(200_000)) as asked:
        for facts, well in ((busy, True), (None, True), (idle, False)):
            assert fetches.step(facts, well=well, now=now) is None
        assert fetches.step(idle, well=True, now=now + IDLE_S - 0.1) is None
        await asyncio.sleep(0)
        assert asked == []
        assert fetches.step(idle, well=True, now=now + IDLE_S) is None
        rates: list[float] = []
        await eventually(lambda: _take(fetches.step(idle, well=True, now=now + 10), rates))
        assert 0.2 < rates[0] < 1.5  # a busy machine may read it more slowly than the line carries it
        assert len(asked) == 1
        fetches.step(idle, well=True, now=now + 10 + DOUBT_S)
        await eventually(lambda: len(asked) == 2)
        fetches.stop()


@pytest.mark.usefixtures("line")
async def test_idle_costs_little() -> None:
    """Two healthy uplinks at the default pace must cost next to nothing; bench/monitor.py has the figure."""
    async with watching(config.Monitor()) as first, watching(config.Monitor()) as second:
        await first.until("up")
        await second.until("up")
        cpu, wall = time.process_time(), time.monotonic()
        await asyncio.sleep(4)
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        assert share < 0.05, f"{share:.2%} of a core"


def test_target_set_aside_is_a_condition_until_it_answers_again(aside: subprocess.Popen[str]) -> None:
    """Nobody would learn which host has died, or that it answers again."""
    told, errors = aside.communicate(timeout=250)
    assert told == "told and healed\n", errors


def _take(rate: float | None, rates: list[float]) -> bool:
    rates += [] if rate is None else [rate]
    return rate is not None


def _row(watcher: Watcher, name: str) -> Row:
    return next(row for row in watcher.table() if row.name == name)


def _answered(watcher: Watcher, name: str) -> bool:
    return _row(watcher, name).rtt_ms is not None


def _gateway_asked(address: str) -> bool:
    """Whether the neighbour table knows `address`: somebody has sent to it."""
    return "lladdr" in sh(f"ip neigh show {address} dev {DEVICE}")


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
