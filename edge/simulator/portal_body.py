"""Bodies that come to the reference portal: read up to a bound, gzip (RFC 1952) undone up to the same bound."""

from __future__ import annotations

import json
import zlib
from typing import Any

from aiohttp import web

from edge.simulator.portal_words import problem

_GZIP_WINDOW = 31


class Refused(Exception):
    """A body that is not taken; `answer` says why."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def read(request: web.Request, most: int, *, gzip: bool = True) -> bytes:
    """The body, at most `most` bytes before and after gzip. Raises `Refused`: 413, 415, or 400 for broken gzip."""
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding not in ("identity", "gzip") or (encoding == "gzip" and not gzip):
        raise Refused(problem(415, "this Content-Encoding is not taken", headers={"Accept-Encoding": "identity"}))
    if (request.content_length or 0) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(65_536):
            body += chunk
            if len(body) > most:
                raise _too_large(most)
    except ConnectionError:  # the box died, or its uplink
        raise Refused(problem(400, "the body is cut off")) from None
    return bytes(body) if encoding == "identity" else _undone(bytes(body), most)


async def read_json(request: web.Request, most: int, kind: str, *, gzip: bool = True) -> Any:
    """A JSON body of the content type `kind`. Raises `Refused`."""
    if request.content_type != kind:
        raise Refused(problem(415, f"the content type is not {kind}"))
    body = await read(request, most, gzip=gzip)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(problem(400, "the body is not JSON")) from None


def _undone(body: bytes, most: int) -> bytes:
    machine = zlib.decompressobj(_GZIP_WINDOW)
    try:
        plain = machine.decompress(body, most + 1)
    except zlib.error:
        raise Refused(problem(400, "the body is not gzip")) from None
    if len(plain) > most:
        raise _too_large(most)
    if not machine.eof or machine.unused_data:
        raise Refused(problem(400, "the gzip body is cut off, or something follows it"))
    return plain


def _too_large(most: int) -> Refused:
    return Refused(problem(413, f"a body holds at most {most} bytes"))
