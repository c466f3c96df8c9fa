"""Rows carved out of files that SQLite wrote, whole and damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import rowsum
from edge.queue.store.mend.carve import Carver, Found
from edge.queue.store.mend.images import Images
from edge.queue.store.mend.tables import described

SCHEMA = """
CREATE TABLE number (id INTEGER PRIMARY KEY, text TEXT, at REAL, raw BLOB,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('number', id, text, at, raw)) STORED) STRICT;
CREATE TABLE name (key TEXT PRIMARY KEY, at REAL,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('name', key, at)) STORED) STRICT;
CREATE TABLE pair (b TEXT, a INTEGER, value BLOB,
    sum INTEGER NOT NULL GENERATED ALWAYS AS (rowsum('pair', b, a, value)) STORED, PRIMARY KEY (a, b))
    STRICT, WITHOUT ROWID;
CREATE INDEX number_text ON number (text);
"""
Rows = dict[str, list[tuple[object, ...]]]


class Store:
    """A small store of many pages, and what is in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as conn:
            rowsum.register(conn)
            conn.execute("PRAGMA secure_delete = ON")  # as SQLite is built for Debian
            conn.executescript(SCHEMA)
            for n in range(400):
                size = 9000 if n % 50 == 0 else 40
                values = (n * 3, f"text {n} ä", n / 2, os.urandom(size) if n % 7 else None)
                conn.execute("INSERT INTO number (id, text, at, raw) VALUES (?, ?, ?, ?)", values)
                conn.execute("INSERT INTO name (key, at) VALUES (?, ?)", (f"key {n}", float(n)))
                conn.execute("INSERT INTO pair (b, a, value) VALUES (?, ?, ?)", (f"b{n}", n % 9, os.urandom(30)))
            conn.execute("DELETE FROM number WHERE id BETWEEN 300 AND 330")
            conn.commit()
            self.tables = described(conn)
            self.rows: Rows = {
                name: [tuple(row) for row in conn.execute(f"SELECT {', '.join(table.columns)} FROM {name}")]
                for name, table in self.tables.items()
            }

    def carve(self, change: tuple[int, bytes] | None = None) -> tuple[Carver, list[Found]]:
        """What is found, after `change` (place and bytes) of the file."""
        content = bytearray(self.path.read_bytes())
        if change is not None:
            content[change[0] : change[0] + len(change[1])] = change[1]
        self.path.write_bytes(content)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            carver = Carver(Images(descriptor, b""), self.tables)
            return carver, list(carver.rows())
        finally:
            os.close(descriptor)

    def page_of(self, wanted: bytes) -> int:
        """The first page that holds these bytes, from 1."""
        return self.path.read_bytes().index(wanted) // 4096 + 1


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "small.db")


def by_table(found: list[Found]) -> Rows:
    """The rows, each once: what lies on a page that is looked through may have been reached before."""
    return {
        name: sorted({tuple(f.values) for f in found if f.table.name == name}) for name in ("name", "number", "pair")
    }


def test_a_whole_file_is_read_as_sqlite_reads_it(store: Store) -> None:
    """Rows of some kind of table, long ones or deleted ones are salvaged wrongly."""
    carver, found = store.carve()
    assert [f.table.name for f in found if not f.reached] == []
    assert {name: sorted(rows) for name, rows in store.rows.items()} == by_table(found)
    assert (carver.holes, carver.bad, carver.faults) == ([], [], [])


def test_a_lost_header_costs_no_row(store: Store) -> None:
    """A page whose first bytes are gone takes all its rows with it, though they are still there."""
    page = store.page_of(b"text 201")
    carver, found = store.carve(((page - 1) * 4096, b"\xff" * 8))
    assert {name: sorted(rows) for name, rows in store.rows.items()} == by_table(found)
    assert [hole.table for hole in carver.holes] == ["number"]


def test_a_lost_page_is_told_as_a_hole(store: Store) -> None:
    """Rows that are gone are not missed."""
    page = store.page_of(b"text 201")
    carver, found = store.carve(((page - 1) * 4096, bytes(4096)))
    kept = {values[0] for values in by_table(found)["number"]}
    (hole,) = carver.holes
    lost = [row[0] for row in store.rows["number"] if row[0] not in kept]
    assert lost
    assert hole.after is not None
    assert hole.before is not None
    assert all(hole.after < (number,) < hole.before for number in lost)
    assert by_table(found)["pair"] == sorted(store.rows["pair"])


def test_rows_of_a_tree_without_its_root_are_found(store: Store) -> None:
    """One broken page near the root takes a whole table."""
    with closing(sqlite3.connect(store.path)) as conn:
        roots = dict(conn.execute("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'"))
    _, found = store.carve(((roots["number"] - 1) * 4096, bytes(4096)))
    assert {name: sorted(rows) for name, rows in store.rows.items()} == by_table(found)


def test_a_schema_that_does_not_read_costs_no_row(store: Store) -> None:
    """The first page is gone, and with it all that it leads to."""
    _, found = store.carve((0, bytes(4096)))
    assert {name: sorted(rows) for name, rows in store.rows.items()} == by_table(found)


def test_a_wrong_value_is_no_row(store: Store) -> None:
    """A value that was never stored is passed on as right."""
    place = store.path.read_bytes().index(b"text 201")
    carver, found = store.carve((place, b"TXET 201"))
    assert [bad.values[1] for bad in carver.bad] == ["TXET 201 ä"]
    assert len(by_table(found)["number"]) == len(store.rows["number"]) - 1


def test_one_wrong_bit_is_put_right(store: Store) -> None:
    """A row is given up although its sum tells which bit is wrong."""
    place = store.path.read_bytes().index(b"text 201")
    _, found = store.carve((place, b"tex|"))
    assert {name: sorted(rows) for name, rows in store.rows.items()} == by_table(found)
