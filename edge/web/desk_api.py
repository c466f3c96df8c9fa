"""The desk API: the office's own program files requests and asks for them. docs/api.md is written for its programmers.

An answer of 202 means that the request is durable (RFC 9110, 15.3.3). The same Idempotency-Key with the same body gives
the same request again (draft-ietf-httpapi-idempotency-key-header). Person data is masked in every answer.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol
from uuid import UUID

import msgspec
from aiohttp import web

from edge.queue.desk import Accepted, KeyReused, NewRequest
from edge.queue.request import Request
from edge.queue.store.database import StoreError
from edge.queue.store.requests import TicketsExhausted
from edge.sms.identity import mask_name, mask_nik, mask_phone
from edge.web import form
from edge.web.problem import problem

BODY_LIMIT = 65_536
_RETRY_AFTER_S = 60
_KEY = re.compile(r"[\x21-\x7e]{1,64}")


class DeskLike(Protocol):
    """What the API asks of `edge.queue.desk.Desk`."""

    async def submit(self, new: NewRequest, *, idempotency_key: str) -> Accepted:
        """Make a request durable once."""
        ...

    async def get(self, identifier: str) -> Request | None:
        """The request, or None."""
        ...


class Person(msgspec.Struct, frozen=True):
    """Who a request is for, masked."""

    nik: str
    kk: str
    name: str
    phone: str


class Shown(msgspec.Struct, frozen=True):
    """A request as the API shows it."""

    id: str
    ticket: str
    letter: str
    state: str
    version: int
    source: str
    person: Person
    missing: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class DeskApi:
    """The handlers of /v1/requests for `desk`; without a `desk_key` both answer 503. A body has `body_s` seconds."""

    def __init__(self, desk: DeskLike, desk_key: str, *, body_s: float) -> None:
        self._desk = desk
        self._body_s = body_s
        self._key = sha256(desk_key.encode()).digest() if desk_key else None

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests: 202 once the request is durable."""
        refusal = self._unauthorised(request) or _unfit_headers(request)
        if refusal is not None:
            return refusal
        try:
            async with asyncio.timeout(self._body_s):
                body = await request.read()
            new = form.read(body)
        except web.HTTPRequestEntityTooLarge:
            return problem("too-large", headers={"Connection": "close"})
        except TimeoutError:
            return problem("slow-body", headers={"Connection": "close"})
        except form.Malformed as error:
            return problem("malformed", detail=str(error))
        except form.Unfit as error:
            return problem("invalid", errors=error.errors)
        return await self._store(new, request.headers["Idempotency-Key"])

    async def show(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/requests/{id}: the request with its version as ETag; 304 when the caller has that version."""
        refusal = self._unauthorised(request)
        if refusal is not None:
            return refusal
        identifier = _identifier(request.match_info["id"])
        found = await self._desk.get(identifier) if identifier else None
        if found is None:
            return problem("no-such-request")
        etag = f'"{found.version}"'
        if etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")):
            return web.Response(status=304, headers={"ETag": etag})
        return _answer(found, 200, {"ETag": etag})

    async def _store(self, new: NewRequest, key: str) -> web.Response:
        try:
            accepted = await self._desk.submit(new, idempotency_key=key)
        except KeyReused:
            return problem("idempotency-key-reused")
        except (StoreError, TicketsExhausted) as error:
            return problem("store-refuses", detail=str(error), headers={"Retry-After": str(_RETRY_AFTER_S)})
        made = accepted.request
        headers = {"Location": f"/v1/requests/{made.id}", "ETag": f'"{made.version}"'}
        if not accepted.created:
            headers["Idempotent-Replayed"] = "true"
        return _answer(made, 202, headers)

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        """The refusal of a caller without the desk key (RFC 6750), compared in constant time; None when it is right."""
        if self._key is None:
            return problem("no-desk-key")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given = sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        if hmac.compare_digest(given, self._key) and scheme.lower() == "bearer":
            return None
        return problem("unauthorised", headers={"WWW-Authenticate": 'Bearer realm="kampung-edge desk"'})


def shown(request: Request) -> Shown:
    """`request` as the API shows it, its person masked."""
    return Shown(
        request.id,
        request.ticket,
        request.letter,
        request.state,
        request.version,
        request.source,
        Person(mask_nik(request.nik), mask_nik(request.kk), mask_name(request.name), mask_phone(request.phone)),
        request.missing,
        datetime.fromtimestamp(int(request.created_at), UTC),
        datetime.fromtimestamp(int(request.updated_at), UTC),
    )


def _answer(request: Request, status: int, headers: dict[str, str]) -> web.Response:
    body = msgspec.json.encode(shown(request))
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _unfit_headers(request: web.Request) -> web.Response | None:
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        return problem("idempotency-key")
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        return problem("media-type")
    if (request.content_length or 0) > BODY_LIMIT:
        return problem("too-large", headers={"Connection": "close"})
    return None


def _identifier(text: str) -> str | None:
    """A request's id in its canonical form, or None for what cannot be one."""
    try:
        return str(UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None
