"""What breaks in the field while SMS go both ways: the real store, mailbox and driver at the simulated modem.

Each trouble ends with the same question: is everything that was promised sent once, is everything that came stored
once, and does a new SMS go through in either direction? The offices have their troubles at the same time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.config import Modem
from edge.simulator.gsm import GsmModem
from tests.contract.usb_tree import UsbTree
from tests.crash.modem_box import SMS, modem_settings
from tests.crash.modem_office import Office, office, until
from tests.crash.together import Outcomes, run_together, tell

STICK = "12d1:1001"
UNASSIGNED_NUMBER, BARRED, REFUSED, UNKNOWN_ERROR = 1, 8, 21, 500


async def an_ok_that_is_lost_sends_no_twin(tmp_path: Path) -> None:
    """A message whose OK was lost is sent to the citizen twice, though its status report tells that it came."""
    async with office(tmp_path, sms=replace(SMS, settle_uncertain_s=20)) as it:
        it.modem.faults.lose_ok = 1
        await it.order("OK hilang")
        await until(lambda: it.sending("OK hilang").state == "sent")
        assert it.sending("OK hilang").uncertain == 1
        await it.works("sesudah OK hilang")
        await it.whole()


async def an_ok_that_is_lost_without_a_report_is_sent_once_more_and_counted(tmp_path: Path) -> None:
    """A message whose OK was lost is never sent again where no report can tell, or its twin is not counted."""
    settings = replace(modem_settings(tmp_path / "modem"), reports=False)
    async with office(tmp_path, settings=settings) as it:
        it.modem.faults.lose_ok = 1
        await it.order("OK hilang")
        await until(lambda: it.sending("OK hilang").state == "sent")
        assert it.sending("OK hilang").uncertain == 1
        assert it.taken()["OK hilang"] in (1, 2)
        await it.works("sesudah OK hilang")


async def unplugged_in_mid_send(tmp_path: Path) -> None:
    """A message cut off by a pulled cable is lost, or the modem is not used again once it is back."""
    modem = GsmModem(tmp_path / "modem", network_s=0.4, command_s=0.002)
    async with office(tmp_path, modem) as it:
        for number in range(3):
            await it.order(f"keluar {number}")
        it.deliver("masuk sebelum")
        await until(lambda: modem.sending)
        await modem.unplug()
        it.deliver("masuk tanpa kabel")
        await until(lambda: "modem-missing" in it.box.raised())
        await modem.replug()
        await it.works("sesudah dicabut")
        await it.whole()
        assert it.box.contents().uncertain == 1


async def plugged_in_again_under_another_name(tmp_path: Path) -> None:
    """A modem whose serial line gets another number is not found again until somebody restarts the daemon."""
    tree, player = UsbTree(tmp_path / "usb"), tmp_path / "pty"
    modem = GsmModem(player, network_s=0.4, command_s=0.002)
    tree.plug("1-1", STICK, lines={0: ("ttyUSB0", player)})
    settings = modem_settings(f"usb:{STICK}")
    async with office(tmp_path, modem, settings, places=tree.places) as it:
        assert it.box.driver.status.device.endswith("ttyUSB0")
        await it.order("terputus")
        await until(lambda: modem.sending)
        tree.unplug("1-1")
        await modem.unplug()
        await until(lambda: "modem-missing" in it.box.raised())
        it.deliver("masuk tanpa kabel")
        await modem.replug()
        tree.plug("1-2", STICK, lines={0: ("ttyUSB3", player)})
        seconds = await it.works("dengan nama lain")
        print(f"plugged in again under another name, at work {seconds:.1f} s after")
        assert it.box.driver.status.device.endswith("ttyUSB3")
        await it.whole()


async def hangs(it: Office, seconds: float) -> None:
    """The modem neither hears nor speaks for so long, in mid-send; it must be at work soon after that."""
    loop = asyncio.get_running_loop()
    await it.order("terputus")
    await until(lambda: it.modem.sending)
    it.modem.hang(seconds)
    end = loop.time() + seconds
    it.deliver("masuk selama diam")
    await it.order("keluar selama diam")
    await until(lambda: loop.time() > end, seconds + 30)
    await it.works("sesudah diam", within_s=20)
    print(f"hung for {seconds:g} s, at work {loop.time() - end:.1f} s after")
    await it.end(within_s=200)
    assert it.received() == Counter(it.given)
    assert it.taken().keys() == set(it.promised)
    assert it.taken().total() - len(it.promised) <= it.box.contents().uncertain <= 1


async def a_hang(tmp_path: Path) -> None:
    """A modem that hangs for a while is not used again after it, or what it was given is lost."""
    async with office(tmp_path) as it:
        await hangs(it, 7)


async def three_errors_in_a_row(tmp_path: Path) -> None:
    """Three CMS errors in a row lose a message, send one twice or stop the queue."""
    async with office(tmp_path) as it:
        it.modem.faults.cms_error = (3, UNKNOWN_ERROR)
        await it.order("tiga kali gagal")
        it.deliver("masuk di antaranya")
        await until(lambda: it.received()["masuk di antaranya"])
        await it.works("sesudah gagal")
        await it.whole()


async def one_bad_number_among_ten(tmp_path: Path) -> None:
    """One number that is none holds up the nine others, or is tried for ever."""
    async with office(tmp_path) as it:
        it.modem.faults.bad_numbers = {"+6281234567099": UNASSIGNED_NUMBER}
        for number in range(10):
            phone = "+6281234567099" if number == 4 else f"+62812345671{number:02d}"
            await it.order(f"keluar {number}", phone)
        await it.end()
        assert it.sending("keluar 4").state == "failed"
        assert "+CMS ERROR 1" in it.sending("keluar 4").error
        it.promised.remove("keluar 4")
        await it.whole()


async def a_small_sim_with_thirty_waiting(tmp_path: Path) -> None:
    """A full SIM stops the indications, and what waits in the network never comes."""
    modem = GsmModem(tmp_path / "modem", network_s=0.05, command_s=0.002, capacity=10)
    async with office(tmp_path, modem) as it:
        for number in range(30):
            it.deliver(f"masuk {number}")
        assert modem.stored == 10
        await it.works("sementara itu")
        await it.whole()


async def deletes_fail(it: Office, seconds: float) -> None:
    """Nothing can be deleted for so long; SMS go both ways all the time."""
    loop = asyncio.get_running_loop()
    it.modem.faults.delete_fails = 1_000_000
    end = loop.time() + seconds
    for number in count():
        if loop.time() > end:
            break
        await it.works(f"tanpa hapus {number}")
        await asyncio.sleep(seconds / 12)
    assert it.received() == Counter(it.given)
    it.modem.faults.delete_fails = 0
    await it.works("sesudah hapus")
    await it.whole(within_s=60 + 3 * seconds)  # what could not be deleted for long is tried again after as long


async def deletes_that_fail_for_a_while(tmp_path: Path) -> None:
    """An SMS that cannot be deleted is stored again and again, or stops sending and receiving."""
    async with office(tmp_path) as it:
        await deletes_fail(it, 4)


TROUBLES = {
    trouble.__name__: trouble
    for trouble in (
        an_ok_that_is_lost_sends_no_twin,
        an_ok_that_is_lost_without_a_report_is_sent_once_more_and_counted,
        unplugged_in_mid_send,
        plugged_in_again_under_another_name,
        a_hang,
        three_errors_in_a_row,
        one_bad_number_among_ten,
        a_small_sim_with_thirty_waiting,
        deletes_that_fail_for_a_while,
    )
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """How the office came through each trouble."""
    return run_together(tmp_path_factory.mktemp("troubles"), TROUBLES, at_once=len(TROUBLES))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_office_comes_through(trouble: str, outcomes: Outcomes) -> None:
    """An SMS is lost or sent twice by this trouble, or the modem needs a hand on it afterwards."""
    tell(outcomes[trouble])


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_a_hang_of_a_minute_with_the_default_settings(tmp_path: Path) -> None:
    """A modem that hangs for a minute is not used again soon after its end."""
    modem = GsmModem(tmp_path / "modem", network_s=0.3)
    async with office(tmp_path, modem, Modem(device=str(tmp_path / "modem"))) as it:
        await hangs(it, 60)


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_deletes_that_fail_for_an_hour_of_listings(tmp_path: Path) -> None:
    """An SMS that cannot be deleted for an hour, listed as often as in one, is stored again or stops the rest."""
    async with office(tmp_path) as it:
        await deletes_fail(it, 60)


@pytest.mark.long
async def test_sim_operator_and_credit_are_told_apart(tmp_path: Path) -> None:
    """An officer buys credit for a SIM that has slipped out, or waits for an operator who has blocked the SIM."""
    async with office(tmp_path) as it:
        it.modem.remove_sim()
        await until(lambda: it.box.raised() == {"modem-sim"})
        it.modem.insert_sim()
        await it.works("sesudah kartu kembali")
        await until(lambda: not it.box.raised())
        it.modem.faults.barred = BARRED
        await it.order("diblokir")
        await until(lambda: it.box.raised() == {"modem-barred"})
        it.modem.faults.barred = 0
        await until(lambda: not it.box.raised())
        await it.works("sesudah blokir")
        it.modem.faults.no_credit = REFUSED
        await it.order("tanpa pulsa 1", "+6281234567011")
        await it.order("tanpa pulsa 2", "+6281234567012")
        await until(lambda: it.box.raised() == {"modem-no-credit"})
        it.deliver("masuk tanpa pulsa")
        await until(lambda: it.received()["masuk tanpa pulsa"])
        assert {it.sending(f"tanpa pulsa {number}").state for number in (1, 2)} == {"pending"}
