"""The files of the store: opening, having them checked, migrating in a child process."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from edge.queue.store import rowsum
from edge.queue.store.errors import StoreUnavailable, opening
from edge.queue.store.volume import ballast

log = logging.getLogger("edge.queue.store")

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_MS = 5_000
_JOURNAL_BYTES = 4_194_304


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the store's pragmas: WAL, synchronous=FULL, foreign keys; transactions are explicit."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    rowsum.register(connection)
    pragmas = (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        f"journal_size_limit = {_JOURNAL_BYTES}",
        "cache_size = -1024",
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def check(path: Path) -> Path | None:
    """Make sure of a healthy file at `path` (created 0600 if absent); where a damaged one was set aside to, or None.

    Raises `StoreUnavailable` when it cannot be opened for another reason than damage.
    """
    # Whoever only opens a store does not need what repairs one.
    from edge.queue.store.mend import repair

    try:
        _create(path)
        try:
            return repair.check(path)
        except sqlite3.DatabaseError as error:
            if not ballast(path).exists():
                raise
            # A full disk has no room even for the log's index: the ballast gives it, as while the store is open.
            ballast(path).unlink()
            log.warning("%s cannot be opened (%s): its ballast was given back", path, error)
            return repair.check(path)
    except (OSError, sqlite3.DatabaseError) as error:
        raise opening(error, path) from error


def _create(path: Path) -> None:
    """Make sure of a file that its owner alone may read, its name durable."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make renames and new names in `directory` durable (fsync(2) on the directory)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def known_migrations(folder: Path = MIGRATIONS) -> list[Path]:
    """The numbered migration files of this version, in order."""
    return sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))


def applied(connection: sqlite3.Connection) -> set[str]:
    """Names of the migrations that a database records as applied."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchone() is None:
        return set()
    return {str(row[0]) for row in connection.execute("SELECT name FROM migration")}


def pending(path: Path) -> bool:
    """Whether the file's recorded migrations differ from those of this version (newer ones included).

    Raises as `check` does.
    """
    try:
        with closing(connect(path)) as connection:
            return applied(connection) != {file.stem for file in known_migrations()}
    except sqlite3.DatabaseError as error:
        raise opening(error, path) from error


async def migrate(path: Path) -> None:
    """Run `python -m edge.queue.store.migrate` on `path`, so that its libraries never enter this process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge.queue.store.migrate", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    done, complaint = await process.communicate()
    if process.returncode != 0:
        raise StoreUnavailable(complaint.decode(errors="replace").strip() or f"migrating {path} failed")
    for line in done.decode(errors="replace").splitlines():
        log.info("%s", line)
