"""A dead box's successor: a store made from a backup, a newer installation than the one that made it.

Everything is built beside the place where the store will stand and renamed last, so that a cut leaves either nothing or
all. A backup may have been in anybody's hands, and root restores it into a folder that is not root's: nothing runs that
is not of our own migrations, and no link is followed. What had not been sent when the backup was made is sent by the
successor: the upstream knows the identifiers, so what the old box sent after its backup has no second effect. An SMS
has no such memory at its other end: whether the old box sent it after its backup nobody knows, so it is in doubt, and
what `sms.resend_uncertain` says of doubt holds for it.
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

from edge.queue.store import backup, files, installation, migrate, outbox, rowsum, scan_files, sealing
from edge.queue.store.backup import BackupRefused
from edge.queue.store.scan_files import Progress

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
    """The new store: its epoch, rows and scans, and where a store that stood there was put, and its scans."""

    facts: Facts
    epoch: int
    rows: int
    scans: int
    set_aside: Path | None
    scans_aside: Path | None
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
            raise BackupRefused(f"{file} is no backup of kampung-edge, or is damaged ({error}): use another") from error


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
    progress: Progress = lambda _what, _done: None,
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
    aside = _free_name(store, scans) if _standing(store) else None
    scans_aside = scans.with_name(f"{scans.name}{aside.name.removeprefix(store.name)}") if aside else None
    try:
        epoch, rows = _build(file, draft, now=now, progress=progress)
        if scans_aside is not None and not scan_files.keep(scans, scans_aside):
            scans_aside = None
        carried, waiting = _settle_in(draft, scans, progress)
        if aside is not None:
            _set_aside(store, aside)
        draft.replace(store)
        files.sync_directory(store.parent)
    finally:
        _take_away(draft)
    return Restored(facts, epoch, rows, carried, aside, scans_aside, waiting)


def must_fit(facts: Facts, *, village: str, key: bytes) -> None:
    """Raises `BackupRefused` unless the backup is of this village and its store-key is `key`."""
    if facts.village != village:
        raise BackupRefused(f"the backup is of village {facts.village}, and the configuration says {village}")
    if facts.key_mark != backup.key_mark(key):
        raise BackupRefused(
            "the store-key is not the one of this backup: its personal data could never be read; use the old box's"
        )


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


def _build(file: Path, draft: Path, *, now: float, progress: Progress) -> tuple[int, int]:
    """Make the new store, but for its scans, in `draft`; its epoch and rows."""
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as target, file.open("rb") as source:
        shutil.copyfileobj(source, target, _PIECE)
    progress("copied", draft.stat().st_size)
    try:
        with backup.opened(draft) as conn:
            _refuse_strangers(conn, file)
        migrate.migrate(draft)
        with backup.opened(draft) as conn:
            rows = _proven(conn, file, progress)
            conn.execute("BEGIN IMMEDIATE")
            outbox.free_leases(conn)
            _doubt_sms(conn, now=now)
            epoch = installation.renew(conn).epoch
            installation.remember(conn, "restored_at", str(now))
            conn.execute("COMMIT")
    except (sqlite3.DatabaseError, migrate.MigrationRefused) as error:
        raise BackupRefused(f"{file} cannot be restored ({error}): is it damaged, or of a newer version?") from error
    return epoch, rows


def _proven(conn: sqlite3.Connection, file: Path, progress: Progress) -> int:
    """How many rows there are, all of them right; indexes, which have no sums, are built anew."""
    try:
        rows = backup.proven(conn, file, progress)
    except BackupRefused as refused:
        raise BackupRefused(f"{str(refused).rsplit(': ', 1)[0]}: it is damaged, use another backup") from refused
    conn.execute("REINDEX")
    return rows


def _settle_in(draft: Path, scans: Path, progress: Progress) -> tuple[int, list[Unsent]]:
    """Put the scans in their place and make `draft` durable without them; how many, and what waits."""
    try:
        with backup.opened(draft) as conn:
            for name in scan_files.packed(conn):
                if not scan_files.is_scan(name):
                    raise BackupRefused(
                        f"the backup names a scan {name!r}, which none is called: it is not a box's own"
                    )
            carried = scan_files.unpack(conn, scans, progress)
            conn.execute("DROP TABLE backup_scan")
            conn.execute("DROP TABLE backup")
            waiting = unsent(conn)
            conn.execute("VACUUM")
            conn.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{draft} cannot be written ({error}): is the disk full or failing?") from error
    backup.make_durable(draft)
    return carried, waiting


def _doubt_sms(conn: sqlite3.Connection, *, now: float) -> None:
    """SMS that the old box may have sent since: in doubt, to be settled at once by the rule for what is in doubt."""
    conn.execute(
        "UPDATE outgoing SET state = 'uncertain', uncertain = uncertain + 1, settle_at = ?, fault = '', "
        "error = 'the box before this one may have sent it after its backup' "
        "WHERE state = 'sending' OR (state = 'pending' AND start_at <= ?)",
        (now, now),
    )


def _standing(store: Path) -> list[Path]:
    """What is left of a store at `store`: also a log alone, which SQLite would fold into whatever stands beside it."""
    return [part for suffix in _PARTS if (part := store.with_name(store.name + suffix)).exists()]


def _free_name(store: Path, scans: Path) -> Path:
    """A name for what stands at `store` that neither it nor its scans had before."""
    number = 1
    while any(list(part.parent.glob(f"{part.name}.replaced-{number}*")) for part in (store, scans)):
        number += 1
    return store.with_name(f"{store.name}.replaced-{number}")


def _set_aside(store: Path, aside: Path) -> None:
    """Give what stands at `store` other names; the file itself keeps its own too, until the new one has it.

    All of it is there under the new names before anything loses the old one: a power cut parts no file from its log.
    """
    standing = _standing(store)
    for part in standing:
        os.link(part, part.with_name(aside.name + part.name.removeprefix(store.name)), follow_symlinks=False)
    files.sync_directory(store.parent)
    for part in standing:
        if part != store:
            part.unlink()
    files.sync_directory(store.parent)


def _take_away(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
