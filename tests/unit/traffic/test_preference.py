"""A choice by hand: how long it lasts over restarts, reboots and wrong clocks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.durable import read_json
from edge.traffic.preference import MOST_S, Preferences

BOTH = ("service", "control")
HOURS = 3600.0


@dataclass
class HeldClock:
    """Time that moves only when told."""

    mono: float = 1000.0
    now: float = 1_790_000_000.0
    sure: bool = True

    def monotonic(self) -> float:
        return self.mono

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return self.sure

    def pass_(self, seconds: float) -> None:
        self.mono += seconds
        self.now += seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "preference.json"


async def test_it_ends_by_itself(path: Path) -> None:
    """An uplink chosen for two hours would be used for ever."""
    clock = HeldClock()
    chosen = Preferences(path, clock, boot="a")
    await chosen.set(BOTH, "telkom", 2 * HOURS)
    assert chosen.current() == {"service": "telkom", "control": "telkom"}
    assert chosen.ends() == dict.fromkeys(BOTH, 1000 + 2 * HOURS)
    clock.pass_(2 * HOURS - 1)
    assert chosen.current() == {"service": "telkom", "control": "telkom"}
    clock.pass_(1)
    assert (chosen.current(), chosen.ends()) == ({}, {})


async def test_each_class_has_its_own(path: Path) -> None:
    """To choose for the office would choose for the guests, or to take one back would take all."""
    chosen = Preferences(path, HeldClock(), boot="a")
    await chosen.set(BOTH, "telkom", HOURS)
    await chosen.set(("service",), "pde", 60)
    assert chosen.current() == {"service": "pde", "control": "telkom"}
    assert chosen.ends() == {"service": 1060, "control": 1000 + HOURS}
    await chosen.clear(("service",))
    assert chosen.current() == {"control": "telkom"}
    await chosen.clear()
    assert Preferences(path, HeldClock(), boot="a").current() == {}


async def test_a_restart_keeps_the_end(path: Path) -> None:
    """Every restart would lengthen the choice, or forget it."""
    clock = HeldClock()
    await Preferences(path, clock, boot="a").set(BOTH, "telkom", HOURS)
    clock.pass_(600)
    clock.now += 10 * 365 * 86_400  # the wall clock is of no interest within one boot
    again = Preferences(path, clock, boot="a")
    assert again.ends() == dict.fromkeys(BOTH, 1000 + HOURS)


@dataclass
class Reboot:
    """What a reboot leaves: seconds switched off, whether time was and is trusted, and the seconds then left."""

    off_s: float
    trusted_before: bool
    trusted_after: bool
    left_s: float | None


@pytest.mark.parametrize(
    "reboot",
    [
        Reboot(600, trusted_before=True, trusted_after=True, left_s=HOURS - 600),
        Reboot(2 * HOURS, trusted_before=True, trusted_after=True, left_s=None),
        Reboot(2 * HOURS, trusted_before=True, trusted_after=False, left_s=HOURS),
        Reboot(2 * HOURS, trusted_before=False, trusted_after=True, left_s=HOURS),
        Reboot(-5 * HOURS, trusted_before=True, trusted_after=True, left_s=HOURS),
    ],
)
async def test_a_reboot(path: Path, reboot: Reboot) -> None:
    """After a power cut the choice would be gone, or hold for as long as the village was without power."""
    clock = HeldClock(sure=reboot.trusted_before)
    await Preferences(path, clock, boot="a").set(BOTH, "telkom", HOURS)
    after = HeldClock(mono=5.0, now=clock.now + reboot.off_s, sure=reboot.trusted_after)
    again = Preferences(path, after, boot="b")
    wanted = {} if reboot.left_s is None else dict.fromkeys(BOTH, 5 + reboot.left_s)
    assert again.ends() == wanted


async def test_a_clock_set_later_corrects_the_end(path: Path) -> None:
    """The hours without power would not count although the time is known by now."""
    await Preferences(path, HeldClock(), boot="a").set(BOTH, "telkom", 2 * HOURS)
    after = HeldClock(mono=5.0, now=0.0, sure=False)
    again = Preferences(path, after, boot="b")
    assert again.ends() == dict.fromkeys(BOTH, 5 + 2 * HOURS)
    after.mono, after.now, after.sure = 35.0, 1_790_000_000.0 + HOURS, True
    assert again.ends() == dict.fromkeys(BOTH, 35 + HOURS)
    after.now += 365 * 86_400
    assert again.ends() == dict.fromkeys(BOTH, 35 + HOURS), "once settled, wall time is of no interest"


async def test_an_unsure_end_stays_unsure_over_a_restart(path: Path) -> None:
    """A restart before the clock is set would make the hours without power count for nothing."""
    await Preferences(path, HeldClock(), boot="a").set(("service",), "telkom", 2 * HOURS)
    after = HeldClock(mono=5.0, now=0.0, sure=False)
    await Preferences(path, after, boot="b").clear(("wifi",))
    after.mono, after.now, after.sure = 65.0, 1_790_000_000.0 + HOURS, True
    assert Preferences(path, after, boot="b").ends() == {"service": 65 + HOURS}


async def test_seven_days_are_the_most(path: Path) -> None:
    """A slip of the pen would choose for a year."""
    clock = HeldClock()
    chosen = Preferences(path, clock, boot="a")
    await chosen.set(BOTH, "telkom", 1e12)
    assert chosen.ends() == dict.fromkeys(BOTH, 1000 + MOST_S)


def put(path: Path, content: str) -> None:
    path.write_text(content)


RUBBISH = [
    "",
    "[]",
    "7",
    '{"service": 5}',
    '{"service": {}}',
    '{"service": {"uplink": "telkom", "boot": "a", "ends": "soon", "left_s": 9, "ends_wall": null, "unsure": false}}',
    '{"service": {"uplink": "telkom", "boot": "b", "ends": 9, "left_s": NaN, "ends_wall": NaN, "unsure": false}}',
    '{"service": {"uplink": "telkom", "boot": "b", "ends": 9, "left_s": -5, "ends_wall": 1e300, "unsure": false}}',
    '{"service": {"uplink": "pde", "boot": "b", "ends": 9, "left_s": ' + 400 * "9" + ', "ends_wall": null}}',
    '{"service": [1, 2], "x": {"uplink": "telkom"}}',
]


@pytest.mark.parametrize("content", RUBBISH)
async def test_rubbish_is_passed_over(path: Path, content: str, caplog: pytest.LogCaptureFixture) -> None:
    """A file that a worn card damaged would keep the daemon from steering, or force an uplink for ever."""
    put(path, content)
    with caplog.at_level(logging.WARNING):
        chosen = Preferences(path, HeldClock(), boot="a")
    assert chosen.current() == {}
    assert len(caplog.records) <= 1
    await chosen.set(("service",), "pde", 60)
    assert Preferences(path, HeldClock(), boot="a").current() == {"service": "pde"}


async def test_what_cannot_be_written_holds_all_the_same(tmp_path: Path) -> None:
    """With a read-only card nobody could choose an uplink."""
    chosen = Preferences(tmp_path / "gone" / "preference.json", HeldClock(), boot="a")
    with pytest.raises(OSError, match="gone"):
        await chosen.set(BOTH, "telkom", HOURS)
    assert chosen.current() == {"service": "telkom", "control": "telkom"}


@contextlib.asynccontextmanager
async def running(chosen: Preferences, ended: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(chosen.run(ended.set))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_whoever_waits_is_told_at_the_end(path: Path) -> None:
    """The choice would end on paper while the traffic stays where it is."""
    chosen, ended = Preferences(path, SystemClock()), asyncio.Event()
    async with running(chosen, ended), asyncio.timeout(60):
        await chosen.set(BOTH, "telkom", HOURS)
        await chosen.set(BOTH, "telkom", 0.05)
        await ended.wait()
    assert chosen.current() == {}
    assert read_json(path) == {}


async def test_a_disk_that_fails_at_the_end_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A read-only card would end the part, or fill the log every few minutes."""
    folder = tmp_path / "state"
    folder.mkdir()
    chosen, ended = Preferences(folder / "preference.json", SystemClock()), asyncio.Event()
    with caplog.at_level(logging.INFO):
        async with running(chosen, ended), asyncio.timeout(60):
            await chosen.set(BOTH, "telkom", 0.05)
            (folder / "preference.json").unlink()
            folder.rmdir()
            await ended.wait()
            ended.clear()
            with pytest.raises(FileNotFoundError):
                await chosen.set(BOTH, "telkom", 0.05)
            await ended.wait()
            folder.mkdir()
            ended.clear()
            await chosen.set(BOTH, "telkom", 0.05)
            await ended.wait()
    said = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert len(said) == 2
    assert said[0].startswith("not written")
    assert said[1] == "written again"
