"""A slow line with a full SIM, over a real pty."""

from __future__ import annotations

from pathlib import Path

from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import CITIZEN, running, until


async def test_a_long_listing_on_a_slow_line_is_heard_to_its_end(tmp_path: Path) -> None:
    """A full SIM behind 9600 baud would time out again and again, and never be read."""
    modem = GsmModem(tmp_path / "modem", baud=9600, capacity=10)
    await modem.start()
    texts = ["x" * 150 + str(number) for number in range(10)]
    for text in texts:
        modem.deliver(CITIZEN, text)
    async with running(modem, tmp_path / "modem") as bench:
        await until(lambda: bench.mailbox.texts == texts)
        assert bench.raised() == set()
        await until(lambda: modem.stored == 0)
