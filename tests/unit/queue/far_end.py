"""A far end that keeps the contract and is as nasty as a broken link lets it be. It knows nothing of the sender."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from edge.queue.sink import (
    Beat,
    Blob,
    Certificate,
    Changes,
    Dead,
    Declined,
    Delivered,
    HandedOver,
    Outcome,
    Parcel,
    Partly,
    Replaced,
    Retry,
    Unauthorised,
)

PIECE = 65_536
AWAY = Retry("no connection")
Answer = Delivered | Dead | Declined | Retry | Unauthorised | Replaced | HandedOver


@dataclass
class FarEnd:
    """Takes everything at once, unless told otherwise by its fields; keeps what it took and when.

    `reachable()` says whether a call arrives; `loses()` whether its answer is lost; `verdicts` what it says of single
    rows, by request or event; a row of `poison` makes every call fail that holds it. Times are the loop's.
    """

    most: int = 50
    reachable: Callable[[], bool] = lambda: True
    loses: Callable[[], bool] = lambda: False
    verdicts: dict[str, Answer] = field(default_factory=dict)
    poison: set[str] = field(default_factory=set)
    refuses: Unauthorised | Replaced | None = None
    beats_answer: Beat | Retry | Replaced = field(default_factory=lambda: Beat(1))
    takes_s: float = 0.05
    piece_s: float = 0.5
    broker: bool = False
    holds: asyncio.Event | None = None
    calls: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    taken: dict[str, tuple[float, Parcel]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    blobs: dict[str, bytes] = field(default_factory=dict)
    pieces: list[tuple[float, int]] = field(default_factory=list)
    beats: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    polls: list[float] = field(default_factory=list)
    pages: list[Changes] = field(default_factory=list)
    refreshed: int = 0
    kept: tuple[Certificate, ...] = ()

    @property
    def batch_most(self) -> int:
        return self.most

    @property
    def order(self) -> list[Parcel]:
        """What was taken, in the order of its first arrival."""
        return [parcel for _, parcel in self.taken.values()]

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        assert 0 < len(parcels) <= self.most
        self.calls.append((_now(), tuple(parcel.request or parcel.event for parcel in parcels)))
        await asyncio.sleep(self.takes_s)
        if self.holds is not None and all(parcel.kind != "request" for parcel in parcels):
            await self.holds.wait()
        if not self.reachable():
            return [AWAY] * len(parcels)
        if self.refuses is not None:
            return [self.refuses] * len(parcels)
        if any(parcel.request in self.poison for parcel in parcels):
            return [Retry("500")] * len(parcels)
        outcomes = [self._take(parcel) for parcel in parcels]
        return [Retry("the answer was lost")] * len(parcels) if self.loses() else outcomes

    def _take(self, parcel: Parcel) -> Outcome:
        verdict = self.verdicts.get(parcel.request) or self.verdicts.get(parcel.kind) or Delivered()
        if isinstance(verdict, Delivered):
            self.times[parcel.event] += 1
            self.taken.setdefault(parcel.event, (_now(), parcel))
            return HandedOver() if self.broker else verdict
        return verdict

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Declined | Retry | Unauthorised | Replaced:
        await asyncio.sleep(self.piece_s)
        if not self.reachable():
            return AWAY
        held = self.blobs.setdefault(blob.sha256, b"")
        if len(held) == blob.size:
            return Delivered()
        if blob.sent != len(held):
            return Partly(len(held))
        piece = await blob.read(blob.sent, min(PIECE, blob.size - blob.sent))
        assert piece
        self.blobs[blob.sha256] = held + piece
        self.pieces.append((_now(), blob.sent))
        if self.loses():
            return Retry("the answer was lost")
        if len(held) + len(piece) < blob.size:
            return Partly(len(held) + len(piece))
        assert sha256(self.blobs[blob.sha256]).hexdigest() == blob.sha256
        return Delivered()

    async def beat(self, state: bytes) -> Beat | Retry | Unauthorised | Replaced:
        await asyncio.sleep(self.takes_s)
        if not self.reachable():
            return AWAY
        if self.refuses is not None:
            return self.refuses
        self.beats.append((_now(), json.loads(state)))
        return self.beats_answer

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Retry | Unauthorised | Replaced:
        self.polls.append(_now())
        if not self.reachable():
            return AWAY
        if self.refuses is not None:
            return self.refuses
        if self.pages:
            return self.pages.pop(0)
        await asyncio.sleep(0 if at_once else 25)
        return Changes((), cursor) if self.reachable() else AWAY

    def certificates(self) -> tuple[Certificate, ...]:
        return self.kept

    async def refresh(self) -> None:
        self.refreshed += 1

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Scans:
    """Scans in memory, as the carrier sees them; `noted` is every progress that was made durable."""

    contents: dict[str, bytes] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    damaged: dict[str, Exception] = field(default_factory=dict)
    noted: list[int] = field(default_factory=list)
    starts: dict[str, int] = field(default_factory=dict)

    async def blob(self, identifier: str) -> Blob | Delivered | None:
        if identifier in self.gone:
            return None
        if identifier in self.done:
            return Delivered()
        content = self.contents[identifier]
        read = self._reader(identifier, content)
        start = self.starts.get(identifier, 0)
        return Blob(sha256(content).hexdigest(), len(content), "application/pdf", start, read)

    def _reader(self, identifier: str, content: bytes) -> Callable[[int, int], Awaitable[bytes]]:
        async def read(start: int, length: int) -> bytes:
            if identifier in self.damaged:
                raise self.damaged[identifier]
            return content[start : start + length]

        return read

    async def progress(self, identifier: str, sent: int) -> None:
        self.noted.append(sent)
        self.starts[identifier] = sent

    async def sent(self, identifier: str) -> None:
        self.done.add(identifier)


def _now() -> float:
    return asyncio.get_running_loop().time()
