"""What is said over NATS: subjects, messages up, answers and changes down, as ``docs/upstream.md`` has them. Pure.

A message up is one CloudEvent in JSON (CloudEvents 1.0.2), its id the Nats-Msg-Id; JetStream's answers are those of
its published API (ADR-1 of nats-architecture-and-design).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.queue.lane import Lane
from edge.queue.sink import Change, Dead, HandedOver, Outcome, Parcel, Retry, scrub

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
CHANGED = "kampung.request.changed"
CONFIRMED = "kampung.events.confirmed"
MESSAGE_MOST = 64 << 10
_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
# JetStream's error codes (server/errors.json): what the stream has no room for now may fit later.
_TOO_LARGE = frozenset({10054})

Identifier = Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z")]


class ApiError(msgspec.Struct):
    """The error of a JetStream answer."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(msgspec.Struct):
    """A stream's answer to a message."""

    stream: str = ""
    seq: int = 0
    error: ApiError | None = None


class _Changed(msgspec.Struct):
    state: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
    version: Annotated[int, Meta(ge=1, le=2**53)]
    why: Annotated[str, Meta(max_length=500)] = ""


class _Confirmed(msgspec.Struct):
    events: Annotated[list[Identifier], Meta(max_length=1_000)]


class _Event(msgspec.Struct):
    id: Identifier
    type: str
    data: msgspec.Raw
    subject: Annotated[str, Meta(pattern=r"^[!-~]{0,64}\Z")] = ""


def subject(code: str, parcel: Parcel) -> str:
    """Where a parcel of the village `code` is published."""
    if parcel.kind == "request":
        return f"kampung.{code}.requests"
    return f"kampung.{code}.{'digests' if parcel.lane is Lane.DIGEST else 'events'}"


def headers(code: str, parcel: Parcel) -> dict[str, str]:
    """The headers of a parcel: the stream takes one Nats-Msg-Id once within its duplicate window."""
    return {
        "Nats-Msg-Id": parcel.event,
        "Kampung-Village": code,
        "Kampung-Epoch": str(parcel.epoch),
        "Kampung-Seq": str(parcel.seq),
    }


def event(code: str, parcel: Parcel) -> bytes:
    """A parcel as a CloudEvent."""
    content: Any = msgspec.json.decode(parcel.content)
    kind = {"request": "kampung.request.filed", "uplink_hour": "kampung.uplink.hour"}.get(parcel.kind)
    said: dict[str, Any] = {
        "specversion": "1.0",
        "id": parcel.event,
        "source": f"kampung/{code}",
        "type": kind or f"kampung.request.{parcel.kind}",
        "time": datetime.fromtimestamp(max(0.0, parcel.created_at), UTC).isoformat(),
        "seq": parcel.seq,
        "epoch": parcel.epoch,
        "data": {**content, "village": code} if parcel.kind == "request" else content,
    }
    if parcel.request:
        said["subject"] = parcel.request
    return msgspec.json.encode(said)


def settled(answer: bytes) -> Outcome:
    """What a stream's answer to a message means."""
    try:
        ack = msgspec.json.decode(answer, type=PubAck)
    except UNREADABLE:
        return Retry("the broker's answer is not what was agreed")
    if ack.error is None:
        return HandedOver() if ack.stream and ack.seq > 0 else Retry("the broker's answer names no stream")
    words = scrub(f"{ack.error.code} {ack.error.description}")
    if ack.error.err_code in _TOO_LARGE:
        return Dead(f"the stream refuses it: {words}")
    return Retry(f"the stream does not take it now: {words}")


def place(reply: str, *, stream: str, consumer: str) -> tuple[int, int] | None:
    """Where a message stands in the stream, and which delivery of the consumer it is; None for any other message.

    Both forms of an acknowledgement's subject: ``$JS.ACK`` with stream, consumer, deliveries, the two numbers, time and
    pending ones, and the longer one with domain and account before them (ADR-15).
    """
    tokens = reply.split(".")
    if tokens[:2] != ["$JS", "ACK"] or not (len(tokens) == 9 or 11 <= len(tokens) <= 12):
        return None
    own = tokens[2:] if len(tokens) == 9 else tokens[4:]
    numbers = own[3:5]
    if own[:2] != [stream, consumer] or not all(_NUMBER.fullmatch(number) for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1])


def read(messages: Iterable[bytes]) -> tuple[tuple[Change, ...], tuple[str, ...], int]:
    """Changes, confirmed events and how many messages were neither."""
    changes: list[Change] = []
    confirmed: list[str] = []
    unreadable = 0
    for message in messages:
        try:
            found = _read(message)
        except UNREADABLE:
            unreadable += 1
            continue
        if isinstance(found, Change):
            changes.append(found)
        else:
            confirmed += found
    return tuple(changes), tuple(confirmed), unreadable


def _read(message: bytes) -> Change | list[str]:
    if len(message) > MESSAGE_MOST:
        raise msgspec.ValidationError("too large")
    told = msgspec.json.decode(message, type=_Event)
    if told.type == CONFIRMED:
        return msgspec.json.decode(told.data, type=_Confirmed).events
    if told.type != CHANGED or not told.subject:
        raise msgspec.ValidationError("of no known type")
    data = msgspec.json.decode(told.data, type=_Changed)
    return Change(told.id, told.subject, data.state, data.version, data.why)
