"""Bring a database file to this version's schema: `python -m edge.queue.store.migrate PATH`.

Each numbered file of ``migrations/`` is applied in one transaction together with its record in the table `migration`;
one that fails leaves the file as it was before it. Runs as a child of the daemon before the store is opened.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from sqlite_utils import Database

from edge import step
from edge.queue.store import files


class MigrationRefused(Exception):
    """The file is from a newer version, or a migration failed; the message is for the operator."""


def migrate(path: Path, folder: Path = files.MIGRATIONS) -> list[str]:
    """Apply what `path` lacks of `folder` and return the names of what was applied. Raises `MigrationRefused`."""
    database = Database(files.connect(path))
    try:
        done = files.applied(database.conn)
        known = files.known_migrations(folder)
        unknown = sorted(done - {file.stem for file in known})
        if unknown:
            raise MigrationRefused(
                f"{path} was written by a newer kampung-edge (it has {', '.join(unknown)}): "
                "install that version again, or move the file away to start an empty one"
            )
        return [_apply(database, path, file) for file in known if file.stem not in done]
    finally:
        database.close()


def _apply(database: Database, path: Path, file: Path) -> str:
    connection = database.conn
    # A table is built anew under its old name: until the last statement of the file references may point nowhere.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN EXCLUSIVE")
    dangling = _dangling(connection)
    try:
        for statement in statements(file.read_text(encoding="utf-8")):
            connection.execute(statement)
            step.passed("migrate.statement")
        database.table("migration").create({"name": str, "applied_at": str}, pk="name", if_not_exists=True)
        connection.execute("INSERT INTO migration VALUES (?, datetime('now'))", (file.stem,))
        if _dangling(connection) > dangling:
            raise ValueError("rows refer to others that are not there")
        connection.execute("COMMIT")
    except Exception as error:
        connection.execute("ROLLBACK")
        raise MigrationRefused(
            f"migration {file.stem} failed on {path} ({error}): the file is as it was; keep a copy and report this"
        ) from error
    return file.stem


def _dangling(connection: sqlite3.Connection) -> int:
    """Rows that refer to nothing: damage may have left some, a migration must not add any."""
    return len(connection.execute("PRAGMA foreign_key_check").fetchall())


def statements(script: str) -> list[str]:
    """The SQL statements of a script, as SQLite itself tells where one ends."""
    found, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current)
            current = ""
    if current.strip() and not all(not line.strip() or line.startswith("--") for line in current.splitlines()):
        found.append(current)
    return found


def main(arguments: list[str]) -> int:
    """Exit status: 0 done, 1 refused, 2 wrong usage."""
    if len(arguments) != 1:
        print("usage: python -m edge.queue.store.migrate PATH", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    try:
        for name in migrate(path):
            print(f"{path}: applied {name}")
    except MigrationRefused as refused:
        print(refused, file=sys.stderr)
        return 1
    except sqlite3.DatabaseError as error:
        print(f"cannot migrate {path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
