"""What the SMS Center knows of a number beside its requests: an unfinished one, and the wish to get no notifications.

Contents are sealed, numbers are found by keyed digests. All methods take the connection of the caller's transaction and
wall time as `now`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from edge.queue.store.seal import Seal
from edge.queue.store.windows import DAY_S, Recent, padded, within

DRAFT_S = DAY_S
_TAKE_EXPIRED = within(
    "DELETE FROM draft WHERE phone_digest IN (SELECT phone_digest FROM draft WHERE created_at < ? AND NOT [created_at] "
    "LIMIT ?) RETURNING content"
)


class Drafts:
    """Unfinished requests, sealed with `seal`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def get(self, conn: sqlite3.Connection, phone: str) -> tuple[dict[str, Any], float] | None:
        """The fields of a number's unfinished request and when it was last added to."""
        row = conn.execute(
            "SELECT content, created_at FROM draft WHERE phone_digest = ?", (self._seal.phone(phone),)
        ).fetchone()
        return None if row is None else (json.loads(self._seal.open(row[0], "draft"))["fields"], row[1])

    def keep(self, conn: sqlite3.Connection, phone: str, fields: Mapping[str, object], *, now: float) -> None:
        """Write a number's unfinished request over the one it had."""
        content = self._seal.seal(json.dumps({"phone": phone, "fields": dict(fields)}), "draft")
        conn.execute("INSERT OR REPLACE INTO draft VALUES (?, ?, ?)", (self._seal.phone(phone), content, now))

    def drop(self, conn: sqlite3.Connection, phone: str) -> None:
        """Forget a number's unfinished request."""
        conn.execute("DELETE FROM draft WHERE phone_digest = ?", (self._seal.phone(phone),))

    def take_expired(
        self, conn: sqlite3.Connection, *, now: float, limit: int, recent: Recent | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """Remove drafts older than a day; their numbers and fields. `recent`: what a day is after the clock was set."""
        rows = conn.execute(_TAKE_EXPIRED, (now - DRAFT_S, *padded((recent or Recent.at(now)).day), limit)).fetchall()
        found = [json.loads(self._seal.open(row[0], "draft")) for row in rows]
        return [(draft["phone"], draft["fields"]) for draft in found]


class Stops:
    """Numbers that want no notifications."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def add(self, conn: sqlite3.Connection, phone: str, *, now: float) -> None:
        """Send this number no more notifications."""
        conn.execute("INSERT OR IGNORE INTO notification_stop VALUES (?, ?)", (self._seal.phone(phone), now))

    def remove(self, conn: sqlite3.Connection, phone: str) -> None:
        """Send this number notifications again."""
        conn.execute("DELETE FROM notification_stop WHERE phone_digest = ?", (self._seal.phone(phone),))

    def holds(self, conn: sqlite3.Connection, phone: str) -> bool:
        """Whether this number wants no notifications."""
        row = conn.execute(
            "SELECT 1 FROM notification_stop WHERE phone_digest = ?", (self._seal.phone(phone),)
        ).fetchone()
        return row is not None
