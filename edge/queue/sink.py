"""A sink: one way to an upstream, what can become of a delivery, and the table of kinds.

Every answer of a peer is one of these values. A new kind is one file in `edge.queue.sinks`, one line in `KINDS` and one
choice of `upstream.sink`; its module is imported when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from edge.config import Upstream
from edge.queue.lane import Lane

_DETAIL_MOST = 200
_DIGITS = re.compile(r"\d[\d .\-]{2,}\d")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be delivered: `kind` is request or the name of an event; `content` is JSON and holds personal data."""

    event: str
    request: str
    kind: str
    lane: Lane
    seq: int
    created_at: float
    content: bytes
    epoch: int = 0

    def __repr__(self) -> str:
        return f"Parcel({self.kind} {self.event})"


@dataclass(frozen=True, slots=True)
class Blob:
    """A scan to be carried: `read(start, length)` gives its plain bytes; `sent` is how many the upstream confirmed."""

    sha256: str
    size: int
    media_type: str
    sent: int
    read: Callable[[int, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Beat:
    """What an upstream answered to a heartbeat: the epoch it gives to this installation, 0 where it has none."""

    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of the connection: whose ("own", "portal") and until when it is valid (Unix seconds)."""

    whose: str
    not_after: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """The upstream has it, by this try or an earlier one; of a blob all its bytes, and their hash is right."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A broker has it and the far end will confirm it by a change event (`Changes.confirmed`)."""


@dataclass(frozen=True, slots=True)
class Partly:
    """So many bytes of a blob are at the upstream; go on from there."""

    sent: int


@dataclass(frozen=True, slots=True)
class Dead:
    """The upstream refuses it for good; `detail` is short and free of personal data."""

    detail: str


@dataclass(frozen=True, slots=True)
class Declined:
    """This upstream has no place for such a thing: it stays on the box, and nobody need act; `detail` says so."""

    detail: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: `detail` says why, `after_s` what the peer asked for (seconds).

    `own`: the peer answers others, so it is this parcel that it cannot take (a poison one, should it go on).
    """

    detail: str
    after_s: float | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """The key is refused: nothing goes until a person acts."""

    detail: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another installation speaks for this village now: nothing goes until a person acts."""

    detail: str


Refusal = Retry | Unauthorised | Replaced
Outcome = Delivered | HandedOver | Dead | Declined | Refusal


@dataclass(frozen=True, slots=True)
class Change:
    """A request's new state from the portal; `version` orders a request's changes, `why` may be personal data."""

    event: str
    request: str
    state: str
    version: int
    why: str = ""

    def __repr__(self) -> str:
        return f"Change({self.event}: {self.request} {self.state} version {self.version})"


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of changes and the cursor after it; `unreadable` counts events that were no change of ours.

    `confirmed` are the events of ours that the far end says it has; `done` is called once the page is durable.
    """

    changes: tuple[Change, ...]
    cursor: str
    unreadable: int = 0
    confirmed: tuple[str, ...] = ()
    done: Callable[[], Awaitable[None]] | None = None


class Sink(Protocol):
    """One upstream. No method raises for what a peer or the network does; only a bug raises."""

    @property
    def batch_most(self) -> int:
        """How many parcels one call of `deliver` takes."""
        ...

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """Hand parcels over; one outcome each, in their order. Doing it twice has one effect."""
        ...

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Declined | Refusal:
        """Carry the next piece of a blob; asked again until it is delivered, and it goes on where it was."""
        ...

    async def beat(self, state: bytes) -> Beat | Refusal:
        """Tell that the box lives: `state` is JSON, the village in a few hundred bytes, without personal data."""
        ...

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Refusal:
        """Wait for changes after `cursor` ("" from the beginning); an empty page when none came in time.

        `at_once` does not wait for one: it tells soon whether the upstream is well again.
        """
        ...

    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates of the last connection, as far as they are known."""
        ...

    async def refresh(self) -> None:
        """Drop connections that may belong to an uplink which is gone."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class MakeSink(Protocol):
    """Builds a sink for the village `code` with its secret `key`; nothing is opened yet.

    `client_key` is the path of the private key (PEM) that belongs to `settings.client_cert_file`, or "".
    """

    def __call__(self, settings: Upstream, *, code: str, key: str, client_key: str = "") -> Sink:
        """Build it."""
        ...


def _https() -> MakeSink:
    from edge.queue.sinks.https import HttpsSink

    return HttpsSink


def _nats() -> MakeSink:
    from edge.queue.sinks.nats import NatsSink

    return NatsSink


def _opendk() -> MakeSink:
    from edge.queue.sinks.opendk import OpenDkSink

    return OpenDkSink


KINDS: Mapping[str, Callable[[], MakeSink]] = MappingProxyType({"https": _https, "nats": _nats, "opendk": _opendk})


def scrub(text: str, personal: Iterable[str] = ()) -> str:
    """A peer's words, bounded and without personal data: no known value, no run of four digits, one line."""
    for value in sorted(filter(None, personal), key=len, reverse=True):
        text = re.sub(re.escape(value), "…", text, flags=re.IGNORECASE)
    text = " ".join(_DIGITS.sub("…", text).split())
    text = "".join(letter for letter in text if letter.isprintable())
    return text[:_DETAIL_MOST]
