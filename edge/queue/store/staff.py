"""The inbox of the office's staff: what villagers wrote that a person must read, and what nobody has read yet.

All methods take the connection of the caller's transaction and wall time as `now`. Numbers and texts are opened here,
for the caller to mask or leave out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from edge.queue.store import audit
from edge.queue.store.messages import context
from edge.queue.store.seal import Seal, SealBroken

COUNTED_MOST = 1_000
"""Unread messages are counted up to this many, so that a page never reads a long table."""
_LOOK = (
    "SELECT s.id, s.kind, s.ticket, s.created_at, s.read_at, i.sender, i.text, i.sender_digest "
    "FROM staff_message AS s LEFT JOIN inbound AS i ON i.id = s.inbound"
)


def waiting(conn: sqlite3.Connection) -> int:
    """How many messages nobody has read yet, at most `COUNTED_MOST`."""
    counted = "SELECT count(*) FROM (SELECT 1 FROM staff_message WHERE read_at IS NULL LIMIT ?)"
    return int(conn.execute(counted, (COUNTED_MOST,)).fetchone()[0])


@dataclass(frozen=True, slots=True)
class StaffMessage:
    """A message for people: `kind` is complaint, emergency, to_staff, or set-aside (the program could not handle it).

    `ticket` is what it is about, or the complaint's own number; `sender` and `text` are None where damage took them.
    """

    id: int
    kind: str
    ticket: str
    created_at: float
    read_at: float | None
    sender: str | None
    text: str | None

    def __repr__(self) -> str:
        return f"StaffMessage({self.id}, {self.kind})"


class Inbox:
    """The staff's messages, sealed with `seal`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def unread(self, conn: sqlite3.Connection, *, limit: int) -> list[StaffMessage]:
        """The first `limit` that nobody has read, oldest first."""
        return self._opened_all(conn.execute(f"{_LOOK} WHERE s.read_at IS NULL ORDER BY s.id LIMIT ?", (limit,)))

    def last(self, conn: sqlite3.Connection, *, limit: int) -> list[StaffMessage]:
        """The last `limit`, read or not, oldest first."""
        return self._opened_all(conn.execute(f"{_LOOK} ORDER BY s.id DESC LIMIT ?", (limit,)))[::-1]

    def read(self, conn: sqlite3.Connection, messages: Sequence[int], *, now: float) -> list[int]:
        """Note that a person has read these; those that were unread till now. Upkeep deletes what is long read."""
        rows = conn.execute(
            "UPDATE staff_message SET read_at = ? "
            "WHERE id IN (SELECT value FROM json_each(?)) AND read_at IS NULL RETURNING id",
            (now, json.dumps(messages)),
        ).fetchall()
        done = sorted(row[0] for row in rows)
        for message in done:
            audit.record(conn, "staff-read", str(message), "by hand", now=now)
        return done

    def _opened_all(self, rows: sqlite3.Cursor) -> list[StaffMessage]:
        return [
            StaffMessage(
                *(row[0], row[1], row[2], row[3], row[4]),
                self._opened(row[5], "inbound.sender"),
                self._opened(row[6], context(row[7] or b"")),
            )
            for row in rows
        ]

    def _opened(self, sealed: bytes | None, where: str) -> str | None:
        """None where the row, or what it holds, was lost to damage."""
        if sealed is None:
            return None
        try:
            return self._seal.open(sealed, where)
        except SealBroken:
            return None
