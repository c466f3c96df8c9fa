"""What became of requests, in the order in which it happened: `seq` grows with every change of any request's state.

All functions take the connection of the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from edge.queue.store.seal import Seal

_MOST = 500
MANY = 200


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a state: by whom, when (Unix seconds). `why` may hold personal data."""

    seq: int
    request: str
    ticket: str
    before: str
    after: str
    actor: str
    at: float
    why: str = ""

    def __repr__(self) -> str:
        return f"Transition({self.seq}: {self.request} {self.after})"


_OF_REQUEST = (
    "SELECT seq, request, ticket, from_state, to_state, actor, at, why FROM transition "
    "JOIN request ON request.id = transition.request WHERE request = ? ORDER BY seq LIMIT ?"
)
_AFTER = (
    "SELECT seq, request, ticket, from_state, to_state, actor, at FROM transition "
    "JOIN request ON request.id = transition.request WHERE seq > ? ORDER BY seq LIMIT ?"
)


def of_request(conn: sqlite3.Connection, seal: Seal, request: str) -> list[Transition]:
    """A request's transitions, the oldest first, at most 500."""
    rows = conn.execute(_OF_REQUEST, (request, _MOST))
    context = f"transition:{request}"
    return [_step(row, seal.open(row["why"], context) if row["why"] else "") for row in rows]


def after(conn: sqlite3.Connection, seq: int, *, limit: int) -> list[Transition]:
    """The transitions after `seq`, of all requests; `why` is left out."""
    rows = conn.execute(_AFTER, (seq, min(limit, _MOST)))
    return [_step(row) for row in rows]


def many(conn: sqlite3.Connection, request: str) -> bool:
    """Whether a request has had more steps than any honest way through the offices has."""
    (count,) = conn.execute(
        "SELECT count(*) FROM (SELECT 1 FROM transition WHERE request = ? LIMIT ?)", (request, MANY)
    ).fetchone()
    return bool(count >= MANY)


def last_actor(conn: sqlite3.Connection, request: str) -> str:
    """Who changed a request's state last, "" when it has no transition."""
    row = conn.execute(
        "SELECT actor FROM transition WHERE request = ? ORDER BY seq DESC LIMIT 1", (request,)
    ).fetchone()
    return "" if row is None else str(row[0])


def span(conn: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last `seq` that are kept; (1, 0) when there is none."""
    (first,) = conn.execute("SELECT min(seq) FROM transition").fetchone()
    (last,) = conn.execute("SELECT max(seq) FROM transition").fetchone()
    return (1, 0) if last is None else (first, last)


def _step(row: sqlite3.Row, why: str = "") -> Transition:
    return Transition(
        *(row["seq"], row["request"], row["ticket"], row["from_state"], row["to_state"], row["actor"], row["at"], why)
    )
