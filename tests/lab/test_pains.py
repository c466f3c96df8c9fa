"""What users of other multi-uplink programs complain of: one test for each pain, named after it, on a real kernel."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from edge.simulator import netns, observer, scene, settings, village
from edge.simulator.scene import Scene
from edge.simulator.village import GUESTS, OFFICE, PDE, WEB_HOST
from tests.lab import town
from tests.lab.namespaces import sh
from tests.lab.pains_lab import POLICY, TARGETS, answering_for, at_work, drop, heal, talking
from tests.lab.town import GUEST, INTERNET, PORT, TELKOM, answering, ask, classes, kernel_state

in_town = pytest.mark.usefixtures("box")


@in_town
async def test_one_rate_limiting_target_takes_the_link_down() -> None:
    """A target that answers one ping in three seconds would take a good link out of service."""
    async with at_work() as scene:
        scene.events.clear()
        drop(
            town.PDE, f"ip daddr {TARGETS[0]} icmp type echo-request limit rate over 20/minute burst 1 packets", "input"
        )
        begun = time.monotonic()
        while time.monotonic() < begun + 12:
            await asyncio.sleep(0.05)
            assert scene.watchers[town.PDE].verdict.level == "up"
        assert scene.moves() == []
        assert scene.answered(town.PDE, TARGETS[1]) > 5, "nobody probed it"


@in_town
async def test_probes_leave_by_the_wrong_link_so_a_dead_one_looks_well() -> None:
    """A dead link whose targets answer by the other one, even to its own probes, would stay in service."""
    async with at_work() as scene:
        drop(town.PDE, "", "input")
        with answering_for(town.PDE, TELKOM) as forged:
            await scene.level(town.PDE, "down")
            before = forged()
            answered = scene.answered(town.PDE, TARGETS[0])
            await scene.until(lambda: forged() > before + 3)
            assert scene.watchers[town.PDE].verdict.level == "down"
            assert scene.answered(town.PDE, TARGETS[0]) == answered, "an answer by the other line counted"
        with answering_for(town.PDE, town.PDE):  # the very same answers are good when they come by the right one
            await scene.level(town.PDE, "up")
        assert scene.verdicts(TELKOM)[-1][0] == "up"
        assert scene.moves()[-1] == (town.PDE, TELKOM)


@in_town
async def test_established_connections_stay_on_the_dead_link() -> None:
    """A connection would hang until its own patience ends, minutes after everybody else works again."""
    async with at_work() as scene:
        with talking() as say:
            assert await asyncio.to_thread(say) == "ok"
            drop(town.PDE, "")
            await scene.service_on(TELKOM)
            assert await asyncio.to_thread(say) == "reset"


@in_town
async def test_a_flush_kills_everything() -> None:
    """A switch of the service would tear the guests' calls, which stay where they were."""
    async with at_work(classes(uplinks=("pde",))) as scene:
        with talking(GUEST) as guest, talking(town.OFFICE, PORT + 1) as office:
            assert (guest(), office()) == ("ok", "ok")
            drop(town.PDE, "icmp type echo-request numgen random mod 100 < 40")
            await scene.service_on(TELKOM)
            assert await asyncio.to_thread(office) == "reset"
            assert await asyncio.to_thread(guest) == "ok"


@in_town
async def test_a_flush_kills_with_no_working_alternative() -> None:
    """With both links dead for a moment, connections that would have lived through it are torn for nothing."""
    async with at_work() as scene:
        with talking() as say:
            assert await asyncio.to_thread(say) == "ok"
            scene.events.clear()
            drop(TELKOM, "")
            await scene.level(TELKOM, "down")
            drop(town.PDE, "")
            await scene.level(town.PDE, "down")
            heal(town.PDE)
            await scene.level(town.PDE, "up")
            assert await asyncio.to_thread(say) == "ok"
            assert scene.moves() == []


@in_town
async def test_failback_before_it_is_stable() -> None:
    """A link that comes and goes would take the service with it every time."""
    hold_s = 4.0
    patient = msgspec.structs.replace(POLICY, failback_hold_s=hold_s, failback_most_s=hold_s)
    async with at_work(policy=patient) as scene:
        drop(town.PDE, "")
        await scene.service_on(TELKOM)
        scene.events.clear()
        for _ in range(2):
            heal(town.PDE)
            await scene.level(town.PDE, "up")
            drop(town.PDE, "")
            await scene.level(town.PDE, "down")
        assert scene.moves() == []
        heal(town.PDE)
        await scene.level(town.PDE, "up")
        assert await scene.service_on(town.PDE) > hold_s - 1


@in_town
async def test_failback_in_the_wrong_order() -> None:
    """Of two links that return, the service must take the first that works, then its own, and no other way round."""
    async with at_work() as scene:
        scene.events.clear()
        drop(town.PDE, "")
        await scene.service_on(TELKOM)
        drop(TELKOM, "")
        await scene.level(TELKOM, "down")
        heal(TELKOM)
        await scene.level(TELKOM, "up")
        assert await asyncio.to_thread(_who_answers) == TELKOM
        heal(town.PDE)
        await scene.service_on(town.PDE)
        assert await asyncio.to_thread(_who_answers) == town.PDE
        assert scene.moves() == [(town.PDE, TELKOM), (TELKOM, town.PDE)]
        assert scene.moves("wifi") == []


