"""The outbox: what must go upstream, written in the transaction of the change it tells of.

States of a row: pending -> leased (being sent) -> delivered | dead | pending again; withdrawn when the request was
cancelled before anything left the box. A row waits for earlier open rows of its request, so an order never inverts.
All functions take the connection of the caller's transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass

from edge.queue.request import uuid7
from edge.queue.store.seal import Seal


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed row. `attempts` counts this one; `created_at` is Unix seconds."""

    seq: int
    event: str
    request: str
    kind: str
    attempts: int
    created_at: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox holds: rows that wait, the oldest's time of writing, dead letters, the earliest next try."""

    waiting: int
    oldest: float | None
    dead: int
    next_try: float | None
    failing: bool


def put(conn: sqlite3.Connection, seal: Seal, request: str, kind: str, content: str, *, now: float) -> str:
    """Write a row (`content` is JSON, sealed) and return its event id."""
    event = uuid7(int(now * 1000), secrets.randbits(74))
    conn.execute(
        "INSERT INTO outbox (event, request, kind, payload, created_at) VALUES (?, ?, ?, ?, ?)",
        (event, request, kind, seal.seal(content, f"outbox:{event}"), now),
    )
    return event


def free_leases(conn: sqlite3.Connection) -> int:
    """At start: whatever was being sent when the process died, and whatever waited, may be tried at once."""
    conn.execute("UPDATE outbox SET state = 'pending' WHERE state = 'leased'")
    return hurry(conn)


def hurry(conn: sqlite3.Connection) -> int:
    """Forget every wait (an uplink recovered)."""
    return conn.execute("UPDATE outbox SET not_before = 0 WHERE state = 'pending' AND not_before > 0").rowcount


def claim(conn: sqlite3.Connection, seal: Seal, *, limit: int, now: float, most_wait_s: float) -> list[Row]:
    """Lease up to `limit` due rows, the oldest first.

    A time to try that lies further ahead than any wait can be means that the clock jumped back: it is due.
    """
    found = conn.execute(
        """
        UPDATE outbox SET state = 'leased', attempts = attempts + 1 WHERE seq IN (
            SELECT seq FROM outbox AS mine
            WHERE state = 'pending' AND (not_before <= :now OR not_before > :now + :most)
              AND NOT EXISTS (
                SELECT 1 FROM outbox AS earlier
                WHERE earlier.request = mine.request AND earlier.seq < mine.seq
                  AND earlier.state IN ('pending', 'leased', 'dead'))
            ORDER BY seq LIMIT :limit)
        RETURNING seq, event, request, kind, attempts, created_at, payload
        """,
        {"now": now, "most": most_wait_s, "limit": limit},
    ).fetchall()
    return sorted((_read(seal, row) for row in found), key=lambda row: row.seq)


def _read(seal: Seal, row: sqlite3.Row) -> Row:
    payload = seal.open(row["payload"], f"outbox:{row['event']}").encode()
    return Row(row["seq"], row["event"], row["request"], row["kind"], row["attempts"], row["created_at"], payload)


def settle(conn: sqlite3.Connection, row: Row, state: str, *, now: float, error: str = "") -> bool:
    """End a leased row as delivered (its payload is dropped) or dead; False when it was settled before."""
    return bool(
        conn.execute(
            "UPDATE outbox SET state = ?1, settled_at = ?2, error = ?3, "
            "payload = CASE WHEN ?1 = 'delivered' THEN NULL ELSE payload END WHERE seq = ?4 AND state = 'leased'",
            (state, now, error, row.seq),
        ).rowcount
    )


def postpone(conn: sqlite3.Connection, row: Row, *, not_before: float, error: str) -> None:
    """Give a leased row back, to be tried at `not_before` (Unix seconds)."""
    conn.execute(
        "UPDATE outbox SET state = 'pending', not_before = ?, error = ? WHERE seq = ? AND state = 'leased'",
        (not_before, error, row.seq),
    )


def withdraw(conn: sqlite3.Connection, request: str, *, now: float) -> bool:
    """Take back the request's rows if none can have reached the portal; False when one may have."""
    tried = conn.execute(
        "SELECT 1 FROM outbox WHERE request = ? AND attempts > 0 AND state <> 'dead'", (request,)
    ).fetchone()
    if tried is not None:
        return False
    conn.execute(
        "UPDATE outbox SET state = 'withdrawn', payload = NULL, settled_at = ? WHERE request = ? "
        "AND state IN ('pending', 'dead')",
        (now, request),
    )
    return True


def backlog(conn: sqlite3.Connection, *, now: float) -> Backlog:
    """Counts by the partial indexes; call it after work was done, not at a scrape."""
    waiting, oldest, next_try, failing = conn.execute(
        "SELECT count(*), min(created_at), min(CASE WHEN state = 'pending' AND not_before > ? THEN not_before END), "
        "coalesce(max(attempts > 0), 0) FROM outbox WHERE state IN ('pending', 'leased')",
        (now,),
    ).fetchone()
    (dead,) = conn.execute("SELECT count(*) FROM outbox WHERE state = 'dead'").fetchone()
    return Backlog(waiting, oldest, dead, next_try, bool(failing))
