"""A backup of the store: one SQLite file with the rows, the scans and, sealed to the regency, the key of the fields.

The copy is made while the daemon writes (SQLite's backup of one snapshot) and is read back before it counts. Beside
the store's own tables it holds `backup` (facts of the backup) and `backup_scan` (the sealed files of attachments). The
key is sealed by HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM), so that whoever finds the file reads no person's
data, and the regency can give a dead box's successor all that it had.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.queue.store import files, installation, rowsum, scan_files, sealing
from edge.queue.store.mend import examine, tables
from edge.queue.store.scan_files import Progress
from edge.queue.store.seal import Seal

_FORM = "1"
_SUFFIX = ".kampung-edge"
_PAGES = 2_000
_BUSY_MS = 30_000


class BackupRefused(Exception):
    """No backup can be made of this, or from this; the message is for the person at the command."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was read back: what it holds, and whether the regency can open it."""

    file: Path
    size: int
    rows: int
    scans: int
    with_key: bool


def make(
    store: Path,
    destination: Path,
    *,
    scans: Path,
    village: str,
    key: bytes,
    regency: sealing.PublicKey | None,
    now: float,
    progress: Progress = lambda _what, _done: None,
) -> Made:
    """Write a backup of the store in the file `store` to `destination`, which appears once it is whole and durable.

    `scans` is the folder of sealed attachments, `key` the store-key, `regency` whom it is sealed to (None: it is left
    out). Raises `BackupRefused` and OSError.
    """
    if not store.is_file():
        raise BackupRefused(f"there is no store at {store}: is this the right configuration?")
    draft = destination.with_name(f".{destination.name}.{os.getpid()}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        _copy(store, draft, progress)
        with opened(draft) as conn:
            carried = scan_files.pack(conn, scans, progress)
            _add_facts(conn, village=village, key=key, regency=regency, now=now)
            rows = proven(conn, store, progress)
        make_durable(draft)
        draft.replace(destination)
        files.sync_directory(destination.parent)
    finally:
        draft.unlink(missing_ok=True)
        draft.with_name(f"{draft.name}-journal").unlink(missing_ok=True)
    return Made(destination, destination.stat().st_size, rows, carried, regency is not None)


def name(village: str, now: float) -> str:
    """The file name of a backup, such as 3510052001-20261122T020000Z.kampung-edge: sorted by time."""
    return f"{village}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}{_SUFFIX}"


def thin(folder: Path, village: str, keep: int, *, made: Path) -> list[Path]:
    """Remove all but `made` and the newest others, `keep` in all, of a village from a folder; what was removed.

    What was just made stays whatever its name says: a clock that is wrong must not throw it away.
    """
    others = sorted(file for file in folder.glob(f"{village}-*{_SUFFIX}") if file != made)
    old = others[: len(others) - (keep - 1)] if len(others) >= keep else []
    for file in old:
        file.unlink()
    return old


def _copy(store: Path, draft: Path, progress: Progress) -> None:
    """The pages of one snapshot: the open read transaction keeps a writer from making the copy begin anew."""
    try:
        with opened(store, mode="ro") as source, opened(draft) as target:
            source.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_schema").fetchone()
            source.backup(target, pages=_PAGES, progress=lambda _, left, total: progress("copying", total - left))
            target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{store} cannot be copied ({error}): run `kampung-edge store check`") from error


@contextlib.contextmanager
def opened(file: Path, *, mode: str = "rw") -> Iterator[sqlite3.Connection]:
    """A connection to a backup or draft, apart from any daemon; `mode` as in https://sqlite.org/uri.html."""
    conn = sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    conn.row_factory = sqlite3.Row
    rowsum.register(conn)
    try:
        yield conn
    finally:
        conn.close()


def _add_facts(
    conn: sqlite3.Connection, *, village: str, key: bytes, regency: sealing.PublicKey | None, now: float
) -> None:
    mine = installation.identify(conn)
    facts: dict[str, str | bytes] = {
        "form": _FORM,
        "village": village,
        "made_at": str(now),
        "installation": mine.id,
        "epoch": str(mine.epoch),
        "key_mark": key_mark(key),
    }
    if regency is not None:
        facts["key"] = sealing.seal(key, regency, about=f"{village} {mine.id}")
    conn.execute("CREATE TABLE backup (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID")
    conn.executemany("INSERT INTO backup VALUES (?, ?)", facts.items())


def key_mark(key: bytes) -> bytes:
    """What tells whether a key is the right one, without telling the key."""
    return Seal(key).digest("key", "backup")


def proven(conn: sqlite3.Connection, about: Path, progress: Progress) -> int:
    """Read a copy back: its structure and every row's sum. How many rows it holds; `BackupRefused` is about `about`."""
    verdict = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise BackupRefused(f"{about} does not read back ({' '.join(verdict.split())}): is that disk sound?")
    rows = 0
    for table in tables.summed(conn).values():
        for seen, wrong in examine.bad_rows(conn, table):
            if wrong:
                raise BackupRefused(f"{about} has damaged rows of {table.name}: run `kampung-edge store check`")
            rows += seen
            progress("reading back", rows)
    return rows


def make_durable(file: Path) -> None:
    """fsync(2) a file that was written elsewhere."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
