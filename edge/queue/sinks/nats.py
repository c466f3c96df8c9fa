"""The NATS JetStream sink (extra `nats`): rows published with their event id, kept until the regency confirms them.

The broker's acknowledgement is no fsync (a default nats-server forgets its streams in a power cut), so it counts as
handed over, not as delivered: the row ends when the regency's consumer confirms the event among the changes, and goes
again when it does not in time. Scans and heartbeats are asked of the regency's consumer itself, through the broker: a
scan's bytes are let go of only when the far end says that it holds them. What is said stands in `nats_words`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from edge.config import Upstream
from edge.queue.sink import (
    Beat,
    Blob,
    Certificate,
    Changes,
    Dead,
    Declined,
    Delivered,
    Outcome,
    Parcel,
    Partly,
    Refusal,
    Replaced,
    Retry,
    scrub,
)
from edge.queue.sinks import nats_words as words
from edge.queue.sinks.nats_changes import Follower
from edge.queue.sinks.nats_link import Link, TooLarge

_BATCH = 50
_PIECE = 64 << 10


class _Held(msgspec.Struct):
    """The far end's answer to a piece of a scan; `refused` is why it will never take it."""

    received: Annotated[int, Meta(ge=0)] = 0
    whole: bool = False
    refused: str = ""


class _Lives(msgspec.Struct):
    """The far end's answer to a heartbeat."""

    epoch: Annotated[int, Meta(ge=0, le=2**53)] = 0
    replaced: bool = False


class NatsSink:
    """Speaks to the broker at `settings.url` for the village `code` with the secret `key`."""

    def __init__(self, settings: Upstream, *, code: str, key: str, client_key: str = "") -> None:
        self._settings = settings
        self._code = code
        self._link = Link(settings, code=code, key=key, client_key=client_key)
        self._follower = Follower(self._link, code)

    @property
    def batch_most(self) -> int:
        """So many messages are under way at once."""
        return _BATCH

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """Publish, in the order given, and wait for the stream's answers."""
        return await asyncio.gather(*(self._publish(parcel) for parcel in parcels))

    async def _publish(self, parcel: Parcel) -> Outcome:
        try:
            answer = await self._link.ask(
                words.subject(self._code, parcel),
                words.event(self._code, parcel),
                headers=words.headers(self._code, parcel),
                timeout_s=self._settings.read_timeout_s,
            )
        except TooLarge as large:
            return Dead(f"too large: {large}")
        return words.settled(answer) if isinstance(answer, bytes) else answer

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Declined | Refusal:
        """Ask the far end to take the next piece; the answer says how many bytes it holds, durably."""
        piece = await blob.read(blob.sent, min(_PIECE, blob.size - blob.sent))
        headers = {
            "Kampung-Blob": blob.sha256,
            "Kampung-Offset": str(blob.sent),
            "Kampung-Size": str(blob.size),
            "Kampung-Media-Type": blob.media_type,
            "Kampung-Piece": hashlib.sha256(piece).hexdigest(),
        }
        try:
            answer = await self._link.ask(
                f"kampung.{self._code}.blobs", piece, headers=headers, timeout_s=self._settings.read_timeout_s
            )
        except TooLarge as large:
            return Retry(f"a piece of {len(piece)} bytes is too large: {large}", own=True)
        if not isinstance(answer, bytes):
            return answer
        try:
            held = msgspec.json.decode(answer, type=_Held)
        except words.UNREADABLE:
            return Retry("the answer to a piece is not what was agreed")
        if held.refused:
            return Dead(scrub(held.refused))
        return Delivered() if held.whole else Partly(min(held.received, blob.size))

    async def beat(self, state: bytes) -> Beat | Refusal:
        """Tell the regency's consumer, and hear from it which epoch this installation has."""
        try:
            answer = await self._link.ask(
                f"kampung.{self._code}.heartbeat", state, timeout_s=self._settings.read_timeout_s
            )
        except TooLarge as large:
            return Retry(f"the heartbeat is too large: {large}")
        if not isinstance(answer, bytes):
            return answer
        try:
            lives = msgspec.json.decode(answer, type=_Lives)
        except words.UNREADABLE:
            return Retry("the answer to a heartbeat is not what was agreed")
        if lives.replaced:
            return Replaced("another installation speaks for this village")
        return Beat(lives.epoch)

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Refusal:
        """Pull a page of changes after `cursor`."""
        return await self._follower.page(cursor, wait_s=0.0 if at_once else float(self._settings.wait_s))

    def certificates(self) -> tuple[Certificate, ...]:
        """The box's own and the broker's, where the connection is by TLS."""
        return self._link.certificates()

    async def refresh(self) -> None:
        """Give the connection up; the next call opens a new one by whatever route holds then."""
        await self._link.drop()

    async def close(self) -> None:
        """Close the connection."""
        await self._link.drop()
