"""Requests in the store: personal fields sealed, found by keyed digests; every change with its transition row.

All methods take the connection of the caller's transaction (`Store.write` or `Store.read`).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Any, Literal

from edge.queue import lifecycle, ticket
from edge.queue.request import Request
from edge.queue.store import outbox
from edge.queue.store.seal import Seal

_PERSON = ("nik", "kk", "name", "phone", "purpose")
_CLOSED = "(" + ", ".join(f"'{state}'" for state in sorted(lifecycle.CLOSED)) + ")"
_LIST_MOST = 500


class TicketsExhausted(Exception):
    """Every ticket is taken: old requests must be erased first."""


class Requests:
    """Requests sealed with `seal`."""

    def __init__(self, seal: Seal) -> None:
        self.seal = seal

    def add(self, conn: sqlite3.Connection, request: Request, *, now: float) -> Request:
        """Store a new request with its first transition; unless it is a draft, its outbox row too."""
        conn.execute(
            "INSERT INTO request (id, ticket, letter, source, state, version, person, nik_digest, phone_digest,"
            " rt, rw, flags, missing, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(request.id, request.ticket, request.letter, request.source, request.state, request.version),
                self.seal.seal(json.dumps({field: getattr(request, field) for field in _PERSON}), _context(request.id)),
                self.seal.digest(request.nik, "nik") if request.nik else None,
                self.seal.phone(request.phone) if request.phone else None,
                *(request.rt, request.rw, " ".join(request.flags), " ".join(request.missing), now, now),
            ),
        )
        self._transition(conn, request.id, "", request.state, by=request.source, now=now, why="")
        stored = self._must(conn, request.id)
        if request.state != "draft":
            outbox.put(conn, self.seal, request.id, "request", _content(stored), now=now)
        return stored

    def get(self, conn: sqlite3.Connection, identifier: str) -> Request | None:
        """The request, or None."""
        return self._one(conn, "id = ?", identifier)

    def by_ticket(self, conn: sqlite3.Connection, text: str) -> Request | None:
        """The request with this ticket (in its canonical form), or None."""
        return self._one(conn, "ticket = ?", text)

    def by_phone(self, conn: sqlite3.Connection, phone: str) -> list[Request]:
        """The open requests of a phone number (E.164), the newest first, at most 500."""
        return self._many(
            conn,
            f"phone_digest = ? AND state NOT IN {_CLOSED} ORDER BY created_at DESC, id DESC LIMIT {_LIST_MOST}",
            self.seal.phone(phone),
        )

    def open_twin(self, conn: sqlite3.Connection, nik: str, letter: str) -> Request | None:
        """A request for the same person and letter that is still open, or None."""
        return self._one(
            conn,
            f"nik_digest = ? AND letter = ? AND state NOT IN {_CLOSED} ORDER BY created_at LIMIT 1",
            self.seal.digest(nik, "nik"),
            letter,
        )

    def recent(self, conn: sqlite3.Connection, limit: int) -> list[Request]:
        """The newest requests, at most `limit` (and 500)."""
        return self._many(conn, "1 ORDER BY created_at DESC, id DESC LIMIT ?", min(limit, _LIST_MOST))

    def page(
        self, conn: sqlite3.Connection, *, state: str = "", letter: str = "", before: str = "", limit: int
    ) -> list[Request]:
        """At most `limit` requests older than the id `before` ("": the newest), by state and letter where given."""
        where = " AND ".join(
            condition
            for condition, wanted in (("state = :state", state), ("letter = :letter", letter), ("id < :before", before))
            if wanted
        )
        # The inner question is answered by an index alone; only the rows of the page are read.
        return self._many(
            conn,
            f"id IN (SELECT id FROM request WHERE {where or 1} ORDER BY id DESC LIMIT :limit) ORDER BY id DESC",  # noqa: S608
            {"state": state, "letter": letter, "before": before, "limit": min(limit, _LIST_MOST)},
        )

    def by_nik(self, conn: sqlite3.Connection, nik: str, *, limit: int) -> list[Request]:
        """The requests for a person, the newest first."""
        return self._many(
            conn, "nik_digest = ? ORDER BY id DESC LIMIT ?", self.seal.digest(nik, "nik"), min(limit, _LIST_MOST)
        )

    def move(
        self,
        conn: sqlite3.Connection,
        identifier: str,
        state: str,
        *,
        by: str,
        now: float,
        why: str = "",
    ) -> Request:
        """Change the state with its transition row; a draft that becomes *received* also gets its outbox row.

        Raises `lifecycle.IllegalTransition`, or KeyError for an unknown id.
        """
        before = self._must(conn, identifier)
        lifecycle.check(before.state, state, by=by)
        conn.execute(
            "UPDATE request SET state = ?, version = version + 1, updated_at = ? WHERE id = ?", (state, now, identifier)
        )
        self._transition(conn, identifier, before.state, state, by=by, now=now, why=why)
        after = self._must(conn, identifier)
        if before.state == "draft" and state == "received":
            outbox.put(conn, self.seal, identifier, "request", _content(after), now=now)
        return after

    def cancel(
        self,
        conn: sqlite3.Connection,
        identifier: str,
        *,
        by: str,
        now: float,
    ) -> Literal["cancelled", "asked"]:
        """Cancel what never left the box; of anything the portal may have, only ask (one outbox event).

        Raises `lifecycle.IllegalTransition` when the request is closed already, KeyError for an unknown id.
        """
        request = self._must(conn, identifier)
        if request.state in lifecycle.BEFORE_HANDOVER and outbox.withdraw(conn, identifier, now=now):
            self.move(conn, identifier, "cancelled", by=by, now=now)
            return "cancelled"
        if request.state in lifecycle.CLOSED:
            raise lifecycle.IllegalTransition(f"a request that is {request.state} cannot be cancelled")
        asked = (
            "SELECT 1 FROM outbox WHERE request = ? AND kind = 'cancel_requested' "
            "AND state NOT IN ('withdrawn', 'expired', 'discarded')"
        )
        if conn.execute(asked, (identifier,)).fetchone() is None:
            content = json.dumps({"request": identifier, "by": by})
            outbox.put(conn, self.seal, identifier, "cancel_requested", content, now=now)
        return "asked"

    def new_ticket(self, conn: sqlite3.Connection) -> str:
        """A ticket that no request has: a random one, or the next free one after it. Raises `TicketsExhausted`."""
        start = secrets.randbelow(ticket.SPACE)
        for step in range(ticket.SPACE):
            candidate = ticket.make(start + step)
            if conn.execute("SELECT 1 FROM request WHERE ticket = ?", (candidate,)).fetchone() is None:
                return candidate
        raise TicketsExhausted(f"all {ticket.SPACE} tickets are taken")

    def _transition(
        self,
        conn: sqlite3.Connection,
        request: str,
        before: str,
        after: str,
        *,
        by: str,
        now: float,
        why: str,
    ) -> None:
        sealed = self.seal.seal(why, f"transition:{request}") if why else None
        conn.execute(
            "INSERT INTO transition (request, from_state, to_state, actor, why, at) VALUES (?, ?, ?, ?, ?, ?)",
            (request, before, after, by, sealed, now),
        )

    def _must(self, conn: sqlite3.Connection, identifier: str) -> Request:
        found = self.get(conn, identifier)
        if found is None:
            raise KeyError(identifier)
        return found

    def _one(self, conn: sqlite3.Connection, where: str, *values: object) -> Request | None:
        found = self._many(conn, where, *values)
        return found[0] if found else None

    def _many(self, conn: sqlite3.Connection, where: str, *values: Any) -> list[Request]:
        # `where` is made of this module's own constants; every value is a parameter.
        given = values[0] if values and isinstance(values[0], dict) else values
        return [self._read(row) for row in conn.execute(f"SELECT * FROM request WHERE {where}", given)]  # noqa: S608

    def _read(self, row: sqlite3.Row) -> Request:
        person: dict[str, Any] = json.loads(self.seal.open(row["person"], _context(row["id"])))
        return Request(
            **person,
            **{name: row[name] for name in ("id", "ticket", "letter", "source", "state", "version", "rt", "rw")},
            flags=tuple(row["flags"].split()),
            missing=tuple(row["missing"].split()),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


def _context(identifier: str) -> str:
    return f"request:{identifier}"


def _content(request: Request) -> str:
    """What goes up, the same for every try; it holds nothing that changes later."""
    return json.dumps(
        {
            "id": request.id,
            "ticket": request.ticket,
            "letter": request.letter,
            "source": request.source,
            "applicant": {name: getattr(request, name) for name in ("nik", "kk", "name", "phone", "rt", "rw")},
            "purpose": request.purpose,
            "flags": request.flags,
            "missing": request.missing,
            "created_at": datetime.fromtimestamp(request.created_at, UTC).isoformat(timespec="milliseconds"),
        },
        ensure_ascii=False,
    )
