"""Migrations: applied once and in order, refused from the future, undone when they fail."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.queue.store import files, rowsum
from edge.queue.store.mend import examine, tables
from edge.queue.store.migrate import MigrationRefused, main, migrate, statements
from tests.unit.queue.store.old_stores import SCHEMAS, build, kept, rows

KNOWN = [file.stem for file in files.known_migrations()]


def dump(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    rowsum.register(connection)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def test_command_applies_what_is_missing_once(tmp_path: Path) -> None:
    """The child process that runs before the store does not build it, or builds it twice."""
    command = [sys.executable, "-m", "edge.queue.store.migrate", str(tmp_path / "box.db")]
    first = subprocess.run(command, check=True, capture_output=True, text=True)
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert [line.split()[-1] for line in first.stdout.splitlines()] == KNOWN
    assert again.stdout == ""
    assert not files.pending(tmp_path / "box.db")


def test_numbers_are_unique_and_in_order() -> None:
    """Two migrations with one number are applied in an order that depends on their names."""
    numbers = [int(name[:4]) for name in KNOWN]
    assert numbers == list(range(1, len(numbers) + 1))


def test_file_from_a_newer_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An older program writes into a schema it does not know."""
    path = tmp_path / "box.db"
    migrate(path)
    with sqlite3.connect(path) as connection:
        rowsum.register(connection)
        connection.execute("INSERT INTO migration VALUES ('9999_future', '')")
    before = dump(path)
    assert main([str(path)]) == 1
    assert "was written by a newer kampung-edge (it has 9999_future): install that version" in capsys.readouterr().err
    assert dump(path) == before
    assert files.pending(path)


@pytest.mark.parametrize(
    "fails", ["CREATE TABLE b (x);\nCREATE TABLE a (x);", "CREATE TABLE b (x);\nDELETE FROM a;\nSELECT nonsense("]
)
def test_failed_migration_leaves_the_file_as_it_was(tmp_path: Path, fails: str) -> None:
    """Half of a migration stays, and neither the old nor the new program can use the file."""
    path, folder = tmp_path / "box.db", tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("-- a\nCREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n")
    assert migrate(path, folder) == ["0001_first"]
    before = dump(path)
    (folder / "0002_second.sql").write_text(fails)
    with pytest.raises(MigrationRefused, match=r"migration 0002_second failed on .*: the file is as it was"):
        migrate(path, folder)
    assert dump(path) == before
    (folder / "0002_second.sql").write_text("CREATE TABLE b (x);")
    assert migrate(path, folder) == ["0002_second"]


def test_a_file_that_is_no_database_is_a_clear_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The operator gets a traceback for a damaged file, or for a wrong command."""
    (tmp_path / "box.db").write_bytes(b"?" * 8192)
    assert main([str(tmp_path / "box.db")]) == 1
    assert "file is not a database" in capsys.readouterr().err
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m edge.queue.store.migrate PATH\n"


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("", []),
        ("-- only words\n\n", []),
        ("CREATE TABLE a (x);\nCREATE TABLE b (x);", ["CREATE TABLE a (x);\n", "CREATE TABLE b (x);"]),
        ("CREATE TABLE a (\n x, -- one; two\n y\n);\n", ["CREATE TABLE a (\n x, -- one; two\n y\n);\n"]),
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM b;\nEND;\n",
            ["CREATE TRIGGER t AFTER INSERT ON a BEGIN\n DELETE FROM b;\nEND;\n"],
        ),
        ("SELECT 'no end", ["SELECT 'no end"]),
    ],
)
def test_statements(script: str, wanted: list[str]) -> None:
    """A migration is cut inside a statement, or its last one is forgotten."""
    assert statements(script) == wanted


def test_messages_to_send_survive_the_change_of_their_table(tmp_path: Path) -> None:
    """An update would lose what waits to be sent, forget what the SIM has used, or let a report find nothing."""
    path, before = tmp_path / "box.db", tmp_path / "before"
    before.mkdir()
    for file in files.known_migrations()[:3]:
        (before / file.name).write_text(file.read_text())
    migrate(path, before)
    states = ("pending", "sending", "sent", "failed", "uncertain")
    with sqlite3.connect(path) as connection:
        rowsum.register(connection)
        for state in states:
            connection.execute(
                "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, state, tp_mr, created_at,"
                " sending_at) VALUES ('reply', 'HELP', 0, x'01', x'02', x'03', ?, ?, 5.0, 6.0)",
                (state, "7 8" if state == "sent" else ""),
            )
    assert migrate(path) == KNOWN[3:]
    with sqlite3.connect(path) as connection:
        rowsum.register(connection)
        assert [row[0] for row in connection.execute("SELECT state FROM outgoing ORDER BY id")] == list(states)
        parts = connection.execute("SELECT message, state, told, given_at FROM outgoing_part ORDER BY message")
        assert parts.fetchall() == [(2, "given", None, 6.0), (3, "taken", 7, 6.0), (5, "given", None, 6.0)]
        connection.execute(
            "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, state, created_at) "
            "VALUES ('reply', 'HELP', 0, x'01', x'02', x'03', 'discarded', 5.0)"
        )
        assert connection.execute("SELECT max(id) FROM outgoing").fetchone() == (6,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_a_cut_in_the_change_of_the_table_changes_nothing(tmp_path: Path) -> None:
    """A power cut while the table is rebuilt would leave a box without its messages."""
    path, before, cut = tmp_path / "box.db", tmp_path / "before", tmp_path / "cut"
    known = files.known_migrations()
    for folder, wanted in ((before, known[:3]), (cut, known[:4])):
        folder.mkdir()
        for file in wanted:
            (folder / file.name).write_text(file.read_text())
    migrate(path, before)
    was = dump(path)
    script = (cut / known[3].name).read_text()
    place = script.index("ALTER TABLE outgoing_new")
    (cut / known[3].name).write_text(f"{script[:place]}SELECT cut();\n{script[place:]}")
    with pytest.raises(MigrationRefused):
        migrate(path, cut)
    assert dump(path) == was
    assert migrate(path) == KNOWN[3:]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_older_schema_is_brought_up_to_date_with_its_rows(tmp_path: Path, schema: int) -> None:
    """A box that was off for a year starts with an empty store, or not at all."""
    path = tmp_path / "box.db"
    build(path, schema)
    before = rows(path)
    assert migrate(path) == KNOWN[schema:]
    after = rows(path)
    assert kept(before, after)
    fresh = tmp_path / "fresh.db"
    migrate(fresh)
    assert schema_of(path) == schema_of(fresh)
    connection = files.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    found = tables.summed(connection)
    assert [wrong for table in found.values() for _, wrong in examine.bad_rows(connection, table) if wrong] == []
    assert set(after) <= set(found)
    connection.close()


def test_a_lost_row_would_be_seen(tmp_path: Path) -> None:
    """The test above would pass whatever a migration drops."""
    path = tmp_path / "box.db"
    build(path, 2)
    before = rows(path)
    connection = files.connect(path)
    connection.execute("UPDATE outgoing SET code = 'OTHER' WHERE id = 2")
    connection.close()
    assert not kept(before, rows(path))


def schema_of(path: Path) -> list[str]:
    connection = files.connect(path)
    try:
        made = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 'migration'")
        return sorted(str(row[0]) for row in made)
    finally:
        connection.close()
