"""Changes down: a durable pull consumer that follows the cursor of the store, not the other way round.

The cursor is the stream's time of creation and the last sequence that is durable here. A consumer that stands before
it redelivers, which is skipped; one that stands after it (the store was restored from a backup, another box has
acknowledged) or belongs to another stream (the server's disk was lost) is made again, from the cursor or from the
beginning. What comes twice is told apart by its event id.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from edge.queue.sink import Changes, Refusal, Retry
from edge.queue.sinks import nats_words as words
from edge.queue.sinks.nats_link import Link

log = logging.getLogger("edge.queue.nats")

STREAM = "KAMPUNG_DOWN"
_PAGE = 50
_PENDING_MOST = 8 << 20
_ACK_WAIT_NS = 60_000_000_000
_API_S = 5.0
_SOON_S = 1.0
_NO_MESSAGES = ("404", "408")
_ACK = b"+ACK"


class _Gone(Exception):
    """The consumer or the stream is not there any more."""


class _Sequence(msgspec.Struct):
    stream_seq: int = 0


class _State(msgspec.Struct):
    last_seq: int = 0


class _Answer(msgspec.Struct):
    """A stream's or a consumer's description; of a consumer `ack_floor` is the last message acknowledged."""

    created: str = ""
    state: _State = msgspec.field(default_factory=_State)
    ack_floor: _Sequence = msgspec.field(default_factory=_Sequence)
    num_ack_pending: int = 0
    error: words.ApiError | None = None


@dataclass(slots=True)
class _Pull:
    client: Any
    subscription: Any
    inbox: str
    cursor: str


class Follower:
    """Follows `kampung.<code>.changes` through `link`."""

    def __init__(self, link: Link, code: str) -> None:
        self._link = link
        self._subject = f"kampung.{code}.changes"
        self._name = f"box-{code}"
        self._pull: _Pull | None = None
        self._numbers = itertools.count(1)

    async def page(self, cursor: str, *, wait_s: float) -> Changes | Refusal:
        """The messages after `cursor`; an empty page when none came within `wait_s`."""
        found = await self._link.use(lambda client: self._page(client, cursor, wait_s))
        if not isinstance(found, Changes):
            self._pull = None
        return found

    async def _page(self, client: Any, cursor: str, wait_s: float) -> Changes | Refusal:
        pull = self._pull
        if pull is None or pull.client is not client or pull.cursor != cursor:
            self._pull = None
            placed = await self._place(client, cursor)
            if not isinstance(placed, _Pull):
                return placed
            pull = self._pull = placed
        try:
            messages = await self._take(pull, _PAGE, None)
            if not messages:
                messages = await self._take(pull, 1, max(_SOON_S, wait_s))
                messages += await self._take(pull, _PAGE - 1, None) if messages else []
        except _Gone as gone:
            return Retry(f"the broker's changes: {gone}")
        created, last = _place_of(pull.cursor)
        news = [message for message in messages if message.metadata.sequence.stream > last]
        if messages and not news:
            await client.publish(messages[-1].reply, _ACK)
        if not news:
            return Changes((), pull.cursor)
        changes, confirmed, unreadable = words.read(message.data for message in news)
        pull.cursor = f"{created} {news[-1].metadata.sequence.stream}"

        async def done() -> None:
            # Should it be lost, the messages come again and are skipped.
            await self._link.use(lambda client: client.publish(news[-1].reply, _ACK))

        return Changes(changes, pull.cursor, unreadable, confirmed, done)

    async def _take(self, pull: _Pull, most: int, wait_s: float | None) -> list[Any]:
        """Ask for messages (ADR-13): at once what is there, or the next ones within `wait_s`."""
        reply = f"{pull.inbox}.{next(self._numbers)}"
        wish: dict[str, Any] = {"batch": most}
        wish |= {"no_wait": True} if wait_s is None else {"expires": int(wait_s * 1e9)}
        next_of = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}"
        await pull.client.publish(next_of, msgspec.json.encode(wish), reply=reply)
        taken: list[Any] = []
        async with asyncio.timeout((wait_s or 0.0) + _API_S):
            while len(taken) < most:
                message = await pull.subscription.next_msg(timeout=None)
                status = (message.headers or {}).get("Status")
                if status is None:
                    taken.append(message)
                elif message.subject == reply:
                    if status not in _NO_MESSAGES:
                        raise _Gone(f"{status} {message.headers.get('Description', '')}".strip()[:80])
                    break
        return taken

    async def _place(self, client: Any, cursor: str) -> _Pull | Refusal:
        """A subscription and a consumer that stands where the cursor is."""
        stream = await self._api(client, f"STREAM.INFO.{STREAM}")
        if isinstance(stream, Retry):
            return stream
        created, last = _place_of(cursor)
        if created != stream.created or last > stream.state.last_seq:
            if cursor:
                log.warning("the broker's stream of changes is another one now: reading it from its beginning")
            created, last = stream.created, 0
        consumer = await self._api(client, f"CONSUMER.INFO.{STREAM}.{self._name}", missing=True)
        if isinstance(consumer, Retry):
            return consumer
        stands = consumer.error is None and consumer.ack_floor.stream_seq <= last and not consumer.num_ack_pending
        if not stands:
            refused = await self._make(client, last, replace=consumer.error is None)
            if refused is not None:
                return refused
        inbox = client.new_inbox()
        subscription = await client.subscribe(f"{inbox}.*", pending_bytes_limit=_PENDING_MOST)
        return _Pull(client, subscription, inbox, f"{created} {last}")

    async def _make(self, client: Any, last: int, *, replace: bool) -> Retry | None:
        if replace:
            await self._api(client, f"CONSUMER.DELETE.{STREAM}.{self._name}", missing=True)
        wanted = {
            "stream_name": STREAM,
            "config": {
                "name": self._name,
                "durable_name": self._name,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": last + 1,
                "ack_policy": "all",
                "ack_wait": _ACK_WAIT_NS,
                "max_deliver": -1,
                "filter_subject": self._subject,
                "replay_policy": "instant",
            },
        }
        made = await self._api(
            client, f"CONSUMER.CREATE.{STREAM}.{self._name}.{self._subject}", msgspec.json.encode(wanted)
        )
        return made if isinstance(made, Retry) else None

    async def _api(self, client: Any, name: str, body: bytes = b"", *, missing: bool = False) -> _Answer | Retry:
        message = await client.request(f"$JS.API.{name}", body, timeout=_API_S)
        with contextlib.suppress(*words.UNREADABLE):
            answer = msgspec.json.decode(message.data, type=_Answer)
            if answer.error is None or (missing and answer.error.code == 404):
                return answer
            return Retry(f"the broker's changes: {answer.error.code} {answer.error.description}"[:120])
        return Retry("the broker's answer is not what was agreed")


def _place_of(cursor: str) -> tuple[str, int]:
    created, _, last = cursor.rpartition(" ")
    return (created, int(last)) if last.isdigit() else ("", 0)
