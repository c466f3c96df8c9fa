"""The outbox: what must go upstream, written in the transaction of the change it tells of.

States of a row::

    pending ──> leased ──> delivered                 (the payload is dropped)
      ^           ├──────> confirming ──> delivered  (a broker has it; sent again at not_before unless confirmed)
      ├─ waiting <┤                                  (until not_before)
      │           └──────> dead ──> pending | discarded   (a person decides)
      └─ held                                        (behind an earlier open or dead row of its stream)

also withdrawn (cancelled before anything left the box) and expired (not handed over by expires_at). Nothing here looks
at more rows than it moves: every question has its partial index, and depths are kept by triggers (`outbox_depth`).
All functions take the connection of the caller's transaction. Times are Unix seconds.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from edge.queue import lane
from edge.queue.lane import Lane
from edge.queue.request import uuid7
from edge.queue.store.seal import Seal

OPEN = ("pending", "waiting", "held", "leased", "confirming")
# As literals, since a partial index serves only a question that repeats its condition.
_OPEN = "('pending', 'waiting', 'held', 'leased', 'confirming')"
_UNSETTLED = "('pending', 'waiting', 'held', 'leased', 'confirming', 'dead')"
_WAITING = "state IN ('waiting', 'confirming') AND state = 'waiting'"
_AHEAD_MOST_S = 40 * 86_400.0  # nobody schedules further ahead: what lies beyond means that the clock jumped back
_EACH_TIME = 500


@dataclass(frozen=True, slots=True)
class Row:
    """A claimed row. `attempts` counts this one, `faults` those that were its own fault."""

    seq: int
    event: str
    stream: str | None
    request: str
    kind: str
    lane: Lane
    attempts: int
    faults: int
    created_at: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox holds: open rows, the oldest's time of writing, dead letters, the earliest next try."""

    waiting: int
    oldest: float | None
    dead: int
    next_try: float | None
    failing: bool


def put(
    conn: sqlite3.Connection,
    seal: Seal,
    request: str | None,
    kind: str,
    content: str,
    *,
    now: float,
    stream: str | None = None,
    not_before: float = 0.0,
    expires_at: float | None = None,
) -> str:
    """Write a row (`content` is JSON, sealed) and return its event id. Its stream is `stream`, else its request."""
    event = uuid7(int(now * 1000), secrets.randbits(74))
    ordered = stream or request
    if ordered is not None and _first(conn, ordered) is not None:
        state = "held"
    else:
        state = "waiting" if not_before > now else "pending"
    conn.execute(
        "INSERT INTO outbox (event, stream, request, kind, lane, payload, state, not_before, expires_at, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(event, ordered, request, kind, int(lane.of_kind(kind)), seal.seal(content, f"outbox:{event}")),
            *(state, not_before, expires_at, now),
        ),
    )
    return event


def free_leases(conn: sqlite3.Connection) -> int:
    """At start: whatever was being sent when the process died, and whatever waited, may be tried at once."""
    conn.execute("UPDATE outbox SET state = 'pending', leased_until = NULL WHERE state = 'leased'")
    return hurry(conn)


def hurry(conn: sqlite3.Connection) -> int:
    """Forget the waits of what was tried before (an uplink recovered)."""
    return conn.execute(f"UPDATE outbox SET state = 'pending' WHERE {_WAITING} AND attempts > 0").rowcount


def promote(conn: sqlite3.Connection, *, now: float, most_wait_s: float) -> None:
    """Make due what has waited long enough, and what a lease or an unconfirmed hand-over has held for too long.

    A time that lies further ahead than any wait can be means that the clock jumped back: it is due.
    """
    conn.execute(
        "UPDATE outbox SET state = 'pending' WHERE seq IN (SELECT seq FROM outbox WHERE state IN ('waiting', "
        "'confirming') AND (not_before <= :now OR not_before > :now + CASE attempts WHEN 0 THEN :ahead ELSE :most END) "
        "LIMIT :each)",
        {"now": now, "most": most_wait_s, "ahead": _AHEAD_MOST_S, "each": _EACH_TIME},
    )
    conn.execute(
        "UPDATE outbox SET state = 'pending', leased_until = NULL "
        "WHERE state = 'leased' AND (leased_until <= :now OR leased_until > :now + :most)",
        {"now": now, "most": most_wait_s},
    )


def expire(conn: sqlite3.Connection, *, now: float) -> int:
    """End what was not handed over in its time; how many rows."""
    rows = conn.execute(
        f"SELECT seq, stream FROM outbox WHERE expires_at IS NOT NULL AND state IN {_UNSETTLED} "
        "AND state NOT IN ('leased', 'confirming') AND expires_at <= ? LIMIT ?",
        (now, _EACH_TIME),
    ).fetchall()
    for row in rows:
        _end(conn, row["seq"], row["stream"], "expired", now=now)
    return len(rows)


def claim(
    conn: sqlite3.Connection,
    seal: Seal,
    *,
    limit: int,
    now: float,
    most_wait_s: float,
    lease_s: float = 300.0,
    lanes: Iterable[Lane] = tuple(Lane),
) -> list[Row]:
    """Lease up to `limit` due rows of `lanes` for `lease_s`, by lane and then the oldest first."""
    promote(conn, now=now, most_wait_s=max(most_wait_s, 2 * lease_s))
    found: list[sqlite3.Row] = []
    for wanted in sorted(lanes):
        if len(found) >= limit:
            break
        found += sorted(
            conn.execute(
                "UPDATE outbox SET state = 'leased', attempts = attempts + 1, leased_until = ? WHERE seq IN ("
                "SELECT seq FROM outbox WHERE state = 'pending' AND lane = ? ORDER BY seq LIMIT ?) RETURNING *",
                (now + lease_s, int(wanted), limit - len(found)),
            ).fetchall(),
            key=lambda row: int(row["seq"]),
        )
    return [_read(seal, row) for row in found]


