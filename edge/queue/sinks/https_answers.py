"""What the portal's answers say, and what they mean for what was sent: the table of ``docs/upstream.md``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from edge.queue import retry
from edge.queue.sink import Change, Dead, Parcel, Refusal, Replaced, Retry, Unauthorised, scrub
from edge.queue.sinks.https_wire import Answer

REPLACED = "urn:kampung:problem:installation-replaced"
FOR_GOOD = frozenset({400, 403, 409, 413, 415, 422})
SNAPSHOT = "#snapshot#"  # begins a cursor of our own: inside a snapshot that comes in pages

# What msgspec raises for a body that is not JSON of the type: bad UTF-8 and deep nesting have errors of their own.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_Cursor = Annotated[str, Meta(max_length=256)]
# No control characters: identifiers stand in the log.
_Identifier = Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z")]
_Version = Annotated[int, Meta(ge=1, le=2**53)]
_State = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
T = TypeVar("T")


class _Data(msgspec.Struct):
    state: _State
    version: _Version
    why: Annotated[str, Meta(max_length=500)] = ""


class _Event(msgspec.Struct):
    id: _Identifier
    subject: _Identifier
    data: _Data


class Page(msgspec.Struct):
    """Changes, the cursor after them, and of a snapshot where its next page begins ("" ends it)."""

    events: list[msgspec.Raw]
    cursor: _Cursor
    next: _Cursor = ""


class Filed(msgspec.Struct):
    """A request as the portal holds it."""

    id: str
    state: _State
    version: _Version


class Received(msgspec.Struct):
    """How many bytes of a blob are held."""

    received: Annotated[int, Meta(ge=0)]


class Enrolled(msgspec.Struct):
    """The epoch of this installation."""

    epoch: Annotated[int, Meta(ge=0, le=2**53)]


class Result(msgspec.Struct):
    """What became of one event of a batch."""

    id: str
    status: str
    problem: dict[str, Any] | None = None


class Results(msgspec.Struct):
    """What became of each event of a batch, in any order."""

    results: list[Result]


def read(body: bytes, kind: type[T]) -> T | None:
    """The body as `kind`, or None when it is not that."""
    try:
        return msgspec.json.decode(body, type=kind)
    except _UNREADABLE:
        return None


def changes(page: Page) -> tuple[tuple[Change, ...], int]:
    """The changes of a page, and how many of its events were none."""
    found = [read(bytes(raw), _Event) for raw in page.events]
    good = [event for event in found if event is not None]
    return tuple(
        Change(event.id, event.subject, event.data.state, event.data.version, event.data.why) for event in good
    ), len(found) - len(good)


def refusal(answer: Answer | Retry, parcel: Parcel | None = None) -> Dead | Refusal:
    """What an answer that is no success means."""
    if isinstance(answer, Retry):
        return answer
    if answer.status == 401:
        return Unauthorised("401: the portal refuses the key")
    if answer.status in FOR_GOOD and answer.ours:
        problem = read(answer.body, dict[str, Any]) or {}
        if answer.status == 403 and problem.get("type") == REPLACED:
            return Replaced("403: the portal knows a newer installation of this village")
        return Dead(f"{answer.status} {title(problem, _personal(parcel))}".strip())
    after = retry.retry_after(answer.retry_after, now=time.time())
    if answer.status < 400:
        return Retry(f"{answer.status} with {scrub(answer.content_type)[:60]}: not the portal's answer", after)
    return Retry(f"the portal answered {answer.status}", after)


def rejected(problem: dict[str, Any] | None, parcel: Parcel) -> Dead | Refusal:
    """What the problem of one event of a batch means."""
    status = (problem or {}).get("status")
    if status in (408, 425, 429) or (isinstance(status, int) and status >= 500):
        return Retry(f"the portal answered {status} for this event", own=True)
    if (problem or {}).get("type") == REPLACED:
        return Replaced("the portal knows a newer installation of this village")
    return Dead(title(problem, _personal(parcel)) or "rejected")


def title(problem: dict[str, Any] | None, personal: Sequence[str] = ()) -> str:
    """The words of a problem, bounded and without personal data."""
    words = (problem or {}).get("title"), (problem or {}).get("detail")
    return scrub(": ".join(word for word in words if isinstance(word, str)), personal)


def _personal(parcel: Parcel | None) -> list[str]:
    content = read(parcel.content, dict[str, Any]) if parcel is not None else None
    applicant = (content or {}).get("applicant")
    values = list(applicant.values()) if isinstance(applicant, dict) else []
    whole = [value for value in (*values, (content or {}).get("purpose")) if isinstance(value, str) and value]
    name = applicant.get("name") if isinstance(applicant, dict) else None
    return whole + [word for word in (name if isinstance(name, str) else "").split() if len(word) > 2]
