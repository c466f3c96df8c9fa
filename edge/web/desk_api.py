"""The desk API's requests: the office's own program files them, asks for them, cancels them, hands letters out.

docs/api.md is written for its programmers. An answer of 202 means that the request is durable (RFC 9110, 15.3.3). The
same Idempotency-Key with the same body gives the first answer again (draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import re
from typing import Protocol
from uuid import UUID

from aiohttp import web

from edge.queue.desk import Accepted, KeyReused, NewRequest, RequestLost
from edge.queue.lifecycle import IllegalTransition
from edge.queue.request import Request
from edge.queue.store.requests import TicketsExhausted
from edge.web import answers, form
from edge.web.body import JSON_MOST, read_json
from edge.web.problem import Problem

BODY_LIMIT = JSON_MOST
RETRY_AFTER_S = 60
_KEY = re.compile(r"[\x21-\x7e]{1,64}")


class DeskLike(Protocol):
    """What the API asks of `edge.queue.desk.Desk`."""

    async def submit(self, new: NewRequest, *, idempotency_key: str) -> Accepted:
        """Make a request durable once."""
        ...

    async def get(self, identifier: str) -> Request | None:
        """The request, or None."""
        ...


class ActionsLike(Protocol):
    """What the API does with requests through `edge.queue.records.Records`."""

    async def cancel(self, identifier: str) -> tuple[Request, bool] | None:
        """Cancel it, or ask the portal to (then False)."""
        ...

    async def hand_out(self, identifier: str) -> Request | None:
        """The letter was handed out."""
        ...


class DeskApi:
    """The handlers of one request. A body has `body_s` seconds."""

    def __init__(self, desk: DeskLike, actions: ActionsLike, *, body_s: float) -> None:
        self._desk = desk
        self._actions = actions
        self._body_s = body_s

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests: 202 once the request is durable."""
        keys = request.headers.getall("Idempotency-Key", [])
        if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
            raise Problem("idempotency-key", headers={"Connection": "close"})
        new = await read_json(request, form.REQUEST, within_s=self._body_s)
        try:
            accepted = await self._desk.submit(new, idempotency_key=keys[0])
        except KeyReused:
            raise Problem("idempotency-key-reused") from None
        except RequestLost as lost:
            raise Problem("request-lost", detail=str(lost)) from None
        except TicketsExhausted as error:
            raise Problem("store-refuses", detail=str(error), headers={"Retry-After": str(RETRY_AFTER_S)}) from None
        headers = {"Location": f"/v1/requests/{accepted.request.id}"}
        if not accepted.created:
            headers["Idempotent-Replayed"] = "true"
        return answers.request_answer(accepted.request, 202, headers)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/requests/{id}: the request with its version as ETag; 304 when the caller has that version."""
        found = await self._desk.get(identifier(request))
        if found is None:
            raise Problem("no-such-request")
        etag = f'"{found.version}"'
        if etag in (tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")):
            return web.Response(status=304, headers={"ETag": etag})
        return answers.request_answer(found)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests/{id}/cancel: 200 when it is cancelled, 202 when the portal was asked to."""
        try:
            found = await self._actions.cancel(identifier(request))
        except IllegalTransition as error:
            raise Problem("not-possible", detail=str(error)) from None
        if found is None:
            raise Problem("no-such-request")
        after, done = found
        return answers.request_answer(after, 200 if done else 202)

    async def collected(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests/{id}/collected: the letter was handed out."""
        try:
            found = await self._actions.hand_out(identifier(request))
        except IllegalTransition as error:
            raise Problem("not-possible", detail=str(error)) from None
        if found is None:
            raise Problem("no-such-request")
        return answers.request_answer(found)


def identifier(request: web.Request) -> str:
    """The request's id of the path in its canonical form. Raises `Problem` for what cannot be one."""
    found = canonical(request.match_info["id"])
    if found is None:
        raise Problem("no-such-request")
    return found


def canonical(text: str) -> str | None:
    """A UUID in its canonical form, or None for what is none."""
    try:
        return str(UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None
