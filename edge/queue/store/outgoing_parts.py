"""The parts of SMS that go out: what the network was given of each message, and what it and its reports said.

A part: waiting -> given (from here the network may have it) -> taken. `tp_mr` is the reference in the PDU; `told` the
one that the modem named, which a report then carries. A report may come before that name is known, or instead of it:
then it is kept as a hint on the part under way, until the modem's word or its silence says whether the two belong
together. All methods take the connection of the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edge.queue.store.windows import Recent, Windows

REPORTS_S = 4 * 86_400.0
"""How long after its sending a report may come: the validity of a message and a day."""

_REPORTED = """
SELECT message, sequence, rank FROM (
    SELECT part.message, part.sequence, part.given_at,
        CASE WHEN part.told = :mr THEN 0 ELSE (CASE part.state WHEN 'taken' THEN 1 ELSE 3 END) + (part.tp_mr <> :mr) END
            AS rank
    FROM outgoing JOIN outgoing_part AS part ON part.message = outgoing.id
    WHERE outgoing.number_digest = :digest AND outgoing.sending_at > :since
    AND part.modem IN ('', :modem) AND part.state <> 'waiting'
    AND (part.told = :mr OR (part.told IS NULL AND (part.state = 'taken' OR (
        outgoing.state <> 'sending' AND NOT EXISTS (
            SELECT 1 FROM outgoing AS other INDEXED BY outgoing_sending
            JOIN outgoing_part AS under_way ON under_way.message = other.id
            WHERE other.state = 'sending' AND other.number_digest = :digest
            AND under_way.state = 'given' AND under_way.modem IN ('', :modem)
        )
    ))))
) ORDER BY rank, CASE WHEN rank IN (2, 4) THEN given_at ELSE -given_at END LIMIT 1
"""
_UNNAMED = 2  # the rank of what the network has under a name that nobody knows
_HINTED = """
UPDATE outgoing_part SET hint = :mr, hint_delivered = coalesce(:delivered, CASE WHEN hint = :mr THEN hint_delivered END)
WHERE state = 'given' AND modem IN ('', :modem) AND (hint IS NULL OR hint <> tp_mr) AND message IN (
    SELECT id FROM outgoing INDEXED BY outgoing_sending WHERE state = 'sending' AND number_digest = :digest
)
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a message's parts: how many there are, which are with the network, which may be (with TP-MR)."""

    total: int
    taken: frozenset[int]
    given: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Sends:
    """How many parts a SIM sent in the last hour and day."""

    hour: int
    day: int


@dataclass(frozen=True, slots=True)
class Hint:
    """A report of `modem` that came while a part was under way, and was not about that part."""

    modem: str
    reference: int
    delivered: bool | None


