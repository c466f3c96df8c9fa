"""The durable store: one SQLite file, one writer thread, group commit, one reader thread.

Theory of operation. Works (functions of a connection) queue up for the writer thread. It takes all that wait, runs
each in a SAVEPOINT of one transaction, commits once (WAL and synchronous=FULL: one fsync) and only then answers
everybody. A work that raises is undone alone. A lone work is never made to wait for others.

When the disk or the size bound is full, new work is refused with `StoreFull`, but works that say `draining=True` (they
settle what is already there) may use a reserve: the last pages below the bound, and a ballast file that is given back
to the file system when nothing else is left (https://sqlite.org/wal.html: in WAL mode even DELETE writes first).
A work may be called twice, when its group's transaction was lost: it must have no effect but in the database.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from edge.queue.store import files
from edge.queue.store.files import StoreCorrupt, StoreError, StoreFull, StoreUnavailable

__all__ = ["Store", "StoreCorrupt", "StoreError", "StoreFull", "StoreUnavailable"]

log = logging.getLogger("edge.queue.store")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_GROUP_MOST = 256
_WAITING_MOST = 1024
_RESERVE_SHARE = 16
_PRIMARY = 0xFF  # extended result codes keep the primary one in the low byte


@dataclass(slots=True)
class _Item:
    work: Work[Any]
    future: asyncio.Future[Any]
    draining: bool
    result: Any = None
    error: BaseException | None = None


class Store:
    """The open store. Build it by `Store.open`; `set_aside` names the damaged file that was replaced, if one was."""

    def __init__(self, path: Path, *, max_mbyte: int, group_commit_ms: float, set_aside: Path | None) -> None:
        self.path = path
        self.set_aside = set_aside
        self._window_s = group_commit_ms / 1000
        self._max_bytes = max_mbyte * 1_000_000
        self._ballast = files.Ballast(path, max_mbyte)
        self._loop = asyncio.get_running_loop()
        self._items: SimpleQueue[_Item | None] = SimpleQueue()
        self._slots = asyncio.Semaphore(_WAITING_MOST)
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._on_full: Callable[[bool], None] = lambda _full: None
        self._touched: set[str] = set()
        self._full = False
        self._closed = False
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer = Thread(target=self._write_loop, name="store-writer", daemon=True)

    @classmethod
    async def open(cls, path: Path, *, max_mbyte: int, group_commit_ms: float) -> Store:
        """Check the file, set a damaged one aside, bring the schema up to date (in a child process) and open it.

        Raises `StoreUnavailable` (cannot be opened, or is from a newer version) with the remedy in its message.
        """
        set_aside = await asyncio.to_thread(files.check, path)
        if await asyncio.to_thread(files.pending, path):
            await files.migrate(path)
        store = cls(path, max_mbyte=max_mbyte, group_commit_ms=group_commit_ms, set_aside=set_aside)
        await store._start()
        return store

    async def write(self, work: Work[T], *, draining: bool = False) -> T:
        """Run `work` on the writer thread and return its result once it is durable.

        `draining` marks a work that settles or frees what is stored already; it may use the reserve of a full store.
        Raises whatever `work` raises (then nothing of it is kept), `StoreFull`, or `StoreCorrupt`.
        """
        async with self._slots:
            if self._closed:
                raise StoreUnavailable(f"{self.path} is closed")
            item = _Item(work, self._loop.create_future(), draining)
            self._items.put(item)
            result: T = await item.future
            return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the reader thread against one consistent, committed snapshot; it cannot write."""
        return await self._loop.run_in_executor(self._reader, self._read, work)

    def watch(self, table: str, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop after every commit that inserted into `table`."""
        self._watchers.setdefault(table, []).append(callback)

    def on_full(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(True)` on the loop when new work starts to be refused, `callback(False)` when it ends."""
        self._on_full = callback

    async def close(self) -> None:
        """Finish what waits, fold the log into the file and close both connections."""
        if self._closed:
            return
        self._closed = True
        self._items.put(None)
        await asyncio.to_thread(self._writer.join)
        await self._loop.run_in_executor(self._reader, lambda: self._read_connection.close())
        self._reader.shutdown()

    async def _start(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._ready = ready
        self._writer.start()
        await ready
        await self._loop.run_in_executor(self._reader, self._open_reader)

    def _open_reader(self) -> None:
        self._read_connection = files.connect(self.path)
        self._read_connection.execute("PRAGMA query_only = 1")

    def _read(self, work: Work[T]) -> T:
        connection = self._read_connection
        connection.execute("BEGIN")
        try:
            return work(connection)
        except (sqlite3.DatabaseError, StopIteration) as error:
            raise self._named(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    # ---- the writer thread -------------------------------------------------------------------------------------

    def _write_loop(self) -> None:
        try:
            self._connection = self._open_writer()
        except Exception as error:
            self._loop.call_soon_threadsafe(_settle, self._ready, None, error)
            return
        self._loop.call_soon_threadsafe(_settle, self._ready, None, None)
        last = 1
        while (group := self._collect(last)) is not None:
            last = len(group)
            try:
                self._run(group)
            except BaseException as error:
                # Whatever this is, nobody may wait for ever: the callers crash and are started again.
                self._abandon(group, error)
            self._answer(group)
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def _open_writer(self) -> sqlite3.Connection:
        connection = files.connect(self.path)
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.create_function("touched", 1, self._touched.add)
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        self._pages = self._max_bytes // page_size
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            quoted = table.replace('"', '""')
            name = table.replace("'", "''")
            if not table.startswith("sqlite_"):
                connection.execute(
                    f'CREATE TEMP TRIGGER "touched_{quoted}" AFTER INSERT ON main."{quoted}" '
                    f"BEGIN SELECT touched('{name}'); END"
                )
        self._bound = 0
        self._ballast.keep()
        return connection

    def _collect(self, expected: int) -> list[_Item] | None:
        """All works that wait; only where several do, give stragglers of the group's size up to the window."""
        first = self._items.get()
        if first is None:
            return None
        group = [first]
        deadline = time.monotonic() + self._window_s
        while len(group) < _GROUP_MOST:
            try:
                item = self._items.get_nowait()
            except Empty:
                left = deadline - time.monotonic()
                if len(group) == 1 or len(group) >= expected or left <= 0:
                    break
                try:
                    item = self._items.get(timeout=left)
                except Empty:
                    break
            if item is None:
                self._items.put(None)
                break
            group.append(item)
        return group

    def _run(self, group: list[_Item]) -> None:
        """Commit the group; when its transaction is lost, each work alone."""
        self._touched.clear()
        error = self._transaction(group)
        if error is None:
            return
        if len(group) == 1:
            self._fail(group[0], error)
            return
        for item in group:
            item.result = item.error = None
            alone = self._transaction([item])
            if alone is not None:
                self._fail(item, alone)

    def _abandon(self, group: list[_Item], error: BaseException) -> None:
        log.exception("the writer failed on a group of %d works", len(group))
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for item in group:
            item.error = error

    def _fail(self, item: _Item, error: sqlite3.DatabaseError) -> None:
        if _is_full(error) and item.draining and self._ballast.release():
            log.warning("disk full: the ballast %s was given back so that the queue can drain", self._ballast.path)
            again = self._transaction([item])
            if again is None:
                return
            error = again
        item.error = self._named(error)

    def _transaction(self, group: Iterable[_Item]) -> sqlite3.DatabaseError | None:
        """Run works in one transaction; the error if all of it was lost."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for item in group:
                self._run_one(item)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return error
        return None

    def _run_one(self, item: _Item) -> None:
        connection = self._connection
        if not item.draining and not self._ballast.keep():
            item.error = StoreFull(f"the disk that holds {self.path} is full: free space on it")
            return
        self._set_bound(self._pages if item.draining else self._pages - self._pages // _RESERVE_SHARE)
        connection.execute("SAVEPOINT work")
        try:
            item.result = item.work(connection)
        except Exception as error:
            if not connection.in_transaction and isinstance(error, sqlite3.DatabaseError):
                raise
            connection.execute("ROLLBACK TO work")
            item.error = self._named(error)
        connection.execute("RELEASE work")

    def _set_bound(self, pages: int) -> None:
        if pages != self._bound:
            self._connection.execute(f"PRAGMA max_page_count = {pages}")
            self._bound = pages

    def _named(self, error: Exception) -> Exception:
        """The store's own error for what SQLite said, or the error itself."""
        if isinstance(error, StopIteration):  # a future cannot carry it
            return RuntimeError("a work asked for a next row where there is none")
        if not isinstance(error, sqlite3.DatabaseError):
            return error
        if _is_full(error):
            return StoreFull(f"{self.path} has reached its bound or its disk is full: raise max_mbyte or free space")
        if files.is_corrupt(error):
            return StoreCorrupt(f"{self.path} is damaged ({error}): restart, the file is then set aside and replaced")
        return error

    def _answer(self, group: list[_Item]) -> None:
        normal = [item for item in group if not item.draining]
        refused = any(isinstance(item.error, StoreFull) for item in normal)
        full = refused if normal else self._full
        changed, self._full = full != self._full, full
        touched = [callback for table in self._touched for callback in self._watchers.get(table, ())]
        self._loop.call_soon_threadsafe(_resolve, group, touched, self._on_full if changed else None, full)


def _is_full(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY == sqlite3.SQLITE_FULL


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _resolve(
    group: list[_Item],
    touched: list[Callable[[], None]],
    on_full: Callable[[bool], None] | None,
    full: bool,
) -> None:
    for item in group:
        _settle(item.future, item.result, item.error)
    for callback in touched:
        callback()
    if on_full is not None:
        on_full(full)
