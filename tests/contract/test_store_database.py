"""The store on real SQLite: durability of answers, isolation of failures, a full bound, a full disk, a damaged file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from edge.queue.store.database import Store, StoreFull, StoreUnavailable
from edge.queue.store.mend import walscan

Insert = Callable[[sqlite3.Connection], int]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2)
    yield opened
    await opened.close()


def insert(detail: str = "x") -> Insert:
    def work(conn: sqlite3.Connection) -> int:
        row = conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", (detail,)).lastrowid
        assert row is not None
        return row

    return work


def settle(row: int) -> Insert:
    return lambda conn: conn.execute("UPDATE audit SET detail = ? WHERE seq = ?", ("done" * 300, row)).rowcount


async def fill(store: Store, size: int) -> tuple[int, str]:
    """Write until the store refuses: how many it took, and what it said."""
    for taken in range(10_000):
        try:
            await store.write(insert("x" * size))
        except StoreFull as full:
            return taken, str(full)
    raise AssertionError("it never refused")


def count(conn: sqlite3.Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM audit").fetchone()[0])


async def test_writes_of_many_share_commits_and_all_are_there(store: Store) -> None:
    """Group commit loses, doubles or mixes up the answers of concurrent writers."""
    rows = await asyncio.gather(*(store.write(insert(str(number))) for number in range(300)))
    assert sorted(rows) == list(range(1, 301))
    assert await store.read(count) == 300


async def test_a_commit_takes_in_all_that_wait(store: Store) -> None:
    """Each write pays for an fsync of its own."""
    began = threading.Event()
    release = threading.Event()
    log = store.path.with_name(store.path.name + "-wal")

    def hold(conn: sqlite3.Connection) -> int:
        began.set()
        assert release.wait(10)
        return insert()(conn)

    first = asyncio.create_task(store.write(hold))
    assert await asyncio.to_thread(began.wait, 10)
    others = [asyncio.create_task(store.write(insert())) for _ in range(100)]
    await asyncio.sleep(0)
    before = walscan.scan(log.read_bytes()).committed
    release.set()
    await asyncio.gather(first, *others)
    frames = walscan.scan(log.read_bytes()).committed - before
    assert 0 < frames < 50, "one commit for each would have written at least 100 pages"


async def test_an_exception_undoes_its_own_work_alone(store: Store) -> None:
    """One bad work takes its neighbours of the same commit with it, or leaves half of itself behind."""

    def bad(conn: sqlite3.Connection) -> int:
        insert("half")(conn)
        raise ValueError("bad")

    def broken(conn: sqlite3.Connection) -> int:
        insert("half")(conn)
        return conn.execute("INSERT INTO nowhere VALUES (1)").rowcount

    outcomes = await asyncio.gather(
        *(store.write(work) for work in (insert(), bad, insert(), broken, insert())), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [int, ValueError, int, sqlite3.OperationalError, int]
    assert await store.read(count) == 3


@pytest.mark.parametrize("raised", [StopIteration, SystemExit])
async def test_whatever_a_work_raises_nobody_waits_for_ever(store: Store, raised: type[BaseException]) -> None:
    """An exception that futures or threads treat specially stops the writer, and everybody waits for ever."""

    def bad(conn: sqlite3.Connection) -> int:
        insert("half")(conn)
        raise raised

    async with asyncio.timeout(60):
        with pytest.raises((RuntimeError, SystemExit)):
            await store.write(bad)
        await store.write(insert())
        assert await store.read(count) == 1
        with pytest.raises(RuntimeError, match="no"):
            await store.read(lambda conn: next(iter(conn.execute("SELECT 1 WHERE 0"))))


async def test_foreign_keys_and_full_synchronous_hold(store: Store) -> None:
    """A connection without the pragmas that durability and integrity rest on."""

    def pragmas(conn: sqlite3.Connection) -> list[object]:
        return [
            conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    def orphan(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO outbox (event, request, kind, created_at) VALUES ('e', 'none', 'k', 0)")

    assert await store.write(pragmas) == ["wal", 2, 1]
    with pytest.raises(sqlite3.IntegrityError):
        await store.write(orphan)


async def test_reader_cannot_write(store: Store) -> None:
    """A read work changes the database beside the one writer."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read(insert())


async def test_watchers_are_called_after_a_commit_that_inserted(store: Store) -> None:
    """A part that waits for new rows sleeps through them, or is woken for others' rows."""
    woken: list[int] = []
    store.watch("audit", lambda: woken.append(1))
    await store.write(lambda conn: conn.execute("INSERT INTO cursor VALUES ('a', 'b')").rowcount)
    assert woken == []
    await store.write(insert())
    assert woken == [1]
    assert await store.read(count) == 1


async def test_file_is_for_its_owner_only(store: Store) -> None:
    """Another account of the box reads the database."""
    for suffix in ("", "-wal", "-shm", ".ballast"):
        assert stat.S_IMODE(store.path.with_name(store.path.name + suffix).stat().st_mode) == 0o600


async def test_size_bound_refuses_new_work_and_lets_the_queue_drain(store: Store) -> None:
    """A full store takes on more than it can finish, or cannot settle what it has."""
    told: list[tuple[str, bool]] = []
    store.on_trouble(lambda code, detail: told.append((code, detail is not None)))
    taken, refusal = await fill(store, 50_000)
    assert "max_mbyte" in refusal
    assert 100 < taken < 160
    assert told == [("store-full", True)]
    assert store.path.stat().st_size < 8_000_000
    await store.write(insert("y" * 50_000), draining=True)
    assert await store.write(lambda conn: conn.execute("DELETE FROM audit").rowcount, draining=True) == taken + 1
    await store.write(insert())
    assert told == [("store-full", True), ("store-full", False)]


