"""The outbox: what must go upstream, written in the transaction of the change it tells of.

States of a row::

    pending ──> leased ──> delivered                 (the payload is dropped)
      ^           ├──────> confirming ──> delivered  (a broker has it; sent again at not_before unless confirmed)
      ├─ waiting <┤                                  (until not_before)
      │           └──────> dead ──> pending | discarded   (a person decides)
      └─ held                                        (behind an earlier open or dead row of its stream)

also withdrawn (cancelled before anything left the box) and expired (not handed over by expires_at). Nothing here looks
at more rows than it moves: every question has its partial index, and depths are kept by triggers (`outbox_depth`);
`edge.queue.store.outbox_view` reads them. All functions take the connection of the caller's transaction. Times are Unix
seconds.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from edge.queue import lane
from edge.queue.lane import Lane
from edge.queue.request import uuid7
from edge.queue.store import audit
from edge.queue.store.seal import Seal, SealBroken

OPEN = ("pending", "waiting", "held", "leased", "confirming")
DAMAGED = "damaged"
ALONE_FROM = 2
"""A row with so many faults is suspected for itself: it goes alone, and a recovery does not hurry it."""
# As literals, since a partial index serves only a question that repeats its condition.
_OPEN = "('pending', 'waiting', 'held', 'leased', 'confirming')"
_UNSETTLED = "('pending', 'waiting', 'held', 'leased', 'confirming', 'dead')"
_TRIED = "state = 'waiting' AND attempts > 0"
_AHEAD_MOST_S = 40 * 86_400.0  # nobody schedules further ahead: what lies beyond means that the clock jumped back
_ANY_DUE = """
    SELECT EXISTS (SELECT 1 FROM outbox WHERE state IN ('waiting', 'confirming') AND not_before <= :now)
    OR EXISTS (
        SELECT 1 FROM outbox WHERE state IN ('waiting', 'confirming') AND not_before > :beyond AND attempts > 0)
    OR EXISTS (SELECT 1 FROM outbox WHERE state IN ('waiting', 'confirming') AND not_before > :ahead)
    OR EXISTS (SELECT 1 FROM outbox WHERE state = 'leased' AND leased_until <= :now)
    OR EXISTS (SELECT 1 FROM outbox WHERE state = 'leased' AND leased_until > :beyond)
