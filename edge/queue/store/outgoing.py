"""SMS that go out.

A row: pending -> sending -> sent | failed | uncertain, back to pending when the network did not take it. A row whose
send ended ambiguously, or was found in "sending" after a crash, is uncertain: a status report may still settle it,
until `settle_at`; then it is sent once more or stays as it is, and `uncertain` counts it. What waits too long expires;
a person may discard it. What is known of each part stands in `parts`. Numbers and texts are sealed, a text for its
number. All methods take the connection of the caller's transaction and wall time as `now`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from edge.queue.store.outgoing_parts import Hint, Known, Parts, Sends
from edge.queue.store.seal import Seal
from edge.queue.store.windows import DAY_S, HOUR_S, MOST_WINDOWS, Recent, padded

__all__ = ["DAY_S", "HOUR_S", "PRIORITIES", "Due", "Kind", "Outgoing", "Scope", "Sends"]

Kind = Literal["reply", "notification", "digest"]
PRIORITIES: Mapping[str, int] = {"reply": 0, "notification": 1, "digest": 2}

MOST_ATTEMPTS = 60
MOST_UNCERTAIN = 2
PENDING_SHOWN = 1000
FAR_S = 2 * HOUR_S
CLAIM_S = 180.0
_MOST_ERROR = 200
_MOST_AT_ONCE = 200
_DUE = """
SELECT id, kind, number, text, attempts, number_digest FROM outgoing INDEXED BY outgoing_pending
WHERE state = 'pending' AND priority <= :most AND wish IN ('', :modem) AND modem IN ('', :modem)
AND start_at <= :now AND (not_before <= :now OR not_before > :far) AND coalesce(expires_at, :now + 1) > :over
AND (SELECT count(*) FROM (
    SELECT 1 FROM outgoing AS other WHERE other.number_digest = outgoing.number_digest
    AND other.id <> outgoing.id AND other.sending_at > :after AND other.sending_at <= :until
    AND (other.sending_at > :after0 AND other.sending_at <= :until0
    OR other.sending_at > :after1 AND other.sending_at <= :until1
    OR other.sending_at > :after2 AND other.sending_at <= :until2) LIMIT :limit
)) < :limit
"""
_URGENT = f"{_DUE} ORDER BY priority, id LIMIT :rows"
_OLDEST = f"{_DUE} ORDER BY id LIMIT :rows"
_FRESHEST = f"{_DUE} ORDER BY sending_at IS NOT NULL, sending_at, priority, id LIMIT :rows"


@dataclass(frozen=True, slots=True)
class Due:
    """A message that may be sent now, with what is known of its parts."""

    id: int
    kind: str
    number: str
    text: str
    attempts: int
    known: Known

    def __repr__(self) -> str:
        return f"Due({self.id}, {self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which messages may leave now: by this modem, replies only or all, the oldest before the most urgent or not.

    `freshest` begins with those never tried, then those not tried for longest: what finds out whether a refused SIM is
    taken again must not be the same bad number every time. `per_recipient` is how many messages a number may be sent
    within a day; `dated` whether times of expiry count. `recent` is what the last day is, None where the
    clock was always right.
    """

    modem: str
    replies_only: bool = False
    oldest: bool = False
    freshest: bool = False
    per_recipient: int = 10_000
    dated: bool = True
    recent: Recent | None = None


