"""The driver against a modem, a SIM and a network that misbehave, over a real pty."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from pathlib import Path

import pytest

from edge.modem.port import Port, PortUnavailable
from edge.modem.receiving import MOST_WAITING
from edge.simulator.gsm import GsmModem
from tests.contract.modem_rig import CITIZEN, Bench, running, until


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "modem"


async def healthy_both_ways(bench: Bench, mark: str) -> None:
    """The whole path works: one message in, one out."""
    bench.modem.deliver(CITIZEN, f"in {mark}")
    await until(lambda: f"in {mark}" in bench.mailbox.texts)
    bench.mailbox.post(len(bench.mailbox.texts) + 1000, f"out {mark}")
    await bench.modem.wait_sent(lambda sms: sms.text == f"out {mark}", 60)


async def test_arrivals_are_stored_by_their_indication(link: Path) -> None:
    """An SMS would wait for the periodic listing instead of its indication."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        delays = []
        for number in range(5):
            before = time.monotonic()
            bench.modem.deliver(CITIZEN, f"INFO {number}")
            await until(partial(bench.mailbox.has, f"INFO {number}"))
            delays.append(time.monotonic() - before)
        assert min(delays) < 2, "the list is read every 5 s"


async def test_garbage_on_the_line_loses_nothing(link: Path) -> None:
    """Line noise would lose a message, store a wrong text, or stop the driver for good."""
    async with running(GsmModem(link, network_s=0.02, seed=7), link) as bench:
        await bench.ready()
        bench.modem.faults.garbage = 0.15
        texts = [f"INFO {number}" for number in range(8)]
        for text in texts:
            bench.modem.deliver(CITIZEN, text)
        await until(lambda: set(bench.mailbox.texts) >= set(texts))
        bench.modem.faults.garbage = 0.0
        await until(lambda: bench.modem.stored == 0)
        await bench.ready()
        await healthy_both_ways(bench, "after the noise")
        assert set(bench.mailbox.texts) == {*texts, "in after the noise"}


