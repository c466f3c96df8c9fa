"""The serial port on real ptys and on what is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.modem.port import Port, PortUnavailable
from tests.contract.modem_rig import until


class Ends:
    """What a port told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.reasons: list[str] = []

    async def open(self, device: str) -> Port:
        return await Port.open(device, 115_200, self.data.extend, self.reasons.append)


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    yield master, os.ttyname(slave)
    os.close(slave)
    with contextlib.suppress(OSError):  # a test may have closed it to hang up
        os.close(master)


async def test_bytes_pass_unchanged(line: tuple[int, str]) -> None:
    """Terminal settings would change CR, LF, SUB or 8-bit bytes."""
    master, device = line
    ends = Ends()
    port = await ends.open(device)
    every = bytes(range(256))
    port.write(every)
    assert await asyncio.to_thread(os.read, master, 1024) == every
    os.write(master, every)
    await until(lambda: bytes(ends.data) == every)
    port.close()


async def test_more_than_the_line_takes_at_once_is_written_in_order(line: tuple[int, str]) -> None:
    """A slow line would lose the end of a long write, or block the loop."""
    master, device = line
    port = await Ends().open(device)
    wanted = bytes(range(256)) * 100
    port.write(wanted)
    got = b""
    while len(got) < len(wanted):
        got += await asyncio.to_thread(os.read, master, 4096)
    assert got == wanted
    port.close()


async def test_a_line_that_takes_nothing_is_lost(line: tuple[int, str]) -> None:
    """A dead line would gather bytes without bound."""
    _, device = line
    ends = Ends()
    port = await ends.open(device)
    for _ in range(100):
        port.write(b"x" * 4096)
    assert ends.reasons == ["the device takes no more bytes"]


async def test_a_hang_up_is_told_once(line: tuple[int, str]) -> None:
    """An unplugged device would spin the loop or stay unnoticed."""
    master, device = line
    ends = Ends()
    port = await ends.open(device)
    os.close(master)
    await until(lambda: ends.reasons != [])
    port.write(b"AT\r")
    await asyncio.sleep(0)
    assert len(ends.reasons) == 1
    port.close()


async def test_the_port_can_be_opened_again_after_close(line: tuple[int, str]) -> None:
    """The exclusive lock would outlive the port."""
    _, device = line
    first = await Ends().open(device)
    with pytest.raises(PortUnavailable, match="used by another program"):
        await Ends().open(device)
    first.close()
    (await Ends().open(device)).close()


@pytest.mark.parametrize(
    ("name", "sentence"), [("absent", "does not exist: plug the modem in"), ("file", "Inappropriate|usable")]
)
async def test_what_is_no_serial_port_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    """A wrong path would raise a riddle instead of a sentence."""
    (tmp_path / "file").write_text("no device")
    with pytest.raises(PortUnavailable, match=sentence):
        await Ends().open(str(tmp_path / name))
