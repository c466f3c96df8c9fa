"""A store on a disk that fails at every point, one point after another; runs under the shim `failing_io`.

`python -m tests.crash.store_failing DIRECTORY STEP ERRNO` prints a line of JSON for each point: which call failed, how
each write was answered, what was told of the store's health, and what a plain SQLite finds in the file afterwards.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from edge.queue.store.database import Store, StoreError, StoreUncertain

_shim = ctypes.CDLL(None)
MAX_MBYTE = 8
ROUNDS = 12


def fail(directory: Path, first: int, count: int, error: int) -> None:
    """Let the shim fail calls of this process that change files under `directory`."""
    _shim.failing_io(str(directory).encode(), ctypes.c_long(first), ctypes.c_long(count), error)


async def write(store: Store, name: str, told: dict[str, str], *, size: int, draining: bool = False) -> None:
    """Write one row and note how that was answered."""

    def work(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES (?, 's', ?, 0)", (name, "x" * size))

    try:
        await store.write(work, draining=draining)
    except StoreUncertain:
        told[name] = "uncertain"
    except StoreError:
        told[name] = "failed"
    else:
        told[name] = "ok"


async def opened(path: Path) -> tuple[Store, int]:
    """The open store, as the daemon opens it: again until it can; and how often it could not."""
    refused = 0
    async with asyncio.timeout(100):
        while True:
            try:
                return await Store.open(path, max_mbyte=MAX_MBYTE, group_commit_ms=2), refused
            except StoreError:
                refused += 1


async def load(store: Store, told: dict[str, str]) -> None:
    """Lone writes, shared commits, and enough of both that the log is folded on the way."""
    for number in range(ROUNDS):
        await write(store, f"lone {number}", told, size=40_000)
        many = (write(store, f"many {number}.{each}", told, size=9_000, draining=each % 2 == 0) for each in range(6))
        await asyncio.gather(*many)


async def healed(store: Store, told: dict[str, str]) -> None:
    """Write until the store takes it, as everybody does."""
    async with asyncio.timeout(100):
        number = 0
        while told.get(f"after {number}") != "ok":
            number += 1
            await write(store, f"after {number}", told, size=100)
            await asyncio.sleep(0.005)  # nobody asks more often


async def point(path: Path, first: int, error: int) -> dict[str, object]:
    """One disk whose `first` call fails: once for an error, until it is told otherwise for a read-only one."""
    told: dict[str, str] = {}
    health: list[str] = []
    turns_read_only = error == errno.EROFS
    fail(path.parent, 0 if turns_read_only else first, 1, error)
    store, refused = await opened(path)
    store.on_trouble(lambda code, detail: health.append(f"{'-' if detail is None else '+'}{code}"))
    if turns_read_only:
        fail(path.parent, first, -1, error)
    await load(store, told)
    rows = await store.read(lambda conn: int(conn.execute("SELECT count(*) FROM audit").fetchone()[0]))
    failed, seen = int(_shim.failing_io_failed()), int(_shim.failing_io_seen())
    fail(path.parent, 0, 0, error)
    await healed(store, told)
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        stored = [str(row[0]) for row in connection.execute("SELECT kind FROM audit ORDER BY kind")]
        (well,) = connection.execute("PRAGMA integrity_check").fetchone()
    return {
        "first": first,
        "failed": failed,
        "seen": seen,
        "told": told,
        "health": health,
        "refused": refused,
        "read": rows,
        "stored": stored,
        "well": well,
        "set_aside": str(store.set_aside or ""),
    }


async def main(directory: Path, step: int, error: int) -> None:
    """Every `step`-th call fails in a run of its own, until a run ends before its call."""
    whole = directory / "whole" / "box.db"
    whole.parent.mkdir()
    await (await opened(whole))[0].close()
    first = 1
    while True:
        place = directory / str(first)
        place.mkdir()
        shutil.copy(whole, place / "box.db")
        result = await point(place / "box.db", first, error)
        print(json.dumps(result), flush=True)
        shutil.rmtree(place)
        if not result["failed"]:
            return
        first += step


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
