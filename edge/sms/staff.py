"""What villagers wrote for the office's staff, read by a person at the box.

It answers the command on the control socket. Number and text leave only when they are asked for by name (`reveal`), and
the audit keeps that they were.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from edge.clock import Clock
from edge.control import Answer, Handler, Refused
from edge.queue.store import audit
from edge.queue.store.database import Store, StoreError
from edge.queue.store.seal import Seal
from edge.queue.store.staff import Inbox, StaffMessage
from edge.sms.identity import mask_phone

MOST_LISTED = 50
"""So that an answer of long texts fits into what the control socket carries."""
TEXT_MOST = 1_500
_ID_MOST = 1 << 62


class StaffByHand:
    """Answers the questions ``sms-staff`` (list) and ``sms-staff-read`` (a person has read these)."""

    def __init__(self, store: Store, seal: Seal, *, clock: Clock) -> None:
        self._store, self._inbox, self._clock = store, Inbox(seal), clock

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask."""
        return {"sms-staff": self._list, "sms-staff-read": self._read}

    async def _list(self, question: Answer) -> Answer:
        limit, reveal = question.get("limit"), question.get("reveal") is True
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST_LISTED:
            raise Refused(f"limit is a whole number from 1 to {MOST_LISTED}")
        look = self._inbox.last if question.get("all") is True else self._inbox.unread
        found = await self._store.read(lambda conn: look(conn, limit=limit))
        if reveal and found:
            which = f"{found[0].id}-{found[-1].id}"
            await self._write(
                lambda conn: audit.record(conn, "staff-reveal", which, "by hand", now=self._clock.wall()),
                "; what cannot be written down is not shown: leave out --reveal",
            )
        return {"messages": [_told(each, reveal=reveal) for each in found]}

    async def _read(self, question: Answer) -> Answer:
        ids = question.get("ids")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1_000 or not all(map(_fits, ids)):
            raise Refused("ids is a list of 1 to 1000 numbers of messages")
        done = await self._write(lambda conn: self._inbox.read(conn, ids, now=self._clock.wall()))
        return {"done": done, "not_unread": sorted(set(ids) - set(done))}

    async def _write(self, work: Callable[[sqlite3.Connection], Any], more: str = "") -> Any:
        try:
            return await self._store.write(work, draining=True)
        except StoreError as refused:
            raise Refused(f"nothing can be stored now ({refused}){more}") from refused


def _told(message: StaffMessage, *, reveal: bool) -> Answer:
    sender = message.sender if message.sender is None or reveal else mask_phone(message.sender)
    return {
        "id": message.id,
        "kind": message.kind,
        "ticket": message.ticket,
        "from": sender,
        "text": message.text[:TEXT_MOST] if reveal and message.text is not None else None,
        "created_at": message.created_at,
        "read_at": message.read_at,
    }


def _fits(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _ID_MOST
