"""What is remembered of each modem from one start to the next. Functions take the connection of the transaction."""

from __future__ import annotations

import sqlite3

from edge.queue.store.rowsum import rowsum

_LAST = 500


def recall(conn: sqlite3.Connection, modem: str, name: str) -> str:
    """The value kept under `name`, "" if none.

    One that has rotted is none: whoever reads it would take it for right, or fail at each start.
    """
    row = conn.execute(
        "SELECT CAST(value AS BLOB), at, sum FROM modem_memory WHERE modem = ? AND name = ?", (modem, name)
    ).fetchone()
    if row is None:
        return ""
    value = bytes(row[0]).decode(errors="replace")
    return value if rowsum("modem_memory", modem, name, value, row[1]) == row[2] else ""


def newest_stamp(conn: sqlite3.Connection) -> float | None:
    """When the newest of the last messages in or out was stamped, None where there is none."""
    row = conn.execute(
        "SELECT max(at) FROM (SELECT * FROM (SELECT received_at AS at FROM inbound ORDER BY id DESC LIMIT ?1)"
        " UNION ALL SELECT * FROM (SELECT sending_at FROM outgoing ORDER BY id DESC LIMIT ?1))",
        (_LAST,),
    ).fetchone()
    return None if row is None else row[0]


def remember(conn: sqlite3.Connection, modem: str, name: str, value: str, *, now: float) -> None:
    """Keep `value` under `name` in place of what was there."""
    conn.execute(
        "INSERT INTO modem_memory VALUES (?, ?, ?, ?) ON CONFLICT (modem, name) DO UPDATE SET value = ?3, at = ?4",
        (modem, name, value, now),
    )
