"""A dead box's successor: a store made from a backup, a newer installation than the one that made it.

Everything is built beside the place where the store will stand and renamed last, so that a cut leaves either nothing or
all. A backup may have been in anybody's hands, and root restores it into a folder that is not root's: nothing runs that
is not of our own migrations, and no link is followed. What had not been sent when the backup was made is sent by the
successor: the upstream knows the identifiers, so what the old box sent after its backup has no second effect. An SMS
that the old box sent after it may come twice.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.queue.store import backup, files, installation, migrate, outbox, rowsum, sealing
from edge.queue.store.backup import BackupRefused

_UNSENT_MOST = 10_000
_PIECE = 1 << 20
_FACTS_MOST = 16
_EPOCH_MOST = 1 << 62  # far above what an upstream may give
_YEAR_3000 = 32_503_680_000
_WORD = re.compile(r"[0-9A-Za-z.-]{1,64}")
_PARTS = ("", "-wal", "-shm", ".salvaged", ".salvaging")  # of a store that stands there
_OWN_TABLES = ("migration", "backup", "backup_scan", "sqlite_sequence", "sqlite_stat1", "sqlite_stat4")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a backup says of itself; `sealed` is the key for the regency, if it is in it."""

    village: str
    made_at: float
    installation: str
    epoch: int
    key_mark: bytes
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Unsent:
    """What waits: `way` is upstream or sms, `number` its row there, `created_at` Unix seconds."""

    way: str
    number: int
    kind: str
    ticket: str
    state: str
    attempts: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Restored:
    """The new store: its epoch, rows and scans, and where a store that stood there was put."""

    facts: Facts
    epoch: int
    rows: int
    scans: int
    set_aside: Path | None
    unsent: list[Unsent]


def read(file: Path) -> Facts:
    """What a backup says of itself. Raises `BackupRefused` for a file that is none, OSError for one not to be read."""
    file.open("rb").close()  # SQLite would not tell why
    with backup.opened(file, mode="ro") as conn:
        try:
            _refuse_strangers(conn, file)
            facts = dict(conn.execute("SELECT name, value FROM backup LIMIT ?", (_FACTS_MOST,)).fetchall())
            if facts["form"] != "1":
                raise BackupRefused(f"{file} was made by a newer kampung-edge: install that version")
            return _sensible(
                *(str(facts["village"]), float(facts["made_at"]), str(facts["installation"]), int(facts["epoch"])),
                *(bytes(facts["key_mark"]), facts.get("key")),
            )
        except (sqlite3.DatabaseError, KeyError, TypeError, ValueError) as error:
            raise BackupRefused(f"{file} is no backup of kampung-edge, or is damaged ({error})") from error


def _sensible(*values: Any) -> Facts:
    """Facts that can be shown and reckoned with; ValueError for others."""
    facts = Facts(*values)
    words = _WORD.fullmatch(facts.village) and _WORD.fullmatch(facts.installation)
    if not words or not 0 <= facts.made_at < _YEAR_3000 or not 0 <= facts.epoch < _EPOCH_MOST:
        raise ValueError("its facts are none")
    return facts


def _refuse_strangers(conn: sqlite3.Connection, file: Path) -> None:
    """Raises `BackupRefused` where the schema holds what no migration made: a trigger or a view would run as ours."""
    known = {migration.stem: migration for migration in files.known_migrations()}
    there = conn.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    if ("table", "migration") not in {(row[0], row[1]) for row in there}:
        raise ValueError("it holds no store")
    had = files.applied(conn)
    if had - known.keys():
        raise BackupRefused(f"{file} was made by a newer kampung-edge: install that version")
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        rowsum.register(model)
        for name in sorted(had):
            model.executescript(known[name].read_text(encoding="utf-8"))
        ours = set(model.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))
    for row in there:
        plain = (row[0] == "table" and row[1] in _OWN_TABLES) or (row[0] == "index" and row[3] is None)
        if tuple(row) not in ours and not plain:
            raise BackupRefused(
                f"{file} holds a {row[0]} that no store has: somebody has changed it, use another backup"
            )


def key_of(facts: Facts, private: X25519PrivateKey) -> bytes:
    """The store-key out of a backup, by the regency's private key. Raises `BackupRefused` and `sealing.BadKey`."""
    if facts.sealed is None:
        raise BackupRefused("this backup holds no key: put the box's own store-key into the folder of keys first")
    return sealing.unseal(facts.sealed, private, about=f"{facts.village} {facts.installation}")


def restore(
    file: Path,
    store: Path,
    *,
    scans: Path,
    village: str,
    key: bytes,
    replace: bool,
    now: float,
    progress: backup.Progress = lambda _what, _done: None,
) -> Restored:
    """Make the store at `store` from the backup `file`; `key` is its store-key. Raises `BackupRefused` and OSError."""
    facts = read(file)
    must_fit(facts, village=village, key=key)
    if not store.parent.is_dir():
        raise BackupRefused(f"there is no folder {store.parent}: install kampung-edge first, or correct state_dir")
    if _standing(store) and not replace:
        raise BackupRefused(f"there is a store at {store} already: say --replace to set it aside")
    draft = store.with_name(f"{store.name}.restoring")
    _take_away(draft)
    try:
        restored = _build(file, draft, scans, now=now, progress=progress)
        aside = _set_aside(store) if _standing(store) else None
        draft.replace(store)
        files.sync_directory(store.parent)
    finally:
        _take_away(draft)
    return Restored(facts, *restored[:3], aside, restored[3])


