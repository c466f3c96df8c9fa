"""What is said of a file that cannot be opened: what, where and the remedy."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store.errors import StoreCorrupt, StoreReadOnly, StoreUnavailable, opening


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EISDIR, "a folder stands where a file of the store belongs: move it away"),
        (errno.EACCES, "the daemon's user may not: give it the store and its folder (chown)"),
        (errno.ENOSPC, "the disk has no room, or no inodes, left: free some"),
        (errno.EIO, "the disk fails: look at the kernel's log, and replace the card"),
        (errno.ENOENT, "check state_dir, store.path and who owns them"),
    ],
)
def test_what_the_system_refuses_has_its_remedy(tmp_path: Path, number: int, remedy: str) -> None:
    """An operator reads that something is a directory, and not what to do."""
    place = str(tmp_path / "box.db-wal")
    told = opening(OSError(number, os.strerror(number), place), tmp_path / "box.db")
    assert isinstance(told, StoreUnavailable)
    assert str(told) == f"cannot open {place}: {os.strerror(number)}; {remedy}"


def test_a_read_only_disk_is_another_thing(tmp_path: Path) -> None:
    """A card that turned read-only is told as one that somebody should make room on."""
    assert isinstance(opening(OSError(errno.EROFS, "Read-only", "x"), tmp_path / "box.db"), StoreReadOnly)


def test_what_sqlite_says_is_asked_of_the_system(tmp_path: Path) -> None:
    """SQLite only says that it is unable to open a file, whatever the reason."""
    path = tmp_path / "gone" / "box.db"
    with pytest.raises(sqlite3.DatabaseError) as refused:
        sqlite3.connect(path)
    assert "No such file or directory; check state_dir" in str(opening(refused.value, path))


def test_damage_stays_damage(tmp_path: Path) -> None:
    """A damaged file is told as one that could not be opened, and nobody repairs it."""
    path = tmp_path / "box.db"
    path.write_bytes(b"no store" * 100)
    with closing(sqlite3.connect(path)) as conn, pytest.raises(sqlite3.DatabaseError) as refused:
        conn.execute("SELECT * FROM sqlite_schema")
    assert isinstance(opening(refused.value, path), StoreCorrupt)
