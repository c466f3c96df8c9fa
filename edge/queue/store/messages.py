"""SMS in the store: received parts, whole messages that wait to be handled, and the inbox of the office's staff.

Numbers and texts are sealed and found by keyed digests. All methods take the connection of the caller's transaction
(`Store.write` or `Store.read`) and wall time as `now`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.queue.store.outgoing import DAY_S, Outgoing
from edge.queue.store.seal import Seal
from edge.queue.store.senders import Drafts, Stops
from edge.queue.store.windows import Recent, padded, within

SERIES_S = DAY_S
_SERIES_AT_ONCE = 50
_CAME = within(
    "SELECT count(*) FILTER (WHERE [received_at]), count(*), count(*) FILTER (WHERE outcome = 'RECEIVED') "
    "FROM inbound WHERE sender_digest = ? AND id < ? AND [received_at]"
)
_LATE = within(
    "SELECT series FROM (SELECT series, max(received_at) AS newest FROM inbound_part WHERE inbound IS NULL "
    "GROUP BY series) WHERE newest NOT BETWEEN ? AND ? AND NOT [newest] LIMIT ?"
)
_REPLIED = within("SELECT code FROM outgoing WHERE number_digest = ? AND kind = 'reply' AND [created_at]")
_TO_STRANGERS = within("SELECT count(*) FROM outgoing WHERE stranger = 1 AND [created_at]")
Assemble = Callable[[Iterable[str]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One received part; `pdu` with `modem` is its identity.

    `reference` is None for a message of one part; `wide` says that it has 16 bits instead of 8.
    """

    modem: str
    sender: str
    alphanumeric: bool
    text: str
    timestamp: str
    reference: int | None
    total: int
    sequence: int
    pdu: str
    wide: bool = False

    def __repr__(self) -> str:
        return f"Part({self.sequence} of {self.total} on {self.modem})"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A whole message. `received_at` is Unix seconds, `timestamp` what the service centre wrote."""

    id: int
    sender: str
    alphanumeric: bool
    text: str
    timestamp: str
    received_at: float
    attempts: int

    def __repr__(self) -> str:
        return f"Inbound({self.id})"


@dataclass(frozen=True, slots=True)
class Contacts:
    """What passed between the office and one number before the message with id `before`, in the last hour and day."""

    messages_hour: int
    messages_day: int
    requests_day: int
    codes_day: tuple[str, ...]
    stranger: bool
    to_strangers: int


class Messages:
    """SMS sealed with `seal`; what goes out is in `outgoing`, what is known of numbers in `drafts` and `stops`."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal
        self.outgoing = Outgoing(seal)
        self.drafts = Drafts(seal)
        self.stops = Stops(seal)

    def fingerprint(self, secret: str) -> str:
        """What tells a secret from another one without telling it (`Seal.digest`)."""
        return self._seal.digest(secret, "secret").hex()

    def add_part(self, conn: sqlite3.Connection, part: Part, *, now: float, assemble: Assemble) -> bool:
        """Keep a part, and the whole message once all of its parts are there; False if the part is known already.

        `assemble` joins the texts of a message's parts, in their order.
        """
        digest = self._seal.digest(f"{part.modem}\n{part.pdu.upper()}", "part")
        if conn.execute("SELECT 1 FROM inbound_part WHERE digest = ?", (digest,)).fetchone():
            return False
        reference = f"{part.reference}{'w' if part.wide else ''}"
        series = self._seal.digest(f"{part.modem}\n{part.sender}\n{reference}\n{part.total}", "series")
        whole = part.reference is None or part.total <= 1
        conn.execute(
            "INSERT INTO inbound_part (digest, inbound, series, sequence, total, content, received_at, text_digest) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                digest,
                self._add_inbound(conn, part, assemble([part.text]), now=now) if whole else None,
                *(series, part.sequence, part.total, None if whole else self._pack(part), now),
                None if whole else self._seal.digest(part.text, "part.text"),
            ),
        )
        if not whole:
            self._join(conn, series, assemble, now=now, incomplete=False)
        return True

    def join_incomplete(
        self, conn: sqlite3.Connection, *, now: float, assemble: Assemble, recent: Recent | None = None
    ) -> int:
        """Take long messages whose missing parts have not come in a day as they are; how many there were.

        Parts from a day or more ahead came before the clock jumped back: nobody can wait for that moment again.
        `recent` is what a day is where the clock was set meanwhile.
        Parts that say again what a whole message of the same series said are its late twins: they make no message.
        """
        day = padded((recent or Recent.at(now)).day)
        late = conn.execute(_LATE, (now - SERIES_S, now + SERIES_S, *day, _SERIES_AT_ONCE)).fetchall()
        for (series,) in late:
            if not self._settle_twins(conn, series):
                self._join(conn, series, assemble, now=now, incomplete=True)
        return len(late)

    def _settle_twins(self, conn: sqlite3.Connection, series: bytes) -> bool:
        """Whether all open parts of the series repeat parts of one whole message; then they are counted to it."""
        row = conn.execute(
            "SELECT twin.inbound FROM inbound_part AS late JOIN inbound_part AS twin ON twin.series = late.series "
            "AND twin.sequence = late.sequence AND twin.text_digest = late.text_digest AND twin.inbound IS NOT NULL "
            "WHERE late.series = :series AND late.inbound IS NULL AND twin.received_at > late.received_at - :day "
            "GROUP BY twin.inbound HAVING count(DISTINCT late.digest) = "
            "(SELECT count(*) FROM inbound_part WHERE series = :series AND inbound IS NULL)",
            {"series": series, "day": SERIES_S},
        ).fetchone()
        if row is None:
            return False
        conn.execute(
            "UPDATE inbound_part SET inbound = ?, content = NULL WHERE series = ? AND inbound IS NULL", (row[0], series)
        )
        return True

    def waiting(self, conn: sqlite3.Connection, *, limit: int) -> list[int]:
        """The oldest messages not handled yet."""
        rows = conn.execute("SELECT id FROM inbound WHERE handled_at IS NULL ORDER BY id LIMIT ?", (limit,))
        return [row[0] for row in rows]

    def get(self, conn: sqlite3.Connection, inbound: int) -> Inbound | None:
        """A message that waits, or None when it is handled already."""
        row = conn.execute(
            "SELECT sender, alphanumeric, text, timestamp, received_at, attempts, sender_digest FROM inbound "
            "WHERE id = ? AND handled_at IS NULL",
            (inbound,),
        ).fetchone()
        if row is None:
            return None
        sender, text = self._seal.open(row[0], "inbound.sender"), self._seal.open(row[2], context(row[6]))
        return Inbound(inbound, sender, bool(row[1]), text, row[3], row[4], row[5])

    def handled(self, conn: sqlite3.Connection, inbound: int, outcome: str, *, now: float) -> None:
        """Mark a message as handled; `outcome` is the reply's code, ignore, or why there was no reply."""
        conn.execute("UPDATE inbound SET handled_at = ?, outcome = ? WHERE id = ?", (now, outcome, inbound))

    def failed(self, conn: sqlite3.Connection, inbound: int, *, most: int, now: float) -> bool:
        """Count a try that failed; at the `most`-th the message is set aside for people. True when it was."""
        conn.execute("UPDATE inbound SET attempts = attempts + 1 WHERE id = ?", (inbound,))
        row = conn.execute(
            "SELECT 1 FROM inbound WHERE id = ? AND attempts >= ? AND handled_at IS NULL", (inbound, most)
        ).fetchone()
        if row is None:
            return False
        self.handled(conn, inbound, "set-aside", now=now)
        self.tell_staff(conn, inbound, "set-aside", now=now)
        return True

    def repeated(self, conn: sqlite3.Connection, inbound: Inbound, *, within_s: float) -> bool:
        """Whether the same text came from the same number at most `within_s` seconds before this message."""
        row = conn.execute(
            "SELECT 1 FROM inbound WHERE sender_digest = ? AND text_digest = ? AND id < ? "
            "AND received_at BETWEEN ? AND ?",
            (
                self._seal.phone(inbound.sender),
                self._seal.digest(inbound.text, "text"),
                inbound.id,
                inbound.received_at - within_s,
                inbound.received_at,
            ),
        ).fetchone()
        return row is not None

    def contacts(self, conn: sqlite3.Connection, sender: str, *, before: int, recent: Recent) -> Contacts:
        """What limits need to know of a number."""
        digest = self._seal.phone(sender)
        day, hour = padded(recent.day), padded(recent.hour)
        hourly, daily, filed = conn.execute(_CAME, (*hour, digest, before, *day)).fetchone()
        codes = conn.execute(_REPLIED, (digest, *day)).fetchall()
        known = conn.execute("SELECT 1 FROM inbound WHERE sender_digest = ? AND id < ?", (digest, before)).fetchone()
        (strange,) = conn.execute(_TO_STRANGERS, day).fetchone()
        return Contacts(hourly, daily, filed, tuple(row[0] for row in codes), known is None, strange)

    def tell_staff(self, conn: sqlite3.Connection, inbound: int, kind: str, *, ticket: str = "", now: float) -> None:
        """Put a message into the staff's inbox; `ticket` is what it is about, or the complaint's own number."""
        conn.execute(
            "INSERT INTO staff_message (inbound, kind, ticket, created_at) VALUES (?, ?, ?, ?)",
            (inbound, kind, ticket, now),
        )

    def _pack(self, part: Part) -> bytes:
        content = {
            "modem": part.modem,
            "sender": part.sender,
            "alphanumeric": part.alphanumeric,
            "text": part.text,
            "timestamp": part.timestamp,
        }
        return self._seal.seal(json.dumps(content), "inbound_part")

    def _add_inbound(self, conn: sqlite3.Connection, part: Part, text: str, *, now: float) -> int:
        digest = self._seal.phone(part.sender)
        row = conn.execute(
            "INSERT INTO inbound (modem, sender, sender_digest, alphanumeric, text, text_digest, timestamp,"
            " received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(part.modem, self._seal.seal(part.sender, "inbound.sender"), digest),
                *(part.alphanumeric, self._seal.seal(text, context(digest)), self._seal.digest(text, "text")),
                *(part.timestamp, now),
            ),
        ).fetchone()
        return int(row[0])

    def _join(
        self,
        conn: sqlite3.Connection,
        series: bytes,
        assemble: Assemble,
        *,
        now: float,
        incomplete: bool,
    ) -> None:
        """Make one message of the open parts of a series; of two parts with one number the later one counts."""
        total, there = conn.execute(
            "SELECT max(total), count(DISTINCT sequence) FROM inbound_part WHERE series = ? AND inbound IS NULL",
            (series,),
        ).fetchone()
        if not incomplete and there < total:
            return
        rows = conn.execute(
            "SELECT sequence, content, max(received_at) FROM inbound_part WHERE series = ? AND inbound IS NULL "
            "GROUP BY sequence",
            (series,),
        ).fetchall()
        parts = {row[0]: json.loads(self._seal.open(row[1], "inbound_part")) for row in rows}
        ordered = [parts[sequence] for sequence in sorted(parts)]
        first = Part(**ordered[0], reference=None, total=1, sequence=1, pdu="")
        inbound = self._add_inbound(conn, first, assemble(part["text"] for part in ordered), now=now)
        conn.execute(
            "UPDATE inbound_part SET inbound = ?, content = NULL WHERE series = ? AND inbound IS NULL",
            (inbound, series),
        )


def context(digest: bytes) -> str:
    """What a received text is sealed for: the keyed hash of its sender."""
    return f"inbound.text:{digest.hex()}"
