"""The regency's end of the broker: lands every event once in a table, then acknowledges and confirms it to its village.

`python -m bench.regency.landing URL DATABASE` makes the streams, says ``ready``, answers heartbeats, and at the end of
its standard input prints how many events landed, how many came again, and how many stood behind a later one.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import nats
import nats.errors

REGENCY, SECRET = "regency", "regency-secret"
_AT_ONCE = 200
_UP_BYTES, _DOWN_BYTES = 128 << 20, 64 << 20
_SCHEMA = "CREATE TABLE landed (source TEXT, id TEXT, subject TEXT, seq INTEGER, PRIMARY KEY (source, id))"
_DISORDER = """
SELECT count(*) FROM (SELECT seq < lag(seq) OVER (PARTITION BY source, subject ORDER BY rowid) AS behind
FROM landed WHERE subject <> '') WHERE behind
"""


class Landing:
    """The consumer and its table."""

    def __init__(self, client: Any, database: Path) -> None:
        self._client = client
        self._streams = client.jetstream()
        self._table = sqlite3.connect(database, isolation_level=None)
        self._table.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA}")
        self.again = 0

    async def prepare(self) -> None:
        """Make both streams. A full one refuses what is new, so that nothing is dropped that a box counts on."""
        up = [f"kampung.*.{what}" for what in ("requests", "events", "digests")]
        await self._streams.add_stream(
            name="KAMPUNG_UP", subjects=up, retention="workqueue", discard="new", max_bytes=_UP_BYTES
        )
        # Confirmations: one that is dropped is asked for again, by its row's next try.
        await self._streams.add_stream(name="KAMPUNG_DOWN", subjects=["kampung.*.changes"], max_bytes=_DOWN_BYTES)
        await self._client.subscribe("kampung.*.heartbeat", cb=self._beat)

    async def _beat(self, message: Any) -> None:
        await message.respond(b'{"epoch": 1}')

    async def run(self) -> None:
        """Land until cancelled."""
        subscription = await self._streams.pull_subscribe("kampung.>", durable="land", stream="KAMPUNG_UP")
        while True:
            try:
                messages = await subscription.fetch(_AT_ONCE, timeout=0.5)
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            self._land(messages)
            await asyncio.gather(*(message.ack() for message in messages))
            await self._confirm(messages)

    def _land(self, messages: list[Any]) -> None:
        rows = []
        for message in messages:
            event = json.loads(message.data)
            rows.append((message.subject.split(".")[1], event["id"], event.get("subject", ""), event["seq"]))
        self._table.execute("BEGIN")
        before = self._table.total_changes
        self._table.executemany("INSERT OR IGNORE INTO landed VALUES (?, ?, ?, ?)", rows)
        self.again += len(rows) - (self._table.total_changes - before)
        self._table.execute("COMMIT")

    async def _confirm(self, messages: list[Any]) -> None:
        landed: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            landed[message.subject.split(".")[1]].append(json.loads(message.data)["id"])
        for village, events in landed.items():
            told = {"id": str(uuid.uuid4()), "type": "kampung.events.confirmed", "data": {"events": events}}
            await self._streams.publish(f"kampung.{village}.changes", json.dumps(told).encode())

    def figures(self) -> dict[str, int]:
        """What landed."""
        (landed,) = self._table.execute("SELECT count(*) FROM landed").fetchone()
        (behind,) = self._table.execute(_DISORDER).fetchone()
        return {"landed": landed, "again": self.again, "disorder": behind}


async def main(url: str, database: str) -> None:
    """Land until standard input ends."""
    client = await nats.connect(url, user=REGENCY, password=SECRET)
    landing = Landing(client, Path(database))
    await landing.prepare()
    task = asyncio.create_task(landing.run())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    if task.done():
        task.result()
    task.cancel()
    await asyncio.wait({task})
    print(json.dumps(landing.figures()), flush=True)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
