"""The keeper on simulated modems: away, silent, hung, renamed, reset; sticks are a tree of files, lines real ptys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.clock import Clock, SystemClock
from edge.config import Modem
from edge.health import Health
from edge.modem.conversation.procedures import Pin
from edge.modem.device.usb import Places
from edge.modem.keeper import Keeper
from edge.modem.link import Link
from edge.modem.outcomes import Event, SendEnded, Surveyed
from edge.simulator.gsm import GsmModem
from tests.contract.at_player import playing
from tests.contract.modem_rig import until
from tests.contract.usb_tree import ETHERNET_KIND, UsbTree

E173 = "12d1:1001"


@dataclass
class Kept:
    """A keeper at work and what it told."""

    keeper: Keeper
    health: Health
    events: list[Event] = field(default_factory=list)
    changes: int = 0

    def surveys(self) -> int:
        return sum(isinstance(event, Surveyed) for event in self.events)

    async def works(self, within_s: float = 60.0) -> None:
        """Wait for another survey on an open line."""
        before = self.surveys()
        await until(lambda: self.surveys() > before and self.keeper.link is not None, within_s)

    def told(self) -> dict[str, str]:
        return {raised.condition.code: raised.detail for raised in self.health.current()}


def settings(device: str, *, power_command: tuple[str, ...] = ()) -> Modem:
    return Modem(
        device=device, command_timeout_s=1.0, send_timeout_s=5.0, list_every_s=5.0, power_command=power_command
    )


class Hurrying(SystemClock):
    """A clock on which the ladder's budgets pass ten times as fast; no session must run by it."""

    def monotonic(self) -> float:
        return 10 * super().monotonic()


@asynccontextmanager
async def keeping(
    modem: Modem, places: Places | None = None, *, clock: Clock | None = None, rungs: list[str] | None = None
) -> AsyncIterator[Kept]:
    clock = clock or SystemClock()
    health = Health(clock.wall)
    events: list[Event] = []

    def happened(_link: Link, event: Event) -> None:
        events.append(event)

    def changed() -> None:
        kept.changes += 1
        if rungs is not None:
            rungs.append(keeper.rung)

    keeper = Keeper(
        modem,
        Pin(""),
        clock,
        happened=happened,
        health=health,
        changed=changed,
        places=places,
        pause_s=0.1,
        look_again_s=0.3,
    )
    kept = Kept(keeper, health, events)
    task = asyncio.create_task(keeper.run())
    try:
        yield kept
        assert not task.done(), "the keeper ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def modem(tmp_path: Path) -> AsyncIterator[GsmModem]:
    simulated = GsmModem(tmp_path / "at", network_s=0.1)
    await simulated.start()
    yield simulated
    await simulated.stop()


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "machine")


async def test_a_modem_that_is_well_is_kept_without_a_word(modem: GsmModem, tmp_path: Path) -> None:
    """A healthy modem would raise conditions, or never be opened."""
    async with keeping(settings(str(tmp_path / "at"))) as kept:
        await kept.works()
        assert (kept.keeper.state, kept.keeper.rung, kept.keeper.reason) == ("open", "", "")
        assert kept.keeper.device == str(tmp_path / "at")
        assert kept.told() == {}
        assert kept.changes > 0
        assert not modem.sending


async def test_a_modem_that_comes_later_is_waited_for(modem: GsmModem, tmp_path: Path) -> None:
    """A box started before its modem was plugged in would stay without SMS."""
    await modem.unplug()
    async with keeping(settings(str(tmp_path / "at"))) as kept:
        await until(lambda: "modem-missing" in kept.told())
        assert "does not exist: plug the modem in" in kept.told()["modem-missing"]
        assert kept.keeper.state == "missing"
        await modem.replug()
        await kept.works()
        assert kept.told() == {}


async def test_unplugged_in_mid_send_and_back_under_another_name(
    modem: GsmModem, tree: UsbTree, tmp_path: Path
) -> None:
    """A stick that comes back as ttyUSB4 would need a person, and its message would hang for ever."""
    tree.plug("1-1", E173, lines={2: ("ttyUSB0", tmp_path / "at")})
    async with keeping(settings(f"usb:{E173}"), tree.places) as kept:
        await kept.works()
        modem.faults.lose_ok = 1
        assert kept.keeper.link is not None
        kept.keeper.link.send(7, [("0031000481214300" + "00A90141", 11)])
        await until(lambda: modem.sending)
        tree.unplug("1-1")
        await modem.unplug()
        await until(lambda: "modem-missing" in kept.told())
        assert [(event.id, event.certain) for event in kept.events if isinstance(event, SendEnded)] == [(7, False)]
        await modem.replug(tmp_path / "elsewhere")
        tree.plug("1-4", E173, lines={2: ("ttyUSB4", tmp_path / "elsewhere")})
        await kept.works()
        assert Path(kept.keeper.device).name == "ttyUSB4"
        assert kept.told() == {}


