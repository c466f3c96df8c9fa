"""The simulated modem, spoken to by hand over its pty."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.simulator.gsm import GsmModem


class Terminal:
    """A person at the other end of the line."""

    def __init__(self, link: Path) -> None:
        self.heard = bytearray()
        self._fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._fd)
        self.heard += data
        self._more.set()

    def type(self, data: bytes) -> None:
        os.write(self._fd, data)

    async def hear(self, wanted: bytes, within_s: float = 60) -> bytes:
        """All that was heard up to and with `wanted`."""
        async with asyncio.timeout(within_s):
            while wanted not in self.heard:
                self._more.clear()
                await self._more.wait()
        end = self.heard.index(wanted) + len(wanted)
        taken = bytes(self.heard[:end])
        del self.heard[:end]
        return taken

    def leave(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)


def present(path: Path) -> bool:
    return path.exists() or path.is_symlink()


@asynccontextmanager
async def plugged(link: Path, **settings: Any) -> AsyncIterator[tuple[GsmModem, Terminal]]:
    modem = GsmModem(link, network_s=0.02, **settings)
    await modem.start()
    terminal = Terminal(link)
    try:
        yield modem, terminal
    finally:
        terminal.leave()
        await modem.stop()


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "modem"


async def test_echo_can_be_switched_off(link: Path) -> None:
    """A daemon would never meet an echo."""
    async with plugged(link) as (_, terminal):
        terminal.type(b"ATE0\r")
        assert await terminal.hear(b"OK\r\n") == b"ATE0\r\r\nOK\r\n"
        terminal.type(b"AT+CREG?\r")
        assert await terminal.hear(b"OK\r\n") == b"\r\n+CREG: 0,1\r\n\r\nOK\r\n"


async def test_the_line_has_the_pace_of_its_baud_rate(link: Path) -> None:
    """A pty would be a thousand times faster than any modem."""
    async with plugged(link, baud=1200) as (_, terminal):
        before = time.monotonic()
        terminal.type(b"AT+CPMS=?\r")
        heard = await terminal.hear(b"OK\r\n")
        assert time.monotonic() - before > (len(heard) + 10) * 10 / 1200 * 0.8


async def test_a_delivery_is_stored_and_announced(link: Path) -> None:
    """The daemon could not learn of a message."""
    async with plugged(link) as (modem, terminal):
        terminal.type(b"ATE0\rAT+CMGF=0\rAT+CNMI=2,1,0,1,0\r")
        for _ in range(3):
            await terminal.hear(b"OK\r\n")
        modem.deliver("+628123", "INFO")
        assert await terminal.hear(b'+CMTI: "SM",0\r\n')
        assert (modem.stored, modem.waiting) == (1, 0)


async def test_a_full_sim_leaves_the_rest_in_the_network(link: Path) -> None:
    """A SIM would have room without end."""
    async with plugged(link, capacity=2) as (modem, terminal):
        for number in range(5):
            modem.deliver("+628123", f"INFO {number}")
        assert (modem.stored, modem.waiting) == (2, 3)
        terminal.type(b"ATE0\rAT+CMGF=0\rAT+CMGD=0\r")
        for _ in range(3):
            await terminal.hear(b"OK\r\n")
        assert (modem.stored, modem.waiting) == (2, 2)


async def test_a_message_is_sent_and_reported(link: Path) -> None:
    """What the daemon sends could not be seen."""
    async with plugged(link) as (modem, terminal):
        terminal.type(b"ATE0\rAT+CMGF=0\rAT+CNMI=2,1,0,1,0\r")
        for _ in range(3):
            await terminal.hear(b"OK\r\n")
        terminal.type(b"AT+CMGS=23\r")
        await terminal.hear(b"> ")
        terminal.type(b"0031000B916407281553F80000AA0AE8329BFD4697D9EC37\x1a")
        assert b"+CMGS: 1\r\n" in await terminal.hear(b"OK\r\n")
        sent = await modem.wait_sent(lambda sms: sms.number == "+46708251358", 60)
        assert sent.text == "hellohello"
        assert b"+CDS: " in await terminal.hear(b"00\r\n")


@pytest.mark.parametrize(("payload", "final"), [(b"0031\x1a", b"+CMS ERROR: 304"), (b"0031\x1b", b"OK")])
async def test_a_bad_or_cancelled_message_is_not_sent(link: Path, payload: bytes, final: bytes) -> None:
    """Nonsense would count as sent."""
    async with plugged(link) as (modem, terminal):
        terminal.type(b"ATE0\rAT+CMGF=0\r")
        for _ in range(2):
            await terminal.hear(b"OK\r\n")
        terminal.type(b"AT+CMGS=23\r")
        await terminal.hear(b"> ")
        terminal.type(payload)
        await terminal.hear(final)
        assert modem.sent == []


async def test_replugging_makes_a_new_line_and_keeps_the_sim(link: Path) -> None:
    """An unplugged modem would lose its SIM, or stay reachable."""
    async with plugged(link) as (modem, _):
        modem.deliver("+628123", "INFO")
        await modem.unplug()
        assert not present(link)
        modem.deliver("+628123", "while away")
        assert (modem.stored, modem.waiting) == (1, 1)
        await modem.replug()
        assert present(link)
        assert (modem.stored, modem.waiting) == (2, 0)


async def test_replugging_under_another_name(link: Path) -> None:
    """A device that is numbered anew could not be played."""
    async with plugged(link) as (modem, _):
        await modem.unplug()
        other = link.with_name("ttyUSB7")
        await modem.replug(other)
        assert (present(link), present(other)) == (False, True)
        modem.deliver("+628123", "INFO")
        assert modem.stored == 1


async def test_a_hang_ends_by_itself(link: Path) -> None:
    """A hang would last for ever, or the network would forget what came meanwhile."""
    async with plugged(link) as (modem, terminal):
        modem.faults.hang_s = 1.5
        terminal.type(b"AT\r")
        with pytest.raises(TimeoutError):
            await terminal.hear(b"OK", 0.1)
        modem.deliver("+628123", "INFO")
        assert (modem.stored, modem.waiting) == (0, 1)
        async with asyncio.timeout(60):
            while True:
                if modem.stored == 1:
                    break
                await asyncio.sleep(0.01)
        terminal.type(b"AT\r")
        await terminal.hear(b"OK")


async def test_a_modem_that_hangs_says_nothing(link: Path) -> None:
    """A hang could not be played."""
    async with plugged(link) as (modem, terminal):
        modem.faults.silent = True
        terminal.type(b"AT\r")
        with pytest.raises(TimeoutError):
            await terminal.hear(b"OK", 0.2)
        modem.faults.silent = False
        terminal.type(b"AT\r")
        await terminal.hear(b"OK")


async def test_it_runs_as_a_process_of_its_own(link: Path, tmp_path: Path) -> None:
    """The crash tests would lose the SIM with the daemon."""
    control = tmp_path / "control"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge.simulator.gsm", "--link", str(link), "--control", str(control)
    )
    try:
        async with asyncio.timeout(60):
            while True:
                if present(control):
                    break
                await asyncio.sleep(0.02)
        reader, writer = await asyncio.open_unix_connection(control)

        async def order(**what: object) -> dict[str, object]:
            writer.write(json.dumps(what).encode() + b"\n")
            answer: dict[str, object] = json.loads(await reader.readline())
            return answer

        assert await order(do="deliver", sender="+628123", text="INFO") == {"ok": True}
        assert await order(do="state") == {"ok": True, "stored": 1, "waiting": 0, "sent": 0}
        assert await order(do="sent") == {"ok": True, "sent": []}
        assert await order(do="fault", name="cms_error", value=[2, 38]) == {"ok": True}
        assert (await order(do="fault", name="nonsense", value=1))["ok"] is False
        assert (await order(do="fly"))["ok"] is False
        assert await order(do="unplug") == {"ok": True}
        assert not present(link)
        assert await order(do="replug") == {"ok": True}
        assert present(link)
        writer.close()
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0
    assert not present(control)
    assert not present(link)