async def test_full_store_refuses_only_what_does_not_fit(store: Store) -> None:
    """One work too large for the bound undoes small ones that share its commit."""
    outcomes = await asyncio.gather(
        *(store.write(insert("x" * size)) for size in (10, 9_000_000, 10)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [int, StoreFull, int]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "disk"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(directory)], check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


async def test_full_disk_refuses_new_work_drains_and_recovers(small_disk: Path) -> None:
    """A disk that another program fills stops the outbox, or the store does not come back once there is room."""
    store = await Store.open(small_disk / "box.db", max_mbyte=64, group_commit_ms=2)
    filler = small_disk / "log"
    try:
        for _ in range(20):
            await store.write(insert("x" * 1000))
        with filler.open("wb") as file:
            free = os.statvfs(small_disk)
            file.write(b"\0" * (free.f_bavail * free.f_frsize))
        await fill(store, 20_000)
        kept = await store.read(count)
        for row in range(1, 6):
            assert await store.write(settle(row), draining=True) == 1
        with pytest.raises(StoreFull):
            await store.write(insert("x" * 20_000))
        assert await store.read(count) == kept
        filler.unlink()
        await store.write(insert("x" * 20_000))
        assert await store.read(count) == kept + 1
    finally:
        filler.unlink(missing_ok=True)
        await store.close()


async def test_store_opens_on_a_full_disk_and_drains(small_disk: Path) -> None:
    """A power cut while the disk is full keeps the whole box from starting, and what waits from going up."""
    store = await Store.open(small_disk / "box.db", max_mbyte=64, group_commit_ms=2)
    await store.write(insert("x" * 1000))
    await store.close()
    filler = small_disk / "log"
    with filler.open("wb") as file:
        free = os.statvfs(small_disk)
        file.write(b"\0" * (free.f_bavail * free.f_frsize))
    store = await Store.open(small_disk / "box.db", max_mbyte=64, group_commit_ms=2)
    try:
        assert store.set_aside is None
        assert await store.write(settle(1), draining=True) == 1
        with pytest.raises(StoreFull):
            await store.write(insert())
        filler.unlink()
        await store.write(insert())
    finally:
        filler.unlink(missing_ok=True)
        await store.close()


async def test_a_full_disk_from_the_beginning_is_a_clear_sentence(small_disk: Path) -> None:
    """The operator is sent to look for another program while the disk is full."""
    filler = small_disk / "log"
    with filler.open("wb") as file:
        free = os.statvfs(small_disk)
        file.write(b"\0" * (free.f_bavail * free.f_frsize))
    try:
        with pytest.raises(StoreUnavailable, match="is its disk full"):
            await Store.open(small_disk / "box.db", max_mbyte=8, group_commit_ms=0)
    finally:
        filler.unlink()


async def test_a_log_set_aside_before_a_power_cut_is_kept(tmp_path: Path) -> None:
    """The power fails between the renames of log and file, and the next damaged file's log replaces the first."""
    path = tmp_path / "box.db"
    path.write_bytes(b"?" * 5000)
    (tmp_path / "box.db.corrupt-1-wal").write_bytes(b"of before")
    store = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    await store.close()
    assert store.set_aside == tmp_path / "box.db.corrupt-2"
    assert (tmp_path / "box.db.corrupt-1-wal").read_bytes() == b"of before"


async def _filled(path: Path) -> None:
    store = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    for _ in range(200):
        await store.write(insert("x" * 500))
    await store.close()


@pytest.mark.parametrize("damage", ["not a database", "a broken page"])
async def test_damaged_file_is_set_aside_and_its_rows_kept(tmp_path: Path, damage: str) -> None:
    """A damaged file stops the office for good, or is thrown away with rows that still read."""
    path = tmp_path / "box.db"
    await _filled(path)
    content = bytearray(path.read_bytes())
    if damage == "not a database":
        content[:100] = b"?" * 100
    else:
        for page in range(1, len(content) // 4096):
            content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    for number in (1, 2):
        store = await Store.open(path, max_mbyte=8, group_commit_ms=0)
        assert store.set_aside == tmp_path / f"box.db.corrupt-{number}"
        assert store.set_aside.read_bytes() == content
        await store.write(insert())
        assert await store.read(count) == 201
        await store.close()
        path.write_bytes(content)


async def test_healthy_file_is_not_set_aside(tmp_path: Path) -> None:
    """A good file is taken for a damaged one, or its rows are gone after a restart."""
    await _filled(tmp_path / "box.db")
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    assert store.set_aside is None
    assert await store.read(count) == 200
    await store.close()


async def test_file_that_cannot_be_opened_is_a_clear_sentence(tmp_path: Path) -> None:
    """The operator gets a traceback for a wrong path."""
    with pytest.raises(StoreUnavailable, match="No such file or directory; check state_dir"):
        await Store.open(tmp_path / "absent" / "box.db", max_mbyte=8, group_commit_ms=0)


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    """A stop answers waiting writers with nothing, or loses them."""
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2)
    waiting = [asyncio.create_task(store.write(insert())) for _ in range(50)]
    await asyncio.sleep(0)
    await store.close()
    assert len(await asyncio.gather(*waiting)) == 50
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(insert())


class Unreadable(Store):
    """Its file cannot be opened a second time."""

    def _open_reader(self) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")


async def test_a_store_that_opens_by_half_is_closed_again(tmp_path: Path) -> None:
    """The part that opens it crashes, and leaves a writer behind that holds the file beside the next one."""
    with pytest.raises(StoreUnavailable, match="unable to open"):
        await Unreadable.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("store-")]
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2)
    await store.close()
