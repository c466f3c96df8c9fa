"""The resolver without a dnsmasq: what it writes, when it complains, that it waits for nobody (more in tests/lab)."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.config import Config
from edge.health import Health
from edge.lan.resolver import Resolver, prepare
from edge.monitor.verdict import Verdict
from edge.traffic.policy import Assignment, Choice
from tests.office import until
from tests.unit.traffic.village import settings


@pytest.fixture
def config(tmp_path: Path) -> Config:
    made = settings()
    uplinks = tuple(replace(uplink, resolvers=(f"203.0.113.{number}",)) for number, uplink in enumerate(made.uplink, 1))
    return replace(made, uplink=uplinks, run_dir=str(tmp_path), state_dir=str(tmp_path))


def chosen(uplink: str | None) -> Assignment:
    return Assignment(*(Choice(uplink, "test") for _ in range(3)))


@asynccontextmanager
async def running(config: Config) -> AsyncIterator[tuple[Resolver, Health]]:
    health = Health(time.time)
    resolver = Resolver(config, health=health, check_s=0.02, patience_s=0.1)
    task = asyncio.create_task(resolver.run())
    try:
        yield resolver, health
        assert not task.done() or task.exception() is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def asks(config: Config, words: str) -> bool:
    path = Path(config.run_dir) / "dnsmasq.servers"
    return path.exists() and words in path.read_text()


def written(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def missing(health: Health) -> list[str]:
    return [held.detail for held in health.current() if held.condition.code == "resolver-missing"]


async def test_the_file_is_ready_for_a_dnsmasq_that_starts_later(config: Config) -> None:
    """A dnsmasq that starts after the switch would ask the dead uplink."""
    first, second = config.uplink
    async with running(config) as (resolver, _):
        await until(lambda: asks(config, f"@{first.device}"), what="the first servers")
        await resolver.follow(chosen(second.name))
        await until(lambda: asks(config, f"names are asked by {second.name}.\nserver="), what="the second's")
        assert not await asks(config, f"@{first.device}")
        resolver.judged(Verdict(second.name, "degraded", "dns", 0.0, 20.0, 0.0))
        await until(lambda: asks(config, f"names are asked by {first.name}."), what="the first's, whose names work")


async def test_an_absent_dnsmasq_is_said_once_it_lasts(config: Config) -> None:
    """Nobody in the office would know why no name is found; at every boot there would be a false alarm."""
    async with running(config) as (resolver, health):
        assert not await missing(health)
        await resolver.follow(chosen(config.uplink[0].name))
        found = await until(lambda: missing(health), what="the condition")
        assert found == ["no dnsmasq runs with our configuration"]


async def test_a_folder_that_cannot_be_written_is_said(config: Config, tmp_path: Path) -> None:
    """The names of a dead uplink would go on being asked, and nobody told."""
    absent = replace(config, run_dir=str(tmp_path / "absent"))
    async with running(absent) as (resolver, health):
        await resolver.follow(chosen(config.uplink[0].name))
        assert "absent" in (await until(lambda: missing(health), what="the condition"))[0]


@pytest.mark.parametrize("why", ["beside", "no resolvers"])
async def test_where_another_serves_names_nothing_is_done(config: Config, tmp_path: Path, why: str) -> None:
    """A box beside a router would be told every day that it lacks a dnsmasq that it must not have."""
    if why == "beside":
        config = replace(config, mode="beside")
    else:
        config = replace(config, uplink=tuple(replace(uplink, resolvers=()) for uplink in config.uplink))
    health = Health(time.time)
    resolver = Resolver(config, health=health, check_s=0.02, patience_s=0)
    await resolver.follow(chosen(config.uplink[0].name))
    await asyncio.wait_for(resolver.run(), 60)
    assert not health.current()
    assert not written(tmp_path)


def test_before_the_daemon_every_uplink_is_asked(config: Config, tmp_path: Path) -> None:
    """After a power cut dnsmasq would start without any server and stay so until the daemon is there."""
    first, second = config.uplink
    assert {path.name for path in prepare(config)} == {"dnsmasq.conf", "dnsmasq.servers"}
    lines = (tmp_path / "dnsmasq.servers").read_text().splitlines()[1:]
    assert lines == [f"server=203.0.113.1@{first.device}", f"server=203.0.113.2@{second.device}"]


def test_what_the_daemon_has_written_is_not_replaced(config: Config, tmp_path: Path) -> None:
    """A restart of dnsmasq would undo the last switch."""
    (tmp_path / "dnsmasq.servers").write_text("server=192.0.2.1@tel0\n")
    assert [path.name for path in prepare(config)] == ["dnsmasq.conf"]
    assert prepare(config) == []
    assert (tmp_path / "dnsmasq.servers").read_text() == "server=192.0.2.1@tel0\n"


def test_a_link_in_the_way_is_not_followed(config: Config, tmp_path: Path) -> None:
    """Whoever holds run_dir could have root's `dnsmasq --prepare` overwrite any file."""
    victim = tmp_path / "victim"
    victim.write_text("root's own\n")
    (tmp_path / "dnsmasq.conf.new").symlink_to(victim)
    assert len(prepare(config)) == 2
    assert victim.read_text() == "root's own\n"


async def test_rubbish_in_its_files_is_replaced(config: Config, tmp_path: Path) -> None:
    """The resolver would crash at every start, and the daemon with it."""
    for name in ("dnsmasq.conf", "dnsmasq.servers"):
        (tmp_path / name).write_bytes(b"\xff\xfe")

    async def replaced() -> bool:
        return b"server=" in (tmp_path / "dnsmasq.servers").read_bytes()

    async with running(config) as (resolver, _):
        await resolver.follow(chosen(config.uplink[0].name))
        await until(replaced)
    assert b"\xff" not in (tmp_path / "dnsmasq.conf").read_bytes()
