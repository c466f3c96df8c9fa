"""The store's writer thread: groups of works in, one durable transaction for each group, answers out.

Theory of operation. A group runs in one transaction, each work in a SAVEPOINT of it (none where it is alone), and is
committed once (WAL and synchronous=FULL: one fsync). A work that raises is undone alone. When the whole transaction was
lost, each work is tried again alone. Only after the answers the log is folded into the file, rarely and in one go.

The disk is full: new work is refused, works that drain may use the last pages and the ballast. The disk fails or turned
read-only: the connection is closed at once, since after a failed fsync nobody knows what the kernel still holds
(https://www.sqlite.org/wal.html, fsync(2)); the file is opened again with growing pauses, and first of all what its log
holds is folded into it, so that nothing new is ever appended behind something that never reached the disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from edge.queue.store import errors, files
from edge.queue.store.errors import StoreError, StoreFailing, StoreFull, StoreReadOnly
from edge.queue.store.volume import Ballast
from edge.queue.store.wal import Log

log = logging.getLogger("edge.queue.store")

_RESERVE_SHARE = 16
_LOG_SHARE = 32
_LOG_FRAMES = (250, 4_000)
_AGAIN_FIRST_S = 0.1
_AGAIN_MOST_S = 30.0


@dataclass(slots=True)
class Item:
    """A work that somebody waits for."""

    work: Callable[[sqlite3.Connection], Any]
    future: asyncio.Future[Any]
    draining: bool
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a group: the tables it inserted into, how long it took, and what is wrong now, by health code."""

    group: Sequence[Item]
    touched: frozenset[str]
    took_s: float
    troubles: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Lost:
    """A transaction of which nothing is kept, unless it failed `at_commit`."""

    error: sqlite3.DatabaseError
    at_commit: bool


