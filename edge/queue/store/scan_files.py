"""The sealed files of scans: carried in a backup, and put back where a store is made from one.

The folder is not root's, and root runs this: no link is followed, out of it or into it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

from edge.queue.store import files

Progress = Callable[[str, int], None]
FOLDER = "attachments"
"""Where they lie, from state_dir on."""
_PIECE = 1 << 20
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def pack(conn: sqlite3.Connection, folder: Path, progress: Progress) -> int:
    """Carry the sealed files of attachments that are not at the upstream yet; one that has just gone up is left out."""
    conn.execute("CREATE TABLE backup_scan (name TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT")
    carried = 0
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            # The folder is not root's: neither a link out of it nor what never ends is carried.
            if is_scan(file.name) and stat.S_ISREG(file.lstat().st_mode):
                _pack(conn, file)
                carried += 1
                progress("scans", carried)
    return carried


def is_scan(name: str) -> bool:
    """Whether a file of the box's own may be called so."""
    return bool(name) and set(name) <= _NAME_LETTERS and not name.startswith(".")


def _pack(conn: sqlite3.Connection, file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as scan:
        size = os.fstat(descriptor).st_size
        conn.execute("BEGIN")
        row = conn.execute("INSERT INTO backup_scan VALUES (?, zeroblob(?))", (file.name, size)).lastrowid or 0
        with conn.blobopen("backup_scan", "content", row) as blob:
            left = size
            while left and (piece := scan.read(min(_PIECE, left))):
                blob.write(piece)
                left -= len(piece)
        conn.execute("COMMIT")


def packed(conn: sqlite3.Connection) -> list[str]:
    """The names that a backup has for its scans."""
    return [str(row[0]) for row in conn.execute("SELECT name FROM backup_scan ORDER BY name")]


def unpack(conn: sqlite3.Connection, folder: Path, progress: Progress) -> int:
    """Write a backup's scans, whose names must be `is_scan`, into `folder`; how many. Raises OSError."""
    scans = [(str(row[0]), int(row[1])) for row in conn.execute("SELECT name, rowid FROM backup_scan ORDER BY name")]
    if not scans:
        return 0
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    into = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for number, (name, row) in enumerate(scans, 1):
            _unpack(conn, row, name, into)
            progress("scans", number)
        os.fsync(into)
    finally:
        os.close(into)
    return len(scans)


def _unpack(conn: sqlite3.Connection, row: int, name: str, into: int) -> None:
    """Write one scan, unless a longer one of its name stands there: one that has grown since the backup."""
    new = f".{name}.restoring"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new, dir_fd=into)
    with conn.blobopen("backup_scan", "content", row, readonly=True) as content:
        with contextlib.suppress(FileNotFoundError):
            there = os.stat(name, dir_fd=into, follow_symlinks=False)
            if stat.S_ISREG(there.st_mode) and there.st_size > len(content):
                return
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=into)
        with os.fdopen(descriptor, "wb") as target:
            while piece := content.read(_PIECE):
                target.write(piece)
            target.flush()
            os.fsync(descriptor)
    os.rename(new, name, src_dir_fd=into, dst_dir_fd=into)


def keep(scans: Path, aside: Path) -> bool:
    """Give the scans of a store that is set aside a second name in a folder of its own; False when there are none.

    Whatever the new store knows nothing of is swept out of the folder of scans; the second names stay.
    """
    try:
        out = os.open(scans, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        with os.scandir(out) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        if not names:
            return False
        aside.mkdir(mode=0o700)
        into = os.open(aside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            for name in names:
                os.link(name, name, src_dir_fd=out, dst_dir_fd=into, follow_symlinks=False)
            os.fsync(into)
        finally:
            os.close(into)
        files.sync_directory(aside.parent)
    finally:
        os.close(out)
    return True