async def test_a_hang_is_over_soon_after_it_ends(modem: GsmModem, tmp_path: Path) -> None:
    """A modem that comes back would be left alone for minutes, inside a pause or a reset."""
    async with keeping(settings(str(tmp_path / "at"))) as kept:
        await kept.works()
        modem.faults.silent = True
        assert kept.keeper.link is not None
        kept.keeper.link.query(1, "AT+CSQ", timeout_s=0.5)
        await until(lambda: "modem-silent" in kept.told())
        assert kept.keeper.rung in ("resync", "reopen", "cfun")
        assert "silent" in kept.told()["modem-silent"]
        modem.faults.silent = False
        await kept.works()
        assert (kept.told(), kept.keeper.rung, kept.keeper.reason) == ({}, "", "")


async def test_a_line_that_others_hold_is_taken_when_they_let_go(
    modem: GsmModem, tree: UsbTree, tmp_path: Path
) -> None:
    """After ModemManager was stopped somebody would have to restart the daemon too."""
    tree.plug("1-1", E173, lines={0: ("ttyUSB0", tmp_path / "at")})
    here = str(tree.places.dev / "ttyUSB0")
    tree.run(1, "minicom", here)
    lock = tree.places.locks / "LCK..ttyUSB0"
    lock.write_text(f"{1:10d}\n")
    async with keeping(settings(here), tree.places) as kept:
        await until(lambda: "modem-missing" in kept.told())
        assert "is locked by minicom (process 1): stop it" in kept.told()["modem-missing"]
        lock.unlink()
        await kept.works()
        assert not modem.faults.silent


async def test_a_hilink_stick_is_told_once_it_has_settled(tree: UsbTree) -> None:
    """A stick that starts in another mode would be called a wrong one, or a wrong one a missing one."""
    tree.plug("1-1", "12d1:14db", others=(ETHERNET_KIND,))
    async with keeping(settings(f"usb:{E173}"), tree.places, clock=Hurrying()) as kept:
        await until(lambda: "modem-missing" in kept.told())
        assert "HiLink" in kept.keeper.reason
        await until(lambda: "modem-hilink" in kept.told())
        assert set(kept.told()) == {"modem-hilink"}


@pytest.mark.long
async def test_a_modem_that_refuses_its_work_is_reset_harder_and_harder(
    tree: UsbTree, caplog: pytest.LogCaptureFixture
) -> None:
    """A modem that answers but does nothing would be greeted for ever, or restarted again and again in one climb."""
    answers = dict.fromkeys(("AT", "AT+CFUN=0", "AT+CFUN=1"), "OK")
    with playing({**answers, "AT+CPIN?": "+CPIN: READY\r\nOK", "AT+CSQ": "+CSQ: 18,99\r\nOK"}) as (player,):
        tree.plug("1-1", E173, lines={0: ("ttyUSB0", player.path)})
        async with keeping(settings(f"usb:{E173}"), tree.places, clock=Hurrying()) as kept:
            await until(lambda: kept.keeper.rung == "cfun")
            assert "its radio is switched off and on" in kept.told()["modem-silent"]
            await until(lambda: "AT+CFUN=1" in player.heard)
            await until(lambda: kept.keeper.rung == "usb-reset")
            assert player.heard.count("AT+CFUN=0") == 1
            await until(lambda: "was not reset" in caplog.text)  # a file in the tree is no USB device


@pytest.mark.long
async def test_a_mute_modem_is_not_restarted_when_it_comes_back(modem: GsmModem, tmp_path: Path) -> None:
    """A modem that heals by itself would lose its network for half a minute, to a reset that it did not need."""
    modem.faults.silent = True
    heard: list[bytes] = []
    rungs: list[str] = []
    async with keeping(settings(str(tmp_path / "at")), clock=Hurrying(), rungs=rungs) as kept:
        kept.keeper.overhear(lambda _now, direction, data: heard.append(data) if direction == ">" else None)
        await until(lambda: "reopen" in rungs and kept.keeper.rung == "resync")  # once around the ladder
        modem.faults.silent = False
        await kept.works()
        assert not any(b"CFUN=0" in data for data in heard)
        assert set(rungs) == {"", "resync", "reopen"}


async def test_a_modem_that_is_away_gets_its_power_switched(modem: GsmModem, tmp_path: Path) -> None:
    """A stick that has dropped off the bus comes back only by its power, and nobody would switch it."""
    stick = tmp_path / "stick"
    command = ("/bin/ln", "-s", str(tmp_path / "at"), str(stick))
    async with keeping(settings(str(stick), power_command=command), clock=Hurrying()) as kept:
        await until(lambda: "modem-missing" in kept.told())
        assert "modem-silent" not in kept.told()
        await kept.works()
        assert kept.told() == {}
        assert not modem.sending


async def test_the_line_can_be_overheard_over_reconnects(modem: GsmModem, tmp_path: Path) -> None:
    """A recording would end where it becomes interesting."""
    heard: list[tuple[str, bytes]] = []
    async with keeping(settings(str(tmp_path / "at"))) as kept:
        await kept.works()
        kept.keeper.overhear(lambda _now, direction, data: heard.append((direction, data)))
        await modem.unplug()
        await until(lambda: "modem-missing" in kept.told())
        heard.clear()
        await modem.replug()
        await kept.works()
        assert {direction for direction, _ in heard} == {"<", ">"}
        assert any(b"AT" in data for direction, data in heard if direction == ">")
