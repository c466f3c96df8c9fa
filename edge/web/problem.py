"""Answers that say what went wrong, as RFC 9457 problem details, with the remedy beside it.

Every kind is declared here once and has its line in docs/api.md. No problem repeats a value that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
from aiohttp import web

MEDIA_TYPE = "application/problem+json"
_PREFIX = "urn:kampung-edge:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: `code` ends its type URI and is stable, `remedy` says what the caller can do."""

    code: str
    status: int
    title: str
    remedy: str


_DECLARED = (
    Kind("address-not-allowed", 403, "this address may not use the server", "call from a network of the service class"),
    Kind("host-not-ours", 421, "the Host header names another machine", "use the box's address or its local name"),
    Kind("not-found", 404, "there is nothing at this path", "see docs/api.md for the paths"),
    Kind("method-not-allowed", 405, "this path does not take this method", "use a method of the Allow header"),
    Kind("unauthorised", 401, "the desk key is missing or wrong", "send Authorization: Bearer DESK-KEY"),
    Kind("no-desk-key", 503, "no desk key configured", "make the credential desk-key (kampung-edge keys) and restart"),
    Kind(
        "idempotency-key",
        400,
        "the Idempotency-Key header is missing or unfit",
        "send one Idempotency-Key of 1 to 64 visible ASCII characters, a new one for each new request",
    ),
    Kind("media-type", 415, "the body is not declared as JSON", "send Content-Type: application/json, not encoded"),
    Kind("too-large", 413, "the body is too large", "send at most 65536 bytes of JSON"),
    Kind(
        "slow-body",
        408,
        "the body did not arrive in time",
        "send JSON within 10 seconds, and 64 KiB of a scan in each 10 seconds; go on where the scan stands",
    ),
    Kind("malformed", 400, "the body is not valid JSON", "send one JSON object in UTF-8"),
    Kind("invalid", 422, "the request does not fit", "correct the fields named in errors"),
    Kind(
        "idempotency-key-reused",
        409,
        "this Idempotency-Key came before with another body",
        "use a new key for a new request; resend the very same body with an old one",
    ),
    Kind(
        "request-lost",
        410,
        "the request of this Idempotency-Key was lost to damage of the box's store",
        "do what detail says: ask the portal for it, or file it again with a new Idempotency-Key",
    ),
    Kind(
        "store-refuses", 503, "the box cannot store new requests now", "try again later with the same Idempotency-Key"
    ),
    Kind("internal", 500, "a mistake of the box's program", "send the same again later; tell who looks after the box"),
    Kind("no-such-request", 404, "there is no request with this id", "use the id of the answer to POST /v1/requests"),
    Kind("scope", 403, "this key does not allow that", "use a key whose scopes hold the one that detail names"),
    Kind("too-many-calls", 429, "too many calls in a short time", "wait Retry-After seconds; then send the same again"),
    Kind("query", 400, "the query does not fit", "correct the parameters named in errors"),
    Kind("no-such-ticket", 404, "no ticket reads like this", "read it again: its last character checks the others"),
    Kind("not-possible", 409, "the request's state does not allow that", "ask for the request: its state has moved on"),
    Kind("too-many-listeners", 503, "too many programs listen", "wait Retry-After seconds, or ask for the lists"),
    Kind("event-id", 400, "the Last-Event-ID header is unfit", "send back the id of an event of this box, or none"),
    Kind("request-closed", 409, "this request takes no attachments", "attach to a request that is under way"),
    Kind("no-such-attachment", 404, "there is no such attachment", "begin it with POST /v1/requests/{id}/attachments"),
    Kind(
        "attachment-differs",
        409,
        "the same file was announced with another size or media type",
        "announce what the file is",
    ),
    Kind("too-many-attachments", 409, "the request has 10 attachments", "put the pages together into one PDF"),
    Kind("attachment-busy", 409, "it is being uploaded, or 4 others are", "wait Retry-After seconds, then go on"),
    Kind("wrong-offset", 409, "the bytes do not begin where the attachment stands", "go on from byte `received`"),
    Kind(
        "content-range",
        409,
        "the Content-Range does not fit the file or the body",
        "send bytes FIRST-LAST/SIZE with so many bytes, or bytes */SIZE to ask",
    ),
    Kind("wrong-content", 409, "the file is not of its media type", "announce it anew; PDF, JPEG and PNG are taken"),
    Kind("hash-differs", 409, "the file's SHA-256 is another", "what came is thrown away: begin the attachment anew"),
)
KINDS: Mapping[str, Kind] = MappingProxyType({kind.code: kind for kind in _DECLARED})


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of the body; `field` is empty when it concerns the whole."""

    field: str
    message: str


class _Body(msgspec.Struct, frozen=True, omit_defaults=True):
    type: str
    title: str
    status: int
    remedy: str
    detail: str = ""
    errors: tuple[FieldError, ...] = ()
    received: int | None = None


class Problem(Exception):
    """Ends a handler with the problem `code`, given as to `problem`."""

    def __init__(
        self,
        code: str,
        *,
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        headers: Mapping[str, str] | None = None,
        received: int | None = None,
    ) -> None:
        super().__init__(code)
        self.answer = problem(code, detail=detail, errors=errors, headers=headers, received=received)


def problem(
    code: str,
    *,
    detail: str = "",
    errors: tuple[FieldError, ...] = (),
    headers: Mapping[str, str] | None = None,
    received: int | None = None,
) -> web.Response:
    """The answer for the problem `code`; an unknown code is a bug (KeyError)."""
    kind = KINDS[code]
    body = _Body(_PREFIX + code, kind.title, kind.status, kind.remedy, detail, errors, received)
    return web.Response(
        status=kind.status, body=msgspec.json.encode(body), headers={**(headers or {}), "Content-Type": MEDIA_TYPE}
    )
