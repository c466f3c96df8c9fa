"""A sink: one way to an upstream, what can become of a delivery, and the table of kinds.

Every answer of a peer is one of these values. A new kind is one file in `edge.queue.sinks`, one line in `KINDS` and one
choice of `upstream.sink`; its module is imported when it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from edge.config import Upstream

_DETAIL_MOST = 200
_DIGITS = re.compile(r"\d[\d .\-]{2,}\d")


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is to be delivered: `kind` is request or the name of an event; `content` is JSON and holds personal data."""

    event: str
    request: str
    kind: str
    seq: int
    created_at: float
    content: bytes

    def __repr__(self) -> str:
        return f"Parcel({self.kind} {self.event})"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The upstream has it, by this try or an earlier one."""


@dataclass(frozen=True, slots=True)
class Dead:
    """The upstream refuses it for good; `detail` is short and free of personal data."""

    detail: str


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now: `detail` says why, `after_s` what the peer asked for (seconds)."""

    detail: str
    after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """The key is refused: nothing goes until a person acts."""

    detail: str


Outcome = Delivered | Dead | Retry | Unauthorised


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
    """A page of changes and the cursor after it; `unreadable` counts events that were no change of ours."""

    changes: tuple[Change, ...]
    cursor: str
    unreadable: int = 0


class Sink(Protocol):
    """One upstream. No method raises for what a peer or the network does; only a bug raises."""

    async def deliver(self, parcel: Parcel) -> Outcome:
        """Hand one parcel over; doing it twice has one effect."""
        ...

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Retry | Unauthorised:
        """Wait for changes after `cursor` ("" from the beginning); an empty page when none came in time.

        `at_once` does not wait for one: it tells soon whether the upstream is well again.
        """
        ...

    async def refresh(self) -> None:
        """Drop connections that may belong to an uplink which is gone."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


class MakeSink(Protocol):
    """Builds a sink for the village `code` with its secret `key`; nothing is opened yet."""

    def __call__(self, settings: Upstream, *, code: str, key: str) -> Sink:
        """Build it."""
        ...


def _https() -> MakeSink:
    from edge.queue.sinks.https import HttpsSink

    return HttpsSink


KINDS: Mapping[str, Callable[[], MakeSink]] = MappingProxyType({"https": _https})


def scrub(text: str, personal: Iterable[str] = ()) -> str:
    """A peer's words, bounded and without personal data: no known value, no run of four digits, one line."""
    for value in sorted(filter(None, personal), key=len, reverse=True):
        text = re.sub(re.escape(value), "…", text, flags=re.IGNORECASE)
    text = " ".join(_DIGITS.sub("…", text).split())
    text = "".join(letter for letter in text if letter.isprintable())
    return text[:_DETAIL_MOST]
