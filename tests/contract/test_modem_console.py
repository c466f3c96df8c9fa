"""A person's AT lines and recordings: through a running daemon's door, and on the device itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.clock import SystemClock
from edge.commands.modem_console import console, record
from edge.control import Control, Refused, ask
from edge.health import Health
from edge.modem.conversation.procedures import Pin
from edge.modem.examine import inspection, transcript
from edge.modem.examine.inspection import Inspection
from edge.modem.examine.transcript import Chunk
from edge.modem.keeper import Keeper
from edge.modem.link import Link
from edge.modem.outcomes import Arrived, Event, Queried, Surveyed
from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import CITIZEN, settings, until

VILLAGE = Path(__file__).parents[1] / "data" / "config" / "warning-modem.toml"


class Desk:
    """A modem, the daemon's side of its door, and a person with a terminal."""

    def __init__(self, folder: Path) -> None:
        self.modem = GsmModem(folder / "line")
        self.events: list[Event] = []
        self.folder = folder
        self._config = folder / "kampung-edge.toml"
        village = VILLAGE.read_text().replace('"/dev/serial/by-id/absent"', f'"{folder}/line"')
        self._config.write_text(f'run_dir = "{folder}"\n{village}')
        clock = SystemClock()
        self.keeper = Keeper(
            settings(folder / "line"), Pin(""), clock, happened=self._happened, health=Health(clock.wall)
        )
        self.inspection = Inspection("modem", clock, link=lambda: self.keeper.link, overhear=self.keeper.overhear)

    def _happened(self, link: Link, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Queried):
            self.inspection.happened(event)
        elif isinstance(event, Arrived) and event.index is not None:
            asyncio.get_running_loop().call_soon(link.delete, event.index)

    async def call(self, *arguments: str, given: str | None = None) -> Result:
        command = console if arguments[0] == "console" else record
        typed = [*arguments[1:], "--config", str(self._config)]
        return await asyncio.to_thread(CliRunner().invoke, command, typed, given)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        control = Control(self.folder)
        control.offer(inspection.handlers([self.inspection]))
        tasks = [asyncio.create_task(control.run()), asyncio.create_task(self.keeper.run())]
        await control.listening.wait()
        await until(lambda: any(isinstance(event, Surveyed) for event in self.events))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    desk = Desk(tmp_path)
    await desk.modem.start()
    yield desk
    await desk.modem.stop()


async def test_a_question_goes_through_the_daemon(desk: Desk) -> None:
    """An engineer would have to stop the office's SMS to look at its signal."""
    async with desk.daemon():
        result = await desk.call("console", "AT+CSQ")
    assert result.exit_code == 0, result.output
    assert "> AT+CSQ" in result.stdout.splitlines()
    assert any(line.startswith("< +CSQ: ") for line in result.stdout.splitlines())
    assert "< OK" in result.stdout.splitlines()


async def test_lines_from_standard_input_as_json(desk: Desk) -> None:
    """A script could not ask, or not read the answer."""
    async with desk.daemon():
        result = await desk.call("console", "--json", given="AT+CSQ\n\nAT+NONSENSE?\n")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["final"] == "OK"
    assert first["lines"][0].startswith("+CSQ: ")
    assert (second["line"], second["lines"]) == ("AT+NONSENSE?", [])
    assert "ERROR" in second["final"]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("AT+CMGD=1,4", "needs --dangerous: it deletes messages"),
        ("AT+CFUN=1,1", "needs --dangerous: it resets"),
        ('AT+CPIN="1234"', "sim-pin"),
        ("AT+CMGS=20", "kampung-edge sms send"),
        ("hello", "begins with AT"),
    ],
)
async def test_what_would_do_harm_is_not_given(desk: Desk, line: str, sentence: str) -> None:
    """A typing error would lose a citizen's message, or the SIM."""
    async with desk.daemon():
        result = await desk.call("console", line)
        # nor may a program that speaks to the door itself
        told = await asyncio.to_thread(_refused, desk, line)
    assert result.exit_code == 1
    assert sentence in result.stderr
    assert sentence in told


def _refused(desk: Desk, line: str) -> str:
    with pytest.raises(Refused) as refused:
        ask(desk.folder, {"ask": "modem-at", "line": line})
    return str(refused.value)


async def test_listening_on_hears_what_comes_later_and_masks_it(desk: Desk) -> None:
    """The answer to a USSD question comes after the OK; a caller's number would be shown."""
    async with desk.daemon():
        asking = asyncio.create_task(desk.call("console", "--listen", "1s", "AT+CSQ"))
        await until(lambda: any(isinstance(event, Queried) for event in desk.events))
        desk.modem.say('+CLIP: "081234567890",129')
        result = await asking
    assert '< +CLIP: "08' in result.stdout
    assert "081234567890" not in result.stdout


async def test_without_a_daemon_the_device_itself_is_asked(desk: Desk) -> None:
    """Where the daemon does not start, nobody could look at the modem."""
    result = await desk.call("console", "AT+CSQ", "ATI")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "> AT+CSQ"
    assert "no daemon runs" in result.stderr


async def test_no_modem_is_one_sentence(desk: Desk) -> None:
    """An engineer would see Python."""
    await desk.modem.unplug()
    result = await desk.call("console", "AT+CSQ")
    assert result.exit_code == 1
    assert "does not exist" in result.stderr
    assert "Traceback" not in result.output


async def test_a_recording_that_cannot_be_written_is_not_begun(desk: Desk) -> None:
    """An hour of a rare fault would be recorded, and lost to a mistyped name; or an empty file be left behind."""
    async with desk.daemon():
        result = await asyncio.wait_for(desk.call("record", "/nonexistent/recording.txt", "--for", "1h"), 60)
        other = await desk.call("record", str(desk.folder / "other.txt"), "--modem", "absent")
    assert (result.exit_code, other.exit_code) == (1, 1)
    assert "/nonexistent/recording.txt: No such file" in result.stderr
    assert not (desk.folder / "other.txt").exists()


async def test_a_recording_holds_the_conversation_but_nobody(desk: Desk) -> None:
    """A recording would miss what happened, or show whose letter it was."""
    file = desk.folder / "recording.txt"
    async with desk.daemon():
        recording = asyncio.create_task(desk.call("record", str(file), "--for", "5s"))
        await until(lambda: desk.keeper.tap is not None)
        desk.modem.deliver(CITIZEN, "SKTM atas nama Budi")
        await until(lambda: any(isinstance(event, Arrived) for event in desk.events))
        result = await recording
        await until(lambda: desk.keeper.tap is None)
        again = await desk.call("record", str(file))
    assert result.exit_code == 0, result.output
    text = file.read_text()
    said = transcript.read(text)
    assert b"+CMTI:" in b"".join(chunk.data for chunk in said.chunks if chunk.direction == "<")
    arrived = next(event for event in desk.events if isinstance(event, Arrived))
    assert arrived.pdu[-20:] not in text
    assert all(isinstance(chunk, Chunk) for chunk in said.chunks)
    assert "is there already" in again.stderr
