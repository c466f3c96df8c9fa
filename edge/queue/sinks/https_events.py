"""Events up: batches within the contract's bounds, a result for each event, and who is guilty of a batch's refusal."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec

from edge.queue.sink import Dead, Delivered, Outcome, Parcel, Refusal, Retry
from edge.queue.sinks.https_answers import Result, Results, read, refusal, rejected
from edge.queue.sinks.https_wire import JSON, Answer, Wire

BATCH_MOST = 50
BATCH_BYTES_MOST = 256 << 10
_ANSWER_MOST = 1 << 20
_WORTH_GZIP = 512
_BATCH = "application/cloudevents-batch+json"
_NOT_AGREED = "the portal's answer to events is not what was agreed"
_LEFT_OUT = "the portal's answer leaves our event out"
_TAKEN = frozenset({"accepted", "duplicate"})

Sent = tuple[Parcel, bytes]
Stale = Callable[[Parcel], Awaitable[Outcome]]


class Events:
    """POSTs events for the village `code`; `stale` is asked what becomes of one that the portal calls stale (409)."""

    def __init__(self, wire: Wire, *, code: str, stale: Stale) -> None:
        self._wire = wire
        self._code = code
        self._stale = stale
        self._gzip = True

    async def post(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """One outcome each, in their order."""
        sent = [(parcel, self._encode(parcel)) for parcel in parcels]
        outcomes: list[Outcome] = []
        for batch in _batches(sent):
            became = await self._post(batch)
            outcomes += became
            if all(isinstance(outcome, Refusal) and not _own(outcome) for outcome in became):
                # The portal is away or wants to be left alone: the others' turn comes with the next try.
                return outcomes + [became[0]] * (len(sent) - len(outcomes))
        return outcomes

    def refresh(self) -> None:
        """The way has changed: what the portal could not read before, it may read now."""
        self._gzip = True

    async def _post(self, batch: Sequence[Sent]) -> list[Outcome]:
        return await self._judge(batch, await self._ask(batch), known=False)

    async def _judge(self, batch: Sequence[Sent], answer: Answer | Retry, *, known: bool) -> list[Outcome]:
        """`known`: the portal answered other events otherwise, so that its 500 is these events' own fault."""
        if isinstance(answer, Retry):
            return [answer] * len(batch)
        if answer.status == 200 and answer.content_type == JSON:
            return await self._results(answer, batch)
        verdict = refusal(answer)
        if not isinstance(verdict, Dead) and answer.status != 500:
            return [verdict] * len(batch)
        if len(batch) > 1:
            return await self._isolate(batch, answer, known=known)
        if isinstance(verdict, Retry):
            return [Retry(verdict.detail, verdict.after_s, own=known)]
        return [await self._alone(answer, batch[0][0])]

    async def _isolate(self, batch: Sequence[Sent], answer: Answer, *, known: bool) -> list[Outcome]:
        """A batch is refused as a whole: halves, until the guilty one stands alone.

        500 may also mean that the portal is down, which the two halves tell: then nothing more is asked.
        """
        half = len(batch) // 2
        halves = batch[:half], batch[half:]
        answers = [await self._ask(part) for part in halves]
        known = known or any(isinstance(one, Answer) and one.status != 500 for one in (answer, *answers))
        if not known:
            return [refusal(answer)] * len(batch)
        judged = [await self._judge(part, one, known=True) for part, one in zip(halves, answers, strict=True)]
        return [*judged[0], *judged[1]]

    async def _alone(self, answer: Answer, parcel: Parcel) -> Outcome:
        if answer.status == 409 and answer.ours:
            return await self._stale(parcel)
        return refusal(answer, parcel)

    async def _results(self, answer: Answer, batch: Sequence[Sent]) -> list[Outcome]:
        found = read(answer.body, Results)
        if found is None:
            return [Retry(_NOT_AGREED)] * len(batch)
        named: dict[str, list[Result]] = {}
        for result in found.results:
            named.setdefault(result.id, []).append(result)
        return [await self._result(named.get(parcel.event, []), parcel) for parcel, _ in batch]

    async def _result(self, results: Sequence[Result], parcel: Parcel) -> Outcome:
        statuses = {result.status for result in results}
        if statuses and statuses <= _TAKEN:
            return Delivered()
        if statuses != {"rejected"}:
            return Retry(_NOT_AGREED if statuses else _LEFT_OUT, own=True)
        problem = results[0].problem
        if (problem or {}).get("status") == 409:
            return await self._stale(parcel)
        return rejected(problem, parcel)

    async def _ask(self, batch: Sequence[Sent]) -> Answer | Retry:
        body = b"[" + b",".join(encoded for _, encoded in batch) + b"]"
        path, headers = f"/v1/villages/{self._code}/events", {"Content-Type": _BATCH}
        if self._gzip and len(body) >= _WORTH_GZIP:
            packed = await asyncio.to_thread(gzip.compress, body, 6, mtime=0)
            answer = await self._wire.ask(
                "POST", path, body=packed, headers={**headers, "Content-Encoding": "gzip"}, most=_ANSWER_MOST
            )
            if isinstance(answer, Retry) or answer.status != 415 or not answer.ours:
                return answer
            self._gzip = False
        return await self._wire.ask("POST", path, body=body, headers=headers, most=_ANSWER_MOST)

    def _encode(self, parcel: Parcel) -> bytes:
        """A CloudEvent 1.0 in its JSON format, with the extension attributes `seq` and `epoch`."""
        room = "uplink" if parcel.kind == "uplink_hour" else "request"
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": parcel.event,
            "source": f"kampung/{self._code}",
            "type": f"kampung.{room}.{parcel.kind.removeprefix('uplink_')}",
            **({"subject": parcel.request} if parcel.request else {}),
            "seq": parcel.seq,
            "epoch": parcel.epoch,
            "data": msgspec.Raw(parcel.content or b"{}"),
        }
        return msgspec.json.encode(event)


def _own(outcome: Outcome) -> bool:
    return isinstance(outcome, Retry) and outcome.own


def _batches(sent: Sequence[Sent]) -> Iterator[list[Sent]]:
    """As many as fit, in order; one that is too large by itself goes alone, and the portal judges it."""
    batch: list[Sent] = []
    size = 2
    for one in sent:
        if batch and (len(batch) == BATCH_MOST or size + len(one[1]) + 1 > BATCH_BYTES_MOST):
            yield batch
            batch, size = [], 2
        batch.append(one)
        size += len(one[1]) + 1
    if batch:
        yield batch
