"""The SMS as a person at the box looks at them, and what that person may change: send again, give up.

No text is opened here; numbers are, for the caller to mask. All methods take the connection of the caller's transaction
and wall time as `now`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.queue.store import audit
from edge.queue.store.outgoing import PRIORITIES
from edge.queue.store.outgoing_parts import Parts
from edge.queue.store.seal import Seal
from edge.queue.store.windows import Recent

RESENDABLE = ("failed", "expired", "uncertain")
DISCARDABLE = ("pending", *RESENDABLE)
COUNTED_MOST = 1_000
"""Messages of one state are counted up to this many, so that a scrape never reads a long table."""
_LAST_LOOKED = 500
# Each state is written out: a partial index is not used for a state that is bound (https://sqlite.org/partialindex.html).
_PENDING = "SELECT coalesce(nullif(modem, ''), wish), kind FROM outgoing WHERE state = 'pending' LIMIT ?"
_UNCERTAIN = "SELECT modem, kind FROM outgoing WHERE state = 'uncertain' LIMIT ?"
_FAILED = "SELECT modem, kind FROM outgoing WHERE state = 'failed' LIMIT ?"


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message to send or sent; times are Unix seconds. `modem` is the one that had it last, "" none yet."""

    id: int
    kind: str
    code: str
    modem: str
    number: str
    state: str
    attempts: int
    uncertain: int
    delivered: bool | None
    error: str
    created_at: float
    not_before: float
    expires_at: float | None
    settle_at: float | None
    sending_at: float | None
    settled_at: float | None

    def __repr__(self) -> str:
        return f"Outbound({self.id}, {self.state})"

    @property
    def over(self) -> bool:
        """Whether nothing more becomes of it by itself."""
        return self.state not in ("pending", "sending") and not (self.state == "uncertain" and self.settle_at)


@dataclass(frozen=True, slots=True)
class OutboundPart:
    """One part: `state` is waiting, given or taken; `reference` is the TP-MR that the modem told, or ours."""

    sequence: int
    state: str
    reference: int
    taken_at: float | None
    delivered: bool | None


