"""The outbox as it is looked at: depths without counting a row, and single rows without their payloads.

Of more than a thousand rows that wait for a time, or for a broker, the oldest is taken from the first thousand.

All functions take the connection of the caller's transaction. Times are Unix seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from edge.queue.lane import Lane
from edge.queue.store.outbox import OPEN
from edge.queue.store.seal import Seal, SealBroken

# As literals, since a partial index serves only a question that repeats its condition. A held row is younger than the
# one that holds it, so these hold the oldest open one.
_HEADS = (
    *(f"state = 'pending' AND lane = {int(lane)} ORDER BY seq" for lane in Lane),
    "state IN ('waiting', 'confirming') ORDER BY not_before",
    "state = 'leased' ORDER BY leased_until",
)
_HELD = (
    "stream IS NOT NULL AND state IN ('pending', 'waiting', 'held', 'leased', 'confirming', 'dead') AND state = 'held' "
    "ORDER BY stream, seq"
)
_HEADS_LOOKED = 1_000
_LOOK = (
    "SELECT seq, event, outbox.request, ticket, kind, lane, outbox.state, attempts, faults, not_before, expires_at, "
    "error, outbox.created_at, settled_at, ifnull(length(payload), 0) AS bytes "
    "FROM outbox LEFT JOIN request ON request.id = outbox.request "
)
_LOOKED = 5_000


@dataclass(frozen=True, slots=True)
class Depth:
    """So many rows, and so many bytes of sealed payloads."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the outbox holds: open rows, the oldest's time of writing, dead letters, the earliest next try.

    `failing`: a row waits that was tried in vain, not by its own fault. `depths` are by lane and state.
    """

    waiting: int = 0
    oldest: float | None = None
    dead: int = 0
    next_try: float | None = None
    failing: bool = False
    depths: Mapping[tuple[Lane, str], Depth] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes of the payloads that stand in the database, dead ones included."""
        return sum(depth.bytes for depth in self.depths.values())


@dataclass(frozen=True, slots=True)
class Look:
    """One row as a person looks at it: everything but its payload. `request` and `ticket` are "" where it has none."""

    seq: int
    event: str
    request: str
    ticket: str
    kind: str
    lane: Lane
    state: str
    attempts: int
    faults: int
    not_before: float
    expires_at: float | None
    error: str
    created_at: float
    settled_at: float | None
    bytes: int


def backlog(conn: sqlite3.Connection) -> Backlog:
    """What is there, without counting a row."""
    depth = depths(conn)
    oldest = [
        found
        for heads in _HEADS
        for (found,) in conn.execute(
            f"SELECT min(created_at) FROM (SELECT created_at FROM outbox WHERE {heads} LIMIT ?)",
            (1 if "pending" in heads else _HEADS_LOOKED,),
        )
        if found is not None
    ]
    (next_try,) = conn.execute("SELECT min(not_before) FROM outbox WHERE state IN ('waiting', 'confirming')").fetchone()
    failing = conn.execute(
        "SELECT 1 FROM outbox WHERE state = 'waiting' AND attempts > 0 AND faults = 0 LIMIT 1"
    ).fetchone()
    return Backlog(
        sum(each.rows for (_, state), each in depth.items() if state in OPEN),
        min(oldest, default=None),
        sum(each.rows for (_, state), each in depth.items() if state == "dead"),
        next_try,
        failing is not None,
        depth,
    )


def depths(conn: sqlite3.Connection) -> dict[tuple[Lane, str], Depth]:
    """Rows and bytes by lane and state, as the triggers keep them."""
    rows = conn.execute("SELECT lane, state, rows, bytes FROM outbox_depth WHERE rows > 0")
    return {(Lane(row["lane"]), row["state"]): Depth(row["rows"], row["bytes"]) for row in rows}


