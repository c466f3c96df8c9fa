"""Scans up: in ranges (RFC 9110 section 14.4), from where the portal says it is, in pieces that suit the link."""

from __future__ import annotations

import time
from collections import Counter

from edge.queue.sink import Blob, Dead, Delivered, Partly, Refusal, Replaced, Retry
from edge.queue.sinks.https_answers import Received, read, refusal
from edge.queue.sinks.https_wire import JSON, Answer, Wire

PIECE_LEAST = 64 << 10
PIECE_MOST = 1 << 20
_QUICK_S, _SLOW_S = 2.0, 8.0
_STARTS_MOST = 3
_REMEMBERED_MOST = 256


class Blobs:
    """Carries one piece a call. What the portal holds is asked for whenever the last answer is not known."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._piece = PIECE_LEAST
        self._held: dict[str, int] = {}
        self._mismatches: Counter[str] = Counter()

    def refresh(self) -> None:
        """Another uplink may be thinner, and what was under way is not known to have arrived."""
        self._piece = PIECE_LEAST
        self._held.clear()

    async def carry(self, blob: Blob, *, epoch: int) -> Delivered | Partly | Dead | Refusal:
        """Carry the next piece."""
        start = self._held.pop(blob.sha256, None)
        if start is None:
            held = await self._put(blob, None, b"", epoch)
            if not isinstance(held, Partly):
                return held
            start = held.sent
        return await self._next(blob, start, epoch)

    async def _next(self, blob: Blob, start: int, epoch: int) -> Delivered | Partly | Dead | Refusal:
        body = await blob.read(start, min(self._piece, blob.size - start))
        began = time.monotonic()
        outcome = await self._put(blob, start, body, epoch)
        kept = isinstance(outcome, Delivered) or (isinstance(outcome, Partly) and outcome.sent >= start + len(body))
        self._adapt(len(body), time.monotonic() - began, well=kept)
        if isinstance(outcome, Partly):
            self._remember(blob.sha256, outcome.sent)
        elif isinstance(outcome, Delivered):
            self._mismatches.pop(blob.sha256, None)
        return outcome

    async def _put(self, blob: Blob, start: int | None, body: bytes, epoch: int) -> Delivered | Partly | Dead | Refusal:
        """Send the range from `start` on; None asks what is held."""
        span = f"*/{blob.size}" if start is None else f"{start}-{start + len(body) - 1}/{blob.size}"
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {span}",
            **({"Kampung-Epoch": str(epoch)} if epoch else {}),
        }
        answer = await self._wire.ask("PUT", f"/v1/blobs/{blob.sha256}", body=body, headers=headers)
        if isinstance(answer, Retry) or answer.status not in (200, 201, 202) or answer.content_type != JSON:
            return self._refused(answer, blob, epoch)
        received = read(answer.body, Received)
        if received is None or received.received > blob.size:
            return Retry("the portal's answer to a range is not what was agreed")
        if answer.status != 202:
            whole = received.received == blob.size
            return Delivered() if whole else Retry("the portal calls a part of the blob whole")
        if received.received == blob.size:
            return self._again(blob, Dead("the portal holds every byte and does not call it whole"))
        if start is not None and received.received <= start:
            return Retry(f"the portal keeps nothing of the range from {start} on", own=True)
        return Partly(received.received)

    def _refused(self, answer: Answer | Retry, blob: Blob, epoch: int) -> Partly | Dead | Refusal:
        verdict = refusal(answer)
        if isinstance(verdict, Replaced) and not epoch:
            return Retry("the portal wants this installation's epoch, which the next heartbeat brings")
        if not isinstance(answer, Answer) or not isinstance(verdict, Dead):
            return verdict
        if answer.status == 413 and self._piece > PIECE_LEAST:
            self._piece = PIECE_LEAST
            return Retry("the portal takes smaller pieces only")
        if answer.status == 409:
            return Retry("409: the portal disagrees about what it holds", own=True)
        return self._again(blob, verdict) if answer.status == 422 else verdict

    def _again(self, blob: Blob, verdict: Dead) -> Partly | Dead:
        """The bytes at the portal are not the blob's: from the first byte on, a few times."""
        self._mismatches[blob.sha256] += 1
        if self._mismatches[blob.sha256] < _STARTS_MOST:
            return Partly(0)
        del self._mismatches[blob.sha256]
        return verdict

    def _adapt(self, length: int, took_s: float, *, well: bool) -> None:
        """Pieces of some seconds each: a lost one costs little, and an answer each does not slow down a quick link."""
        if not well or took_s > _SLOW_S:
            self._piece = max(PIECE_LEAST, self._piece // 2)
        elif took_s < _QUICK_S and length >= self._piece:
            self._piece = min(PIECE_MOST, self._piece * 2)

    def _remember(self, sha256: str, sent: int) -> None:
        if len(self._held) >= _REMEMBERED_MOST:
            self._held.clear()
        self._held[sha256] = sent
