"""SMS that go out.

A row: pending -> sending -> sent | failed, back to pending when the network did not take it. A row found in "sending"
after a crash, or whose send ended ambiguously, is uncertain: it is sent once more, since a lost reply is worse than a
twin, and `uncertain` counts it; ambiguous a second time it stays in the state "uncertain". Numbers and texts are
sealed, a text for its number. All methods take the connection of the caller's transaction and wall time as `now`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from edge.queue.store.seal import Seal

Kind = Literal["reply", "notification", "digest"]
PRIORITIES: Mapping[str, int] = {"reply": 0, "notification": 1, "digest": 2}

DAY_S = 86_400.0
HOUR_S = 3_600.0
MOST_ATTEMPTS = 10
RETRY_FIRST_S = 15.0
PENDING_SHOWN = 1000
RETRY_MOST_S = 1_800.0
_MOST_UNCERTAIN = 1
_MOST_REFERENCES = 8
_MOST_ERROR = 200


@dataclass(frozen=True, slots=True)
class Due:
    """A message to send now."""

    id: int
    kind: str
    number: str
    text: str
    attempts: int

    def __repr__(self) -> str:
        return f"Due({self.id}, {self.kind})"


@dataclass(frozen=True, slots=True)
class Sends:
    """How often the SIM was used in the last hour and day."""

    hour: int
    day: int


class Outgoing:
    """Messages to send, sealed with `seal`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def queue(
        self,
        conn: sqlite3.Connection,
        *,
        kind: Kind,
        code: str,
        number: str,
        text: str,
        now: float,
        request: str | None = None,
        inbound: int | None = None,
        stranger: bool = False,
    ) -> int:
        """Write a message to send (`code` is its template's) and return its id."""
        digest = self._seal.phone(number)
        row = conn.execute(
            "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, stranger, request, inbound,"
            " created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(kind, code, PRIORITIES[kind]),
                *(self._seal.seal(number, "outgoing.number"), digest),
                *(self._seal.seal(text, _context(digest)), stranger, request, inbound, now),
            ),
        ).fetchone()
        return int(row[0])

    def due(self, conn: sqlite3.Connection, *, replies_only: bool, now: float) -> int | None:
        """The id of the next message to send: replies before notifications before digests, or None.

        A time to try that lies further ahead than any wait can be means that the clock jumped back: it is due.
        """
        row = conn.execute(
            "SELECT id FROM outgoing WHERE state = 'pending' AND priority <= ? "
            "AND (not_before <= ? OR not_before > ?) ORDER BY priority, id LIMIT 1",
            (PRIORITIES["reply" if replies_only else "digest"], now, now + 2 * RETRY_MOST_S),
        ).fetchone()
        return None if row is None else int(row[0])

    def journal(self, conn: sqlite3.Connection, outgoing: int, *, now: float) -> Due | None:
        """Mark a pending message as being sent and return it; None when it is not pending any more."""
        row = conn.execute(
            "UPDATE outgoing SET state = 'sending', attempts = attempts + 1, sending_at = ? "
            "WHERE id = ? AND state = 'pending' RETURNING kind, number, text, attempts, number_digest",
            (now, outgoing),
        ).fetchone()
        if row is None:
            return None
        number, text = self._seal.open(row[1], "outgoing.number"), self._seal.open(row[2], _context(row[4]))
        return Due(outgoing, row[0], number, text, row[3])

    def pending(self, conn: sqlite3.Connection) -> int:
        """How many wait to be sent, counted up to `PENDING_SHOWN` (by the partial index of what is pending)."""
        found = conn.execute(
            "SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE state = 'pending' LIMIT ?)", (PENDING_SHOWN,)
        ).fetchone()
        return int(found[0])

    def sends(self, conn: sqlite3.Connection, *, now: float) -> Sends:
        """How much of the SIM's budget is used."""
        hour, day = conn.execute(
            "SELECT count(*) FILTER (WHERE sending_at > ?), count(*) FROM outgoing WHERE sending_at BETWEEN ? AND ?",
            (now - HOUR_S, now - DAY_S, now),
        ).fetchone()
        return Sends(hour, day)

    def sent(self, conn: sqlite3.Connection, outgoing: int, references: Collection[int], *, now: float) -> None:
        """The network took it; `references` are the TP-MRs of its parts."""
        conn.execute(
            "UPDATE outgoing SET state = 'sent', settled_at = ?, error = '', tp_mr = ? "
            "WHERE id = ? AND state = 'sending'",
            (now, " ".join(str(reference) for reference in list(references)[:_MOST_REFERENCES]), outgoing),
        )

    def not_sent(self, conn: sqlite3.Connection, outgoing: int, error: str, *, permanent: bool, now: float) -> str:
        """The network did not take it: it waits for another try, or is over. Returns its state."""
        row = conn.execute("SELECT attempts FROM outgoing WHERE id = ? AND state = 'sending'", (outgoing,)).fetchone()
        if row is None:
            return ""
        attempts = int(row[0])
        over = permanent or attempts >= MOST_ATTEMPTS
        wait = min(RETRY_FIRST_S * 2 ** (attempts - 1), RETRY_MOST_S)
        conn.execute(
            "UPDATE outgoing SET state = ?, not_before = ?, error = ?, settled_at = ? WHERE id = ?",
            ("failed" if over else "pending", now + wait, error[:_MOST_ERROR], now if over else None, outgoing),
        )
        return "failed" if over else "pending"

    def doubtful(self, conn: sqlite3.Connection, outgoing: int, error: str, *, now: float) -> str:
        """The network may have taken it: it is sent once more, the second time it is over. Returns its state."""
        row = conn.execute(
            "UPDATE outgoing SET uncertain = uncertain + 1, error = ?,"
            " state = CASE WHEN uncertain < ? THEN 'pending' ELSE 'uncertain' END,"
            " settled_at = CASE WHEN uncertain < ? THEN NULL ELSE ? END "
            "WHERE id = ? AND state = 'sending' RETURNING state",
            (error[:_MOST_ERROR], _MOST_UNCERTAIN, _MOST_UNCERTAIN, now, outgoing),
        ).fetchone()
        return "" if row is None else str(row[0])

    def left_sending(self, conn: sqlite3.Connection) -> list[tuple[int, str]]:
        """At start: id and kind of what was being sent when the process died."""
        rows = conn.execute("SELECT id, kind FROM outgoing WHERE state = 'sending' ORDER BY id").fetchall()
        return [(row[0], row[1]) for row in rows]

    def report(self, conn: sqlite3.Connection, number: str, reference: int, *, delivered: bool) -> bool:
        """A status report for TP-MR `reference`: note it on the newest message it can mean; False if there is none."""
        row = conn.execute(
            "UPDATE outgoing SET delivered = ? WHERE id = (SELECT id FROM outgoing WHERE number_digest = ? "
            "AND delivered IS NULL AND ' ' || tp_mr || ' ' LIKE ? ORDER BY id DESC LIMIT 1) RETURNING id",
            (delivered, self._seal.phone(number), f"% {int(reference)} %"),
        ).fetchone()
        return row is not None


def _context(digest: bytes) -> str:
    return f"outgoing.text:{digest.hex()}"
