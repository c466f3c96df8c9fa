"""What a person at the box may do with SMS: send one, look at them, send one again, give one up.

It answers the commands on the control socket. A message is queued like any other and sent by the modem's own rules;
numbers leave masked, texts not at all.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from edge import config
from edge.clock import Clock
from edge.control import Answer, Handler, Refused
from edge.queue.store import audit
from edge.queue.store.database import Store, StoreError, StoreUncertain
from edge.queue.store.mail import DISCARDABLE, RESENDABLE, Mail, Outbound, OutboundPart, Received
from edge.queue.store.messages import Messages
from edge.queue.store.seal import Seal
from edge.sms import pacing, wishes
from edge.sms.identity import mask_phone
from edge.sms.wishes import Unfit, Wish

CODE = "MANUAL"
_NUMBER = re.compile(r"(?:\d[ .-]?){6}")  # a sender's name may be somebody's number all the same
MOST_LISTED = 1_000
MOST_WAITING = 500
_DOUBT = (
    "the disk failed at that moment and may have kept it all the same: look at kampung-edge sms list before you ask "
    "again"
)


class ByHand:
    """Answers the questions ``sms-send``, ``sms-list``, ``sms-show``, ``sms-resend`` and ``sms-discard``.

    `wake` tells the modem's driver that something may be due at once; `hindered` gives for each modem that cannot send
    now a sentence why.
    """

    def __init__(
        self,
        store: Store,
        messages: Messages,
        seal: Seal,
        settings: config.Sms,
        *,
        clock: Clock,
        wake: Callable[[], None],
        hindered: Callable[[], tuple[str, ...]] = tuple,
        timezone: str = "Asia/Jakarta",
    ) -> None:
        self._store, self._messages, self._mail = store, messages, Mail(seal)
        self._settings, self._clock = settings, clock
        self._wake, self._hindered = wake, hindered
        self._zone = ZoneInfo(timezone)

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask."""
        return {
            "sms-send": self._send,
            "sms-list": self._list,
            "sms-show": self._show,
            "sms-resend": self._resend,
            "sms-discard": self._discard,
        }

    async def _send(self, question: Answer) -> Answer:
        now = self._clock.wall()
        try:
            wish = wishes.read(question, self._settings, now=now)
        except Unfit as unfit:
            raise Refused(str(unfit)) from unfit
        if wish.not_before and not self._clock.trusted():
            raise Refused("the box does not know the time yet; send it without --not-before, or once NTP has answered")
        number = await self._write(lambda conn: self._queue(conn, wish, now=now))
        return {
            "id": number,
            "to": mask_phone(wish.number),
            "kind": wish.kind,
            "parts": len(wish.pieces),
            "encoding": wish.encoding,
            "not_before": wish.not_before or None,
            "expires_at": self._kept(wish.expires_at),
            "warnings": self._warnings(wish, now=now),
        }

    def _queue(self, conn: sqlite3.Connection, wish: Wish, *, now: float) -> int:
        if self._messages.outgoing.pending(conn) >= MOST_WAITING:
            raise Refused(f"{MOST_WAITING} SMS wait already; send this one once they have left, or discard some")
        queued = self._messages.outgoing.queue(
            conn,
            kind=wish.kind,
            code=CODE,
            number=wish.number,
            text=wish.text,
            start_at=wish.not_before,
            expires_at=self._kept(wish.expires_at),
            now=now,
        )
        audit.record(conn, "sms-send", str(queued), f"by hand: {wish.kind}, {len(wish.pieces)} parts", now=now)
        return queued

    def _kept(self, expires_at: float) -> float | None:
        """A time of expiry that was reckoned by a clock that is not set would be over the moment NTP answers."""
        return expires_at if self._clock.trusted() else None

    def _warnings(self, wish: Wish, *, now: float) -> list[str]:
        warnings = list(self._hindered())
        leaves = datetime.fromtimestamp(wish.not_before or now, UTC).astimezone(self._zone).time()
        if wish.kind != "reply" and self._clock.trusted() and pacing.quiet(leaves, self._settings):
            warnings.append(f"a {wish.kind} waits for the end of the quiet hours at {self._settings.quiet_until}")
        return warnings

    async def _list(self, question: Answer) -> Answer:
        limit, states = _number(question, "limit", MOST_LISTED), question.get("states") or []
        if question.get("inbox"):
            came = await self._store.read(lambda conn: self._mail.received(conn, limit=limit))
            return {"messages": [_told_received(row) for row in came]}
        if not isinstance(states, list) or not all(isinstance(state, str) for state in states):
            raise Refused("states is a list of names such as failed")
        rows = await self._store.read(lambda conn: self._mail.outgoing(conn, states=states, limit=limit))
        return {"messages": [self._told(row) for row in rows]}

    async def _show(self, question: Answer) -> Answer:
        number = _number(question, "id", 1 << 62)
        row, parts = await self._store.read(lambda conn: (self._mail.one(conn, number), self._mail.parts(conn, number)))
        if row is None:
            raise Refused(f"there is no SMS {number}; kampung-edge sms list shows those that are")
        return self._told(row) | {"parts": [_told_part(part) for part in parts]}

    async def _resend(self, question: Answer) -> Answer:
        number, now = _number(question, "id", 1 << 62), self._clock.wall()

        def work(conn: sqlite3.Connection) -> bool:
            row = self._mail.one(conn, number)
            until = now + pacing.lives_s(self._settings)[row.kind] if row else now
            return self._mail.resend(conn, number, expires_at=self._kept(until), now=now)

        if not await self._write(work):
            await self._explain(number, RESENDABLE)
        self._wake()
        return {"id": number, "state": "pending"}

    async def _discard(self, question: Answer) -> Answer:
        number, now = _number(question, "id", 1 << 62), self._clock.wall()
        if not await self._write(lambda conn: self._mail.discard(conn, number, now=now), draining=True):
            await self._explain(number, DISCARDABLE)
        return {"id": number, "state": "discarded"}

    async def _explain(self, number: int, wanted: tuple[str, ...]) -> None:
        """Refuse with the state that the message is in instead of one that was `wanted`."""
        row = await self._store.read(lambda conn: self._mail.one(conn, number))
        if row is None:
            raise Refused(f"there is no SMS {number}; kampung-edge sms list shows those that are")
        raise Refused(f"SMS {number} is {row.state}; this is for one that is {' or '.join(wanted)}")

    async def _write(self, work: Callable[[sqlite3.Connection], Any], *, draining: bool = False) -> Any:
        try:
            return await self._store.write(work, draining=draining)
        except StoreUncertain as doubt:
            raise Refused(_DOUBT) from doubt
        except StoreError as refused:
            raise Refused(f"nothing can be stored now: {refused}") from refused

    def _told(self, row: Outbound) -> Answer:
        said = asdict(row)
        wait_s = max(0.0, row.not_before - self._clock.wall()) if row.state == "pending" else 0.0
        number, why = said.pop("number"), said.pop("error")  # an answer with "error" would be a refusal
        return said | {"to": mask_phone(number), "why": why, "over": row.over, "wait_s": wait_s}


def _told_received(row: Received) -> Answer:
    said = asdict(row)
    sender, alphanumeric = said.pop("sender"), said.pop("alphanumeric")
    name = alphanumeric and not _NUMBER.search(sender)
    return said | {"from": sender if name else mask_phone(sender)}


def _told_part(part: OutboundPart) -> Answer:
    return asdict(part)


def _number(question: Answer, name: str, most: int) -> int:
    value = question.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise Refused(f"{name} is a whole number from 1 to {most}")
    return value
