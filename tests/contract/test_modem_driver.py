"""The driver against the simulated modem over a real pty."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.modem.concat import assemble
from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import CITIZEN, running, until


async def test_an_sms_is_stored_then_deleted(tmp_path: Path) -> None:
    """A citizen's SMS would stay on the SIM, or be lost."""
    link = tmp_path / "modem"
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        bench.modem.deliver(CITIZEN, "INFO")
        await until(lambda: bench.mailbox.texts == ["INFO"])
        await until(lambda: bench.modem.stored == 0)
        assert bench.mailbox.parts[0].sender == CITIZEN


async def test_a_reply_is_sent(tmp_path: Path) -> None:
    """A reply would wait for a poll instead of leaving at once."""
    link = tmp_path / "modem"
    async with running(GsmModem(link, network_s=0.05), link) as bench:
        await bench.ready()
        bench.mailbox.post(1, "Permohonan diterima.")
        await bench.modem.wait_sent(lambda sms: sms.text == "Permohonan diterima.", 60)
        await until(lambda: 1 in bench.mailbox.sent)
        await until(lambda: bench.mailbox.reports != [])
        assert bench.mailbox.reports == [(CITIZEN, bench.mailbox.sent[1][0], True)]


@pytest.mark.parametrize("text", ["Yth. Bapak/Ibu {RT 03} " * 20, "Selamat 🎉 sudah selesai " * 10, "🎉" * 35])
async def test_long_messages_go_both_ways(tmp_path: Path, text: str) -> None:
    """Long texts and emoji would arrive in pieces or with broken characters."""
    link = tmp_path / "modem"
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.mailbox.post(1, text)
        await bench.modem.wait_sent(lambda sms: sms.text == text, 60)
        bench.modem.deliver(CITIZEN, text)
        await until(lambda: bench.mailbox.whole_since(0))
        parts = sorted(bench.mailbox.parts, key=lambda part: part.sequence)
        assert assemble([part.text for part in parts]) == text
        assert {part.total for part in parts} == {len(parts)}
