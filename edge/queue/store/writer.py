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

from edge.queue.store import errors
from edge.queue.store.errors import StoreCorrupt, StoreError, StoreFailing, StoreFull, StoreReadOnly, StoreSpoiled
from edge.queue.store.opened import OpenFile
from edge.queue.store.seal import SealBroken

log = logging.getLogger("edge.queue.store")

_AGAIN_FIRST_S = 0.1
_AGAIN_MOST_S = 30.0
_REPAIR_REST_S = 3_600.0
_TRIES = 3  # of a work that met damaged rows: each time these were moved out of its way


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
    set_aside: Path | None


@dataclass(frozen=True, slots=True)
class _Lost:
    """A transaction of which nothing is kept, unless it failed `at_commit`."""

    error: sqlite3.DatabaseError
    at_commit: bool


class Writer:
    """Owns the one connection that writes. `answer` is called in this thread, once for each group.

    `alone` runs a callable while no reader has the file open, and waits for it.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        answer: Callable[[Answer], None],
        alone: Callable[[Callable[[], Path]], Path],
    ) -> None:
        self._path, self._max_bytes, self._answer, self._alone = path, max_bytes, answer, alone
        self._groups: SimpleQueue[Sequence[Item] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="store-writer", daemon=True)
        self._opened: Callable[[BaseException | None], None] = lambda _error: None
        self._file: OpenFile | None = None
        self._broken: StoreError | None = None
        self._full = self._damaged = self._doubted = False
        self._again_at = 0.0
        self._pause_s = _AGAIN_FIRST_S
        self._repaired_at: float | None = None
        self._searched_at: float | None = None
        self._set_aside: Path | None = None
        self._touched: set[str] = set()

    def start(self, opened: Callable[[BaseException | None], None]) -> None:
        """Open the file in the thread; `opened` is told there how that went, and the thread ends if it failed."""
        self._opened = opened
        self._thread.start()

    def put(self, group: Sequence[Item]) -> None:
        """Let a group be committed; from any thread."""
        self._groups.put(group)

    def damaged(self) -> None:
        """A reader found damage: have it repaired; from any thread."""
        self._damaged = True
        self._groups.put(())

    def doubted(self) -> None:
        """A reader met a value that does not open: have its row found; from any thread."""
        self._doubted = True
        self._groups.put(())

    def join(self) -> None:
        """Finish what waits, fold the log into the file and end."""
        self._groups.put(None)
        self._thread.join()

    def room(self) -> int:
        """Bytes beside the database that new work may take."""
        file = self._file
        return file.ballast.room() if file else 0

    # ---- in the thread

    def _run(self) -> None:
        try:
            self._file = self._open()
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
        self._close(fold=True)

    def _next(self) -> Sequence[Item] | None:
        """The next group; an empty one when it is time to open the file again."""
        if self._broken is None:
            return self._groups.get()
        try:
            return self._groups.get(timeout=max(0.0, self._again_at - time.monotonic()))
        except Empty:
            return ()

    def _serve(self, group: Sequence[Item]) -> None:
        if self._damaged:
            self._repair()
        if self._file and self._file.overgrown():
            self._fold()
        file = self._usable()
        if file and self._doubted:
            file = self._settle_doubt(file)
        if file is None:
            for item in group:
                item.error = self._broken
        elif group:
            self._commit(file, group)

    def _tell(self, group: Sequence[Item], took_s: float) -> None:
        normal = [item for item in group if not item.draining]
        if normal and self._broken is None:
            self._full = any(isinstance(item.error, StoreFull) for item in normal)
        troubles = {"store-full": "new work is refused"} if self._full else {}
        if self._broken is not None:
            code = "store-readonly" if isinstance(self._broken, StoreReadOnly) else "store-failing"
            troubles[code] = str(self._broken)
        self._answer(Answer(group, frozenset(self._touched), took_s, troubles, self._set_aside))

    # ---- opening and closing

    def _open(self) -> OpenFile:
        return OpenFile(self._path, max_bytes=self._max_bytes, touched=self._touched.add)

    def _close(self, *, fold: bool) -> None:
        file, self._file = self._file, None
        if file:
            file.close(fold=fold)

    def _break(self, broken: StoreError) -> None:
        """Close the file after an error of the disk; it is opened again after a pause."""
        if self._broken is None:
            log.error("%s; it is opened again", broken)
        self._broken = broken
        self._again_at = time.monotonic() + self._pause_s
        self._pause_s = min(_AGAIN_MOST_S, 2 * self._pause_s)
        self._close(fold=False)

    def _usable(self) -> OpenFile | None:
        """The open file; a broken one is tried again once its pause is over."""
        if self._broken is None or time.monotonic() < self._again_at:
            return self._file
        try:
            self._file = self._open()
            folded = self._file.fold(at_once=True)
        except (sqlite3.DatabaseError, OSError) as error:
            self._break(errors.failing(error, self._path))
            return None
        if not folded:
            self._break(StoreFailing(f"what the log of {self._path} holds cannot be folded into it yet"))
            return None
        log.warning("%s can be written again", self._path)
        self._broken, self._pause_s = None, _AGAIN_FIRST_S
        return self._file

    def _repair(self) -> bool:
        """Have a damaged file replaced by one with all that still reads; False when that was done a moment ago."""
        self._damaged = False
        now = time.monotonic()
        if self._repaired_at is not None and now - self._repaired_at < _REPAIR_REST_S:
            return False
        # Only a damaged store needs what repairs one.
        from edge.queue.store.mend import repair

        self._repaired_at = now
        self._close(fold=False)
        try:
            self._set_aside = self._alone(lambda: repair.repair(self._path))
            self._file = self._open()
        except (StoreError, sqlite3.DatabaseError, OSError) as error:
            self._break(StoreCorrupt(f"{self._path} is damaged and could not be repaired: {error}"))
            return False
        return True

    def _search(self, file: OpenFile) -> None:
        """Find the rows that do not read right; a wrong store-key breaks every seal, and is not searched for again."""
        now = time.monotonic()
        if self._searched_at is not None and now - self._searched_at < _REPAIR_REST_S:
            return
        file.guard.search()
        self._searched_at = None if file.guard.found else now

    def _settle_doubt(self, file: OpenFile) -> OpenFile | None:
        """Find what a reader could not open and move it out of everybody's way."""
        self._doubted = False
        try:
            self._search(file)
            if file.guard.found:
                file.guard.heal(self._path)
        except sqlite3.DatabaseError as error:
            log.error("%s cannot be searched for damaged rows: %s", self._path, error)
            if errors.is_corrupt(error):
                self._repair()
        return self._file

    # ---- transactions

    def _commit(self, file: OpenFile, group: Sequence[Item], *, tries: int = _TRIES) -> None:
        """Commit the group; when its transaction is lost, each work alone."""
        lost = self._transaction(file, group)
        if lost is None:
            return
        if errors.is_failing(lost.error):
            self._fail(group, lost)
        elif file.guard.found and tries:
            file.guard.heal(self._path)
            self._again(group, tries=tries - 1)
        elif errors.is_corrupt(lost.error) and self._repair():
            self._again(group, tries=0)
        elif len(group) == 1:
            self._settle(file, group[0], lost)
        else:
            self._again(group, tries=tries)

    def _again(self, group: Sequence[Item], *, tries: int) -> None:
        for item in group:
            item.result = item.error = None
            if self._file is None:
                item.error = self._broken
            else:
                self._commit(self._file, [item], tries=tries)

    def _fail(self, group: Sequence[Item], lost: _Lost) -> None:
        self._break(errors.failing(lost.error, self._path))
        told = errors.failing(lost.error, self._path, uncertain=True) if lost.at_commit else self._broken
        for item in group:
            item.error = told

    def _settle(self, file: OpenFile, item: Item, lost: _Lost) -> None:
        """Tell one work that its transaction was lost; on a full disk what drains gets the ballast's room first."""
        if errors.is_full(lost.error) and item.draining and file.ballast.release():
            log.warning("disk full: the ballast %s was given back so that the queue can drain", file.ballast.path)
            self._fold(at_once=True)
            self._again([item], tries=0)
            return
        item.error = errors.named(lost.error, self._path)

    def _transaction(self, file: OpenFile, group: Sequence[Item]) -> _Lost | None:
        """Run works in one transaction; what became of it if all of it was lost."""
        at_commit = False
        try:
            file.connection.execute("BEGIN IMMEDIATE")
            for item in group:
                refusal = "" if item.draining else file.refusal()
                if refusal:
                    item.error = StoreFull(refusal)
                else:
                    file.bound(draining=item.draining)
                    self._run_one(file.connection, item, alone=len(group) == 1)
                    if isinstance(item.error, SealBroken | StoreSpoiled):
                        self._search(file)
            if file.guard.found:
                raise sqlite3.IntegrityError(f"{self._path} has damaged rows")
            at_commit = True
            if file.connection.in_transaction:
                file.connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            file.roll_back()
            return _Lost(error, at_commit)
        return None

    def _run_one(self, connection: sqlite3.Connection, item: Item, *, alone: bool) -> None:
        if not alone:
            connection.execute("SAVEPOINT work")
        try:
            item.result = item.work(connection)
        except Exception as error:
            gone = not connection.in_transaction or errors.is_failing(error) or errors.is_corrupt(error)
            if isinstance(error, sqlite3.DatabaseError) and (gone or (item.draining and errors.is_full(error))):
                raise
            item.error = errors.named(error, self._path)
            connection.execute("ROLLBACK" if alone else "ROLLBACK TO work")
        if not alone:
            connection.execute("RELEASE work")

    def _abandon(self, group: Sequence[Item], error: BaseException) -> None:
        log.error("the writer failed on a group of %d works", len(group), exc_info=error)
        if self._file:
            self._file.roll_back()
        for item in group:
            item.error = errors.named(error, self._path)

    def _fold(self, *, at_once: bool = False) -> None:
        """Fold the log into the file once it is long."""
        if self._file is None:
            return
        try:
            self._file.fold(at_once=at_once)
        except (sqlite3.DatabaseError, OSError) as error:
            self._break(errors.failing(error, self._path))
