from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

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
    async with asyncio.timeout(60):
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
    await asyncio.wait_for(line.drained(), 60)
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


@pytest.mark.parametrize(
    ("kind", "sent", "most", "least_s"),
    [("bytes", 40, 40, 0.0), ("slow", 12, 3, 0.09), ("delayed", 12, 1, 0.05)],
)
async def test_a_line_has_its_kind(tmp_path: Path, kind: str, sent: int, most: int, least_s: float) -> None:
    """A daemon that only copes with whole and quick answers would pass."""
    line = SerialLine(tmp_path / "line", 115_200, lambda _data: None, kind=kind)
    line.plug()
    far = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    pieces, more = list[bytes](), asyncio.Event()

    def read() -> None:
        pieces.append(os.read(far, 64))
        more.set()

    asyncio.get_running_loop().add_reader(far, read)
    before = time.monotonic()
    line.write(b"x" * sent)
    async with asyncio.timeout(60):
        while sum(map(len, pieces)) < sent:
            more.clear()
            await more.wait()
    assert time.monotonic() - before >= least_s
    assert most / 8 < len(pieces) <= most  # a busy machine joins pieces
    asyncio.get_running_loop().remove_reader(far)
    await line.unplug()
    os.close(far)


def test_noise_replaces_bytes_and_loses_lines(tmp_path: Path) -> None:
    """A noisy line would be a clean one, or nothing but noise."""
    line = SerialLine(tmp_path / "line", 115_200, lambda _data: None, kind="noisy", seed=3)
    whole = b"".join(b"line %04d of this text\r\n" % number for number in range(1000))
    left = line.spoil(whole)
    lost = len(whole) - len(left)
    assert 0 < lost < len(whole) // 30
    assert lost % 24 == 0
    harmed = sum(1 for row in whole.splitlines() if row not in left.splitlines())
    assert 100 < harmed < 350  # 22 bytes a line, one in a hundred replaced
