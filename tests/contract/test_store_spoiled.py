"""A text in the store that is no UTF-8 any more, as a rotting card leaves it: met by a reader, or by a writer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.queue.store import changes
from edge.queue.store.database import Store
from edge.queue.store.errors import StoreSpoiled
from edge.queue.store.mend.damage import listed

CURSOR = b"the cursor of the changes"


async def rotten(path: Path) -> Store:
    """A store whose cursor has rotted; nothing has read it since."""
    store = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    await store.write(lambda conn: changes.set_cursor(conn, CURSOR.decode()))
    await store.close()
    store = await Store.open(path, max_mbyte=8, group_commit_ms=0)
    rot(path)
    return store


def rot(path: Path) -> None:
    content = path.read_bytes()
    assert content.count(CURSOR) == 1
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"\xff\xfe\xfd", content.index(CURSOR))
    os.close(descriptor)


async def test_a_reader_that_meets_it_is_told_to_wait_and_has_it_moved(tmp_path: Path) -> None:
    """Whoever reads it would crash at each start, and the daemon with them."""
    store = await rotten(tmp_path / "box.db")
    with pytest.raises(StoreSpoiled, match="moved out of the way"):
        await store.read(changes.cursor)
    await store.write(lambda _conn: None)  # the search stood before it
    assert await store.read(changes.cursor) == ""
    assert [damage.lost for damage in await store.read(listed)] == ["cursor changes"]
    await store.close()


async def test_a_writer_that_meets_it_goes_on_without(tmp_path: Path) -> None:
    """A transition or a reply would fail for ever at a row that nobody can read."""
    store = await rotten(tmp_path / "box.db")
    assert await store.write(changes.cursor) == ""
    assert [damage.lost for damage in await store.read(listed)] == ["cursor changes"]
    await store.close()
