from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from edge.simulator.gsm_line import SerialLine


async def test_bytes_take_the_wire_s_time_both_ways(tmp_path: Path) -> None:
    """A pty would carry in no time what a serial line carries in a second."""
    heard = bytearray()
    line = SerialLine(tmp_path / "line", 2400, heard.extend)
    line.plug()
    far = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
    before = time.monotonic()
    line.write(b"x" * 48)
    got = b""
    while len(got) < 48:
        got += await asyncio.to_thread(os.read, far, 64)
    assert time.monotonic() - before > 48 * 10 / 2400 * 0.9
    before = time.monotonic()
    os.write(far, b"y" * 48)
    async with asyncio.timeout(5):
        while True:
            if len(heard) == 48:
                break
            await asyncio.sleep(0.005)
    assert time.monotonic() - before > 48 * 10 / 2400 * 0.9
    await line.unplug()
    os.close(far)


async def test_a_reader_that_is_away_costs_nothing(tmp_path: Path) -> None:
    """Bytes for a killed daemon would pile up or stop the modem."""
    line = SerialLine(tmp_path / "line", 921_600, lambda _data: None)
    line.plug()
    line.write(b"x" * 20_000)
    line.write(b"y")
    await asyncio.wait_for(line.drained(), 5)
    await line.unplug()
    assert not line.plugged
    line.write(b"lost")  # harmless


async def test_unplugging_hangs_the_far_end_up(tmp_path: Path) -> None:
    """A program at the far end would not notice the unplug."""
    line = SerialLine(tmp_path / "line", 115_200, lambda _data: None)
    line.plug()
    far = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
    await line.unplug()
    await line.unplug()  # twice is harmless
    assert await asyncio.to_thread(os.read, far, 64) == b""
    os.close(far)
