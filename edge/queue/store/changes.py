"""What came down from the portal: the cursor, the events seen, the portal's version of each request.

All functions take the connection of the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Literal

from edge.queue.sink import Change

Became = Literal["applied", "stale", "unknown", "illegal"]
KEPT_MOST = 20_000
_FORGOTTEN_AT_ONCE = 200
_CURSOR = "changes"


def cursor(conn: sqlite3.Connection) -> str:
    """The cursor after the last page that was committed, "" before the first."""
    row = conn.execute("SELECT value FROM cursor WHERE name = ?", (_CURSOR,)).fetchone()
    return str(row[0]) if row else ""


def set_cursor(conn: sqlite3.Connection, value: str) -> None:
    """Remember the cursor."""
    conn.execute("INSERT INTO cursor VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?2", (_CURSOR, value))


def seen(conn: sqlite3.Connection, event: str) -> bool:
    """Whether an event with this id was recorded before."""
    return conn.execute("SELECT 1 FROM change WHERE event = ?", (event,)).fetchone() is not None


def record(conn: sqlite3.Connection, change: Change, became: Became, *, now: float) -> None:
    """Remember the event and what became of it."""
    conn.execute(
        "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)",
        (change.event, change.request, change.state, change.version, became, now),
    )


def forget_oldest(conn: sqlite3.Connection, most: int = KEPT_MOST) -> None:
    """Keep about the newest `most` events: what an older one did, the request's version tells too."""
    # Two questions: SQLite walks the whole table for both ends in one.
    (first,) = conn.execute("SELECT ifnull(min(rowid), 0) FROM change").fetchone()
    (last,) = conn.execute("SELECT ifnull(max(rowid), 0) FROM change").fetchone()
    surplus = last - first + 1 - most
    if surplus > 0:
        conn.execute("DELETE FROM change WHERE rowid < ?", (first + min(surplus, _FORGOTTEN_AT_ONCE),))


def portal_version(conn: sqlite3.Connection, request: str) -> int:
    """The version of the last change applied to a request, 0 before the first."""
    row = conn.execute("SELECT portal_version FROM request WHERE id = ?", (request,)).fetchone()
    return int(row[0]) if row else 0


def set_portal_version(conn: sqlite3.Connection, request: str, version: int) -> None:
    """Remember the version of the last change applied."""
    conn.execute("UPDATE request SET portal_version = ? WHERE id = ?", (version, request))
