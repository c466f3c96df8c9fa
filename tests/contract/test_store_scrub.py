"""The scrubber on a real store that rots while it is open."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.health import Health
from edge.queue.store import audit, files, outbox
from edge.queue.store.database import Store
from edge.queue.store.mend.alarm import Alarm
from edge.queue.store.mend.damage import Damage, listed
from edge.queue.store.mend.scrub import Place, Scrub
from edge.queue.store.seal import Seal

NOW = 1_795_000_000.0
SEAL = Seal(bytes(32))
MARK = "the mark of row"


class Clock:
    """Stands still."""

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return NOW

    def trusted(self) -> bool:
        return True


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    yield store
    await store.close()


async def fill(store: Store) -> None:
    """Rows in the file itself, none of them read since."""

    def write(conn: sqlite3.Connection) -> None:
        for number in range(60):
            audit.record(conn, "t", "s", f"{MARK} {number:04}" + " " * 300, now=NOW)
            outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW)

    await store.write(write)
    with closing(files.connect(store.path)) as conn:
        assert conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


def rot(path: Path, wanted: bytes, better: bytes, *, start: int = 0) -> None:
    """Overwrite bytes of the file, from `start` on, under the open store."""
    at = path.read_bytes().find(wanted, start)
    assert at > 0
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, better, at)
    os.close(descriptor)


async def scrubbed(store: Store, health: Health) -> list[Damage]:
    """What one round finds."""
    scrub = Scrub(store, clock=Clock(), alarm=Alarm(store, health=health), share=1e9, round_rest_s=0)
    task = asyncio.create_task(scrub.run())
    async with asyncio.timeout(60):
        while scrub.rounds < 1:
            assert not task.done(), task
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
    return await store.read(listed)


async def test_a_round_over_a_well_store_writes_nothing(store: Store) -> None:
    """The scrubber wears out the card, or raises an alarm about nothing."""
    await fill(store)
    health = Health(lambda: NOW)
    changed = await store.read(lambda conn: conn.execute("PRAGMA data_version").fetchone()[0])
    assert await scrubbed(store, health) == []
    assert await store.read(lambda conn: conn.execute("PRAGMA data_version").fetchone()[0]) == changed
    assert health.current() == ()


@pytest.mark.parametrize(
    "better",
    [b"the mask of row 0142", b"\xff\xfe\xfd mark of row 0042"],
    ids=["two letters", "no UTF-8"],
)
async def test_a_rotten_row_is_set_right_or_named(store: Store, better: bytes) -> None:
    """A value that rotted on the card is passed on as right, or stops whoever reads it for good."""
    await fill(store)
    rot(store.path, f"{MARK} 0042".encode(), better)
    health = Health(lambda: NOW)
    found = await scrubbed(store, health)
    assert [damage.lost for damage in found] == ["audit 43"]
    assert [raised.condition.code for raised in health.current()] == ["store-damaged"]
    assert await store.read(lambda conn: conn.execute("SELECT count(*) FROM audit").fetchone()[0]) == 59


async def test_a_rotten_row_on_a_disk_that_takes_nothing_waits(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A full disk and one wrong bit together would crash the daemon every other minute, into its safe mode."""
    await fill(store)
    rot(store.path, b"the mark of row 0042", b"the mask of row 0142")
    caplog.set_level(logging.DEBUG, "edge.queue.store")
    scrub = Scrub(store, clock=Clock(), alarm=Alarm(store, health=Health(lambda: NOW)), share=1e9, round_rest_s=0)
    with closing(files.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(scrub.run())
        async with asyncio.timeout(60):
            while "the scrubber waits" not in caplog.text:
                assert not task.done(), task
                await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


async def test_one_flipped_bit_is_put_right(store: Store) -> None:
    """A row is given up although its check sum tells which bit is wrong."""
    await fill(store)
    rot(store.path, b"the mark of row 0007", b"the mark of row 0006")
    health = Health(lambda: NOW)
    found = await scrubbed(store, health)
    assert [damage.lost for damage in found] == [""]
    assert await store.read(lambda conn: conn.execute("SELECT detail FROM audit WHERE seq = 8").fetchone()[0][:20]) == (
        "the mark of row 0007"
    )
    assert health.current() == ()


async def test_an_index_that_lacks_a_row_is_built_anew(store: Store) -> None:
    """A row that no index leads to is never found, claimed or sent again."""
    await fill(store)
    index = "sqlite_autoindex_outbox_1"
    event, root = await store.read(
        lambda conn: conn.execute(
            "SELECT event, rootpage FROM outbox, sqlite_schema WHERE seq = 50 AND name = ?", (index,)
        ).fetchone()
    )
    rot(store.path, event.encode(), b"f" * len(event), start=(root - 1) * 4096)
    found = await scrubbed(store, Health(lambda: NOW))
    assert [damage.place for damage in found] == [f"index {index}"]
    by_event = "SELECT seq FROM outbox WHERE event = ?"
    assert (await store.read(lambda conn: conn.execute(by_event, (event,)).fetchone()))[0] == 50


async def test_a_restart_goes_on_where_the_walk_stood(store: Store) -> None:
    """A large store's last tables are never reached, since each restart begins anew."""
    await fill(store)
    seen: list[Place] = []
    for _ in range(4):
        alarm = Alarm(store, health=Health(lambda: NOW))
        scrub = Scrub(store, clock=Clock(), alarm=alarm, share=1e-9)
        seen.append(scrub.place)
        task = asyncio.create_task(scrub.run())
        async with asyncio.timeout(60):
            while scrub.place == seen[-1]:
                assert not task.done(), task
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait({task})
    assert [place.table for place in seen] == ["", "audit", "outbox", ""]
    assert seen[2].after == (60,)


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        b"\0" * 64,
        b"\x82\xa5table\xa6\xefutbox\xa5after\xc0",
        b"\x82\xa5table\xa6outbox\xa5after\x92\x92\xa3int\xa11\x92\xa3str\xa3abc",
        b"\x82\xa5table\xa6outbox\xa5after\x91\x92\xa3int\xb4" + b"9" * 20,
    ],
)
async def test_a_place_that_is_damaged_ends_nothing(store: Store, saved: bytes) -> None:
    """One wrong bit in a file that nobody needs would keep desk and SMS from starting, or end the daemon for ever."""
    await fill(store)
    store.path.with_name("box.db.scrub").write_bytes(saved)
    assert await scrubbed(store, Health(lambda: NOW)) == []


async def test_wrong_depths_are_counted_anew(store: Store) -> None:
    """The metric of what waits is wrong for ever."""
    await fill(store)
    await store.write(lambda conn: conn.execute("UPDATE outbox_depth SET rows = 7"))
    await scrubbed(store, Health(lambda: NOW))
    assert await store.read(lambda conn: conn.execute("SELECT sum(rows) FROM outbox_depth").fetchone()[0]) == 60
