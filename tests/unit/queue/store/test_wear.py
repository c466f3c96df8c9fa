"""Bytes written: kept over restarts, the last day told apart, nothing told where the kernel does not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import rowsum, wear
from edge.queue.store.database import Store
from edge.queue.store.wear import Wear, Written


@pytest.fixture
def conn() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        rowsum.register(connection)
        connection.execute("CREATE TABLE installation (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
        yield connection


def test_a_day_is_the_last_24_hours_and_the_total_all() -> None:
    """A card's wear would be told by what was written years ago, or forget it."""
    written = Written()
    for hour in range(1, 31):
        written = written.plus(hour)
    assert written.total == sum(range(1, 31))
    assert written.day == sum(range(7, 31))
    assert len(written.hours) == 24


def test_what_was_noted_is_there_after_a_restart(conn: sqlite3.Connection) -> None:
    """Each restart would begin to count anew."""
    assert wear.recall(conn) == Written()
    wear.remember(conn, written=Written(9, (4, 5)))
    wear.remember(conn, written=Written(15, (4, 5, 6)))
    assert wear.recall(conn) == Written(15, (4, 5, 6))


def test_a_kernel_that_does_not_tell_is_no_error(tmp_path: Path) -> None:
    """A kernel without task accounting would crash the daemon, or be shown as a disk that is never written."""
    assert wear.counted(tmp_path / "absent") is None
    (tmp_path / "io").write_text("rchar: 1\nwchar: 2\n")
    assert wear.counted(tmp_path / "io") is None
    (tmp_path / "io").write_text("wchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n")
    assert wear.counted(tmp_path / "io") == 4096


async def test_hours_are_noted_in_the_store(tmp_path: Path) -> None:
    """What was written is counted, but gone after a restart."""
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    own = Wear(store, hour_s=0.01)
    running = asyncio.create_task(own.run())
    payload = os.urandom(100_000)
    async with asyncio.timeout(60):
        while not (noted := await store.read(wear.recall)).total or len(noted.hours) < 3:
            await store.write(
                lambda conn: conn.execute("INSERT INTO audit VALUES (NULL, 't', 's', ?, 0)", (payload.hex(),)).rowcount
            )
    running.cancel()
    await asyncio.wait({running})
    assert own.written is not None
    assert own.written.total >= noted.total >= 200_000
    await store.close()