def dead(conn: sqlite3.Connection, *, limit: int, lane: Lane | None = None, after: int = 0) -> list[Look]:
    """Dead rows from `after` on, the oldest first; of one lane those among the first 5000."""
    found = conn.execute(
        f"{_LOOK} WHERE seq IN (SELECT seq FROM outbox WHERE state = 'dead' AND seq > ? ORDER BY seq LIMIT ?) "
        "AND (? IS NULL OR lane = ?) ORDER BY seq LIMIT ?",
        (after, limit if lane is None else _LOOKED, lane, lane, limit),
    )
    return [_look(row) for row in found]


def unsettled(conn: sqlite3.Connection, *, limit: int, lane: Lane | None = None) -> list[Look]:
    """Rows that wait in any way, the oldest first; of one lane those among the first 5000 of each way."""
    seqs: list[int] = []
    for rows in (*_HEADS, _HELD):
        found = conn.execute(
            f"SELECT seq FROM (SELECT seq, lane FROM outbox WHERE {rows} LIMIT ?) WHERE ? IS NULL OR lane = ? LIMIT ?",
            (limit if lane is None else _LOOKED, lane, lane, limit),
        )
        seqs += [seq for (seq,) in found]
    looks = (one(conn, seq) for seq in sorted(seqs)[:limit])
    return [look for look in looks if look is not None]


def latest(conn: sqlite3.Connection, *, limit: int, lane: Lane | None = None) -> list[Look]:
    """The last rows in whatever state, the newest last; of one lane only what is among the last 5000."""
    found = conn.execute(
        f"{_LOOK} WHERE seq > (SELECT ifnull(max(seq), 0) FROM outbox) - ? AND (? IS NULL OR lane = ?) "
        "ORDER BY seq DESC LIMIT ?",
        (_LOOKED, lane, lane, limit),
    ).fetchall()
    return [_look(row) for row in reversed(found)]


def one(conn: sqlite3.Connection, seq: int) -> Look | None:
    """One row, or None."""
    row = conn.execute(f"{_LOOK} WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else _look(row)


def behind(conn: sqlite3.Connection, seq: int) -> int:
    """How many rows of the same stream are held by this one; looked at up to a thousand."""
    (count,) = conn.execute(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE stream = (SELECT stream FROM outbox WHERE seq = ?1) "
        "AND seq > ?1 AND state IN ('pending', 'waiting', 'held', 'leased', 'confirming', 'dead') LIMIT 1000)",
        (seq,),
    ).fetchone()
    return int(count)


def content(conn: sqlite3.Connection, seal: Seal, seq: int) -> str | None:
    """The payload of a row (JSON, personal data), None where it is gone or does not open."""
    row = conn.execute("SELECT event, payload FROM outbox WHERE seq = ?", (seq,)).fetchone()
    if row is None or row["payload"] is None:
        return None
    try:
        return seal.open(row["payload"], f"outbox:{row['event']}")
    except SealBroken:
        return None


def has(conn: sqlite3.Connection, request: str, kind: str) -> bool:
    """Whether a request ever had a row of this kind."""
    found = conn.execute("SELECT 1 FROM outbox WHERE request = ? AND kind = ? LIMIT 1", (request, kind))
    return found.fetchone() is not None


def arrived(conn: sqlite3.Connection, request: str) -> bool | None:
    """Whether the upstream has a request, by its row: True; False while it is on its way; None: nobody here can say."""
    row = conn.execute(
        "SELECT state FROM outbox WHERE request = ? AND kind = 'request' ORDER BY seq LIMIT 1", (request,)
    ).fetchone()
    if row is None or row["state"] not in ("delivered", *OPEN):
        return None
    return bool(row["state"] == "delivered")


def dead_requests(conn: sqlite3.Connection, requests: Iterable[str]) -> Iterator[str]:
    """Of these requests (ids) those of which a row is dead: a person must decide before anything of them goes on."""
    for request in requests:
        found = conn.execute(
            "SELECT 1 FROM outbox WHERE request = ? AND request IS NOT NULL AND state = 'dead' LIMIT 1", (request,)
        )
        if found.fetchone() is not None:
            yield request


def _look(row: sqlite3.Row) -> Look:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a sqlite3.Row iterates over its values
    return Look(**values | {"lane": Lane(row["lane"]), "request": row["request"] or "", "ticket": row["ticket"] or ""})
