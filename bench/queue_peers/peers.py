"""The others: queues from PyPI, raw SQLite with one commit an item, and the disk's own limit. All from threads.

Each is set up so that an item is durable before the call returns (WAL and synchronous=FULL). `cycle` puts an item,
leases one and acknowledges it, as far as the queue knows these steps. 64 producers are 64 threads:

- persist-queue (SQLiteAckQueue, multithreading) holds a lock of its own around each step; what is acknowledged stays in
  its table until it is cleared, which is done here every 200 items, or it would scan ever more of it.
- litequeue may put from several threads, but not lease: one object behind a lock of ours, which is faster than one
  object a thread (these wait for each other in SQLite's busy handler). It sets synchronous=NORMAL; FULL is forced.
- huey (SqliteHuey's storage, fsync=True) holds a lock of its own; it knows no lease: taking an item deletes it.
- raw: one connection behind a lock; insert, update, delete.
- limit: a page of a file of one's own is written and fdatasync(2)ed, once an enqueue and three times a cycle.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import huey
import litequeue
import persistqueue

from bench.queue_peers.load import CONTENT

_PAGE = bytes(4096)
_CLEAR_EVERY = 200


class Peer(Protocol):
    """A queue in an empty directory of its own."""

    def put(self) -> None:
        """Make one item durable."""
        ...

    def cycle(self) -> None:
        """Make an item durable, lease one, acknowledge it."""
        ...

    def settings(self) -> str:
        """What makes it durable, as it is in force."""
        ...

    def close(self) -> None:
        """Let go of the file, its log folded in."""
        ...


def _pragmas(conn: sqlite3.Connection) -> str:
    names = ("journal_mode", "synchronous", "wal_autocheckpoint")
    return ", ".join(f"{name}={conn.execute(f'PRAGMA {name}').fetchone()[0]}" for name in names)


def _close(conn: sqlite3.Connection) -> None:
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()


class _PersistQueue:
    """persistqueue.SQLiteAckQueue."""

    def __init__(self, home: Path) -> None:
        self._queue = persistqueue.SQLiteAckQueue(str(home / "persist"), multithreading=True)
        self._conn: sqlite3.Connection = cast(Any, self._queue)._putter
        self._acknowledged = itertools.count(1)

    def put(self) -> None:
        self._queue.put(CONTENT)

    def cycle(self) -> None:
        self._queue.put(CONTENT)
        item = self._queue.get(block=False, raw=True)
        self._queue.ack(id=item["pqid"])
        if next(self._acknowledged) % _CLEAR_EVERY == 0:
            self._queue.clear_acked_data(max_delete=2 * _CLEAR_EVERY, keep_latest=0)

    def settings(self) -> str:
        return f"{_pragmas(self._conn)}, auto_commit={self._queue.auto_commit}"

    def close(self) -> None:
        self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class _LiteQueue:
    """litequeue.LiteQueue."""

    def __init__(self, home: Path) -> None:
        self._queue = litequeue.LiteQueue(home / "lite.db")
        self._queue.conn.execute("PRAGMA synchronous = FULL")
        self._lock = threading.Lock()

    def put(self) -> None:
        with self._lock:
            self._queue.put(CONTENT)

    def cycle(self) -> None:
        with self._lock:
            self._queue.put(CONTENT)
        with self._lock:
            item = self._queue.pop()
        with self._lock:
            self._queue.done(item.message_id)

    def settings(self) -> str:
        return _pragmas(self._queue.conn)

    def close(self) -> None:
        _close(self._queue.conn)


class _Huey:
    """huey.SqliteHuey."""

    def __init__(self, home: Path) -> None:
        self._storage = huey.SqliteHuey("bench", filename=str(home / "huey.db"), fsync=True).storage
        self._content = CONTENT.encode()

    def put(self) -> None:
        self._storage.enqueue(self._content)

    def cycle(self) -> None:
        self._storage.enqueue(self._content)
        if self._storage.dequeue() is None:
            raise RuntimeError("huey has lost an item")

    def settings(self) -> str:
        return _pragmas(self._storage.conn)

    def close(self) -> None:
        _close(self._storage.conn)


class _Raw:
    """sqlite3 alone: a table, and one commit an item."""

    def __init__(self, home: Path) -> None:
        self._conn = sqlite3.connect(home / "raw.db", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            self._conn.execute(f"PRAGMA {pragma}")
        self._conn.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, content BLOB, leased INTEGER)")
        self._conn.execute("CREATE INDEX item_free ON item (id) WHERE leased IS NULL")
        self._content, self._lock = CONTENT.encode(), threading.Lock()

    def put(self) -> None:
        with self._lock:
            self._conn.execute("INSERT INTO item (content) VALUES (?)", (self._content,))

    def cycle(self) -> None:
        self.put()
        with self._lock:
            (found,) = self._conn.execute(
                "UPDATE item SET leased = 1 WHERE id = (SELECT min(id) FROM item WHERE leased IS NULL) RETURNING id"
            ).fetchall()
        with self._lock:
            self._conn.execute("DELETE FROM item WHERE id = ?", (found[0],))

    def settings(self) -> str:
        return _pragmas(self._conn)

    def close(self) -> None:
        _close(self._conn)


class _Limit:
    """The disk: a page overwritten and flushed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._mine = threading.local()
        self._open: list[int] = []

    def put(self) -> None:
        os.pwrite(self._file(), _PAGE, 0)
        os.fdatasync(self._file())

    def cycle(self) -> None:
        for _ in range(3):
            self.put()

    def settings(self) -> str:
        return "pwrite of 4096 bytes, fdatasync"

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def _file(self) -> int:
        if not hasattr(self._mine, "descriptor"):
            name = self._home / f"page-{threading.get_ident()}"
            self._mine.descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._open.append(self._mine.descriptor)
        descriptor: int = self._mine.descriptor
        return descriptor


PEERS: Mapping[str, Callable[[Path], Peer]] = MappingProxyType(
    {"persist_queue": _PersistQueue, "litequeue": _LiteQueue, "huey": _Huey, "raw": _Raw, "limit": _Limit}
)
