"""Bodies of calls: bounded in size, and in the time they may take to arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from aiohttp import ClientError, web
from aiohttp.http_exceptions import HttpProcessingError

from edge.web import form
from edge.web.problem import Problem

T = TypeVar("T", bound=msgspec.Struct)
JSON_MOST = 65_536
_PIECE = 65_536
_CLOSE = {"Connection": "close"}


async def read_json(request: web.Request, wanted: form.Form[T], *, within_s: float) -> T:
    """The JSON body as what `wanted` reads. Raises `Problem`."""
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Problem("media-type", headers=_CLOSE)
    if (request.content_length or 0) > JSON_MOST:
        raise Problem("too-large", headers=_CLOSE)
    try:
        async with asyncio.timeout(within_s):
            body = await request.read()
        return wanted.read(body)
    except web.HTTPRequestEntityTooLarge:
        raise Problem("too-large", headers=_CLOSE) from None
    except TimeoutError:
        raise Problem("slow-body", headers=_CLOSE) from None
    except form.Malformed as error:
        raise Problem("malformed", detail=str(error)) from None
    except form.Unfit as error:
        raise Problem("invalid", errors=error.errors) from None


async def stream(request: web.Request, length: int, *, within_s: float) -> AsyncIterator[bytes]:
    """The body of exactly `length` bytes as it arrives; `within_s` is how long may be waited for 64 KiB of it.

    Raises `Problem` for another length, a sender that is too slow or one that goes away.
    """
    left, piece, patience = length, 0, within_s
    now = asyncio.get_running_loop().time
    try:
        while not request.content.at_eof():
            began = now()
            async with asyncio.timeout(patience):
                chunk = await request.content.readany()
            patience -= now() - began
            left -= len(chunk)
            piece += len(chunk)
            if left < 0:
                break
            if piece >= _PIECE:
                patience, piece = within_s, 0
            if chunk:
                yield chunk
    except TimeoutError:
        raise Problem("slow-body", headers=_CLOSE) from None
    except (ConnectionError, ClientError, HttpProcessingError):
        raise Problem("content-range", headers=_CLOSE) from None
    if left:
        raise Problem("content-range", headers=_CLOSE)
