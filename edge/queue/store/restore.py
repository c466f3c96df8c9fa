"""A dead box's successor: a store made from a backup, a newer installation than the one that made it.

Everything is built beside the place where the store will stand and renamed last, so that a cut leaves either nothing
or all. What had not been sent when the backup was made is sent by the successor: the upstream knows the identifiers,
so what the old box sent after its backup has no second effect. An SMS that the old box sent after it may come twice.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edge.queue.store import backup, files, installation, migrate, outbox, sealing
from edge.queue.store.backup import BackupRefused

_UNSENT_MOST = 10_000
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


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
    """What a backup says of itself. Raises `BackupRefused` for a file that is none."""
    with backup.opened(file, mode="ro") as conn:
        try:
            facts = dict(conn.execute("SELECT name, value FROM backup").fetchall())
            if facts["form"] != "1":
                raise BackupRefused(f"{file} was made by a newer kampung-edge: install that version")
            return Facts(
                *(str(facts["village"]), float(facts["made_at"]), str(facts["installation"]), int(facts["epoch"])),
                *(bytes(facts["key_mark"]), facts.get("key")),
            )
        except (sqlite3.DatabaseError, KeyError, TypeError, ValueError) as error:
            raise BackupRefused(f"{file} is no backup of kampung-edge, or is damaged ({error})") from error


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
    if facts.village != village:
        raise BackupRefused(f"{file} is of village {facts.village}, and the configuration says {village}")
    if facts.key_mark != backup.key_mark(key):
        raise BackupRefused("the store-key is not the one of this backup: its personal data could never be read")
    if store.exists() and not replace:
        raise BackupRefused(f"there is a store at {store} already: say --replace to set it aside")
    draft = store.with_name(f"{store.name}.restoring")
    _take_away(draft)
    try:
        restored = _build(file, draft, scans, now=now, progress=progress)
        aside = _set_aside(store) if store.exists() else None
        draft.replace(store)
        files.sync_directory(store.parent)
    finally:
        _take_away(draft)
    return Restored(facts, *restored[:3], aside, restored[3])


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
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    shutil.copyfile(file, draft)
    progress("copied", draft.stat().st_size)
    try:
        with backup.opened(draft) as conn:
            carried = _unpack_scans(conn, scans, progress)
            conn.execute("DROP TABLE backup_scan")
            conn.execute("DROP TABLE backup")
        migrate.migrate(draft)
        with backup.opened(draft) as conn:
            rows = backup.proven(conn, draft, progress)
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
    names = [str(row[0]) for row in conn.execute("SELECT name FROM backup_scan ORDER BY name")]
    if not names:
        return 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number, name in enumerate(names, 1):
        if not set(name) <= _NAME_LETTERS or name.startswith("."):
            raise BackupRefused(f"the backup names a scan {name!r}, which none is called: it is not the box's own")
        (content,) = conn.execute("SELECT content FROM backup_scan WHERE name = ?", (name,)).fetchone()
        target = folder / name
        target.touch(mode=0o600)
        target.write_bytes(content)
        backup.make_durable(target)
        progress("scans", number)
    files.sync_directory(folder)
    return len(names)


def _set_aside(store: Path) -> Path:
    number = 1
    while (aside := store.with_name(f"{store.name}.replaced-{number}")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        part = store.with_name(store.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def _take_away(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
