"""What the driver tells of its modem: status, conditions and memory, against the simulated modem."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from edge.modem.credit import ASK_SOON_S
from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import CITIZEN, running, until


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "modem"


async def test_who_the_modem_is_and_how_it_stands_is_known(link: Path) -> None:
    """An engineer would look at a modem without a name, a network or a service centre."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        await until(lambda: bool(bench.driver.status.imei and bench.driver.status.smsc))
        status = bench.driver.status
        assert (status.registered, status.signal, status.device, status.rung) == (True, 58, str(link), "")
        assert status.operator
        assert status.model
        await until(lambda: bench.driver.status.sim_capacity == 20)
        await until(lambda: bench.mailbox.memory.get("smsc") == status.smsc)


async def test_a_lost_service_centre_is_given_back_from_memory(link: Path) -> None:
    """A SIM that forgets its service centre would send nothing until somebody comes."""
    modem = GsmModem(link)
    modem.centre = ""
    async with running(modem, link, memory={"smsc": "+6281100000"}) as bench:
        await bench.ready()
        await until(lambda: modem.centre == "+6281100000")


async def test_a_denied_sim_is_told_from_a_missing_signal(link: Path) -> None:
    """An office would move its antenna to and fro while the operator has blocked the SIM."""
    modem = GsmModem(link)
    modem.faults.barred = 8
    async with running(modem, link) as bench:
        await until(lambda: bench.driver.status.state == "denied")
        await until(lambda: "modem-barred" in bench.raised())
        assert "modem-network" not in bench.raised()
        modem.faults.barred = 0
        modem.register(True)
        await bench.ready()
        await until(lambda: "modem-barred" not in bench.raised())


@pytest.mark.parametrize(
    ("text", "rp", "warned"),
    [
        ("Sisa pulsa Anda Rp 4.500 aktif sd 01/12/2030", 4_500, True),
        ("Pulsa Rp 25.000 aktif sd 01/12/2030", 25_000, False),
    ],
)
async def test_the_balance_is_asked_kept_and_told_in_time(link: Path, text: str, rp: int, warned: bool) -> None:
    """Credit would run out unseen."""
    modem = GsmModem(link)
    modem.ussd.answers["*888#"] = (0, text)
    async with running(modem, link, balance_ussd="*888#") as bench:
        await until(lambda: bench.driver.status.balance_rp == rp)
        assert bench.driver.status.expires == "2030-12-01"
        await until(lambda: json.loads(bench.mailbox.memory.get("balance", "{}")).get("rp") == rp)
        assert ("modem-credit" in bench.raised()) is warned
    asked, memory = len(modem.ussd.asked), bench.mailbox.memory
    async with running(modem, link, balance_ussd="*888#", memory=memory) as bench:
        await bench.ready()
        assert bench.driver.status.balance_rp == rp
        assert len(modem.ussd.asked) == asked


async def test_an_answer_that_says_nothing_is_not_zero(link: Path) -> None:
    """An advertisement would be taken for an empty SIM."""
    modem = GsmModem(link)
    modem.ussd.answers["*888#"] = (0, "Promo hari ini: balas YA")
    async with running(modem, link, balance_ussd="*888#", memory={"balance": '{"rp": 9000, "expires": null}'}) as bench:
        await until(lambda: modem.ussd.asked != [])
        await until(lambda: bench.driver.credit.answers == 1)
        assert bench.driver.status.balance_rp == 9_000


async def test_the_balance_is_asked_while_credit_is_in_doubt_also_if_it_was_asked_just_before(link: Path) -> None:
    """Refused minutes after the daily question, nobody would learn for a day whether it is the credit at all."""
    modem = GsmModem(link)
    just_now = {"balance_asked": str(time.time() - ASK_SOON_S + 2)}
    async with running(modem, link, balance_ussd="*888#", memory=just_now) as bench:
        await bench.ready()
        bench.mailbox.held = "credit"

        def asked_in_time() -> bool:
            bench.mailbox.woken.set()
            return modem.ussd.asked != []

        await until(asked_in_time)
        assert "modem-no-credit" in bench.raised()


async def test_the_networks_clock_is_a_hint(link: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A forged network time would set the box's clock, or a box with a wrong one never learn of it."""
    modem = GsmModem(link)
    async with running(modem, link) as bench:
        await bench.ready()
        before = time.time()
        for _ in range(3):
            modem.tell_time(7_200)
        await until(lambda: abs((bench.driver.status.clock_skew_s or 0) - 7_200) < 60)
        assert time.time() - before < 60
        assert caplog.text.count("clock is +7") == 1


async def test_a_call_is_rejected_and_counted(link: Path) -> None:
    """A caller would block the line for SMS."""
    modem = GsmModem(link)
    async with running(modem, link) as bench:
        await bench.ready()
        await modem.ring(CITIZEN, 3)
        await until(lambda: bench.driver.status.calls_rejected >= 1)
