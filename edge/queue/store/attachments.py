"""Attachments in the store: what is known of each scan; its bytes lie in a sealed file of their own.

All functions take the connection of the caller's transaction. Times are Unix seconds.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from edge.queue.store import outbox
from edge.queue.store.seal import Seal


@dataclass(frozen=True, slots=True)
class Attachment:
    """One scan: `received` of `size` bytes are durable here, `sent` of them are at the upstream."""

    id: str
    request: str
    sha256: str
    size: int
    media_type: str
    name: str
    state: str
    received: int
    sent: int
    created_at: float

    def __repr__(self) -> str:
        return f"Attachment({self.id}, {self.state}, {self.received} of {self.size})"


def add(conn: sqlite3.Connection, seal: Seal, new: Attachment) -> None:
    """Begin an arrival; one that failed before, with the same bytes, begins anew."""
    conn.execute(
        "DELETE FROM attachment WHERE request = ? AND sha256 = ? AND state = 'failed'", (new.request, new.sha256)
    )
    conn.execute(
        "INSERT INTO attachment (id, request, sha256, size, media_type, name, state, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, 'arriving', ?)",
        (
            *(new.id, new.request, new.sha256, new.size, new.media_type),
            *(seal.seal(new.name, f"attachment:{new.id}"), new.created_at),
        ),
    )


def get(conn: sqlite3.Connection, seal: Seal, identifier: str) -> Attachment | None:
    """The attachment, or None."""
    row = conn.execute("SELECT * FROM attachment WHERE id = ?", (identifier,)).fetchone()
    return _read(seal, row) if row else None


def of_request(conn: sqlite3.Connection, seal: Seal, request: str) -> list[Attachment]:
    """A request's attachments, the oldest first."""
    rows = conn.execute("SELECT * FROM attachment WHERE request = ? ORDER BY created_at, id", (request,))
    return [_read(seal, row) for row in rows]


def kept_bytes(conn: sqlite3.Connection) -> int:
    """The size of all that lies here or was promised room."""
    (total,) = conn.execute(
        "SELECT coalesce(sum(size), 0) FROM attachment WHERE state IN ('arriving', 'whole')"
    ).fetchone()
    return int(total)


def kept(conn: sqlite3.Connection, seal: Seal) -> list[Attachment]:
    """Every attachment that has, or should have, a file here."""
    rows = conn.execute("SELECT * FROM attachment WHERE state IN ('arriving', 'whole')")
    return [_read(seal, row) for row in rows]


def note(conn: sqlite3.Connection, identifier: str, *, received: int) -> None:
    """So many bytes of an arrival are durable."""
    conn.execute("UPDATE attachment SET received = ? WHERE id = ? AND state = 'arriving'", (received, identifier))


def forget(conn: sqlite3.Connection, identifier: str) -> bool:
    """End an arrival that comes to nothing; False when it is none any more."""
    return conn.execute("DELETE FROM attachment WHERE id = ? AND state = 'arriving'", (identifier,)).rowcount == 1


def make_whole(conn: sqlite3.Connection, seal: Seal, scan: Attachment, *, now: float) -> None:
    """An arrival is whole: it goes upstream, first what it is, behind everything else its bytes."""
    conn.execute("UPDATE attachment SET state = 'whole', received = size WHERE id = ?", (scan.id,))
    facts = {name: getattr(scan, name) for name in ("request", "sha256", "size", "media_type", "name")}
    outbox.put(conn, seal, scan.request, "attachment", json.dumps(facts, ensure_ascii=False), now=now)
    content = json.dumps({"attachment": scan.id})
    outbox.put(conn, seal, scan.request, "blob", content, now=now, stream=stream(scan.id))


def progress(conn: sqlite3.Connection, identifier: str, *, sent: int) -> None:
    """So many bytes are at the upstream."""
    conn.execute("UPDATE attachment SET sent = ? WHERE id = ? AND state = 'whole'", (sent, identifier))


def settle(conn: sqlite3.Connection, identifier: str, state: str, *, now: float) -> bool:
    """End a whole one as sent or failed; False when it was settled before."""
    changed = conn.execute(
        "UPDATE attachment SET state = ?1, sent = CASE ?1 WHEN 'sent' THEN size ELSE sent END, settled_at = ?2 "
        "WHERE id = ?3 AND state = 'whole'",
        (state, now, identifier),
    )
    return changed.rowcount == 1


def fate(conn: sqlite3.Connection, scan: Attachment) -> str | None:
    """How the carrying of a whole one ended: sent or failed; None while its row is open or dead."""
    row = conn.execute(
        "SELECT state FROM outbox WHERE request = ? AND stream = ? ORDER BY seq DESC LIMIT 1",
        (scan.request, stream(scan.id)),
    ).fetchone()
    if row is None:
        return "failed"
    return {"delivered": "sent", "withdrawn": "failed", "expired": "failed", "discarded": "failed"}.get(row[0])


def stream(identifier: str) -> str:
    """The outbox stream of an attachment's bytes."""
    return f"blob:{identifier}"


def _read(seal: Seal, row: sqlite3.Row) -> Attachment:
    return Attachment(
        *(row["id"], row["request"], row["sha256"], row["size"], row["media_type"]),
        seal.open(row["name"], f"attachment:{row['id']}"),
        *(row["state"], row["received"], row["sent"], row["created_at"]),
    )
