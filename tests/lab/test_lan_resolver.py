"""The real dnsmasq in the box: its name servers follow the uplink of the service, and it is seen when it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.config import Config
from edge.events import Level
from edge.health import Health
from edge.lan import resolver as shell
from edge.lan.dnsmasq import PID, SERVERS
from edge.lan.resolver import Resolver
from edge.monitor.verdict import Cause, Verdict
from edge.traffic.policy import Assignment, Choice
from tests.contract.confined import settings as unit_settings
from tests.lab.names import LIE, RESOLVER, ROOT, SAYS, Dnsmasq, Providers, ask, asked, discover, named, ways
from tests.lab.namespaces import sh
from tests.lab.town import PDE, TELKOM
from tests.office import until

pytestmark = pytest.mark.usefixtures("box")
UNIT = Path(__file__).parents[2] / "systemd" / "kampung-edge-dnsmasq.service"
DAEMON = UNIT.with_name("kampung-edge.service")


@pytest.fixture
def providers(box: None) -> Iterator[Providers]:
    del box
    ways()
    providers = Providers()
    with providers.answering():
        yield providers


@pytest.fixture
def dnsmasq(tmp_path: Path) -> Iterator[Dnsmasq]:
    made = Dnsmasq(tmp_path)
    yield made
    made.end()


def chosen(service: str, wifi: str = "telkom") -> Assignment:
    return Assignment(Choice(service, "test"), Choice(wifi, "test"), Choice(service, "test"))


@asynccontextmanager
async def following(config: Config, service: str = "pde") -> AsyncIterator[tuple[Resolver, Health]]:
    """A running resolver that was told at its start who uses what."""
    health = Health(time.time)
    resolver = Resolver(config, health=health, check_s=0.1, patience_s=0.5)
    await resolver.follow(chosen(service))
    task = asyncio.create_task(resolver.run())
    try:
        yield resolver, health
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def judged(uplink: str, level: Level, cause: Cause) -> Verdict:
    return Verdict(uplink, level, cause, 0.0, 20.0, 0.0)


async def served(config: Config, dnsmasq: Dnsmasq, by: str) -> None:
    """Start dnsmasq and return once it asks the resolver of `by`."""
    shell.prepare(config)
    dnsmasq.start(*ROOT)
    await until(lambda: answered("start.example", by), what=f"names by {by}")


async def answered(name: str, by: str) -> bool:
    return await asked(name, within_s=0.3) == SAYS[by]


def reasons(health: Health) -> list[str]:
    return [held.detail for held in health.current() if held.condition.code == "resolver-missing"]


async def holds(health: Health, words: str) -> bool:
    return any(words in reason for reason in reasons(health))


async def well(health: Health) -> bool:
    return not reasons(health)


async def test_names_follow_the_service_each_way(providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path) -> None:
    """After a failover the internet would look dead although the line works."""
    config = named(tmp_path)
    async with following(config) as (resolver, health):
        await served(config, dnsmasq, PDE)
        for turn, (dead, alive) in enumerate(((PDE, TELKOM), (TELKOM, PDE)) * 3):
            providers.silent = {dead}
            await resolver.follow(chosen(alive))
            assert await asked(f"turn{turn}.example") == SAYS[alive]
        assert not reasons(health)


async def test_a_question_nobody_answered_is_answered_after_the_switch(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """dnsmasq would tie the very names that people tried during the outage to the dead uplink for half a minute."""
    config = named(tmp_path)
    async with following(config) as (resolver, _):
        await served(config, dnsmasq, PDE)
        providers.silent = {PDE}
        for number in range(3):
            assert not await asyncio.to_thread(ask, "portal.example", number=1000 + number)
        await resolver.follow(chosen("telkom"))
        assert await asked("portal.example") == SAYS[TELKOM]


async def test_a_captive_portal_s_lie_does_not_survive_the_switch(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """Browsers would be sent to the provider's login page by an uplink that works."""
    config = named(tmp_path)
    async with following(config) as (resolver, _):
        await served(config, dnsmasq, PDE)
        providers.lying = {PDE}
        assert await asked("web.example") == LIE
        providers.heard.clear()
        assert await asked("web.example") == LIE
        assert not providers.heard, "the second answer should have come from the cache"
        await resolver.follow(chosen("telkom"))

        async def told_the_truth() -> bool:
            return await asked("web.example", within_s=0.3) == SAYS[TELKOM]

        await until(told_the_truth, what="the truth")


