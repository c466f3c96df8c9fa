"""Write a store's file anew without the gaps that deleted rows leave. No daemon may hold it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from edge.queue.store import backup, files
from edge.queue.store.backup import BackupRefused
from edge.queue.store.scan_files import Progress

_CALLS = 100_000


def compact(file: Path, *, progress: Progress = lambda _what, _done: None) -> tuple[int, int]:
    """``VACUUM`` the store; its size before and after, in bytes. Raises `BackupRefused` and OSError."""
    if not file.is_file():
        raise BackupRefused(f"there is no store at {file}: is this the right configuration?")
    size, free = file.stat().st_size, shutil.disk_usage(file.parent).free
    if free < 2 * size:
        raise BackupRefused(f"{free / 1e6:.0f} MB are free beside {file}, and {2 * size / 1e6:.0f} MB are needed")
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        progress("writing", steps)

    try:
        conn = files.connect(file)
        try:
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = file.stat().st_size
            conn.set_progress_handler(step, _CALLS)
            conn.execute("VACUUM")
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            conn.close()
    except sqlite3.DatabaseError as error:
        raise BackupRefused(f"{file} cannot be written anew ({error}): run `kampung-edge store check`") from error
    backup.make_durable(file)
    return before, file.stat().st_size
