"""A store damaged while it is in use: nothing is done on a damaged row's account, a damaged file is replaced."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from edge.queue.request import Request, uuid7
from edge.queue.store.database import Store, StoreCorrupt
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal, SealBroken

REQUESTS = Requests(Seal(bytes(range(32))))
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


def request(number: int) -> Request:
    return Request(
        id=uuid7(1_000_000 + number, number),
        ticket=f"K{number:02d}-M2",
        letter="SKTM",
        source="desk",
        state="received",
        version=1,
        nik="3510152306089909",
        name="SITI AMINAH",
    )


def file_request(number: int) -> Callable[[sqlite3.Connection], Request]:
    return lambda conn: REQUESTS.add(conn, request(number), now=float(number))


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


@pytest.mark.parametrize("reader", [True, False], ids=["read", "write"])
async def test_one_row_that_rots_does_not_break_everybodys_reading(store: Store, reader: bool) -> None:
    """Every list with one rotten request in it fails, and every SMS of its sender, until the scrubber comes by."""
    for number in (1, 2, 3):
        await store.write(file_request(number))
    (person,) = await store.read(
        lambda conn: conn.execute("SELECT person FROM request WHERE ticket = 'K02-M2'").fetchone()
    )
    await store.close()
    opened = await Store.open(store.path, max_mbyte=8, group_commit_ms=0)
    flip(store.path, person, person[:20] + bytes(8))

    def tickets(conn: sqlite3.Connection) -> list[str]:
        return [each.ticket for each in REQUESTS.page(conn, limit=10)]

    if reader:
        with pytest.raises(SealBroken):
            await opened.read(tickets)
        assert await opened.write(one("SELECT count(*) FROM request")) == 2
    else:
        assert await opened.write(tickets) == ["K03-M2", "K01-M2"]
    assert await opened.read(tickets) == ["K03-M2", "K01-M2"]
    assert await opened.read(one("SELECT count(*) FROM damage WHERE lost LIKE 'request %'")) == 1
    await opened.close()


async def test_a_wrong_key_takes_no_row_away(store: Store) -> None:
    """Whoever starts the box with another store-key finds every request among the damaged, and none where it was."""
    await store.write(file_request(1))
    stranger = Requests(Seal(bytes(32)))
    for _ in range(2):
        with pytest.raises(SealBroken):
            await store.write(lambda conn: stranger.page(conn, limit=10))
        with pytest.raises(SealBroken):
            await store.read(lambda conn: stranger.page(conn, limit=10))
    assert await store.read(one("SELECT count(*) FROM damage")) == 0
    assert len(await store.read(lambda conn: REQUESTS.page(conn, limit=10))) == 1
