"""The file as the writer holds it open: connection, bounds, ballast, log and the guard of damaged rows."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from edge.queue.store import errors, files
from edge.queue.store.mend.guard import Guard
from edge.queue.store.mend.tables import DERIVED
from edge.queue.store.volume import Ballast
from edge.queue.store.wal import Log

log = logging.getLogger("edge.queue.store")

_RESERVE_SHARE = 16
_LOG_SHARE = 32
_LOG_FRAMES = (250, 4_000)


class OpenFile:
    """A connection that writes, with what belongs to it. `touched` is told of each table that is inserted into.

    Opening raises `sqlite3.DatabaseError` or OSError and leaves nothing open.
    """

    def __init__(self, path: Path, *, max_bytes: int, touched: Callable[[str], None]) -> None:
        self._path = path
        self.connection = files.connect(path)
        try:
            self._prepare(max_bytes, touched)
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self, max_bytes: int, touched: Callable[[str], None]) -> None:
        connection = self.connection
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        self._pages, self._bound = max_bytes // page, 0
        least, most = _LOG_FRAMES
        self._log = Log(self._path, page=page, every=max(least, min(most, self._pages // _LOG_SHARE)))
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {self._log.bytes_wanted}")
        connection.create_function("touched", 1, touched)
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            name = table.replace("'", "''")
            if not table.startswith("sqlite_") and table not in DERIVED:
                connection.execute(
                    f'CREATE TEMP TRIGGER "touched_{quoted}" AFTER INSERT ON main."{quoted}" '
                    f"BEGIN SELECT touched('{name}'); END"
                )
        self.guard = Guard(connection)
        self.ballast = Ballast(self._path, self._log.bytes_wanted * 5 // 4)
        self.ballast.keep()

    def refusal(self) -> str:
        """Why new work must be refused now, "" when it need not."""
        try:
            kept = self.ballast.keep()
        except OSError as error:  # of a disk that fails: what is asked is answered all the same
            return f"{self.ballast.path} cannot be kept ({error.strerror}): look whether its disk fails"
        if not kept:
            return f"the disk that holds {self._path} is full: free space on it"
        if self._log.overgrown():
            return f"the log of {self._path} cannot be folded: a reader has held it for too long"
        return ""

    def bound(self, *, draining: bool) -> None:
        """Let the file grow as far as this kind of work may let it."""
        pages = self._pages if draining else self._pages - self._pages // _RESERVE_SHARE
        if pages != self._bound:
            self.connection.execute(f"PRAGMA max_page_count = {pages}")
            self._bound = pages

    def roll_back(self) -> None:
        """Undo what is left of a transaction; a disk that fails now is told of by what is tried next."""
        if self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except sqlite3.DatabaseError as error:
                log.warning("a transaction was not rolled back: %s", error)

    def fold(self, *, at_once: bool = False) -> bool:
        """Fold the log into the file once it is long; False where a reader held it. Raises `sqlite3.DatabaseError`.

        RESTART lets the next write begin the log anew in the same blocks, which costs the file system nothing.
        """
        held = self._log.overgrown()
        if not (at_once or held or self._log.due()):
            return True
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            busy, frames, _ = self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.DatabaseError as error:
            # On a full disk the log stays until there is room: what drains is given the ballast's.
            if not errors.is_full(error):
                raise
            return False
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {files.BUSY_MS}")
        self._log.folded(frames if busy else 0)
        if self._log.overgrown() and not held:
            log.error("the log of %s has %d pages and a reader holds it: new work is refused", self._path, frames)
        return not busy

    def overgrown(self) -> bool:
        """Whether a reader has held the log for so long that new work is refused."""
        return self._log.overgrown()

    def close(self, *, fold: bool) -> None:
        """Close it, with its log folded into it unless the disk failed."""
        self._log.close()
        try:
            if fold:
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.DatabaseError as error:
            log.warning("%s keeps its log: %s", self._path, error)
        finally:
            self.connection.close()
