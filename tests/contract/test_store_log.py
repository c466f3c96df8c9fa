"""The store's log and its groups: who shares a commit, and that the log stays short whoever reads."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store.database import Store, StoreFull, StoreSlow

FRAME = 24 + 4_096
FOLDED_AT = 250  # frames, with max_mbyte = 8
PRODUCERS = 64


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2, read_most_s=0.3)
    yield opened
    await opened.close()


@pytest.fixture
def reader(store: Store) -> Iterator[sqlite3.Connection]:
    """Another program that looks at the database."""
    with closing(sqlite3.connect(f"{store.path.as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def insert(conn: sqlite3.Connection) -> None:
    conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", ("x" * 3_000,))


def erase(conn: sqlite3.Connection) -> int:
    return conn.execute("DELETE FROM audit").rowcount


async def write_on(store: Store, times: int) -> None:
    for _ in range(times):
        await store.write(insert)
        await store.write(erase)


def log_of(store: Store) -> Path:
    return store.path.with_name(store.path.name + "-wal")


def commits(log: Path) -> int:
    """Transactions in the log's present round (https://sqlite.org/fileformat2.html#walformat)."""
    content = log.read_bytes()
    salts = content[16:24]
    frames = (content[at : at + 24] for at in range(32, len(content), FRAME))
    return sum(frame[8:16] == salts and struct.unpack(">I", frame[4:8])[0] > 0 for frame in frames)


async def test_everybody_who_writes_shares_each_commit(store: Store) -> None:
    """Writers fall into halves that take turns, and each pays for two commits of a slow card."""
    rounds = 8

    async def produce() -> None:
        for _ in range(rounds):
            await store.write(lambda conn: conn.execute("INSERT INTO audit VALUES (NULL, 't', 's', '', 0)").rowcount)

    before = commits(log_of(store))
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    assert commits(log_of(store)) - before <= rounds + 1


async def test_a_lone_writer_is_never_kept_waiting(tmp_path: Path) -> None:
    """A box with one desk waits the whole window for others at each write."""
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=3_600_000)
    await asyncio.gather(*(store.write(insert) for _ in range(PRODUCERS)))
    async with asyncio.timeout(100):
        for _ in range(10):
            await store.write(insert)
    await store.close()


async def test_the_log_is_folded_and_stays_short(store: Store) -> None:
    """The log takes the whole disk, or is written anew so often that it wears the card."""
    for _ in range(6):
        for _ in range(FOLDED_AT):
            await store.write(insert, draining=True)
        await store.write(erase, draining=True)
    assert FOLDED_AT * FRAME <= log_of(store).stat().st_size < 2 * FOLDED_AT * FRAME


async def test_a_reader_that_holds_the_log_ends_new_work_before_the_disk(
    store: Store, reader: sqlite3.Connection
) -> None:
    """A backup that hangs lets the log grow until the disk is full; or what waits cannot drain; or it never ends."""
    told: list[tuple[str, bool]] = []
    store.on_trouble(lambda code, detail: told.append((code, detail is not None)))
    await store.write(insert)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM audit").fetchone() == (1,)
    with pytest.raises(StoreFull, match="a reader has held it for too long"):
        await write_on(store, 6 * FOLDED_AT)
    assert log_of(store).stat().st_size < 6 * FOLDED_AT * FRAME
    await store.write(erase, draining=True)
    reader.execute("ROLLBACK")
    await store.write(insert)
    assert told == [("store-full", True), ("store-full", False)]
    for _ in range(FOLDED_AT):
        await store.write(insert, draining=True)
    assert log_of(store).stat().st_size < 2 * FOLDED_AT * FRAME


async def test_a_read_that_lasts_too_long_is_ended(store: Store) -> None:
    """A careless question holds the log and the one reader for ever."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with asyncio.timeout(60):
        with pytest.raises(StoreSlow, match="took too long and was ended"):
            await store.read(lambda conn: conn.execute(endless).fetchone())
        assert await store.read(lambda conn: conn.execute("SELECT 1").fetchone()[0]) == 1


async def test_a_read_beside_writes_sees_one_moment(store: Store) -> None:
    """A long page of the desk mixes what was there with what came."""
    looked, more = threading.Event(), threading.Event()

    def twice(conn: sqlite3.Connection) -> tuple[int, int]:
        (first,) = conn.execute("SELECT count(*) FROM audit").fetchone()
        looked.set()
        assert more.wait(10)
        return first, conn.execute("SELECT count(*) FROM audit").fetchone()[0]

    reading = asyncio.create_task(store.read(twice))
    assert await asyncio.to_thread(looked.wait, 10)
    await store.write(insert)
    more.set()
    assert await reading == (0, 0)


async def test_room_for_other_work_ends_before_the_reserve(store: Store) -> None:
    """Attachments take the room that the queue needs to drain."""
    ballast = store.path.with_name("box.db.ballast").stat().st_size
    assert ballast > FOLDED_AT * FRAME
    assert store.room() > 0
