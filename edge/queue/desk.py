"""The desk: requests typed in at the village office, each accepted once however often the desk sends it.

The Idempotency-Key, a fingerprint of the body and the request are written in one transaction; the answer comes after it
is durable (draft-ietf-httpapi-idempotency-key-header: the same key with another body is a mistake of the client).
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta

from edge import step
from edge.clock import Clock
from edge.events import Announce, RequestAccepted
from edge.queue.request import Request, uuid7
from edge.queue.store import outbox_view
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.requests import Requests

__all__ = ["Accepted", "Desk", "KeyReused", "NewRequest", "RequestLost", "StoreFull"]

Sixteen = Annotated[str, Meta(pattern=r"^([0-9]{16})?$")]
Line = r"^[^\x00-\x1f\x7f]*$"


class NewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the desk sends. Only LAHIR may come without a NIK (the child has none yet)."""

    letter: Annotated[str, Meta(pattern=r"^[A-Z]{2,12}$")]
    nik: Sixteen
    name: Annotated[str, Meta(min_length=2, max_length=100, pattern=Line)]
    kk: Sixteen = ""
    phone: Annotated[str, Meta(pattern=r"^(\+[1-9][0-9]{7,14})?$")] = ""
    rt: Annotated[int, Meta(ge=1, le=999)] | None = None
    rw: Annotated[int, Meta(ge=1, le=999)] | None = None
    purpose: Annotated[str, Meta(max_length=200, pattern=Line)] = ""

    def __post_init__(self) -> None:
        if not self.nik and self.letter != "LAHIR":
            raise ValueError("nik: 16 digits are needed for every letter but LAHIR")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable request as it was when it was accepted; `created` is False when this key had made it before."""

    request: Request
    created: bool


class KeyReused(Exception):
    """The Idempotency-Key came before with another body."""


class RequestLost(Exception):
    """This key made a request that damage to the store has taken; the text says where it is and what to do.

    `identifier` is the request's, which the upstream knows it by.
    """

    def __init__(self, identifier: str, arrived: bool | None) -> None:
        super().__init__(f"request {identifier}: {_LEFT_OF[arrived]}")
        self.identifier = identifier


_LEFT_OF = {
    True: "the portal has it; ask there, do not file it again",
    False: "its copy for the portal is whole and on its way; ask there, do not file it again",
    None: "nothing of it is left on this box; unless the portal has it, file it again with a new Idempotency-Key",
}


class Desk:
    """Accepts requests of the desk into `store`; `missing` tells what a letter with this purpose leaves open."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        *,
        missing: Callable[[str, str], tuple[str, ...]],
        clock: Clock,
        announce: Announce,
    ) -> None:
        self._store = store
        self._requests = requests
        self._clock = clock
        self._announce = announce
        self._missing = missing

    async def submit(self, new: NewRequest, *, idempotency_key: str) -> Accepted:
        """Make the request durable, or find the one that this key made.

        Raises `KeyReused`, `RequestLost`, `StoreFull`, and ValueError for a key not of 1 to 200 characters.
        """
        if not 1 <= len(idempotency_key) <= 200:
            raise ValueError("Idempotency-Key: 1 to 200 characters are needed")
        accepted = await self._store.write(lambda conn: self._accept(conn, new, idempotency_key))
        step.passed("desk.committed")
        if accepted.created:
            self._announce(RequestAccepted("desk", new.letter))
        return accepted

    async def get(self, identifier: str) -> Request | None:
        """The request with this id, or None."""
        return await self._store.read(lambda conn: self._requests.get(conn, identifier))

    def _accept(self, conn: sqlite3.Connection, new: NewRequest, idempotency_key: str) -> Accepted:
        key = self._requests.seal.digest(idempotency_key, "idempotency-key")
        fingerprint = self._requests.seal.digest(msgspec.json.encode(new).decode(), "idempotency-body")
        known = conn.execute("SELECT fingerprint, request FROM idempotency WHERE key = ?", (key,)).fetchone()
        if known is not None:
            return self._known(conn, known, fingerprint)
        now = self._clock.wall()
        request = self._requests.add(conn, self._request(conn, new, now), now=now)
        conn.execute("INSERT INTO idempotency VALUES (?, ?, ?, ?)", (key, fingerprint, request.id, now))
        step.passed("desk.before_commit")
        return Accepted(request, created=True)

    def _known(self, conn: sqlite3.Connection, row: sqlite3.Row, fingerprint: bytes) -> Accepted:
        if not secrets.compare_digest(row["fingerprint"], fingerprint):
            raise KeyReused("this Idempotency-Key came before with another body: use a new key for a new request")
        request = self._requests.get(conn, row["request"])
        if request is None:
            raise RequestLost(row["request"], outbox_view.arrived(conn, row["request"]))
        # The first answer again, whatever became of the request since.
        first = replace(request, state="received", version=1, updated_at=request.created_at)
        return Accepted(first, created=False)

    def _request(self, conn: sqlite3.Connection, new: NewRequest, now: float) -> Request:
        return Request(
            id=uuid7(int(now * 1000), secrets.randbits(74)),
            ticket=self._requests.new_ticket(conn),
            letter=new.letter,
            source="desk",
            state="received",
            version=1,
            nik=new.nik,
            kk=new.kk,
            name=new.name,
            phone=new.phone,
            rt=new.rt,
            rw=new.rw,
            purpose=new.purpose,
            missing=self._missing(new.letter, new.purpose),
        )