class Outgoing:
    """Messages to send, sealed with `seal`; `claims` are those that a modem of this process has chosen, and when.

    A claim keeps two modems from choosing the same; of a modem that was lost since, it lapses after `CLAIM_S`.
    """

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self.parts = Parts()
        self.claims: dict[str, tuple[int, float]] = {}

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
        wish: str = "",
        start_at: float = 0.0,
        expires_at: float | None = None,
    ) -> int:
        """Write a message to send and return its id.

        `code` is its template's; it goes by the modem `wish` ("" any), from `start_at`. Without `expires_at` the time
        of its kind is set once the clock can be trusted (`expire`).
        """
        digest = self._seal.phone(number)
        row = conn.execute(
            "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, stranger, request, inbound,"
            " created_at, wish, start_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(kind, code, PRIORITIES[kind]),
                *(self._seal.seal(number, "outgoing.number"), digest),
                *(self._seal.seal(text, _context(digest)), stranger, request, inbound, now),
                *(wish, start_at, expires_at),
            ),
        ).fetchone()
        return int(row[0])

    def due(self, conn: sqlite3.Connection, scope: Scope, *, now: float) -> Due | None:
        """The next message to send: replies before notifications before digests, or the oldest of all; or None.

        A time to try again that lies further ahead than any wait can be means that the clock jumped back: it is due.
        """
        others = {row for modem, (row, at) in self.claims.items() if modem != scope.modem and abs(now - at) < CLAIM_S}
        rows = conn.execute(
            _FRESHEST if scope.freshest else _OLDEST if scope.oldest else _URGENT,
            {
                "most": PRIORITIES["reply" if scope.replies_only else "digest"],
                "modem": scope.modem,
                "now": now,
                "far": now + FAR_S,
                "over": now if scope.dated else 0.0,
                "limit": scope.per_recipient,
                "rows": 1 + len(others),
                **_bounds(scope.recent or Recent.at(now)),
            },
        )
        row = next((row for row in rows.fetchall() if row[0] not in others), None)
        if row is None:
            self.claims.pop(scope.modem, None)
            return None
        self.claims[scope.modem] = row[0], now
        number, text = self._seal.open(row[2], "outgoing.number"), self._seal.open(row[3], _context(row[5]))
        return Due(row[0], row[1], number, text, row[4], self.parts.known(conn, row[0]))

    def next_at(self, conn: sqlite3.Connection, modem: str, *, now: float) -> tuple[bool, float | None]:
        """Whether anything of this modem waits at all, and the next known moment at which something may be due."""
        waiting, start = conn.execute(
            "SELECT count(*), min(at) FILTER (WHERE at > ?) FROM (SELECT max(start_at, not_before) AS at FROM outgoing "
            "WHERE state = 'pending' AND wish IN ('', ?) AND modem IN ('', ?) LIMIT ?)",
            (now, modem, modem, PENDING_SHOWN),
        ).fetchone()
        unsettled, settle = conn.execute(
            "SELECT count(*), min(settle_at) FROM outgoing "
            "WHERE state = 'uncertain' AND settle_at IS NOT NULL AND modem IN ('', ?)",
            (modem,),
        ).fetchone()
        times = [time for time in (start, settle) if time is not None]
        return bool(waiting or unsettled), min(times) if times else None

    def pending(self, conn: sqlite3.Connection) -> int:
        """How many wait to be sent, counted up to `PENDING_SHOWN` (by the partial index of what is pending)."""
        found = conn.execute(
            "SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE state = 'pending' LIMIT ?)", (PENDING_SHOWN,)
        ).fetchone()
        return int(found[0])

    def sends(self, conn: sqlite3.Connection, modem: str, *, now: float, recent: Recent | None = None) -> Sends:
        """How much of the SIM's budget is used."""
        return self.parts.sends(conn, modem, recent or Recent.at(now))

    def start(
        self,
        conn: sqlite3.Connection,
        outgoing: int,
        modem: str,
        parts: Collection[tuple[int, int]],
        *,
        now: float,
    ) -> bool:
        """Mark a pending message as being sent by `modem`, its first part as given; False when it is not pending.

        `parts` are sequence and TP-MR of what is sent now, in order. Where the disk failed at the commit and had taken
        it all the same, it is written down once more: a modem sends one message at a time.
        """
        done = conn.execute(
            "UPDATE outgoing SET state = 'sending', attempts = attempts + (state = 'pending'), sending_at = ?1,"
            " modem = ?2, fault = '' WHERE id = ?3 AND (state = 'pending' OR (state = 'sending' AND modem = ?2))",
            (now, modem, outgoing),
        )
        if done.rowcount != 1:
            return False
        self.parts.plan(conn, outgoing, modem, parts, now=now)
        return True

    def sent(self, conn: sqlite3.Connection, outgoing: int, *, now: float) -> bool:
        """The network took all of it."""
        done = conn.execute(
            "UPDATE outgoing SET state = 'sent', settled_at = ?, error = '', fault = '' "
            "WHERE id = ? AND state = 'sending'",
            (now, outgoing),
        )
        if done.rowcount == 1:
            self.parts.all_taken(conn, outgoing, now=now)
        return done.rowcount == 1

    def not_sent(
        self,
        conn: sqlite3.Connection,
        outgoing: int,
        error: str,
        *,
        fault: str,
        twins: Collection[int] = (),
        wait_s: float | None,
        counted: bool = True,
        now: float,
    ) -> str:
        """The network did not take it: it waits `wait_s` for another try, or is over (None). Returns its state.

        `twins` are the parts that may be with the network from an earlier try; `counted` is whether this try counts.
        """
        row = conn.execute("SELECT attempts FROM outgoing WHERE id = ? AND state = 'sending'", (outgoing,)).fetchone()
        if row is None:
            return ""
        over = wait_s is None or (counted and row[0] >= MOST_ATTEMPTS)
        hint = self.parts.not_given(conn, outgoing, twins)
        conn.execute(
            "UPDATE outgoing SET state = ?, not_before = ?, error = ?, fault = ?, settled_at = ?,"
            " attempts = attempts - ?, modem = CASE WHEN ? THEN modem ELSE '' END WHERE id = ?",
            (
                *("failed" if over else "pending", now + (wait_s or 0.0), error[:_MOST_ERROR], fault),
                *(now if over else None, 0 if counted else 1),
                *(over or bool(self.parts.states(conn, outgoing) - {"waiting"}), outgoing),
            ),
        )
        if hint is not None:
            self._look_again(conn, outgoing, hint, now=now)
        return "failed" if over else "pending"

    def doubtful(self, conn: sqlite3.Connection, outgoing: int, error: str, *, settle_at: float, now: float) -> bool:
        """The network may have taken the part given; a report may settle it until `settle_at`, or did so before."""
        done = conn.execute(
            "UPDATE outgoing SET state = 'uncertain', uncertain = uncertain + 1, error = ?, settle_at = ? "
            "WHERE id = ? AND state = 'sending'",
            (error[:_MOST_ERROR], settle_at, outgoing),
        )
        if done.rowcount == 1:
            self.parts.take_hinted(conn, outgoing, now=now)
            self._settled(conn, outgoing, now=now)
        return done.rowcount == 1

    def left_sending(self, conn: sqlite3.Connection, modem: str, *, now: float) -> list[tuple[int, str]]:
        """At start: id and kind of what `modem` was sending when the process died; or, for a day, any other modem."""
        rows = conn.execute(
            "SELECT id, kind FROM outgoing "
            "WHERE state = 'sending' AND (modem IN ('', ?) OR sending_at < ?) ORDER BY id",
            (modem, now - DAY_S),
        ).fetchall()
        return [(row[0], row[1]) for row in rows]

    def settle(self, conn: sqlite3.Connection, modem: str, again: Collection[str], *, now: float) -> int:
        """Uncertain messages that no report settled in time: those of the kinds `again` are sent once more.

        Returns how many; the rest stay as they are.
        """
        rows = conn.execute(
            "SELECT id, kind, uncertain FROM outgoing WHERE state = 'uncertain' AND modem IN ('', ?) "
            "AND settle_at IS NOT NULL AND (settle_at <= ? OR settle_at > ?) ORDER BY id LIMIT ?",
            (modem, now, now + FAR_S, _MOST_AT_ONCE),
        ).fetchall()
        repeated = [row[0] for row in rows if row[1] in again and row[2] < MOST_UNCERTAIN]
        for row in rows:
            conn.execute(
                "UPDATE outgoing SET state = ?, settle_at = NULL, settled_at = ?, not_before = 0 WHERE id = ?",
                ("pending" if row[0] in repeated else "uncertain", None if row[0] in repeated else now, row[0]),
            )
        return len(repeated)

    def expire(self, conn: sqlite3.Connection, lives_s: Mapping[str, float], *, now: float) -> list[str]:
        """Give what waits without an end its kind's time, and end what is over; the kinds of those."""
        for kind, life_s in lives_s.items():
            conn.execute(
                "UPDATE outgoing SET expires_at = max(start_at, ?) + ? "
                "WHERE state = 'pending' AND expires_at IS NULL AND kind = ?",
                (now, life_s, kind),
            )
        rows = conn.execute(
            "UPDATE outgoing SET state = 'expired', settled_at = ? WHERE id IN "
            "(SELECT id FROM outgoing WHERE state = 'pending' AND expires_at <= ? LIMIT ?) RETURNING kind",
            (now, now, _MOST_AT_ONCE),
        ).fetchall()
        return [row[0] for row in rows]

    def report(
        self, conn: sqlite3.Connection, modem: str, number: str, reference: int, delivered: bool | None, *, now: float
    ) -> str:
        """Note a status report on the part it is about; the state that the message comes to by it, "" if none.

        A report on an uncertain message settles it: if all is with the network it is sent, else the rest is sent now.
        """
        message = self.parts.report(conn, modem, self._seal.phone(number), reference, delivered, now=now)
        if message is None:
            return ""
        self.parts.sum_up(conn, message)
        return self._settled(conn, message, now=now)

    def take(self, conn: sqlite3.Connection, message: int, sequence: int, reference: int | None, *, now: float) -> None:
        """The network took a part; `reference` is what the modem called it. A report that came meanwhile and was not
        about it is looked at again."""
        hint = self.parts.take(conn, message, sequence, reference, now=now)
        if hint is not None:
            self._look_again(conn, message, hint, now=now)

    def _look_again(self, conn: sqlite3.Connection, message: int, hint: Hint, *, now: float) -> None:
        """Note the report that came while `message` was under way, now that it is known not to be about that part."""
        (digest,) = conn.execute("SELECT number_digest FROM outgoing WHERE id = ?", (message,)).fetchone()
        about = self.parts.report(conn, hint.modem, digest, hint.reference, hint.delivered, now=now)
        if about is not None:
            self.parts.sum_up(conn, about)
            self._settled(conn, about, now=now)

    def _settled(self, conn: sqlite3.Connection, message: int, *, now: float) -> str:
        """The state that a message in doubt comes to once a part of it is known to be taken, "" if none."""
        states = self.parts.states(conn, message)
        new = "uncertain" if "given" in states else "pending" if "waiting" in states else "sent"
        done = conn.execute(
            "UPDATE outgoing SET state = ?, settled_at = CASE WHEN ? = 'sent' THEN ? END, settle_at = NULL "
            "WHERE id = ? AND ((state = 'uncertain' AND ? <> 'uncertain')"
            " OR (? = 'sent' AND state IN ('pending', 'failed', 'expired')))",
            (new, new, now, message, new, new),
        )
        return new if done.rowcount == 1 else ""


def _bounds(recent: Recent) -> dict[str, float]:
    names = [f"{name}{place}" for place in ("", *range(MOST_WINDOWS)) for name in ("after", "until")]
    return dict(zip(names, padded(recent.day), strict=True))


def _context(digest: bytes) -> str:
    return f"outgoing.text:{digest.hex()}"