def must_fit(facts: Facts, *, village: str, key: bytes) -> None:
    """Raises `BackupRefused` unless the backup is of this village and its store-key is `key`."""
    if facts.village != village:
        raise BackupRefused(f"the backup is of village {facts.village}, and the configuration says {village}")
    if facts.key_mark != backup.key_mark(key):
        raise BackupRefused("the store-key is not the one of this backup: its personal data could never be read")


def unsent(conn: sqlite3.Connection) -> list[Unsent]:
    """What waits to go upstream or out by SMS, each the oldest first, at most 10,000 of a kind."""
    upstream = conn.execute(
        "SELECT 'upstream', seq, kind, coalesce(ticket, ''), outbox.state, attempts, outbox.created_at FROM outbox "
        "LEFT JOIN request ON request.id = outbox.request WHERE outbox.state IN "
        "('pending', 'waiting', 'held', 'leased', 'confirming', 'dead') ORDER BY seq LIMIT ?",
        (_UNSENT_MOST,),
    ).fetchall()
    sms = conn.execute(
        "SELECT 'sms', outgoing.id, code, coalesce(ticket, ''), outgoing.state, attempts, outgoing.created_at "
        "FROM outgoing LEFT JOIN request ON request.id = outgoing.request WHERE outgoing.state IN "
        "('pending', 'sending', 'uncertain') ORDER BY outgoing.id LIMIT ?",
        (_UNSENT_MOST,),
    ).fetchall()
    return [Unsent(*row) for row in (*upstream, *sms)]


def _build(
    file: Path, draft: Path, scans: Path, *, now: float, progress: backup.Progress
) -> tuple[int, int, int, list[Unsent]]:
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
        shutil.copyfileobj(source, target, _PIECE)
    progress("copied", draft.stat().st_size)
    try:
        with backup.opened(draft) as conn:
            _refuse_strangers(conn, file)
        migrate.migrate(draft)
        with backup.opened(draft) as conn:
            rows = backup.proven(conn, draft, progress)
            carried = _unpack_scans(conn, scans, progress)
            conn.execute("DROP TABLE backup_scan")
            conn.execute("DROP TABLE backup")
            conn.execute("BEGIN IMMEDIATE")
            outbox.free_leases(conn)
            epoch = installation.renew(conn).epoch
            installation.remember(conn, "restored_at", str(now))
            conn.execute("COMMIT")
            waiting = unsent(conn)
            conn.execute("VACUUM")
            conn.execute("PRAGMA journal_mode = DELETE")
    except (sqlite3.DatabaseError, migrate.MigrationRefused) as error:
        raise BackupRefused(f"{file} cannot be restored ({error}): is it damaged, or of a newer version?") from error
    backup.make_durable(draft)
    return epoch, rows, carried, waiting


def _unpack_scans(conn: sqlite3.Connection, folder: Path, progress: backup.Progress) -> int:
    scans = [(str(row[0]), int(row[1])) for row in conn.execute("SELECT name, rowid FROM backup_scan ORDER BY name")]
    if not scans:
        return 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    into = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for number, (name, row) in enumerate(scans, 1):
            if not backup.is_scan(name):
                raise BackupRefused(f"the backup names a scan {name!r}, which none is called: it is not the box's own")
            _unpack(conn, row, name, into)
            progress("scans", number)
        os.fsync(into)
    finally:
        os.close(into)
    return len(scans)


def _unpack(conn: sqlite3.Connection, row: int, name: str, into: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=into)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=into)
    with (
        os.fdopen(descriptor, "wb") as target,
        conn.blobopen("backup_scan", "content", row, readonly=True) as content,
    ):
        while piece := content.read(_PIECE):
            target.write(piece)
        target.flush()
        os.fsync(descriptor)


def _standing(store: Path) -> list[Path]:
    """What is left of a store at `store`: also a log alone, which SQLite would fold into whatever stands beside it."""
    return [part for suffix in _PARTS if (part := store.with_name(store.name + suffix)).exists()]


def _set_aside(store: Path) -> Path:
    """Give what stands at `store` other names; the file itself keeps its own too, until the new one has it.

    All of it is there under the new names before anything loses the old one: a power cut parts no file from its log.
    """
    number = 1
    while any(store.parent.glob(f"{store.name}.replaced-{number}*")):
        number += 1
    aside = f"{store.name}.replaced-{number}"
    standing = _standing(store)
    for part in standing:
        os.link(part, part.with_name(aside + part.name.removeprefix(store.name)), follow_symlinks=False)
    files.sync_directory(store.parent)
    for part in standing:
        if part != store:
            part.unlink()
    files.sync_directory(store.parent)
    return store.with_name(aside)


def _take_away(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
