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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge.queue.sink import Changes, Refusal, Retry, scrub
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
_ENOUGH = "409"  # the next message would be more bytes than were asked for
_ACK = b"+ACK"


class _Gone(Exception):
    """The consumer or the stream is not there any more."""


_Number = Annotated[int, Meta(ge=0, le=2**53)]


class _Sequence(msgspec.Struct):
    stream_seq: _Number = 0


class _State(msgspec.Struct):
    last_seq: _Number = 0


class _Answer(msgspec.Struct):
    """A stream's or a consumer's description; of a consumer `ack_floor` is the last message acknowledged."""

    created: Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z")] = ""
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
    delivery: int | None = None


@dataclass(frozen=True, slots=True)
class _Message:
    """A message: its number in the stream, and of its delivery by the consumer, which has no gaps."""

    number: int
    delivery: int
    reply: str
    data: bytes


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
        unbroken = _unbroken(messages, pull.delivery)
        if len(unbroken) < len(messages):
            # Some were lost on the way here: another subscription, from the cursor on, brings them again.
            self._pull = None
        pull.delivery = unbroken[-1].delivery if unbroken else pull.delivery
        return await self._told(pull, unbroken)

    async def _told(self, pull: _Pull, messages: Sequence[_Message]) -> Changes:
        """What the messages say; those that were durable here before are acknowledged once more."""
        created, last = _place_of(pull.cursor)
        news = [message for message in messages if message.number > last]
        if messages and not news:
            await pull.client.publish(messages[-1].reply, _ACK)
        if not news:
            return Changes((), pull.cursor)
        changes, confirmed, unreadable = words.read(message.data for message in news)
        pull.cursor = f"{created} {news[-1].number}"

        async def done() -> None:
            # Should it be lost, the messages come again and are skipped.
            await self._link.use(lambda client: client.publish(news[-1].reply, _ACK))

        return Changes(changes, pull.cursor, unreadable, confirmed, done)

    async def _take(self, pull: _Pull, most: int, wait_s: float | None) -> list[_Message]:
        """Ask for messages (ADR-13): at once what is there, or the next ones within `wait_s`."""
        reply = f"{pull.inbox}.{next(self._numbers)}"
        wish: dict[str, Any] = {"batch": most}
        wish |= {"no_wait": True} if wait_s is None else {"expires": int(wait_s * 1e9)}
        wish |= {"max_bytes": _PENDING_MOST // 2} if most > 1 else {}
        next_of = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}"
        await pull.client.publish(next_of, msgspec.json.encode(wish), reply=reply)
        taken: list[_Message] = []
        async with asyncio.timeout((wait_s or 0.0) + _API_S):
            while len(taken) < most:
                message = await pull.subscription.next_msg(timeout=None)
                headers = message.headers or {}
                status = headers.get("Status")
                if status is None:
                    taken.append(self._message(message.reply, message.data))
                elif message.subject == reply:
                    if status not in _NO_MESSAGES and not (status == _ENOUGH and (taken or most > 1)):
                        raise _Gone(scrub(f"{status} {headers.get('Description', '')}")[:80])
                    break
        return taken

    def _message(self, reply: str, data: bytes) -> _Message:
        """What is kept of a message until its page is read. Raises `_Gone` for one without its place in the stream."""
        place = words.place(reply, stream=STREAM, consumer=self._name)
        if place is None:
            raise _Gone("a message does not say its place in the stream")
        # Too long to be a change: that is told by its length alone.
        return _Message(*place, reply, bytes(data) if len(data) <= words.MESSAGE_MOST else b"")

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
        subscription = await client.subscribe(f"{inbox}.*", pending_bytes_limit=_PENDING_MOST + _single(client))
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
            return Retry(scrub(f"the broker's changes: {answer.error.code} {answer.error.description}")[:120])
        return Retry("the broker's answer is not what was agreed")


def _single(client: Any) -> int:
    """Room for the largest message that this server lets through, within reason."""
    return min(_PENDING_MOST, int(client.max_payload))


def _unbroken(messages: Sequence[_Message], before: int | None) -> list[_Message]:
    """The messages up to the first one that a slow reader has lost; `before` is the delivery before them."""
    found: list[_Message] = []
    for message in messages:
        if before is not None and message.delivery != before + 1:
            break
        found.append(message)
        before = message.delivery
    return found


def _place_of(cursor: str) -> tuple[str, int]:
    created, _, last = cursor.rpartition(" ")
    return (created, int(last)) if last.isascii() and last.isdigit() else ("", 0)
