"""How much group commit wins: acknowledged writes of 64 producers against one commit an item, in the same run.

Both write the same rows to the same disk with WAL and synchronous=FULL. The ratio depends on what an fsync costs there:
near 1 on a RAM disk, tens on a memory card.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from bench import Figure, Figures, Result, at_least
from edge.queue.store import files
from edge.queue.store.database import Store

_PRODUCERS = 64
_RATIO_WANTED = 5.0
_INSERT = "INSERT INTO audit (kind, subject, detail, at) VALUES ('bench', ?, ?, 0)"
_DETAIL = "x" * 400


def run(*, quick: bool) -> Result:
    """The two rates and their ratio. `quick`: half a second a side, else three."""
    seconds = 0.5 if quick else 3.0
    with tempfile.TemporaryDirectory(prefix="kampung-edge-bench-", dir=Path.cwd()) as directory:
        grouped = asyncio.run(_grouped(Path(directory) / "grouped.db", seconds))
        plain = _plain(Path(directory) / "grouped.db", seconds)
    figures: Figures = {
        "store_writes_per_s": Figure(value=round(grouped), wanted="for the record", ok=True),
        "store_plain_writes_per_s": Figure(value=round(plain), wanted="for the record", ok=True),
        "store_group_commit_ratio": at_least(grouped / plain, _RATIO_WANTED),
    }
    return figures, []


async def _grouped(path: Path, seconds: float) -> float:
    """Acknowledged writes per second of the store with 64 producers, each waiting for its answer."""
    store = await Store.open(path, max_mbyte=512, group_commit_ms=2)
    done = 0
    deadline = time.monotonic() + seconds

    def work(conn: sqlite3.Connection) -> None:
        conn.execute(_INSERT, ("grouped", _DETAIL))

    async def produce() -> None:
        nonlocal done
        while time.monotonic() < deadline:
            await store.write(work)
            done += 1

    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for _ in range(_PRODUCERS):
            group.create_task(produce())
    elapsed = time.monotonic() - started
    await store.close()
    return done / elapsed


def _plain(path: Path, seconds: float) -> float:
    """Writes per second of one connection that commits each row."""
    connection = files.connect(path)
    done = 0
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INSERT, ("plain", _DETAIL))
        connection.execute("COMMIT")
        done += 1
    elapsed = time.monotonic() - started
    connection.close()
    return done / elapsed