async def test_names_are_asked_elsewhere_while_only_they_fail(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """A provider's dead resolver would take the office offline although everything else of its uplink works."""
    config = named(tmp_path)
    async with following(config) as (resolver, _):
        await served(config, dnsmasq, PDE)
        providers.silent = {PDE}
        resolver.judged(judged("pde", "degraded", "dns"))
        assert await asked("one.example") == SAYS[TELKOM]
        providers.silent = set()
        resolver.judged(judged("pde", "up", ""))
        await until(lambda: answered(f"two{time.monotonic_ns()}.example", PDE), what="names by pde again")


async def test_a_pinned_resolver_is_asked_by_the_ways_of_its_network(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """The government's resolver would be asked through the other uplink, where the table drops it."""
    config = named(tmp_path, pinned=("203.0.113.0/24",))
    sh(f"ip route add {RESOLVER} via 10.35.10.1")
    async with following(config, "telkom"):
        await served(config, dnsmasq, PDE)
        assert {where for where, _ in providers.heard} == {PDE}


async def test_addresses_are_handed_out_through_a_switch(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """A computer switched on at the wrong moment would have no address all morning."""
    del providers
    config = named(tmp_path)
    async with following(config) as (resolver, _):
        await served(config, dnsmasq, PDE)
        before = dnsmasq.process.pid
        offer = asyncio.create_task(asyncio.to_thread(discover))
        for service in ("telkom", "pde") * 3:
            await resolver.follow(chosen(service))
            await asyncio.sleep(0.1)
        assert (await offer).startswith("192.168.10.")
        assert dnsmasq.process.poll() is None
        assert int((tmp_path / PID).read_text()) == before


async def test_a_killed_dnsmasq_is_missed_and_found_again(
    providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path
) -> None:
    """After a restart it would ask the uplink of the day before, or nobody would know that it is gone."""
    del providers
    config = named(tmp_path)
    async with following(config) as (resolver, health):
        await served(config, dnsmasq, PDE)
        dnsmasq.end()
        assert (tmp_path / PID).exists(), "a kill leaves the pid-file"
        await until(lambda: holds(health, "is gone"), what="the condition")
        await resolver.follow(chosen("telkom"))
        dnsmasq.start(*ROOT)
        await until(lambda: well(health), what="the end of the condition")
        assert await asked("again.example") == SAYS[TELKOM]
        await resolver.follow(chosen("pde"))
        await until(lambda: answered(f"new{time.monotonic_ns()}.example", PDE), what="names by pde")


async def test_a_stale_pid_file_gets_nobody_killed(dnsmasq: Dnsmasq, tmp_path: Path) -> None:
    """SIGHUP ends most programs, and the number in the file may be anybody's after a crash."""
    del dnsmasq
    config = named(tmp_path)
    other = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        (tmp_path / PID).write_text(f"{other.pid}\n")
        async with following(config) as (resolver, health):
            await until(lambda: holds(health, "is no dnsmasq"), what="the condition")
            await resolver.follow(chosen("telkom"))
            await until(lambda: holds_servers(tmp_path, "@tel0"), what="the file")
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def holds_servers(run_dir: Path, words: str) -> bool:
    return words in (run_dir / SERVERS).read_text()


async def test_a_hung_dnsmasq_is_told_and_stops_nothing(providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path) -> None:
    """Traffic would wait for a program that hangs, or nobody would learn why names are gone."""
    del providers
    config = named(tmp_path)
    async with following(config) as (resolver, health):
        await served(config, dnsmasq, PDE)
        dnsmasq.process.send_signal(signal.SIGSTOP)
        await resolver.follow(chosen("telkom"))
        assert not reasons(health), "it waited until dnsmasq was given up"
        await until(lambda: holds(health, f"process {dnsmasq.process.pid}"), what="the condition")
        dnsmasq.process.send_signal(signal.SIGCONT)
        await until(lambda: well(health), what="the end of the condition")
        assert await asked("woken.example") == SAYS[TELKOM]


async def test_changed_networks_reach_dnsmasq(providers: Providers, dnsmasq: Dnsmasq, tmp_path: Path) -> None:
    """After a reload the office would get addresses of the old network until somebody thinks of dnsmasq."""
    del providers
    config = named(tmp_path)
    async with following(config):
        await served(config, dnsmasq, PDE)
    (tmp_path / "dnsmasq.conf").write_text("# of another configuration\n")
    async with following(config):

        async def ended() -> bool:
            return dnsmasq.process.poll() is not None

        await until(ended, what="dnsmasq ends, for its unit to start it again")
        dnsmasq.start(*ROOT)
        await until(lambda: answered("new.example", PDE), what="names")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user reaches."""
    with tempfile.TemporaryDirectory(prefix="lan-") as made:
        yield Path(made)


def somebody() -> tuple[str, ...]:
    """The start of a command line that becomes another user, where this namespace has more than one (uid_map)."""
    alone = int(Path("/proc/self/uid_map").read_text().split()[2]) == 1
    return () if alone else ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def caps(unit: Path) -> tuple[str, ...]:
    """The options of setpriv(1) that leave what the unit leaves."""
    (capabilities,) = unit_settings(unit, "AmbientCapabilities")
    kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in capabilities.split())
    return f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}", f"--bounding-set=-all,{kept}", "--no-new-privs"


async def signalled(run_dir: Path, *before: str) -> None:
    """Have another process find dnsmasq and tell it to read its servers, as the daemon does."""
    code = "import signal; from pathlib import Path; from edge.lan.process import find, tell\n"
    code += f"run_dir = Path({str(run_dir)!r}); tell(find(run_dir), signal.SIGHUP, run_dir)"
    process = await asyncio.create_subprocess_exec(*before, sys.executable, "-B", "-c", code, cwd=UNIT.parents[1])
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_the_unit_s_privileges_suffice_and_its_user_may_signal(providers: Providers, folder: Path) -> None:
    """As the daemon's own user dnsmasq might not open port 53, or the daemon not reach it without being root."""
    config, user = named(folder), somebody()
    os.chown(folder, 65534 if user else 0, 65534 if user else 0)
    dnsmasq = Dnsmasq(folder, *(user or ("setpriv",)), *caps(UNIT))
    shell.prepare(config)
    providers.silent, providers.lying = {TELKOM}, {PDE}
    dnsmasq.start(*(() if user else ROOT))
    try:
        assert await asked("lie.example") == LIE
        assert (await asyncio.to_thread(discover)).startswith("192.168.10.")
        providers.lying = set()
        await signalled(folder, *(user or ("setpriv",)), *caps(DAEMON))
        await until(lambda: answered("lie.example", PDE), what="an empty cache")
    finally:
        dnsmasq.end()