class Writer:
    """Owns the one connection that writes. `answer` is called in this thread, once for each group."""

    def __init__(self, path: Path, *, max_bytes: int, answer: Callable[[Answer], None]) -> None:
        self._path, self._max_bytes, self._answer = path, max_bytes, answer
        self._groups: SimpleQueue[Sequence[Item] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._opened: Callable[[BaseException | None], None] = lambda _error: None
        self._connection: sqlite3.Connection | None = None
        self._broken: StoreError | None = None
        self._full = False
        self._again_at = 0.0
        self._pause_s = _AGAIN_FIRST_S
        self._touched: set[str] = set()

    def start(self, opened: Callable[[BaseException | None], None]) -> None:
        """Open the file in the thread; `opened` is told there how that went, and the thread ends if it failed."""
        self._opened = opened
        self._thread.start()

    def put(self, group: Sequence[Item]) -> None:
        """Let a group be committed; from any thread."""
        self._groups.put(group)

    def join(self) -> None:
        """Finish what waits, fold the log into the file and end."""
        self._groups.put(None)
        self._thread.join()

    def room(self) -> int:
        """Bytes beside the database that new work may take."""
        return self._ballast.room()

    # ---- in the thread

    def _run(self) -> None:
        try:
            self._connection = self._open()
        except Exception as error:
            self._opened(errors.opening(error, self._path))
            return
        self._opened(None)
        while (group := self._next()) is not None:
            started = time.monotonic()
            self._touched.clear()
            try:
                self._serve(group)
            except BaseException as error:
                # Whatever this is, nobody may wait for ever: the callers crash and are started again.
                self._abandon(group, error)
            self._tell(group, time.monotonic() - started)
            self._fold()
        self._close()

    def _next(self) -> Sequence[Item] | None:
        """The next group; an empty one when it is time to open the file again."""
        if self._broken is None:
            return self._groups.get()
        try:
            return self._groups.get(timeout=max(0.0, self._again_at - time.monotonic()))
        except Empty:
            return ()

    def _serve(self, group: Sequence[Item]) -> None:
        if self._log.overgrown():
            self._fold(at_once=True)
        if not self._usable():
            for item in group:
                item.error = self._broken
        elif group and self._connection is not None:
            self._commit(self._connection, group)

    def _tell(self, group: Sequence[Item], took_s: float) -> None:
        normal = [item for item in group if not item.draining]
        if normal and self._broken is None:
            self._full = any(isinstance(item.error, StoreFull) for item in normal)
        troubles = {"store-full": "new work is refused"} if self._full else {}
        if self._broken is not None:
            code = "store-readonly" if isinstance(self._broken, StoreReadOnly) else "store-failing"
            troubles[code] = str(self._broken)
        self._answer(Answer(group, frozenset(self._touched), took_s, troubles))

    # ---- opening and closing

    def _open(self) -> sqlite3.Connection:
        connection = files.connect(self._path)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        self._pages, self._bound = self._max_bytes // page, 0
        least, most = _LOG_FRAMES
        self._log = Log(self._path, page=page, every=max(least, min(most, self._pages // _LOG_SHARE)))
        self._ballast = Ballast(self._path, self._log.bytes_wanted * 5 // 4)
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA journal_size_limit = {self._log.bytes_wanted}")
        connection.create_function("touched", 1, self._touched.add)
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            name = table.replace("'", "''")
            if not table.startswith("sqlite_"):
                connection.execute(
                    f'CREATE TEMP TRIGGER "touched_{quoted}" AFTER INSERT ON main."{quoted}" '
                    f"BEGIN SELECT touched('{name}'); END"
                )
        self._ballast.keep()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._log.close()
        if connection is None:
            return
        try:
            if self._broken is None:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.DatabaseError as error:
            log.warning("%s keeps its log: %s", self._path, error)
        finally:
            connection.close()

    def _break(self, broken: StoreError) -> None:
        """Close the file after an error of the disk; it is opened again after a pause."""
        if self._broken is None:
            log.error("%s; it is opened again", broken)
        self._broken = broken
        self._again_at = time.monotonic() + self._pause_s
        self._pause_s = min(_AGAIN_MOST_S, 2 * self._pause_s)
        self._close()

    def _usable(self) -> bool:
        """Whether the file is open; once its pause is over, that is tried again."""
        if self._broken is None:
            return True
        if time.monotonic() < self._again_at:
            return False
        try:
            self._connection = self._open()
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (sqlite3.DatabaseError, OSError) as error:
            self._break(errors.failing(error, self._path))
            return False
        if busy:
            self._break(StoreFailing(f"{self._path} is held by another reader: it ends, or end it"))
            return False
        log.warning("%s can be written again", self._path)
        self._broken, self._pause_s = None, _AGAIN_FIRST_S
        return True

    # ---- transactions

    def _commit(self, connection: sqlite3.Connection, group: Sequence[Item]) -> None:
        """Commit the group; when its transaction is lost, each work alone."""
        lost = self._transaction(connection, group)
        if lost is None:
            return
        if errors.is_failing(lost.error):
            self._fail(group, lost)
        elif len(group) == 1:
            self._settle(connection, group[0], lost)
        else:
            for item in group:
                self._commit(connection, [item])

    def _fail(self, group: Sequence[Item], lost: _Lost) -> None:
        self._break(errors.failing(lost.error, self._path))
        told = errors.failing(lost.error, self._path, uncertain=True) if lost.at_commit else self._broken
        for item in group:
            item.error = told

    def _settle(self, connection: sqlite3.Connection, item: Item, lost: _Lost) -> None:
        """Tell one work that its transaction was lost; on a full disk what drains gets the ballast's room first."""
        if errors.is_full(lost.error) and item.draining and self._ballast.release():
            log.warning("disk full: the ballast %s was given back so that the queue can drain", self._ballast.path)
            self._fold(at_once=True)
            if self._broken is None:
                self._commit(connection, [item])
                return
        item.error = self._broken or errors.named(lost.error, self._path)

    def _transaction(self, connection: sqlite3.Connection, group: Sequence[Item]) -> _Lost | None:
        """Run works in one transaction; what became of it if all of it was lost."""
        at_commit = False
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in group:
                item.result = item.error = None
                if self._admits(connection, item):
                    self._run_one(connection, item, alone=len(group) == 1)
            at_commit = True
            if connection.in_transaction:
                connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            _roll_back(connection)
            return _Lost(error, at_commit)
        return None

    def _admits(self, connection: sqlite3.Connection, item: Item) -> bool:
        """Set the bound that holds for a work; False, with the reason in it, where new work is refused."""
        bound = self._pages
        if not item.draining:
            bound -= self._pages // _RESERVE_SHARE
            if not self._ballast.keep():
                item.error = StoreFull(f"the disk that holds {self._path} is full: free space on it")
            elif self._log.overgrown():
                item.error = StoreFull(f"the log of {self._path} cannot be folded: a reader has held it for too long")
        if bound != self._bound:
            connection.execute(f"PRAGMA max_page_count = {bound}")
            self._bound = bound
        return item.error is None

    def _run_one(self, connection: sqlite3.Connection, item: Item, *, alone: bool) -> None:
        if not alone:
            connection.execute("SAVEPOINT work")
        try:
            item.result = item.work(connection)
        except Exception as error:
            gone = not connection.in_transaction or errors.is_failing(error)
            if isinstance(error, sqlite3.DatabaseError) and (gone or (item.draining and errors.is_full(error))):
                raise
            item.error = errors.named(error, self._path)
            connection.execute("ROLLBACK" if alone else "ROLLBACK TO work")
        if not alone:
            connection.execute("RELEASE work")

    def _abandon(self, group: Sequence[Item], error: BaseException) -> None:
        log.error("the writer failed on a group of %d works", len(group), exc_info=error)
        if self._connection is not None:
            _roll_back(self._connection)
        for item in group:
            item.error = error

    # ---- the log

    def _fold(self, *, at_once: bool = False) -> None:
        """Fold the log into the file once it is long; where a reader holds it, as far as that lets it."""
        connection = self._connection
        if connection is None:
            return
        try:
            if not (at_once or self._log.due()):
                return
            connection.execute("PRAGMA busy_timeout = 0")
            held, frames, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            connection.execute(f"PRAGMA busy_timeout = {files.BUSY_MS}")
        except (sqlite3.DatabaseError, OSError) as error:
            # On a full disk the log stays until there is room: what drains is given the ballast's.
            if not errors.is_full(error):
                self._break(errors.failing(error, self._path))
            return
        was = self._log.overgrown()
        self._log.folded(frames if held else 0)
        if self._log.overgrown() and not was:
            log.error("the log of %s has %d pages and a reader holds it: new work is refused", self._path, frames)


def _roll_back(connection: sqlite3.Connection) -> None:
    """Undo what is left of a transaction; a disk that fails now is told of by what is tried next."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            log.warning("a transaction was not rolled back: %s", error)
