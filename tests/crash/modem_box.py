"""The SMS way alone: store, mailbox and driver, in the test's own process or in one that may be killed.

`python -m tests.crash.modem_box DIRECTORY` opens DIRECTORY/box.db and works at the modem DIRECTORY/modem. It takes
orders on standard input, ``NUMBER <tab> KIND <tab> PHONE <tab> TEXT``, queues each of them once, however often it is
told, and prints ``promised NUMBER`` when that is durable. ``KAMPUNG_EDGE_KILL_AT`` says where it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from edge.clock import SystemClock
from edge.config import Modem, Sms
from edge.events import Event
from edge.health import Health
from edge.modem.device.usb import Places
from edge.modem.driver import Driver
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages
from edge.queue.store.outgoing import Kind
from edge.queue.store.seal import Seal
from edge.sms.mailbox import StoreMailbox

SEAL = Seal(bytes(32))
MORE_TO_COME = (
    "SELECT count(*) FROM outgoing "
    "WHERE state IN ('pending', 'sending') OR (state = 'uncertain' AND settle_at IS NOT NULL)"
)


@dataclass(frozen=True, slots=True)
class Order:
    """One SMS that the office wants to send; `number` is the order's own, by which it is known again."""

    number: int
    kind: Kind
    phone: str
    text: str

    def line(self) -> bytes:
        return f"{self.number}\t{self.kind}\t{self.phone}\t{self.text}\n".encode()

    @classmethod
    def read(cls, line: str) -> Order:
        number, kind, phone, text = line.rstrip("\n").split("\t")
        known = {name: name for name in get_args(Kind)}
        return cls(int(number), known[kind], phone, text)


@dataclass(frozen=True, slots=True)
class Sending:
    """What the store says of one message to send.

    `uncertain`: how often nobody knew how its sending ended. `delivered`: what status reports told, None if nothing.
    """

    state: str
    uncertain: int
    error: str
    delivered: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What the store holds: each text that was received with its number of rows, and each text to send."""

    received: Counter[str]
    outgoing: dict[str, Sending]

    @property
    def uncertain(self) -> int:
        """How often in all nobody knew how a sending ended."""
        return sum(sending.uncertain for sending in self.outgoing.values())


@contextmanager
def _looking(database: Path) -> Iterator[sqlite3.Connection]:
    """One snapshot of a store."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as connection:
        connection.execute("BEGIN")
        yield connection


def unsettled(database: Path) -> int:
    """How many messages to send have not come to their end."""
    with _looking(database) as connection:
        return int(connection.execute(MORE_TO_COME).fetchone()[0])


def contents(database: Path) -> Contents:
    """What a store holds now, also while another process uses it."""
    received, outgoing = Counter[str](), dict[str, Sending]()
    with _looking(database) as connection:
        for text, digest in connection.execute("SELECT text, sender_digest FROM inbound"):
            received[SEAL.open(text, f"inbound.text:{digest.hex()}")] += 1
        rows = connection.execute("SELECT text, number_digest, state, uncertain, error, delivered FROM outgoing")
        for text, digest, *rest in rows:
            plain = SEAL.open(text, f"outgoing.text:{digest.hex()}")
            assert plain not in outgoing, "an order was queued twice"
            outgoing[plain] = Sending(*rest)
    return Contents(received, outgoing)


class Box:
    """Store, mailbox and driver at work on the modem `directory`/modem, wired as the daemon wires them."""

    def __init__(self, directory: Path, store: Store, modem: Modem, sms: Sms, places: Places | None) -> None:
        self.database = directory / "box.db"
        self.store, self.events = store, list[Event]()
        self.clock = SystemClock()
        self.health = Health(self.clock.wall)
        self.messages = Messages(SEAL)
        announce = self.events.append
        mailbox = StoreMailbox(
            *(store, self.messages, sms),
            clock=self.clock,
            announce=announce,
            modem=modem.name,
            retry_first_s=0.3,
            retry_most_s=2.0,
            backoff_first_s=0.2,
        )
        self.driver = Driver(
            modem, mailbox, pin="", clock=self.clock, announce=announce, health=self.health, places=places
        )

    def raised(self) -> set[str]:
        """Codes of the conditions that health shows now."""
        return {raised.condition.code for raised in self.health.current()}

    async def queue(self, order: Order) -> None:
        """Make an order durable, once."""
        now = self.clock.wall()

        def work(conn: sqlite3.Connection) -> None:
            told = "SELECT 1 FROM audit WHERE kind = 'order' AND subject = ?"
            if conn.execute(told, (str(order.number),)).fetchone():
                return
            conn.execute(
                "INSERT INTO audit (kind, subject, detail, at) VALUES ('order', ?, '', ?)", (order.number, now)
            )
            self.messages.outgoing.queue(
                conn, kind=order.kind, code="TEST", number=order.phone, text=order.text, now=now
            )

        await self.store.write(work)

    def contents(self) -> Contents:
        """What the store holds now."""
        return contents(self.database)


def modem_settings(device: Path | str) -> Modem:
    """A modem's settings with waits fit for tests."""
    return Modem(device=str(device), command_timeout_s=1.0, send_timeout_s=5.0, list_every_s=1.0)


SMS = Sms(
    sends_per_hour=10_000,
    sends_per_day=100_000,
    sends_per_recipient_per_day=10_000,
    send_gap_s=0,
    quiet_from="00:00",
    quiet_until="00:00",
    settle_uncertain_s=1.0,
    resend_uncertain=("reply", "notification", "digest"),
    pause_s=1,
)


@asynccontextmanager
async def working(
    directory: Path, modem: Modem | None = None, sms: Sms = SMS, places: Places | None = None
) -> AsyncIterator[Box]:
    """A box at work until the block ends."""
    store = await Store.open(directory / "box.db", max_mbyte=64, group_commit_ms=2)
    box = Box(directory, store, modem or modem_settings(directory / "modem"), sms, places)
    task = asyncio.create_task(box.driver.run())
    try:
        yield box
        assert not task.done(), "the driver ended by itself"
    finally:
        task.cancel()
        await asyncio.wait({task})
        await store.close()


async def main(directory: Path) -> None:
    """Queue what standard input orders until it ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with working(directory) as box:
        while line := await reader.readline():
            order = Order.read(line.decode())
            await box.queue(order)
            print(f"promised {order.number}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
