"""What the reference portal remembers, in SQLite: requests, events, changes with cursors, enrolments, their effects.

Written from the contract alone (``docs/openapi.json``); it shares no code with the box. Every method is one
transaction, so that a portal killed at any point has an effect and its record, or neither. Nothing is flushed to the
disk: it outlives a kill of the process, not a power cut of the portal's machine.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from edge.simulator.portal_words import OPEN_AT_PORTAL, wrong_event

Event = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS village (
    code TEXT PRIMARY KEY, newest INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL DEFAULT 0,
    written INTEGER NOT NULL DEFAULT 0, forgotten INTEGER NOT NULL DEFAULT 0, beats INTEGER NOT NULL DEFAULT 0,
    beat TEXT NOT NULL DEFAULT '{}') STRICT;
CREATE TABLE IF NOT EXISTS installation (
    village TEXT NOT NULL, id TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (village, id)) STRICT;
CREATE TABLE IF NOT EXISTS request (
    id TEXT PRIMARY KEY, village TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'forwarded',
    version INTEGER NOT NULL DEFAULT 1) STRICT;
CREATE INDEX IF NOT EXISTS request_village ON request (village, id);
CREATE TABLE IF NOT EXISTS event (
    source TEXT NOT NULL, id TEXT NOT NULL, village TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (source, id)) STRICT;
CREATE TABLE IF NOT EXISTS effect (name TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS log (
    n INTEGER PRIMARY KEY, village TEXT NOT NULL, subject TEXT NOT NULL, what TEXT NOT NULL,
    seq INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS log_subject ON log (subject);
CREATE TABLE IF NOT EXISTS change (
    village TEXT NOT NULL, n INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (village, n)) STRICT;
"""
_DISORDER = """
SELECT DISTINCT subject FROM (
    SELECT subject, seq, LAG(seq) OVER (PARTITION BY village, subject ORDER BY n) AS before
    FROM log WHERE subject != '' AND what != 'request')
WHERE seq <= before LIMIT 100
"""


@dataclass(frozen=True)
class Filed:
    """A request as the portal holds it. `version` grows with each change."""

    village: str
    content: dict[str, Any]
    state: str
    version: int


class CursorTooOld(Exception):
    """The changes after this cursor are no longer kept."""


class Replaced(Exception):
    """A newer installation has enrolled for this village."""