class Parts:
    """The rows of `outgoing_part`."""

    def known(self, conn: sqlite3.Connection, message: int) -> Known:
        """What earlier tries left."""
        rows = conn.execute("SELECT sequence, state, tp_mr FROM outgoing_part WHERE message = ?", (message,)).fetchall()
        taken = frozenset(row[0] for row in rows if row[1] == "taken")
        return Known(len(rows), taken, {row[0]: row[2] for row in rows if row[1] == "given"})

    def sends(self, conn: sqlite3.Connection, modem: str, recent: Recent) -> Sends:
        """How many parts `modem` gave to the network in the last hour and day."""
        return Sends(self._given(conn, modem, recent.hour), self._given(conn, modem, recent.day))

    def _given(self, conn: sqlite3.Connection, modem: str, windows: Windows) -> int:
        counts = [
            conn.execute(
                "SELECT count(*) FROM outgoing_part WHERE modem IN ('', ?) AND given_at > ? AND given_at <= ?",
                (modem, *window),
            ).fetchone()[0]
            for window in windows
        ]
        return sum(counts)

    def plan(
        self, conn: sqlite3.Connection, message: int, modem: str, parts: Collection[tuple[int, int]], *, now: float
    ) -> None:
        """Write down what is sent now, the first part as given; a part that is not in `parts` must be taken."""
        if not self._kept(conn, message, parts):
            conn.execute("DELETE FROM outgoing_part WHERE message = ?", (message,))
        first = min((sequence for sequence, _ in parts), default=0)
        for sequence, reference in parts:
            conn.execute(
                "INSERT INTO outgoing_part (message, sequence, tp_mr, state, modem, given_at) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (message, sequence) DO UPDATE "
                "SET tp_mr = excluded.tp_mr, modem = excluded.modem,"
                " state = CASE WHEN state = 'given' THEN state ELSE excluded.state END,"
                " given_at = coalesce(excluded.given_at, given_at)",
                (
                    *(message, sequence, reference, "given" if sequence == first else "waiting", modem),
                    now if sequence == first else None,
                ),
            )

    def _kept(self, conn: sqlite3.Connection, message: int, parts: Collection[tuple[int, int]]) -> bool:
        """Whether the parts written down before are of the same division of the text."""
        before = self.known(conn, message)
        planned = {sequence for sequence, _ in parts}
        return planned | before.taken == set(range(1, before.total + 1)) and not planned & before.taken

    def give(self, conn: sqlite3.Connection, message: int, sequence: int, *, now: float) -> None:
        """The part is about to leave."""
        conn.execute(
            "UPDATE outgoing_part SET state = 'given', given_at = ? WHERE message = ? AND sequence = ?",
            (now, message, sequence),
        )

    def take(
        self, conn: sqlite3.Connection, message: int, sequence: int, reference: int | None, *, now: float
    ) -> Hint | None:
        """The network took the part; `reference` is what the modem called it.

        Returns the report that came meanwhile if it was not surely about this part.
        """
        hinted = conn.execute(
            "SELECT modem, hint, hint_delivered FROM outgoing_part "
            "WHERE message = ? AND sequence = ? AND hint IS NOT NULL AND hint <> coalesce(?, tp_mr)",
            (message, sequence, reference),
        ).fetchone()
        conn.execute(
            "UPDATE outgoing_part SET state = 'taken', taken_at = ?1, hint = NULL, hint_delivered = NULL,"
            " told = coalesce(?2, CASE WHEN hint = tp_mr THEN hint END),"
            " delivered = CASE WHEN hint = coalesce(?2, tp_mr) THEN hint_delivered ELSE delivered END "
            "WHERE message = ?3 AND sequence = ?4",
            (now, reference, message, sequence),
        )
        self.sum_up(conn, message)
        return None if hinted is None else Hint(hinted[0], hinted[1], _truth(hinted[2]))

    def take_hinted(self, conn: sqlite3.Connection, message: int, *, now: float) -> None:
        """The modem fell silent about the part under way: the report that came meanwhile was about it.

        Where another part to the same number is in doubt, nobody knows of which of the two it spoke.
        """
        conn.execute(
            "UPDATE outgoing_part SET state = 'taken', taken_at = ?1, told = hint, delivered = hint_delivered,"
            " hint = NULL, hint_delivered = NULL WHERE message = ?2 AND state = 'given' AND hint IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM outgoing AS this JOIN outgoing AS other USING (number_digest)"
            " JOIN outgoing_part AS doubtful ON doubtful.message = other.id WHERE this.id = ?2 AND other.id <> ?2"
            " AND other.state <> 'sending' AND other.sending_at > ?3"
            " AND doubtful.state = 'given' AND doubtful.told IS NULL"
            " AND doubtful.modem IN ('', outgoing_part.modem))",
            (now, message, now - REPORTS_S),
        )
        conn.execute("UPDATE outgoing_part SET hint = NULL, hint_delivered = NULL WHERE message = ?", (message,))
        self.sum_up(conn, message)

    def all_taken(self, conn: sqlite3.Connection, message: int, *, now: float) -> None:
        """The network has every part."""
        conn.execute(
            "UPDATE outgoing_part SET state = 'taken', taken_at = ? WHERE message = ? AND state <> 'taken'",
            (now, message),
        )

    def not_given(self, conn: sqlite3.Connection, message: int, twins: Collection[int]) -> Hint | None:
        """The network refused what it was given last; only `twins` may be there from an earlier try.

        Returns the report that came meanwhile: it was about another part.
        """
        hinted = conn.execute(
            "SELECT modem, hint, hint_delivered FROM outgoing_part WHERE message = ? AND hint IS NOT NULL", (message,)
        ).fetchone()
        conn.execute("UPDATE outgoing_part SET hint = NULL, hint_delivered = NULL WHERE message = ?", (message,))
        for sequence in self.known(conn, message).given.keys() - set(twins):
            conn.execute(
                "UPDATE outgoing_part SET state = 'waiting' WHERE message = ? AND sequence = ?", (message, sequence)
            )
        return None if hinted is None else Hint(hinted[0], hinted[1], _truth(hinted[2]))

    def states(self, conn: sqlite3.Connection, message: int) -> set[str]:
        """The states that parts of the message are in."""
        rows = conn.execute("SELECT DISTINCT state FROM outgoing_part WHERE message = ?", (message,)).fetchall()
        return {row[0] for row in rows}

    def report(
        self,
        conn: sqlite3.Connection,
        modem: str,
        digest: bytes,
        reference: int,
        delivered: bool | None,
        *,
        now: float,
    ) -> int | None:
        """Note a report on the part to this number that it is about, and return the message.

        That is the newest whose reference the modem told so, else one that was given under it. A modem that counts by
        itself and whose answer was lost never told: a report that fits no part is then about one whose name nobody
        knows. Of those the ones that the network surely has come first, else what never left would pass for sent; what
        is said of their delivery is not believed. Only then it is about the oldest in doubt, and not while another part
        is under way, of which it may speak as well: it is then kept as that one's hint.
        """
        # No end: what was sent before the power cut lies ahead of a clock that began anew in 1970.
        given = {"mr": reference, "digest": digest, "modem": modem, "since": now - REPORTS_S}
        row = conn.execute(_REPORTED, given).fetchone()
        if row is None:
            conn.execute(_HINTED, given | {"delivered": delivered})
            return None
        conn.execute(
            "UPDATE outgoing_part SET state = 'taken', told = coalesce(told, ?), taken_at = coalesce(taken_at, ?),"
            " delivered = coalesce(?, delivered) WHERE message = ? AND sequence = ?",
            (reference, now, None if row[2] == _UNNAMED else delivered, row[0], row[1]),
        )
        return int(row[0])

    def sum_up(self, conn: sqlite3.Connection, message: int) -> None:
        """A message is delivered when all of its parts are, and lost when one is."""
        conn.execute(
            "UPDATE outgoing SET delivered = (SELECT CASE WHEN min(coalesce(delivered, 1)) = 0 THEN 0"
            " WHEN count(*) = count(delivered) THEN 1 END FROM outgoing_part WHERE message = outgoing.id) WHERE id = ?",
            (message,),
        )


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)
