"""Two modems on one store: real SQLite, two drivers, two simulated modems."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge import config
from edge.clock import SystemClock
from edge.config import Modem
from edge.events import Event
from edge.health import Health
from edge.modem.driver import Driver
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages
from edge.queue.store.seal import Seal
from edge.simulator.gsm import GsmModem
from edge.sms.mailbox import StoreMailbox
from tests.contract.modem_rig import CITIZEN, until

FREE = config.Sms(
    send_gap_s=0, quiet_from="00:00", quiet_until="00:00", sends_per_hour=12, sends_per_recipient_per_day=1_000
)
NAMES = ("first", "second")


class Pair:
    def __init__(self, store: Store, modems: dict[str, GsmModem], links: dict[str, Path]) -> None:
        self.store, self.modems, self.links = store, modems, links
        self.messages = Messages(Seal(bytes(32)))
        self.events: list[Event] = []
        self.clock = SystemClock()
        self.health = Health(self.clock.wall)
        self.mailboxes = [self._mailbox(name) for name in modems]
        self.drivers = [self._driver(*named) for named in zip(modems, self.mailboxes, strict=True)]

    def _mailbox(self, name: str) -> StoreMailbox:
        return StoreMailbox(
            *(self.store, self.messages, FREE),
            clock=self.clock,
            announce=self.events.append,
            modem=name,
            retry_first_s=0.5,
            retry_most_s=1,
            backoff_first_s=0.2,
        )

    def _driver(self, name: str, mailbox: StoreMailbox) -> Driver:
        device = str(self.links[name])
        settings = Modem(name=name, device=device, command_timeout_s=1, send_timeout_s=5, list_every_s=5)
        return Driver(settings, mailbox, pin="", clock=self.clock, announce=self.events.append, health=self.health)

    async def queue(self, number: int, wish: str = "", citizen: str = CITIZEN) -> None:
        now = self.clock.wall()
        await self.store.write(
            lambda conn: self.messages.outgoing.queue(
                conn, kind="reply", code="TEST", number=citizen, text=f"reply {number}", now=now, wish=wish
            )
        )

    def raised(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()}

    @property
    def sent(self) -> list[str]:
        return [sms.text for modem in self.modems.values() for sms in modem.sent]


@asynccontextmanager
async def pair(directory: Path) -> AsyncIterator[Pair]:
    store = await Store.open(directory / "pair.db", max_mbyte=16, group_commit_ms=2)
    links = {name: directory / name for name in NAMES}
    modems = {name: GsmModem(link, network_s=0.05) for name, link in links.items()}
    for modem in modems.values():
        await modem.start()
    both = Pair(store, modems, links)
    tasks = [asyncio.create_task(driver.run()) for driver in both.drivers]
    try:
        await until(lambda: all(driver.status.state == "ready" for driver in both.drivers))
        yield both
        assert not any(task.done() for task in tasks), "a driver ended by itself"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for modem in modems.values():
            await modem.stop()
        await store.close()


async def test_each_message_leaves_once_and_both_modems_work(tmp_path: Path) -> None:
    """Two modems would send the same message, one of them nothing, or both stop at one SIM's budget."""
    async with pair(tmp_path) as both:
        for number in range(20):
            await both.queue(number)
        await until(lambda: len(both.sent) == 20)
        assert sorted(both.sent) == sorted(f"reply {number}" for number in range(20))
        assert all(4 <= len(modem.sent) <= 16 for modem in both.modems.values())


async def test_a_modem_that_is_away_leaves_the_work_to_the_other(tmp_path: Path) -> None:
    """Messages would wait for a modem that is unplugged though another could send them."""
    async with pair(tmp_path) as both:
        await both.modems["first"].unplug()
        await until(lambda: both.drivers[0].status.state == "missing")
        await both.queue(1)
        await both.queue(2, wish="first")
        await both.modems["second"].wait_sent(lambda sms: sms.text == "reply 1", 60)
        await both.modems["first"].replug()
        await both.modems["first"].wait_sent(lambda sms: sms.text == "reply 2", 60)
        assert sorted(both.sent) == ["reply 1", "reply 2"]


async def test_a_sim_without_credit_waits_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    """Every waiting message would become a dead letter, or wait on after the credit is back."""
    async with pair(tmp_path) as both:
        await both.modems["second"].unplug()
        first = both.modems["first"]
        first.faults.no_credit = 21
        for number in range(4):
            await both.queue(number, citizen=f"+62812345670{number}")
        await until(lambda: "modem-no-credit" in both.raised())
        assert both.drivers[0].status.held == "credit"
        first.faults.no_credit = 0
        both.mailboxes[0].credit(enough=True)
        await until(lambda: len(both.sent) == 4)
        await until(lambda: "modem-no-credit" not in both.raised())
