"""The guard of damaged rows, on every kind of table that a store has."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.mend.guard import Guard
from edge.queue.store.mend.tables import summed
from tests.unit.queue.store.old_stores import SCHEMAS, build


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with rows in every table, brought up to this version."""
    file = tmp_path / "box.db"
    build(file, len(SCHEMAS) + 1)
    return file


@pytest.fixture
def conn(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(files.connect(path)) as connection:
        yield connection


def test_sound_rows_of_every_table_may_be_updated(conn: sqlite3.Connection) -> None:
    """The guard of some table stops what it should let through: the queue stands still."""
    guard, touched = Guard(conn), 0
    for table in summed(conn).values():
        column = next(column for column in table.columns if column not in table.key)
        touched += conn.execute(f'UPDATE "{table.name}" SET "{column}" = "{column}"').rowcount
    assert guard.found == []
    assert touched > 15


@pytest.mark.parametrize("table", ["request", "inbound_part", "installation", "cursor", "outgoing_part", "outbox"])
def test_a_damaged_row_of_any_kind_of_table_stops_its_update_and_is_named(path: Path, table: str) -> None:
    """Damage in a table without rowids, or with a key of bytes or text, is blessed by the next update."""
    with closing(sqlite3.connect(path, isolation_level=None)) as liar:
        liar.create_function("rowsum", -1, lambda *_: 7, deterministic=True)
        column = liar.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchone()[0]
        damaged = liar.execute(f'UPDATE "{table}" SET "{column}" = "{column}"').rowcount
    with closing(files.connect(path)) as conn:
        guard = Guard(conn)
        with pytest.raises(sqlite3.IntegrityError, match="the row is damaged"):
            conn.execute(f'UPDATE "{table}" SET "{column}" = "{column}"')
        assert [found.table for found in guard.found] == [table]
        guard.search()
        assert len(set(guard.found)) == damaged
        assert [lost.lost.split()[0] for lost in guard.heal(path)] == [table] * damaged
        assert guard.found == []
        assert conn.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] == 0