def _read(seal: Seal, row: sqlite3.Row) -> Row:
    payload = seal.open(row["payload"], f"outbox:{row['event']}").encode()
    return Row(
        *(row["seq"], row["event"], row["stream"], row["request"] or "", row["kind"], Lane(row["lane"])),
        *(row["attempts"], row["faults"], row["created_at"], payload),
    )


def settle(conn: sqlite3.Connection, row: Row, state: str, *, now: float, error: str = "") -> bool:
    """End a leased row as delivered (its payload is dropped) or dead; False when it was settled before."""
    if conn.execute("SELECT 1 FROM outbox WHERE seq = ? AND state = 'leased'", (row.seq,)).fetchone() is None:
        return False
    _end(conn, row.seq, row.stream, state, now=now, error=error)
    return True


def hand_over(conn: sqlite3.Connection, row: Row, *, until: float) -> None:
    """A broker has a leased row: keep it until it is confirmed, and send it again at `until` if it is not."""
    conn.execute(
        "UPDATE outbox SET state = 'confirming', not_before = ?, leased_until = NULL "
        "WHERE seq = ? AND state = 'leased'",
        (until, row.seq),
    )


def confirm(conn: sqlite3.Connection, event: str, *, now: float) -> str | None:
    """The far end has an event: end its row as delivered. The kind of the row, None when there was nothing to end."""
    row = conn.execute(
        f"SELECT seq, stream, kind FROM outbox WHERE event = ? AND state IN {_OPEN} AND attempts > 0",
        (event,),
    ).fetchone()
    if row is None:
        return None
    _end(conn, row["seq"], row["stream"], "delivered", now=now)
    return str(row["kind"])


def postpone(conn: sqlite3.Connection, row: Row, *, not_before: float, error: str, fault: bool = False) -> None:
    """Give a leased row back, to be tried at `not_before`; `fault` when the try failed by its own fault."""
    conn.execute(
        "UPDATE outbox SET state = 'waiting', not_before = ?, leased_until = NULL, error = ?, faults = faults + ? "
        "WHERE seq = ? AND state = 'leased'",
        (not_before, error, fault, row.seq),
    )


def withdraw(conn: sqlite3.Connection, request: str, *, now: float) -> bool:
    """Take back the request's rows if none can have reached the portal; False when one may have."""
    tried = conn.execute(
        "SELECT 1 FROM outbox WHERE request = ? AND attempts > 0 AND state <> 'dead'", (request,)
    ).fetchone()
    if tried is not None:
        return False
    conn.execute(
        "UPDATE outbox SET state = 'withdrawn', payload = NULL, settled_at = ? "
        f"WHERE request = ? AND state IN {_UNSETTLED}",
        (now, request),
    )
    return True


def backlog(conn: sqlite3.Connection) -> Backlog:
    """What is there, without counting a row."""
    depth = depths(conn)
    oldest = conn.execute(f"SELECT created_at FROM outbox WHERE state IN {_OPEN} ORDER BY seq LIMIT 1").fetchone()
    (next_try,) = conn.execute("SELECT min(not_before) FROM outbox WHERE state IN ('waiting', 'confirming')").fetchone()
    failing = conn.execute(f"SELECT 1 FROM outbox WHERE {_WAITING} AND attempts > 0 LIMIT 1").fetchone()
    return Backlog(
        sum(rows for (_, state), rows in depth.items() if state in OPEN),
        oldest[0] if oldest else None,
        sum(rows for (_, state), rows in depth.items() if state == "dead"),
        next_try,
        failing is not None,
    )


def depths(conn: sqlite3.Connection) -> dict[tuple[Lane, str], int]:
    """Rows by lane and state, as the triggers keep them."""
    rows = conn.execute("SELECT lane, state, rows FROM outbox_depth WHERE rows > 0")
    return {(Lane(row["lane"]), row["state"]): row["rows"] for row in rows}


def _end(conn: sqlite3.Connection, seq: int, stream: str | None, state: str, *, now: float, error: str = "") -> None:
    conn.execute(
        "UPDATE outbox SET state = ?1, settled_at = ?2, error = ?3, leased_until = NULL, "
        "payload = CASE WHEN ?1 = 'dead' THEN payload END WHERE seq = ?4",
        (state, now, error, seq),
    )
    if stream is not None:
        _advance(conn, stream, now=now)


def _advance(conn: sqlite3.Connection, stream: str, *, now: float) -> None:
    """Let the first open row of a stream go, unless a dead one stands before it."""
    first = _first(conn, stream)
    if first is not None:
        conn.execute(
            "UPDATE outbox SET state = CASE WHEN not_before > ? THEN 'waiting' ELSE 'pending' END "
            "WHERE seq = ? AND state = 'held'",
            (now, first),
        )


def _first(conn: sqlite3.Connection, stream: str) -> int | None:
    (seq,) = conn.execute(
        f"SELECT min(seq) FROM outbox WHERE stream = ? AND state IN {_UNSETTLED}",
        (stream,),
    ).fetchone()
    return None if seq is None else int(seq)
