"""One end-to-end suite over five lines: whole, one byte at a time, 1200 baud, delayed, and noisy.

The real store, mailbox and driver work at the simulated modem. The five lines are used at the same time, since most of
each one's time is waiting; each test tells of one.
"""

from __future__ import annotations

import asyncio
import functools
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.simulator.gsm import GsmModem
from edge.simulator.gsm_line import LINES
from tests.crash.modem_box import modem_settings
from tests.crash.modem_office import Office, office, until
from tests.crash.together import Outcomes, run_together, tell

NOBODY, UNASSIGNED_NUMBER = "+6281234567099", 1
SHORT, EMOJI = "Surat {selesai} [RT 03]", "Siap 🎉"
LONG = "Yth. Bapak/Ibu, surat keterangan sudah dapat diambil di kantor desa. " * 2 + "Mohon membawa KTP € asli."
BOTH_WAYS = (SHORT, LONG, EMOJI)
NOISE_S = 12.0


async def both_ways(it: Office) -> None:
    """Short, long and emoji in and out at once; each message out is reported as delivered."""
    for number, text in enumerate(BOTH_WAYS):
        await it.order(f"{number} {text}")
        it.deliver(f"{number} {text}")
    await it.whole()
    await until(lambda: all(sending.delivered for sending in it.box.contents().outgoing.values()))


async def burst(it: Office) -> None:
    """Ten at once while a reply and one to a number that is none leave."""
    for number in range(10):
        it.deliver(f"r{number}")
    it.modem.faults.bad_numbers = {NOBODY: UNASSIGNED_NUMBER}
    await it.order("salah nomor", NOBODY)
    await it.order("balasan")
    await until(lambda: it.sending("salah nomor").state == "failed")
    it.promised.remove("salah nomor")
    await it.whole()


async def noise(it: Office) -> None:
    """While a byte in a hundred is replaced nothing wrong is kept or sent; afterwards everything has come."""
    loop = asyncio.get_running_loop()
    end = loop.time() + NOISE_S
    it.modem.become("noisy")
    for number in range(8):
        it.deliver(f"masuk {number}")
        await it.order(f"keluar {number}")
    while loop.time() < end:
        assert set(it.received()) <= set(it.given), "a wrong text was stored as right"
        assert set(it.taken()) <= set(it.promised), "a wrong text was sent"
        await asyncio.sleep(0.05)
    assert it.received(), "nothing was received through the noise"
    it.modem.become("whole")
    await until(it.idle)
    # A read command that the noise turned into a deletion takes one with it: a line without check sum cannot tell.
    assert len(it.given) - 1 <= len(it.received()) <= len(it.given)
    assert set(it.received()) <= set(it.given)
    assert set(it.received().values()) == {1}
    taken = it.taken()
    assert taken.keys() <= set(it.promised)
    # Twice in doubt, or refused as noise had it: a person is told of it.
    missing = [text for text in it.promised if text not in taken]
    assert all(it.sending(text).state in ("uncertain", "failed") for text in missing), missing
    assert len(missing) <= 2
    twins = sum(taken.values()) - len(taken)
    assert twins <= it.box.contents().uncertain


async def use(line: str, directory: Path) -> None:
    """The suite over one line."""
    modem = GsmModem(directory / "modem", network_s=0.05, command_s=0.002, line=line, seed=20261122)
    noisy = line == "noisy"
    settings = modem_settings(directory / "modem")
    if noisy:
        modem.become("whole")
    else:
        settings = replace(settings, command_timeout_s=5, list_every_s=5)
    async with office(directory, modem, settings) as it:
        if noisy:
            await noise(it)
        else:
            await both_ways(it)
            await burst(it)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """How the suite ended over each line."""
    uses = {line: functools.partial(use, line) for line in LINES}
    return run_together(tmp_path_factory.mktemp("lines"), uses, at_once=len(uses))


@pytest.mark.parametrize("line", LINES)
def test_sms_go_both_ways(line: str, outcomes: Outcomes) -> None:
    """Over such a line SMS would be lost, sent twice, or stored with letters that nobody wrote."""
    tell(outcomes[line])