async def test_a_silent_modem_is_reported_and_taken_back(link: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A hung modem would look fine for ever, or fill the log."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.modem.faults.silent = True
        bench.mailbox.post(1, "never given")
        with caplog.at_level(logging.INFO):
            await until(lambda: "modem-silent" in bench.raised())
            await until(lambda: 1 in bench.mailbox.failed)
            assert bench.mailbox.failed[1][1] == "modem"
            await asyncio.sleep(2.5)  # long enough for another vain attempt, which must not be logged again
            bench.modem.faults.silent = False
            await until(lambda: "modem-silent" not in bench.raised())
        assert [record.levelname for record in caplog.records if "modem-silent" in record.getMessage()] == [
            "WARNING",
            "INFO",
        ]
        await healthy_both_ways(bench, "after the hang")


async def test_unplug_and_replug(link: Path) -> None:
    """A replug would need a restart of the daemon."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        await bench.modem.unplug()
        await until(lambda: "modem-missing" in bench.raised())
        assert bench.driver.status.state == "missing"
        bench.modem.deliver(CITIZEN, "while it was away")
        await bench.modem.replug()
        await until(lambda: "while it was away" in bench.mailbox.texts)
        await until(lambda: "modem-missing" not in bench.raised())
        await healthy_both_ways(bench, "after the replug")


async def test_unplug_while_a_message_is_given_is_uncertain(link: Path) -> None:
    """A message cut off between payload and result would be called failed, and sent twice."""
    async with running(GsmModem(link, network_s=3.0), link) as bench:
        await bench.ready()
        bench.mailbox.post(1, "cut off")
        await until(lambda: bench.modem.sending)
        await bench.modem.unplug()
        await until(lambda: 1 in bench.mailbox.uncertain)
        assert bench.mailbox.failed == {}


async def test_a_full_sim_drains_and_lets_the_waiting_in(link: Path) -> None:
    """A full SIM would stop indications, and what waits in the network would never come."""
    modem = GsmModem(link, capacity=5, network_s=0.02)
    await modem.start()
    for number in range(17):
        modem.deliver(CITIZEN, f"INFO {number}")
    async with running(modem, link) as bench:
        await until(lambda: len(bench.mailbox.texts) == 17)
        await until(lambda: modem.stored == modem.waiting == 0)
        assert bench.mailbox.texts == [f"INFO {number}" for number in range(17)]


async def test_fifty_at_once_arrive_quickly_also_while_sending(link: Path) -> None:
    """A burst would wait behind the queue of messages to send."""
    async with running(GsmModem(link, network_s=0.05), link) as bench:
        await bench.ready()
        for number in range(20):
            bench.mailbox.post(number, f"reply {number}")
        for number in range(50):
            bench.modem.deliver(CITIZEN, f"INFO {number}")
        await until(lambda: len(bench.mailbox.texts) == 50)
        await until(lambda: len(bench.mailbox.sent) == 20)
        assert sorted(bench.mailbox.texts) == sorted(f"INFO {number}" for number in range(50))


async def test_an_absent_device_is_a_condition(link: Path) -> None:
    """A missing modem would crash the daemon, or say nothing of what to do."""
    async with running(GsmModem(link), link, plugged=False) as bench:
        await until(lambda: "modem-missing" in bench.raised())
        assert "does not exist: plug the modem in" in bench.health.current()[0].detail
        await bench.modem.replug()
        await until(lambda: bench.driver.status.state == "ready")
        assert bench.raised() == set()


async def test_a_second_opener_is_refused(link: Path) -> None:
    """Two programs on one line would each steal half of the answers."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        with pytest.raises(PortUnavailable, match="used by another program"):
            await Port.open(str(link), 115_200, lambda _data: None, lambda _reason: None)
        await healthy_both_ways(bench, "after the intruder")


async def test_the_right_pin_unlocks_also_after_a_replug(link: Path) -> None:
    """A locked SIM would stay locked."""
    async with running(GsmModem(link, pin="1234", network_s=0.02), link, pin="1234") as bench:
        await bench.ready()
        await bench.modem.unplug()
        await bench.modem.replug()
        await until(lambda: bench.modem.pin_attempts == ["1234", "1234"])
        await bench.ready()
        await healthy_both_ways(bench, "unlocked")


async def test_a_wrong_pin_is_never_tried_again(link: Path) -> None:
    """Three tries of a wrong PIN would lock the SIM for good."""
    modem = GsmModem(link, pin="1234")
    async with running(modem, link, pin="9999") as bench:
        await until(lambda: "modem-sim" in bench.raised())
        assert bench.driver.status.state == "sim"
        await modem.unplug()
        await until(lambda: "modem-missing" in bench.raised())
        await modem.replug()
        await until(lambda: "modem-sim" in bench.raised())
        assert modem.pin_attempts == ["9999"]
    async with running(modem, link, pin="9999") as bench:  # a box set up anew knows nothing; the SIM's counter does
        await until(lambda: "modem-sim" in bench.raised())
        assert modem.pin_attempts == ["9999"]
        assert "only 2 PIN attempts" in bench.health.current()[0].detail


async def test_a_refused_pin_is_remembered_until_there_is_another(link: Path) -> None:
    """Each restart would take one attempt more from a SIM that somebody gave its attempts back in a phone."""
    async with running(GsmModem(link, pin="1234"), link, pin="9999") as bench:
        await until(lambda: bench.mailbox.memory.get("sim_pin", "").startswith("refused"))
        memory = bench.mailbox.memory
    fresh = GsmModem(link, pin="1234")
    async with running(fresh, link, pin="9999", memory=memory) as bench:
        await until(lambda: "modem-sim" in bench.raised())
        assert "until that is another one" in bench.health.current()[0].detail
        assert (fresh.pin_attempts, bench.mailbox.memory["sim_pin"]) == ([], memory["sim_pin"])
    async with running(fresh, link, pin="1234", memory=memory) as bench:
        await bench.ready()
        assert fresh.pin_attempts == ["1234"]
        await until(lambda: bench.mailbox.memory["sim_pin"] == "")


async def test_a_missing_pin_is_said(link: Path) -> None:
    """An operator would not learn that the SIM wants a PIN."""
    async with running(GsmModem(link, pin="1234"), link) as bench:
        await until(lambda: "modem-sim" in bench.raised())
        assert "sim-pin is missing" in bench.health.current()[0].detail
        assert bench.modem.pin_attempts == []


async def test_a_deletion_that_fails_is_repeated_without_storing_twice(link: Path) -> None:
    """The same SMS would be received again and again, or fill the SIM."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        bench.modem.faults.delete_fails = 2
        bench.modem.deliver(CITIZEN, "INFO")
        await until(lambda: bench.modem.stored == 0 and bench.modem.faults.delete_fails == 0)
        assert bench.mailbox.texts == ["INFO"]
        assert bench.mailbox.known_again == 0


async def test_what_cannot_be_stored_stays_on_the_sim(link: Path) -> None:
    """A full disk would lose the messages that arrive meanwhile."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        bench.mailbox.full = True
        bench.modem.deliver(CITIZEN, "INFO")
        await until(lambda: bench.modem.stored == 1)
        await asyncio.sleep(0.3)  # time enough to delete it by mistake
        assert bench.modem.stored == 1
        bench.mailbox.full = False
        await until(lambda: bench.mailbox.texts == ["INFO"])
        await until(lambda: bench.modem.stored == 0)


@pytest.mark.parametrize(
    ("code", "fault"),
    [(38, "network"), (500, "network"), (513, "network"), (1, "recipient"), (28, "recipient"), (21, "refused")],
)
async def test_network_errors_are_told_apart(link: Path, code: int, fault: str) -> None:
    """A bad number would be retried for ever, or a busy network would lose a reply."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.modem.faults.cms_error = (1, code)
        bench.mailbox.post(1, "fails")
        await until(lambda: 1 in bench.mailbox.failed)
        assert bench.mailbox.failed[1][1] == fault
        assert f"+CMS ERROR {code}" in bench.mailbox.failed[1][0]
        await healthy_both_ways(bench, "after the error")


async def test_a_result_that_never_comes_is_uncertain(link: Path) -> None:
    """A message that the network took would be called failed, and sent twice."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.modem.faults.lose_ok = 1
        bench.mailbox.post(1, "taken")
        await until(lambda: 1 in bench.mailbox.uncertain)
        assert [sms.text for sms in bench.modem.sent] == ["taken"]
        await healthy_both_ways(bench, "after the doubt")


async def test_a_prompt_that_never_comes_is_a_failure_to_retry(link: Path) -> None:
    """A modem without a prompt would hang the queue."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.modem.faults.lose_prompt = 1
        bench.mailbox.post(1, "never given")
        await until(lambda: 1 in bench.mailbox.failed)
        assert bench.mailbox.failed[1] == ("no prompt", "modem")
        await healthy_both_ways(bench, "after the lost prompt")
        assert [sms.text for sms in bench.modem.sent] == ["out after the lost prompt"]


async def test_a_number_that_is_none_fails_for_good(link: Path) -> None:
    """One bad number would block the queue."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.mailbox.post(1, "text", number="Telkomsel")
        await until(lambda: 1 in bench.mailbox.failed)
        assert bench.mailbox.failed[1][1] == "recipient"
        await healthy_both_ways(bench, "after the bad number")


async def test_without_network_nothing_is_taken_from_the_mailbox(link: Path) -> None:
    """Messages would burn their attempts while the modem has no signal."""
    async with running(GsmModem(link, network_s=0.02), link) as bench:
        await bench.ready()
        bench.modem.register(False)
        await until(lambda: bench.driver.status.state == "searching")
        assert bench.driver.status.signal is None
        await asyncio.sleep(1.1)  # the mailbox's own wait, begun before the network was lost
        bench.mailbox.post(1, "later")
        await asyncio.sleep(0.5)
        assert bench.mailbox.failed == {}
        bench.modem.register(True)
        await bench.modem.wait_sent(lambda sms: sms.text == "later", 60)
        assert bench.driver.status.signal == 58


async def test_a_prompt_left_open_by_a_killed_daemon_is_left(link: Path) -> None:
    """After kill -9 between AT+CMGS and its payload the next daemon's commands would be sent as a message."""
    modem = GsmModem(link, network_s=0.02)
    await modem.start()
    received = bytearray()
    port = await Port.open(str(link), 115_200, received.extend, lambda _reason: None)
    port.write(b"ATE0\rAT+CMGF=0\rAT+CMGS=20\r")
    await until(lambda: received.endswith(b"> "))
    port.close()
    async with running(modem, link) as bench:
        await bench.ready()
        await healthy_both_ways(bench, "after the kill")
        assert len(modem.sent) == 1


async def test_no_phone_number_or_text_is_logged(link: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Citizens' numbers would lie about in the journal."""
    with caplog.at_level(logging.DEBUG):
        async with running(GsmModem(link, network_s=0.02), link) as bench:
            await bench.ready()
            bench.modem.faults.cms_error = (1, 1)
            bench.mailbox.post(1, "rahasia")
            await until(lambda: 1 in bench.mailbox.failed)
            bench.modem.deliver_pdus([("0000", 1)])
            await healthy_both_ways(bench, "rahasia")
    for record in caplog.records:
        assert "81234567001" not in record.getMessage()
        assert "rahasia" not in record.getMessage()


async def test_an_unreadable_pdu_is_kept_as_it_is(link: Path) -> None:
    """A PDU that nobody can read would fill the SIM for ever, or be thrown away unseen."""
    async with running(GsmModem(link), link) as bench:
        await bench.ready()
        bench.modem.deliver_pdus([("07916281100000F004", 1)])
        await until(lambda: [part.sender for part in bench.mailbox.parts] == ["unreadable"])
        await until(lambda: bench.modem.stored == 0)
        assert bench.mailbox.parts[0].pdu == bench.mailbox.parts[0].text == "07916281100000F004"
        assert bench.mailbox.parts[0].alphanumeric


class Storming(GsmModem):
    async def storm(self, reports: int) -> None:
        """Send unasked status reports, all on the wire when this returns."""
        for _ in range(reports):
            self.say("+CDS: 25", "0006070B911326880736F4111011719551401110117195714000")
        await self.drained()


async def test_a_storm_of_reports_is_bounded_while_the_store_is_slow(link: Path) -> None:
    """A modem gone mad would fill the memory with reports faster than the disk takes them."""
    modem = Storming(link, baud=921_600)
    async with running(modem, link) as bench:
        await bench.ready()
        bench.mailbox.open.clear()
        await modem.storm(2 * MOST_WAITING)
        bench.mailbox.open.set()
        await healthy_both_ways(bench, "after the storm")
        assert MOST_WAITING // 2 < len(bench.mailbox.reports) < MOST_WAITING + 100
