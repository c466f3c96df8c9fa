"""One opening of a real pty with its session."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from edge.clock import SystemClock
from edge.modem.conversation.procedures import Pin
from edge.modem.link import Link
from edge.modem.outcomes import Event, Lost, Ready, SendEnded, Surveyed
from edge.modem.port import PortUnavailable
from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import settings, until


async def opened(device: Path, events: list[Event]) -> Link:
    return await Link.open(settings(device), Pin(""), SystemClock(), lambda _link, event: events.append(event))


async def test_a_link_comes_up_by_itself(tmp_path: Path) -> None:
    """The session's bytes or timers would not reach the line."""
    modem, events = GsmModem(tmp_path / "modem"), list[Event]()
    await modem.start()
    link = await opened(tmp_path / "modem", events)
    await until(lambda: any(isinstance(event, Surveyed) for event in events))
    assert Ready() in events
    link.close()
    await modem.stop()


async def test_silence_ends_a_link(tmp_path: Path) -> None:
    """A device that is no modem would be spoken to for ever."""
    modem, events = GsmModem(tmp_path / "modem"), list[Event]()
    modem.faults.silent = True
    await modem.start()
    link = await opened(tmp_path / "modem", events)
    reason = await asyncio.wait_for(asyncio.shield(link.ended), 60)
    assert reason == "the modem is silent or unusable (silent at AT)"
    assert events == [Lost("silent at AT")]
    link.close()
    await modem.stop()


async def test_an_unplug_ends_a_link_and_settles_its_sends(tmp_path: Path) -> None:
    """A message under way at an unplug would never be heard of again."""
    modem, events = GsmModem(tmp_path / "modem", network_s=5), list[Event]()
    await modem.start()
    link = await opened(tmp_path / "modem", events)
    link.send(7, [("0031000481214300" + "00A90141", 11)])
    await until(lambda: modem.sending)
    await modem.unplug()
    assert await asyncio.wait_for(asyncio.shield(link.ended), 60)
    link.close()
    assert [event.certain for event in events if isinstance(event, SendEnded)] == [False]
    link.delete(0)  # harmless on a closed link
    link.release(0)
    await modem.stop()


async def test_an_absent_device_is_refused(tmp_path: Path) -> None:
    """A missing device would be an unexplained OSError."""
    with pytest.raises(PortUnavailable, match="does not exist"):
        await opened(tmp_path / "absent", [])


async def test_the_lists_and_the_patience_are_the_configured_ones(tmp_path: Path) -> None:
    """A modem that hangs would be noticed late although the operator asked for soon."""
    modem, said = GsmModem(tmp_path / "modem"), bytearray()
    await modem.start()
    asked = msgspec.structs.replace(settings(tmp_path / "modem"), list_every_s=1.0, reports=False)
    link = await Link.open(
        asked, Pin(""), SystemClock(), lambda _link, _event: None, tap=lambda _at, _way, data: said.extend(data)
    )
    await until(lambda: said.count(b"AT+CMGL=4") >= 4)
    assert b"AT+CNMI=2,1,0,0," in said  # no reports are wanted
    modem.faults.silent = True
    assert await asyncio.wait_for(asyncio.shield(link.ended), 60)  # 1 s to the list, 1 s to its end, 3 s of greeting
    link.close()
    await modem.stop()


async def test_the_service_centre_is_the_configured_one(tmp_path: Path) -> None:
    """Messages would go by a centre that the SIM was sold with and that is gone."""
    modem, events = GsmModem(tmp_path / "modem"), list[Event]()
    await modem.start()
    asked = msgspec.structs.replace(settings(tmp_path / "modem"), smsc="+628110000999")
    link = await Link.open(asked, Pin(""), SystemClock(), lambda _link, event: events.append(event))
    await until(lambda: any(isinstance(event, Surveyed) and event.network.smsc == "+628110000999" for event in events))
    link.close()
    await modem.stop()
