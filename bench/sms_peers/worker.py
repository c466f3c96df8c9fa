"""Our modem part alone: the real store, mailbox and driver, in a process that can be measured.

`python -m bench.sms_peers.worker STORE DEVICE` says ready and takes messages on standard input, one JSON list of texts
a line, queues them in one transaction and says queued. With ``-`` as DEVICE nothing but the store is open: what is left
of a process that does nothing.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

import msgspec

from edge.clock import SystemClock
from edge.config import Modem, Sms
from edge.events import Event
from edge.health import Health
from edge.modem.driver import Driver
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages
from edge.queue.store.seal import Seal
from edge.sms.mailbox import StoreMailbox

NUMBER = "+6281234567001"
# What the defaults forbid on purpose, since operators block a SIM that sends like a machine.
LIMITS = Sms(
    sends_per_hour=10_000,
    sends_per_day=100_000,
    sends_per_recipient_per_day=10_000,
    send_gap_s=0,
    quiet_from="00:00",
    quiet_until="00:00",
)


def raised() -> str:
    """The settings that differ from the defaults, as TOML."""
    told = [
        f"{name} = {json.dumps(value)}"
        for name, value in msgspec.structs.asdict(LIMITS).items()
        if value != getattr(Sms(), name)
    ]
    return "\n".join(["[sms]", *told])


async def main(path: str, device: str) -> None:
    """Work until standard input ends."""
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    store = await Store.open(Path(path), max_mbyte=64, group_commit_ms=2)
    messages, clock, events = Messages(Seal(bytes(32))), SystemClock(), list[Event]()
    tasks = set[asyncio.Task[None]]()
    if device != "-":
        mailbox = StoreMailbox(store, messages, LIMITS, clock=clock, announce=events.append)
        driver = Driver(
            Modem(device=device), mailbox, pin="", clock=clock, announce=events.append, health=Health(clock.wall)
        )
        tasks.add(asyncio.create_task(driver.run()))
    print("ready", flush=True)
    while line := await reader.readline():
        texts = json.loads(line)

        def work(conn: sqlite3.Connection, texts: list[str] = texts) -> None:
            for text in texts:
                messages.outgoing.queue(conn, kind="reply", code="BENCH", number=NUMBER, text=text, now=clock.wall())

        await store.write(work)
        print("queued", flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