@in_town
async def test_failover_works_only_once() -> None:
    """The second and the third failure would find a box that still believes it has moved."""
    async with at_work() as scene:
        scene.events.clear()
        for _ in range(3):
            drop(town.PDE, "")
            await scene.service_on(TELKOM)
            assert await asyncio.to_thread(_who_answers) == TELKOM
            heal(town.PDE)
            await scene.service_on(town.PDE)
            assert await asyncio.to_thread(_who_answers) == town.PDE
        assert scene.moves() == [(town.PDE, TELKOM), (TELKOM, town.PDE)] * 3


def _who_answers() -> str:
    with answering(town.PDE), answering(TELKOM):
        return ask(town.OFFICE, INTERNET, wait_s=10)


@in_town
async def test_everything_restarted_a_hundred_times_a_day_by_address_updates() -> None:
    """A DHCP renewal that changes nothing would tear routes, tables, queues or probes down and up again."""
    async with at_work() as scene:
        before = kernel_state()
        scene.events.clear()
        for seconds in range(3_600, 3_700):
            sh(f"ip address replace 10.35.10.2/24 dev pde0 valid_lft {seconds} preferred_lft {seconds}")
        await asyncio.sleep(4 * POLICY.reconcile_s)  # whatever was noticed has been looked at by then
        assert scene.changes() == 0
        assert scene.moves() == []
        assert scene.verdicts(town.PDE) == []
        assert kernel_state() == before | {"routes": kernel_state()["routes"]}
        assert "default via 10.35.10.1 dev pde0 table 20101" in kernel_state()["routes"]


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a village keeps its files; the village's namespaces go in the end."""
    try:
        yield tmp_path_factory.mktemp("v")
    finally:
        netns.remove(village.NAMESPACES)


@asynccontextmanager
async def a_village(home: Path) -> AsyncIterator[Scene]:
    """The whole village with the real daemon in it, office and guests where they belong."""
    async with scene.opened(home, settings.SHORT) as living:
        await living.appliance.guard()
        await living.appliance.start()
        await living.appliance.serve_names()
        moves = await asyncio.gather(
            observer.moved(OFFICE, "pde", within_s=30), observer.moved(GUESTS[0], "telkom", within_s=30)
        )
        assert None not in moves, living.appliance.last_words()
        yield living


async def test_dns_is_broken_after_failover(home: Path) -> None:
    """Every name would be asked of the dead link's resolver, and nothing works although the network does."""
    client = (sys.executable, "-m", "bench.trials.client", "names", "0.1", village.BOX_IN_OFFICE, "web.example")
    async with a_village(home):
        asking = await netns.spawn(OFFICE, *client, output=subprocess.PIPE)
        try:
            await _resolved_by(asking, "pde")
            PDE.silence()
            assert await observer.moved(OFFICE, "telkom", within_s=30) is not None
            await _resolved_by(asking, "telkom")
        finally:
            await netns.end(asking)


async def _resolved_by(asking: asyncio.subprocess.Process, line: str) -> None:
    """Wait until a request by a name that nobody asked for before is answered through `line`."""
    assert asking.stdout
    async with asyncio.timeout(30):
        while village.BOX_ON_LINE[line].encode() not in await asking.stdout.readline():
            pass


async def test_own_load_looks_like_a_failure(home: Path) -> None:
    """Whoever uses the link to the full would be taken off it."""
    download = f"iperf3 --client {WEB_HOST} --port {village.FLOOD_PORT} --reverse --time 60 --parallel 8"
    async with a_village(home) as living:
        told = len(living.appliance.last_words(1000))
        flood = await netns.spawn(OFFICE, *download.split())
        try:
            received = observer.received_mbyte(OFFICE, "lan0")
            await asyncio.sleep(15)
            mbit = (observer.received_mbyte(OFFICE, "lan0") - received) * 8 / 15
        finally:
            await netns.end(flood, patience_s=2)
        assert mbit > 0.5 * PDE.download_mbit, "the line was not full"
        assert "uplink pde is" not in living.appliance.last_words(1000)[told:]
        assert "service:" not in living.appliance.last_words(1000)[told:]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("loss_recovered_percent = 20", ("monitor.loss_recovered_percent", "loss_degraded_percent")),
        ("rtt_recovered_ms = 300", ("monitor.rtt_recovered_ms", "rtt_degraded_ms")),
    ],
)
def test_thresholds_differ_silently(tmp_path: Path, line: str, named: tuple[str, ...]) -> None:
    """A link would be degraded and well at once, and nobody told before it flaps."""
    example = Path(__file__).parents[2] / "config" / "kampung-edge.toml"
    key = line.partition(" ")[0]
    text = "\n".join(line if each.startswith(f"{key} ") else each for each in example.read_text().splitlines())
    (tmp_path / "edge.toml").write_text(text)
    command = (sys.executable, "-m", "edge", "check-config", str(tmp_path / "edge.toml"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert all(word in done.stdout + done.stderr for word in named), done
