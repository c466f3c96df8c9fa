"""The desk API's attachments: announced, uploaded in ranges of whole 64 KiB, gone on with after a cut line.

Content-Range in a PUT means what the portal's contract makes it mean (RFC 9110, 14.5: by agreement of both sides).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import web

from edge.queue.attachments import Attachment, NewAttachment, Refused, Taken
from edge.web import answers, form
from edge.web.body import read_json, stream
from edge.web.content_range import ContentRange, parse
from edge.web.desk_api import canonical, identifier
from edge.web.problem import KINDS, Problem

_BUSY_S = 2
_CLOSE = {"Connection": "close"}


class ScansLike(Protocol):
    """What the API asks of `edge.queue.attachments.Attachments`."""

    async def begin(self, request: str, new: NewAttachment) -> Taken:
        """Promise room for a scan."""
        ...

    async def of_request(self, request: str) -> list[Attachment] | None:
        """The attachments of a request; None when there is no such request."""
        ...

    async def receive(self, request: str, identifier: str, start: int | None, source: AsyncIterator[bytes]) -> Taken:
        """Take bytes."""
        ...


class DeskScans:
    """The handlers of attachments. `body_s` seconds may pass for JSON, and for each 64 KiB of a scan."""

    def __init__(self, scans: ScansLike, *, body_s: float) -> None:
        self._scans = scans
        self._body_s = body_s

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/requests/{id}/attachments: 201 with the place to send the bytes to, 200 if it was there before."""
        of = identifier(request)
        new = await read_json(request, form.ATTACHMENT, within_s=self._body_s)
        try:
            taken = await self._scans.begin(of, new)
        except Refused as refused:
            raise _problem(refused) from None
        where = {"Location": f"/v1/requests/{of}/attachments/{taken.attachment.id}"}
        return answers.answer(answers.scan(taken.attachment), 201 if taken.news else 200, where)

    async def listed(self, request: web.Request) -> web.StreamResponse:
        """GET /v1/requests/{id}/attachments: all of a request."""
        found = await self._scans.of_request(identifier(request))
        if found is None:
            raise Problem("no-such-request")
        return answers.answer(answers.Scans(tuple(answers.scan(attachment) for attachment in found)))

    async def put(self, request: web.Request) -> web.StreamResponse:
        """PUT /v1/requests/{id}/attachments/{attachment}: a range of its bytes, or the question what is held.

        202 while bytes are missing, 201 when this made it whole, 200 when it was whole before.
        """
        of = identifier(request)
        scan = await self._scan(of, canonical(request.match_info["attachment"]))
        given = _range(request, scan.size)
        source = stream(request, given.end - given.start, within_s=self._body_s)
        try:
            taken = await self._scans.receive(of, scan.id, None if given.asks else given.start, source)
        except Refused as refused:
            raise _problem(refused) from None
        if taken.attachment.state == "arriving":
            return answers.answer(answers.scan(taken.attachment), 202)
        return answers.answer(answers.scan(taken.attachment), 201 if taken.news else 200)

    async def _scan(self, of: str, attachment: str | None) -> Attachment:
        found = await self._scans.of_request(of)
        if found is None:
            raise Problem("no-such-request", headers=_CLOSE)
        for scan in found:
            if scan.id == attachment:
                return scan
        raise Problem("no-such-attachment", headers=_CLOSE)


def _range(request: web.Request, size: int) -> ContentRange:
    """What the body holds of a file of `size` bytes: by its Content-Range; without one all of it, or the question.

    Raises `Problem`.
    """
    written = request.headers.getall("Content-Range", [])
    length = request.content_length
    if not written:
        given: ContentRange | None = ContentRange(0, length or 0, length or size, asks=not length)
    else:
        given = parse(written[0]) if len(written) == 1 else None
    if given is None or given.size != size or not given.fits(length):
        raise Problem("content-range", headers=_CLOSE)
    return given


def _problem(refused: Refused) -> Problem:
    headers = {"Retry-After": str(_BUSY_S)} if refused.code == "attachment-busy" else {}
    if KINDS[refused.code].status == 409:
        headers |= _CLOSE
    return Problem(refused.code, headers=headers, received=refused.received)
