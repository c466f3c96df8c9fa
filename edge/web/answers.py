"""What the desk API shows: requests, what became of them, attachments. Person data is masked in every answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from edge.queue.attachments import Attachment
from edge.queue.request import Request
from edge.queue.store.transitions import Transition
from edge.sms.identity import mask_name, mask_nik, mask_phone


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


class Page(msgspec.Struct, frozen=True):
    """A page of a list, the newest first; `next` is the `after` of the next page, null at the end."""

    requests: tuple[Shown, ...]
    next: str | None


class Step(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """One change of a request's state; `id` grows with every change of any request."""

    id: int
    request: str
    ticket: str
    before: str
    after: str
    actor: str
    at: datetime
    why: str


class Steps(msgspec.Struct, frozen=True):
    """What became of a request, the oldest first."""

    transitions: tuple[Step, ...]


class Scan(msgspec.Struct, frozen=True):
    """An attachment: `received` of `size` bytes are on the box, `sent` at the portal. Its name is not shown."""

    id: str
    request: str
    sha256: str
    size: int
    media_type: str
    state: str
    received: int
    sent: int
    created_at: datetime


class Scans(msgspec.Struct, frozen=True):
    """The attachments of a request, the oldest first."""

    attachments: tuple[Scan, ...]


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
        _time(request.created_at),
        _time(request.updated_at),
    )


def page(requests: Iterable[Request], following: str | None = None) -> Page:
    """A page of a list."""
    return Page(tuple(shown(request) for request in requests), following)


def step(transition: Transition) -> Step:
    """A transition as the API shows it."""
    return Step(
        *(transition.seq, transition.request, transition.ticket, transition.before, transition.after),
        *(transition.actor, _time(transition.at), transition.why),
    )


def scan(attachment: Attachment) -> Scan:
    """An attachment as the API shows it."""
    return Scan(
        *(attachment.id, attachment.request, attachment.sha256, attachment.size, attachment.media_type),
        *(attachment.state, attachment.received, attachment.sent, _time(attachment.created_at)),
    )


def answer(body: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer with `body` as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json", headers=headers)


def request_answer(request: Request, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer with a request, its version as ETag."""
    return answer(shown(request), status, {**(headers or {}), "ETag": f'"{request.version}"'})


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