class Ledger:
    """The portal's memory for its villages, in memory when `path` is None; where none is named the first is meant."""

    def __init__(self, villages: Sequence[str], path: Path | None = None) -> None:
        self.village = villages[0]
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)
        with self.transaction() as db:
            db.executemany("INSERT INTO village (code) VALUES (?) ON CONFLICT DO NOTHING", [(one,) for one in villages])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction on the portal's file."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ---- what tests look at ----------------------------------------------------------------------------------------

    @property
    def requests(self) -> dict[str, Filed]:
        """Every request, by id."""
        return {row["id"]: _filed(row) for row in self._db.execute("SELECT * FROM request ORDER BY rowid")}

    @property
    def effects(self) -> Counter[str]:
        """How often each thing was set in motion, by name: once is right.

        A name is a request's id, an event's ``TYPE SUBJECT`` where that can happen once only, else ``TYPE SUBJECT ID``.
        """
        return Counter({row["name"]: row["times"] for row in self._db.execute("SELECT * FROM effect")})

    @property
    def events(self) -> dict[tuple[str, str], Event]:
        """Every event taken, by (source, id)."""
        rows = self._db.execute("SELECT * FROM event ORDER BY rowid")
        return {(row["source"], row["id"]): json.loads(row["body"]) for row in rows}

    def order(self, subject: str) -> list[tuple[str, int]]:
        """What took effect for a request, in that order: ("request" or the event's type, the event's seq)."""
        rows = self._db.execute("SELECT what, seq FROM log WHERE subject = ? ORDER BY n", (subject,))
        return [(row["what"], row["seq"]) for row in rows]

    def audit(self) -> dict[str, Any]:
        """Counts, and up to 100 each of what had two effects or came out of order: both are empty when all is right."""
        counts = {name: self._one(f"SELECT COUNT(*) FROM {name}") for name in ("request", "event", "change")}  # noqa: S608 - three names
        twice = [row[0] for row in self._db.execute("SELECT name FROM effect WHERE times != 1 LIMIT 100")]
        disorder = [row[0] for row in self._db.execute(_DISORDER)]
        return {**{f"{name}s": count for name, count in counts.items()}, "twice": twice, "disorder": disorder}

    def heartbeat(self, village: str | None = None) -> tuple[int, Event]:
        """How many heartbeats a village sent, and the last one's content."""
        row = self._village(village or self.village)
        return row["beats"], json.loads(row["beat"])

    # ---- up --------------------------------------------------------------------------------------------------------

    def put(
        self, identifier: str, content: Event, *, village: str | None = None
    ) -> Literal["created", "same", "differs", "other"]:
        """File a request; only the first filing has an effect. "other": another village has a request of this id."""
        owner = village or self.village
        with self.transaction() as db:
            row = db.execute("SELECT * FROM request WHERE id = ?", (identifier,)).fetchone()
            if row is not None:
                same = row["content"] == _canonical(content)
                return "other" if row["village"] != owner else "same" if same else "differs"
            db.execute(
                "INSERT INTO request (id, village, content) VALUES (?, ?, ?)", (identifier, owner, _canonical(content))
            )
            self._effect(owner, identifier, identifier, "request", 0)
        return "created"

    def get(self, identifier: str) -> Filed | None:
        """One request."""
        row = self._db.execute("SELECT * FROM request WHERE id = ?", (identifier,)).fetchone()
        return None if row is None else _filed(row)

    def take_events(
        self, events: Sequence[Any], *, village: str, verdicts: Mapping[str, int] = MappingProxyType({})
    ) -> list[Event]:
        """Take a batch of CloudEvents, each accepted, duplicate or rejected by itself, all in one transaction.

        `verdicts` are the ids of those to reject whatever they hold, with the status to give.
        """
        with self.transaction():
            return [self._rejected(event, verdicts) or self._take(event, village) for event in events]

    def _rejected(self, event: Any, verdicts: Mapping[str, int]) -> Event | None:
        if (status := verdicts.get(event.get("id"))) is None:
            return None
        return {"id": event["id"], "status": "rejected", "problem": {**_problem("told to reject it"), "status": status}}

    def last_seq(self, village: str) -> int:
        """The highest `seq` of a village's events."""
        return int(self._village(village)["last_seq"])

    def _take(self, event: Any, village: str) -> Event:
        answer: Event = {"id": str(event.get("id")) if isinstance(event, dict) else ""}
        if (wrong := wrong_event(event, village)) is not None:
            return {**answer, "status": "rejected", "problem": _problem(wrong)}
        key = (event["source"], event["id"])
        if self._db.execute("SELECT 1 FROM event WHERE source = ? AND id = ?", key).fetchone():
            return {**answer, "status": "duplicate"}
        subject = event.get("subject", "")
        filed = self.get(subject) if subject else None
        if subject and (filed is None or filed.village != village):
            return {**answer, "status": "rejected", "problem": _problem("unknown request")}
        self._db.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (*key, village, json.dumps(event)))
        self._effect(village, _deed(event), subject, event["type"], event["seq"])
        self._db.execute("UPDATE village SET last_seq = MAX(last_seq, ?) WHERE code = ?", (event["seq"], village))
        if event["type"] == "kampung.request.cancel_requested" and filed and filed.state in OPEN_AT_PORTAL:
            self._change(subject, "cancelled", "")
        return {**answer, "status": "accepted"}

    def _effect(self, village: str, name: str, subject: str, what: str, seq: int) -> None:
        self._db.execute(
            "INSERT INTO effect VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET times = times + 1",
            (name,),
        )
        self._db.execute(
            "INSERT INTO log (village, subject, what, seq) VALUES (?, ?, ?, ?)", (village, subject, what, seq)
        )

    # ---- enrolment -------------------------------------------------------------------------------------------------

    def enrol(self, village: str, installation: str, epoch: int) -> int:
        """The epoch of an installation; an unknown one becomes the newest. Raises `Replaced` for one that is not it."""
        with self.transaction() as db:
            newest = self.newest(village)
            row = db.execute(
                "SELECT epoch FROM installation WHERE village = ? AND id = ?", (village, installation)
            ).fetchone()
            if row is not None and row["epoch"] < newest:
                raise Replaced
            if row is not None:
                return int(row["epoch"])
            given = max(newest + 1, epoch)
            db.execute("INSERT INTO installation VALUES (?, ?, ?)", (village, installation, given))
            db.execute("UPDATE village SET newest = ? WHERE code = ?", (given, village))
        return given

    def newest(self, village: str) -> int:
        """The epoch of the installation that speaks for a village; 0 before the first enrolment."""
        return int(self._village(village)["newest"])

    def note_beat(self, village: str, state: Mapping[str, Any]) -> None:
        """Remember a heartbeat."""
        with self.transaction() as db:
            db.execute(
                "UPDATE village SET beats = beats + 1, beat = ? WHERE code = ?", (json.dumps(dict(state)), village)
            )

    # ---- down ------------------------------------------------------------------------------------------------------

    def change(self, identifier: str, state: str, why: str = "") -> Event:
        """Give a request a new state and write the change that tells of it. KeyError for an unknown request."""
        with self.transaction():
            return self._change(identifier, state, why)

    def _change(self, identifier: str, state: str, why: str) -> Event:
        filed = self.get(identifier)
        if filed is None:
            raise KeyError(identifier)
        version = filed.version + 1
        self._db.execute("UPDATE request SET state = ?, version = ? WHERE id = ?", (state, version, identifier))
        event = _event(identifier, state, version, why, of=_named(identifier, version))
        self._write(filed.village, event)
        return event

    def announce(self, identifier: str, state: str, version: int, why: str = "") -> Event:
        """Write a change whatever the truth is: a nasty portal says things of requests that it never had."""
        event = _event(identifier, state, version, why, of=str(uuid.uuid4()))
        self.say(event, village=(filed.village if (filed := self.get(identifier)) else None))
        return event

    def say(self, event: Event, *, village: str | None = None) -> None:
        """Append an event as it is: the same one twice, or nonsense."""
        with self.transaction():
            self._write(village or self.village, event)

    def _write(self, village: str, event: Event) -> None:
        self._db.execute("UPDATE village SET written = written + 1 WHERE code = ?", (village,))
        self._db.execute(
            "INSERT INTO change SELECT code, written, ? FROM village WHERE code = ?", (json.dumps(event), village)
        )

    def forget(self, village: str | None = None) -> None:
        """Drop the changes kept so far, so that older cursors are too old."""
        with self.transaction() as db:
            db.execute("UPDATE village SET forgotten = written WHERE code = ?", (village or self.village,))
            db.execute("DELETE FROM change WHERE village = ?", (village or self.village,))

    def after(self, cursor: str, limit: int, *, village: str | None = None) -> tuple[list[Event], str]:
        """A page of changes after `cursor` and the cursor after it. Raises `CursorTooOld`; ValueError for nonsense.

        A cursor from beyond the end means that this portal came back from an older backup: it is of no use either.
        """
        row = self._village(village or self.village)
        position = int(cursor) if cursor else 0
        if not row["forgotten"] <= position <= row["written"]:
            raise CursorTooOld(cursor)
        page = self._db.execute(
            "SELECT n, body FROM change WHERE village = ? AND n > ? ORDER BY n LIMIT ?", (row["code"], position, limit)
        ).fetchall()
        last = page[-1]["n"] if page else position
        return [json.loads(one["body"]) for one in page], str(last) if page or cursor else ""

    def snapshot(self, after: str, limit: int, *, village: str) -> tuple[list[Event], str, str]:
        """A page of present states by request id, the cursor to go on from, and `after` of the next page ("" ends)."""
        rows = self._db.execute(
            "SELECT * FROM request WHERE village = ? AND id > ? AND version > 1 ORDER BY id LIMIT ?",
            (village, after, limit + 1),
        ).fetchall()
        events = [
            _event(row["id"], row["state"], row["version"], "", of=_named(row["id"], row["version"]))
            for row in rows[:limit]
        ]
        more = rows[limit - 1]["id"] if len(rows) > limit else ""
        return events, str(self._village(village)["written"]), more

    def _village(self, code: str) -> sqlite3.Row:
        row: sqlite3.Row = self._db.execute("SELECT * FROM village WHERE code = ?", (code,)).fetchone()
        return row

    def _one(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])


def _deed(event: Event) -> str:
    what, subject = event["type"], event.get("subject", "")
    if what == "kampung.request.cancel_requested":
        return f"{what} {subject}"
    once = event["data"].get("sha256") if what == "kampung.request.attachment" else event["id"]
    return f"{what} {subject} {once}"


def _filed(row: sqlite3.Row) -> Filed:
    return Filed(row["village"], json.loads(row["content"]), row["state"], row["version"])


def _canonical(content: Event) -> str:
    return json.dumps(content, sort_keys=True)


def _problem(title: str) -> Event:
    return {"type": "about:blank", "title": title, "status": 422}


def _named(identifier: str, version: int) -> str:
    """The id of a change: the same one in the changes, in a snapshot, and after a restart."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{identifier}#{version}"))


def _event(identifier: str, state: str, version: int, why: str, *, of: str) -> Event:
    return {
        "specversion": "1.0",
        "id": of,
        "source": "portal",
        "type": "kampung.request.changed",
        "subject": identifier,
        "time": datetime.now(UTC).isoformat(),
        "data": {"state": state, "version": version, **({"why": why} if why else {})},
    }
