"""A store damaged while it is in use: nothing is done on a damaged row's account, a damaged file is replaced."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge.queue.store.database import Store, StoreCorrupt

ROWS = 60
PAGE = 4_096


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An open store whose rows are all in the file, none in the log and none in a cache."""
    path = tmp_path / "box.db"
    first = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    await asyncio.gather(*(first.write(insert(f"row {number} ")) for number in range(ROWS)))
    await first.close()
    opened = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    yield opened
    await opened.close()


def insert(detail: str) -> Callable[[sqlite3.Connection], int]:
    return lambda conn: conn.execute("INSERT INTO audit VALUES (NULL, 't', 's', ?, 0)", (detail * 300,)).rowcount


def mark(seq: int) -> Callable[[sqlite3.Connection], int]:
    return lambda conn: conn.execute("UPDATE audit SET subject = 'sent' WHERE seq = ?", (seq,)).rowcount


def one(sql: str) -> Callable[[sqlite3.Connection], int]:
    return lambda conn: int(conn.execute(sql).fetchone()[0])


def flip(path: Path, needle: bytes, wrong: bytes) -> None:
    """Change a few bytes of a value where it stands in the file."""
    with path.open("r+b") as file:
        at = file.read().index(needle)
        file.seek(at)
        file.write(wrong)


def break_pages(path: Path) -> None:
    """Overwrite the head of every page with a row of the audit."""
    with path.open("r+b") as file:
        content = file.read()
        for at in range(PAGE, len(content), PAGE):
            if b"row " in content[at : at + PAGE]:
                file.seek(at)
                file.write(b"\xff" * 32)


async def test_nothing_is_done_on_the_account_of_a_damaged_row(store: Store) -> None:
    """A flipped byte is sent upstream as true, or takes others' writes with it, or stops everything that meets it."""
    await asyncio.to_thread(flip, store.path, b"row 7 row 7 ", b"row 9 row 7 ")
    done = await asyncio.gather(*(store.write(mark(seq)) for seq in range(1, ROWS + 1)))
    assert sorted(done) == [0, *[1] * (ROWS - 1)]
    assert await store.read(one("SELECT count(*) FROM audit WHERE subject = 'sent'")) == ROWS - 1
    assert await store.read(one("SELECT count(*) FROM damage")) == 1


@pytest.mark.parametrize("finder", ["reader", "writer"])
async def test_a_file_damaged_while_in_use_is_replaced(store: Store, finder: str) -> None:
    """A broken page stops the office until somebody restarts it, or its other rows are lost."""
    repaired: asyncio.Queue[Path] = asyncio.Queue()
    store.on_damage(repaired.put_nowait)
    await asyncio.to_thread(break_pages, store.path)
    if finder == "reader":
        with pytest.raises(StoreCorrupt):
            await store.read(one("SELECT max(length(detail)) FROM audit"))
    else:
        assert await store.write(lambda conn: conn.execute("UPDATE audit SET subject = 'sent'").rowcount) > 0
    async with asyncio.timeout(60):
        aside = await repaired.get()
    assert aside.name == "box.db.corrupt-1"
    await store.write(insert("after "))
    assert await store.read(one("SELECT count(*) FROM audit WHERE detail LIKE 'row %'")) > 0
    assert await store.read(one("SELECT count(*) FROM audit WHERE detail LIKE 'after %'")) == 1