"""
_END = (
    "UPDATE outbox SET state = ?1, settled_at = ?2, error = ?3, leased_until = NULL, "
    "payload = CASE WHEN ?1 = 'dead' THEN payload END WHERE seq = ?4"
)
_CLAIMED = "seq, event, stream, request, kind, lane, attempts, faults, created_at, payload"
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

    def __repr__(self) -> str:
        return f"Row({self.seq}: {self.kind} {self.event})"


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


# ---- what comes due --------------------------------------------------------------------------------------------------


def free_leases(conn: sqlite3.Connection, lanes: Iterable[Lane] = tuple(Lane)) -> int:
    """At start: what was being sent when the process died, and whatever waited, may be tried at once."""
    for each in lanes:
        conn.execute(
            "UPDATE outbox SET state = 'pending', leased_until = NULL WHERE state = 'leased' AND lane = ?", (int(each),)
        )
    return hurry(conn)


def hurry(conn: sqlite3.Connection) -> int:
    """Forget the waits of what was tried before (an uplink recovered), but of rows that fail by themselves."""
    return conn.execute(f"UPDATE outbox SET state = 'pending' WHERE {_TRIED} AND faults < ?", (ALONE_FROM,)).rowcount


def promote(conn: sqlite3.Connection, *, now: float, most_wait_s: float) -> None:
    """Make due what has waited long enough, and what a lease or an unconfirmed hand-over has held for too long.

    A time that lies further ahead than any wait can be means that the clock jumped back: it is due.
    """
    beyond, ahead = now + most_wait_s, now + _AHEAD_MOST_S
    (any_due,) = conn.execute(_ANY_DUE, {"now": now, "beyond": beyond, "ahead": ahead}).fetchone()
    if not any_due:
        return
    due = "UPDATE outbox SET state = 'pending' WHERE seq IN (SELECT seq FROM outbox WHERE state IN ('waiting', "
    each = " LIMIT ?)"
    conn.execute(f"{due}'confirming') AND not_before <= ?{each}", (now, _EACH_TIME))
    conn.execute(f"{due}'confirming') AND not_before > ? AND attempts > 0{each}", (beyond, _EACH_TIME))
    conn.execute(f"{due}'confirming') AND not_before > ?{each}", (ahead, _EACH_TIME))
    ended = "UPDATE outbox SET state = 'pending', leased_until = NULL WHERE state = 'leased' AND leased_until "
    conn.execute(f"{ended}<= ?", (now,))
    conn.execute(f"{ended}> ?", (beyond,))


def expire(conn: sqlite3.Connection, *, now: float) -> int:
    """End what was not handed over in its time; how many rows, at most 500 a call."""
    rows = conn.execute(
        f"SELECT seq, stream FROM outbox WHERE expires_at IS NOT NULL AND state IN {_UNSETTLED} "
        "AND state NOT IN ('leased', 'confirming') AND expires_at <= ? LIMIT ?",
        (now, _EACH_TIME),
    ).fetchall()
    for row in rows:
        _end(conn, row["seq"], row["stream"], "expired", now=now)
    return len(rows)


def due(conn: sqlite3.Connection, lanes: Iterable[Lane]) -> bool:
    """Whether a row of `lanes` is due now (as far as `promote` has been called)."""
    return any(
        conn.execute("SELECT 1 FROM outbox WHERE state = 'pending' AND lane = ? LIMIT 1", (int(each),)).fetchone()
        for each in lanes
    )


# ---- leased rows -----------------------------------------------------------------------------------------------------


def claim(
    conn: sqlite3.Connection,
    seal: Seal,
    *,
    limit: int,
    now: float,
    most_wait_s: float,
    lease_s: float = 300.0,
    lanes: Iterable[Lane] = tuple(Lane),
    after: Iterable[Lane] = (),
) -> list[Row]:
    """Lease up to `limit` due rows of `lanes` for `lease_s`, by lane and then the oldest first.

    Nothing while a row of the lanes `after` is due: those go first. `most_wait_s` is longer than any wait or lease of a
    row that was tried. A row whose payload does not open is made dead here, named in the audit.
    """
    promote(conn, now=now, most_wait_s=max(most_wait_s, 2 * lease_s))
    if due(conn, after):
        return []
    found: list[sqlite3.Row] = []
    for wanted in sorted(lanes):
        if len(found) >= limit:
            break
        found += sorted(
            conn.execute(
                "UPDATE outbox SET state = 'leased', attempts = attempts + 1, leased_until = ? WHERE seq IN ("
                "SELECT seq FROM outbox WHERE state = 'pending' AND lane = ? ORDER BY seq LIMIT ?) "
                f"RETURNING {_CLAIMED}",
                (now + lease_s, int(wanted), limit - len(found)),
            ).fetchall(),
            key=lambda row: int(row["seq"]),
        )
    return [row for each in found if (row := _read(conn, seal, each, now=now)) is not None]


def _read(conn: sqlite3.Connection, seal: Seal, row: sqlite3.Row, *, now: float) -> Row | None:
    try:
        payload = seal.open(row["payload"] or b"", f"outbox:{row['event']}").encode()
    except SealBroken:
        error = f"{DAMAGED}: the payload of outbox row {row['seq']} does not open"
        # What was tried before may have arrived: such a row must not pass for one that never left (`withdraw`).
        conn.execute(
            "UPDATE outbox SET attempts = attempts - 1, faults = faults + (attempts > 1) WHERE seq = ?", (row["seq"],)
        )
        _end(conn, row["seq"], row["stream"], "dead", now=now, error=error)
        audit.record(conn, "outbox-damaged", row["request"] or row["event"], f"{row['kind']}: {error}", now=now)
        return None
    return Row(
        *(row["seq"], row["event"], row["stream"], row["request"] or "", row["kind"], Lane(row["lane"])),
        *(row["attempts"], row["faults"], row["created_at"], payload),
    )


def renew(conn: sqlite3.Connection, row: Row, *, until: float) -> None:
    """Keep a leased row longer: what it needs takes its time (a scan on a thin line)."""
    conn.execute("UPDATE outbox SET leased_until = ? WHERE seq = ? AND state = 'leased'", (until, row.seq))


def settle(conn: sqlite3.Connection, row: Row, state: str, *, now: float, error: str = "") -> bool:
    """End a leased row as delivered (its payload is dropped) or dead; False when it was settled before."""
    ended = conn.execute(f"{_END} AND state = 'leased'", (state, now, error, row.seq)).rowcount
    if ended and row.stream is not None:
        _advance(conn, row.stream, now=now)
    return bool(ended)


def hand_over(conn: sqlite3.Connection, row: Row, *, until: float) -> None:
    """A broker has a leased row: keep it until it is confirmed, and send it again at `until` if it is not."""
    conn.execute(
        "UPDATE outbox SET state = 'confirming', not_before = ?, leased_until = NULL, error = '' "
        "WHERE seq = ? AND state = 'leased'",
        (until, row.seq),
    )


def confirm(conn: sqlite3.Connection, event: str, *, now: float) -> tuple[str, str] | None:
    """The far end has an event: end its row as delivered.

    Its kind and request ("" of none); None when there was nothing to end.
    """
    row = conn.execute(
        f"SELECT seq, stream, kind, request FROM outbox WHERE event = ? AND state IN {_UNSETTLED} AND attempts > 0",
        (event,),
    ).fetchone()
    if row is None:
        return None
    _end(conn, row["seq"], row["stream"], "delivered", now=now)
    return str(row["kind"]), str(row["request"] or "")


def postpone(conn: sqlite3.Connection, row: Row, *, not_before: float, error: str, fault: bool = False) -> None:
    """Give a leased row back, to be tried at `not_before`; `fault` when the try failed by its own fault."""
    conn.execute(
        "UPDATE outbox SET state = 'waiting', not_before = ?, leased_until = NULL, error = ?, faults = faults + ? "
        "WHERE seq = ? AND state = 'leased'",
        (not_before, error, fault, row.seq),
    )


def release(conn: sqlite3.Connection, row: Row) -> None:
    """Give a leased row back as if it had not been tried this time."""
    conn.execute(
        "UPDATE outbox SET state = 'pending', leased_until = NULL, attempts = attempts - 1 "
        "WHERE seq = ? AND state = 'leased'",
        (row.seq,),
    )


def blame(conn: sqlite3.Connection, seqs: Iterable[int], *, most: int, now: float) -> list[tuple[str, str, str]]:
    """Rows that failed alone while others were taken: one fault more each; with `most` of them a row is dead.

    Returns kind, subject (request or event) and error of each that died.
    """
    died = []
    for seq in seqs:
        row = conn.execute(
            f"UPDATE outbox SET faults = faults + 1 WHERE seq = ? AND state IN {_OPEN} "
            "RETURNING stream, faults, kind, request, event, error",
            (seq,),
        ).fetchone()
        if row is not None and row["faults"] >= most:
            error = f"{row['faults']} tries failed while others arrived: {row['error']}"
            _end(conn, seq, row["stream"], "dead", now=now, error=error)
            died.append((row["kind"], row["request"] or row["event"], error))
    return died


# ---- what a person or a request's owner decides ----------------------------------------------------------------------


def revive(conn: sqlite3.Connection, seq: int, *, now: float) -> bool:
    """Try a dead row again, in its place of its stream; False when it is not dead."""
    row = conn.execute("SELECT stream, expires_at FROM outbox WHERE seq = ? AND state = 'dead'", (seq,)).fetchone()
    if row is None:
        return False
    first = row["stream"] is None or _first(conn, row["stream"]) == seq
    conn.execute(
        "UPDATE outbox SET state = ?, faults = 0, not_before = 0, settled_at = NULL, "
        "expires_at = CASE WHEN expires_at > ? THEN expires_at END WHERE seq = ?",
        ("pending" if first else "held", now, seq),
    )
    return True


def discard(conn: sqlite3.Connection, seq: int, *, now: float, reason: str) -> bool:
    """Give a dead row up: its payload is dropped and its stream goes on; False when it is not dead."""
    row = conn.execute("SELECT stream FROM outbox WHERE seq = ? AND state = 'dead'", (seq,)).fetchone()
    if row is None:
        return False
    _end(conn, seq, row["stream"], "discarded", now=now, error=reason)
    return True


def withdraw(conn: sqlite3.Connection, request: str, *, now: float) -> bool:
    """Take back the request's rows if none can have reached the portal; False when one may have.

    A row that was refused at its first try, and perhaps given up since, never arrived; one that was tried before, or
    died of its own faults (no answer, again and again), may have.
    """
    tried = conn.execute(
        "SELECT 1 FROM outbox WHERE request = ? AND attempts > 0 AND "
        "(state NOT IN ('dead', 'discarded') OR faults > 0 OR attempts > 1)",
        (request,),
    ).fetchone()
    if tried is not None:
        return False
    conn.execute(
        "UPDATE outbox SET state = 'withdrawn', payload = NULL, settled_at = ? "
        f"WHERE request = ? AND state IN {_UNSETTLED}",
        (now, request),
    )
    return True


def _end(conn: sqlite3.Connection, seq: int, stream: str | None, state: str, *, now: float, error: str = "") -> None:
    conn.execute(_END, (state, now, error, seq))
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
