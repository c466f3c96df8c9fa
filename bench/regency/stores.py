"""Stores of villages after a long outage: new requests, events about them and hours of the monitor, all unsent."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import time
from pathlib import Path

from edge.queue.request import Request, uuid7
from edge.queue.store import files, outbox
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal

SEAL = Seal(bytes(32))
_MBYTE = 64
# Each of its own kind: the portal would take two events of one kind about one request for two effects.
_ABOUT = ("rt_asked", "rt_answered", "rw_asked", "rw_answered", "data_asked", "data_given", "seen", "called", "noted")
_HOUR = json.dumps(
    {
        "up_ms": 3_600_000,
        "degraded_ms": 0,
        "down_ms": 0,
        "service_up_ms": 3_600_000,
        "service_degraded_ms": 0,
        "service_down_ms": 0,
        "metered_ms": 3_600_000,
        "probes": 7_200,
        "lost": 3,
        "received_bytes": 123_456_789,
        "sent_bytes": 23_456_789,
        "uplink": "pde",
        "hour": "2026-11-22T03:00:00+00:00",
        "rtt_ms": {"p50": 11.0, "p95": 23.5, "p99": 61.2},
        "rtt_buckets": {"40": 3_500, "44": 80, "51": 20},
    }
)


async def open_store(path: Path) -> Store:
    """A village's store."""
    return await Store.open(path, max_mbyte=_MBYTE, group_commit_ms=2)


def make_empty(path: Path) -> None:
    """A store with nothing in it."""

    async def make() -> None:
        await (await open_store(path)).close()

    asyncio.run(make())


def fill(path: Path, template: Path, village: int, *, requests: int, events: int) -> None:
    """A store with `requests` new ones and `events` rows in all: nine about each request, the others hours."""
    shutil.copyfile(template, path)
    connection = files.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    filed = [_file(connection, village, number) for number in range(requests)]
    for kind in _ABOUT:
        for request in filed:
            content = json.dumps({"request": request, "answer": "ya"})
            outbox.put(connection, SEAL, request, kind, content, now=time.time())
    for _ in range(events - requests * (1 + len(_ABOUT))):
        outbox.put(connection, SEAL, None, "uplink_hour", _HOUR, now=time.time())
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _file(connection: sqlite3.Connection, village: int, number: int) -> str:
    store = Requests(SEAL)
    now = time.time()
    request = Request(
        id=uuid7(int(now * 1000), village << 40 | number),
        ticket=store.new_ticket(connection),
        letter="SKTM",
        source="desk",
        state="received",
        version=1,
        nik=f"351013070385{number + 1:04d}",
        name="SITI AMINAH NURHALIZA",
        phone="+6281234567001",
        purpose="Pengajuan beasiswa anak di SMA Negeri 1 Muncar, tahun ajaran 2026/2027",
        missing=("KK",),
    )
    return store.add(connection, request, now=now).id