@dataclass(frozen=True, slots=True)
class Received:
    """A whole message that came in; `outcome` is the reply's code, or why there was none."""

    id: int
    modem: str
    sender: str
    alphanumeric: bool
    received_at: float
    handled: bool
    outcome: str

    def __repr__(self) -> str:
        return f"Received({self.id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the store knows of one modem: times in Unix seconds, None where nothing was sent or received yet.

    `waiting` counts by kind what is to be sent; `hour` and `day` are its sends of the last hour and day.
    """

    waiting: Mapping[str, int] = field(default_factory=dict)
    uncertain: int = 0
    failed: int = 0
    hour: int = 0
    day: int = 0
    last_sent: float | None = None
    last_received: float | None = None

    @property
    def pending(self) -> int:
        """How many wait to be sent."""
        return sum(self.waiting.values())


class Mail:
    """The messages sealed with `seal`, as a person looks at them."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self._sent = Parts()

    def outgoing(self, conn: sqlite3.Connection, *, states: Sequence[str] = (), limit: int) -> list[Outbound]:
        """The last `limit` messages, of `states` where some are named, oldest first."""
        found = conn.execute(
            "SELECT id FROM outgoing WHERE ? OR state IN (SELECT value FROM json_each(?)) ORDER BY id DESC LIMIT ?",
            (not states, json.dumps(states), limit),
        ).fetchall()
        return self._rows(conn, [row[0] for row in found])

    def one(self, conn: sqlite3.Connection, message: int) -> Outbound | None:
        """The message with this id."""
        return next(iter(self._rows(conn, [message])), None)

    def _rows(self, conn: sqlite3.Connection, ids: list[int]) -> list[Outbound]:
        rows = conn.execute(
            "SELECT id, kind, code, modem, number, state, attempts, uncertain, delivered, error, created_at,"
            " max(start_at, not_before), expires_at, settle_at, sending_at, settled_at "
            "FROM outgoing WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(ids),),
        ).fetchall()
        return [self._outbound(list(row)) for row in rows]

    def _outbound(self, values: list[Any]) -> Outbound:
        values[4], values[8] = self._seal.open(values[4], "outgoing.number"), _truth(values[8])
        return Outbound(*values)

    def parts(self, conn: sqlite3.Connection, message: int) -> list[OutboundPart]:
        """The parts of a message that a modem has begun to send."""
        rows = conn.execute(
            "SELECT sequence, state, coalesce(told, tp_mr), taken_at, delivered FROM outgoing_part "
            "WHERE message = ? ORDER BY sequence",
            (message,),
        ).fetchall()
        return [OutboundPart(row[0], row[1], row[2], row[3], _truth(row[4])) for row in rows]

    def received(self, conn: sqlite3.Connection, *, limit: int) -> list[Received]:
        """The last `limit` messages that came in, oldest first."""
        rows = conn.execute(
            "SELECT id, modem, sender, alphanumeric, received_at, handled_at IS NOT NULL, outcome FROM inbound "
            "ORDER BY id DESC LIMIT ?",
            (limit,),
        ).fetchall()
        return [self._received(list(row)) for row in reversed(rows)]

    def _received(self, values: list[Any]) -> Received:
        values[2] = self._seal.open(values[2], "inbound.sender")
        values[3], values[5] = bool(values[3]), bool(values[5])
        return Received(*values)

    def resend(self, conn: sqlite3.Connection, message: int, *, expires_at: float | None, now: float) -> bool:
        """Let a message that was given up be sent again until `expires_at` (None: its kind's time); False when it was
        not given up.

        What is known of its parts stays, so that none that the network took goes out twice; such a message stays
        with its modem.
        """
        done = conn.execute(
            "UPDATE outgoing SET state = 'pending', attempts = 0, start_at = 0, not_before = 0, expires_at = ?,"
            " settle_at = NULL, settled_at = NULL, fault = '', error = '',"
            " modem = CASE WHEN EXISTS (SELECT 1 FROM outgoing_part AS part WHERE part.message = outgoing.id"
            " AND part.state <> 'waiting') THEN modem ELSE '' END "
            "WHERE id = ? AND state IN (?, ?, ?) RETURNING id",
            (expires_at, message, *RESENDABLE),
        ).fetchone()
        if done:
            audit.record(conn, "sms-resend", str(message), "by hand", now=now)
        return done is not None

    def discard(self, conn: sqlite3.Connection, message: int, *, now: float) -> bool:
        """Give a message up that waits or was given up; False when it is being sent, was sent or is not there."""
        done = conn.execute(
            "UPDATE outgoing SET state = 'discarded', settle_at = NULL, settled_at = ? "
            "WHERE id = ? AND state IN (?, ?, ?, ?) RETURNING id",
            (now, message, *DISCARDABLE),
        ).fetchone()
        if done:
            audit.record(conn, "sms-discard", str(message), "by hand", now=now)
        return done is not None

    def figures(self, conn: sqlite3.Connection, modems: Sequence[str], *, now: float) -> dict[str, Figures]:
        """What is known of each of `modems`; what waits for any modem stands under "", or is a lone modem's own."""
        waiting, uncertain, failed = _counted(conn, _PENDING), _counted(conn, _UNCERTAIN), _counted(conn, _FAILED)
        alone = len(modems) == 1
        found = {} if alone else {"": Figures(waiting=_by_kind(waiting, ""))}
        for name in modems:
            names = ("", name) if alone else (name,)
            sends = self._sent.sends(conn, name, Recent.at(now))
            found[name] = Figures(
                waiting=_by_kind(waiting, *names),
                uncertain=sum(_by_kind(uncertain, *names).values()),
                failed=sum(_by_kind(failed, *names).values()),
                hour=sends.hour,
                day=sends.day,
                last_sent=_last_sent(conn, name),
                last_received=_last_received(conn, name),
            )
        return found


def _counted(conn: sqlite3.Connection, found_by: str) -> dict[tuple[str, str], int]:
    """How many messages `found_by` finds, by kind and modem: the one that has or had them, or that they must go by."""
    rows = conn.execute(found_by, (COUNTED_MOST,)).fetchall()
    return dict(Counter((modem, kind) for modem, kind in rows))


def _by_kind(counts: Mapping[tuple[str, str], int], *modems: str) -> dict[str, int]:
    return {kind: sum(counts.get((modem, kind), 0) for modem in modems) for kind in PRIORITIES}


def _last_sent(conn: sqlite3.Connection, modem: str) -> float | None:
    row = conn.execute(
        "SELECT taken_at FROM outgoing_part WHERE modem = ? AND given_at IS NOT NULL AND state = 'taken' "
        "ORDER BY given_at DESC LIMIT 1",
        (modem,),
    ).fetchone()
    return None if row is None else row[0]


def _last_received(conn: sqlite3.Connection, modem: str) -> float | None:
    """Looked for among the last messages only: no index is kept for this."""
    row = conn.execute(
        "SELECT received_at FROM (SELECT modem, received_at FROM inbound ORDER BY id DESC LIMIT ?) "
        "WHERE modem = ? LIMIT 1",
        (_LAST_LOOKED, modem),
    ).fetchone()
    return None if row is None else row[0]


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)
