"""The durable store: one SQLite file, one writer thread with group commit, one reader thread.

Theory of operation. Works (functions of a connection) queue up on the loop while the writer is busy. Once it is free it
is handed all of them, after everybody who was just answered has had a turn to come with the next: so 64 who write one
after the other share each commit, and never fall into halves that take turns. Those who need a little longer are waited
for only where several wrote a moment ago and for at most a quarter of what a commit costs on this disk; a lone work is
never made to wait. Each work is answered when it is durable (`edge.queue.store.writer`).

When the disk or the size bound is full, new work is refused with `StoreFull`, but works that say `draining=True` (they
settle what is already there) may use a reserve. What cannot be stored for whatever reason is a `StoreError`
(`edge.queue.store.errors`). Nothing here looks at wall time.
A work may be called twice, when its group's transaction was lost: it must have no effect but in the database.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from edge.queue.store import errors, files
from edge.queue.store.errors import (
    StoreCorrupt,
    StoreError,
    StoreFailing,
    StoreFull,
    StoreReadOnly,
    StoreSlow,
    StoreUnavailable,
    StoreUncertain,
)
from edge.queue.store.seal import SealBroken
from edge.queue.store.writer import Answer, Item, Writer

__all__ = [
    "Store",
    "StoreCorrupt",
    "StoreError",
    "StoreFailing",
    "StoreFull",
    "StoreReadOnly",
    "StoreSlow",
    "StoreUnavailable",
    "StoreUncertain",
]

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

READ_MOST_S = 30.0
_GROUP_MOST = 256
_WAITING_MOST = 1024
_PATIENCE_SHARE = 4
_TIMER_S = 0.001  # what the loop's clock can tell apart
_LOOK_EVERY = 2_000  # steps of SQLite's machine between two looks at the clock


class Store:
    """The open store. Build it by `Store.open`; `set_aside` names the damaged file that was replaced, if one was."""

    def __init__(
        self, path: Path, *, max_mbyte: int, group_commit_ms: float, set_aside: Path | None, read_most_s: float
    ) -> None:
        self.path = path
        self.set_aside = set_aside
        self._window_s = group_commit_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(_WAITING_MOST)
        self._waiting: list[Item] = []
        self._turn: asyncio.Handle | None = None
        self._busy = self._closed = False
        self._expected = 1
        self._patient_until = 0.0
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._on_trouble: Callable[[str, str | None], None] = lambda _code, _detail: None
        self._troubles: dict[str, str] = {}
        self._on_damage: Callable[[Path], None] = lambda _path: None
        self._writer = Writer(path, max_bytes=max_mbyte * 1_000_000, answer=self._answer, alone=self._without_reader)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._read_connection: sqlite3.Connection | None = None
        self._read_most_s = read_most_s
        self._read_until = 0.0

    @classmethod
    async def open(
        cls, path: Path, *, max_mbyte: int, group_commit_ms: float, read_most_s: float = READ_MOST_S
    ) -> Store:
        """Check the file, set a damaged one aside, bring the schema up to date (in a child process) and open it.

        Raises `StoreUnavailable` (cannot be opened, or is from a newer version) or `StoreReadOnly`, with the remedy in
        its message.
        """
        set_aside = await asyncio.to_thread(files.check, path)
        if await asyncio.to_thread(files.pending, path):
            await files.migrate(path)
        store = cls(
            path,
            max_mbyte=max_mbyte,
            group_commit_ms=group_commit_ms,
            set_aside=set_aside,
            read_most_s=read_most_s,
        )
        await store._start()
        return store

    async def write(self, work: Work[T], *, draining: bool = False) -> T:
        """Run `work` on the writer thread and return its result once it is durable.

        `draining` marks a work that settles or frees what is stored already; it may use the reserve of a full store.
        Raises whatever `work` raises (then nothing of it is kept), or a `StoreError`.
        """
        async with self._slots:
            if self._closed:
                raise StoreUnavailable(f"{self.path} is closed")
            item = Item(work, self._loop.create_future(), draining)
            self._waiting.append(item)
            self._offer()
            result: T = await item.future
            return result

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the reader thread against one consistent, committed snapshot; it cannot write.

        Raises whatever `work` raises, `StoreSlow` for one that takes too long, or another `StoreError`.
        """
        return await self._loop.run_in_executor(self._reader, self._read, work)

    def watch(self, table: str, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop after every commit that inserted into `table`."""
        self._watchers.setdefault(table, []).append(callback)

    def on_trouble(self, callback: Callable[[str, str | None], None]) -> None:
        """Call `callback(code, detail)` on the loop when a health condition begins, `callback(code, None)` at its end.

        The codes: `store-full`, `store-readonly`, `store-failing`.
        """
        self._on_trouble = callback

    def on_damage(self, callback: Callable[[Path], None]) -> None:
        """Call `callback` on the loop when the file was repaired while in use, with where the damaged one is now."""
        self._on_damage = callback

    def room(self) -> int:
        """Bytes on the store's file system that new work beside it (attachments) may take; 0 while it is full."""
        return self._writer.room()

    async def close(self) -> None:
        """Finish what waits, fold the log into the file and close both connections."""
        if self._closed:
            return
        self._closed = True
        self._hand_over()
        await asyncio.to_thread(self._writer.join)
        await self._loop.run_in_executor(self._reader, self._close_reader)
        self._reader.shutdown()

    async def _start(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()

        def opened(error: BaseException | None) -> None:
            self._loop.call_soon_threadsafe(_settle, ready, None, error)

        self._writer.start(opened)
        await ready
        try:
            await self._loop.run_in_executor(self._reader, self._open_reader)
        except (OSError, sqlite3.DatabaseError) as error:
            await self.close()
            raise errors.opening(error, self.path) from error

    # ---- groups, on the loop

    def _offer(self) -> None:
        """Let the writer have what waits, as soon as it is free and whoever is about to write has had a turn."""
        if self._busy:
            return
        if self._turn is None:
            self._turn = self._loop.call_soon(self._gather)
        elif isinstance(self._turn, asyncio.TimerHandle) and len(self._waiting) >= self._expected:
            self._hand_over()

    def _gather(self) -> None:
        self._turn = None
        patience = self._patient_until - self._loop.time()
        if self._waiting and len(self._waiting) < self._expected and patience >= _TIMER_S and not self._closed:
            self._turn = self._loop.call_later(patience, self._hand_over)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        while self._waiting and (self._closed or not self._busy):
            group, self._waiting = self._waiting[:_GROUP_MOST], self._waiting[_GROUP_MOST:]
            self._busy = True
            self._writer.put(group)

    def _answer(self, answer: Answer) -> None:
        self._loop.call_soon_threadsafe(self._answered, answer)

    def _answered(self, answer: Answer) -> None:
        self._busy = False
        for item in answer.group:
            _settle(item.future, item.result, item.error)
        for table in answer.touched:
            for callback in self._watchers.get(table, ()):
                callback()
        self._tell(answer.troubles)
        if answer.set_aside is not None and answer.set_aside != self.set_aside:
            self.set_aside = answer.set_aside
            self._on_damage(answer.set_aside)
        self._expected = min(_GROUP_MOST, len(answer.group) + len(self._waiting))
        self._patient_until = self._loop.time() + min(self._window_s, answer.took_s / _PATIENCE_SHARE)
        if self._turn is None:  # after those who were just answered, whose turn comes before this one
            self._turn = self._loop.call_soon(self._gather)

    def _tell(self, troubles: dict[str, str]) -> None:
        before, self._troubles = self._troubles, troubles
        for code in before.keys() - troubles.keys():
            self._on_trouble(code, None)
        for code in troubles.keys() - before.keys():
            self._on_trouble(code, troubles[code])

    # ---- the reader thread

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._read_connection
        if connection is None:
            connection = self._read_connection = files.connect(self.path)
            connection.execute("PRAGMA query_only = 1")
            connection.set_progress_handler(self._overdue, _LOOK_EVERY)
        return connection

    def _overdue(self) -> bool:
        return time.monotonic() > self._read_until

    def _read(self, work: Work[T]) -> T:
        self._read_until = time.monotonic() + self._read_most_s
        try:
            connection = self._open_reader()
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except SealBroken:
            self._writer.doubted()
            raise
        except (sqlite3.DatabaseError, StopIteration) as error:
            if errors.primary(error) == sqlite3.SQLITE_READONLY:
                raise  # the work itself tried to write
            if errors.is_failing(error):
                self._close_reader()
            if errors.is_corrupt(error):
                self._writer.damaged()
            if errors.is_spoiled(error):
                self._writer.doubted()
                raise errors.named(error, self.path) from None  # its words quote the text, which may be somebody's
            raise errors.named(error, self.path) from error

    def _without_reader(self, work: Callable[[], Path]) -> Path:
        """Run `work` in the reader's thread, with its connection closed."""

        def run() -> Path:
            self._close_reader()
            return work()

        return self._reader.submit(run).result()

    def _close_reader(self) -> None:
        if self._read_connection is not None:
            self._read_connection.close()
            self._read_connection = None


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
