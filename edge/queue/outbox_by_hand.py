"""What a person at the box may do with the outbox: look at it, try dead rows again, give them up, take them away.

It answers the commands on the control socket. Personal data leaves masked, unless it is asked for by name (`reveal`),
which only root and the daemon's own user can do here, and which is written down.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from edge.clock import Clock
from edge.control import Answer, Handler, Refused
from edge.queue.forwarder import Status
from edge.queue.giving_up import GivingUp, OnChange
from edge.queue.lane import Lane
from edge.queue.store import audit, outbox, outbox_view
from edge.queue.store.database import Store, StoreError
from edge.queue.store.outbox_view import Look
from edge.queue.store.requests import Requests

MOST_LISTED = 1_000
MOST_AT_ONCE = 1_000
EXPORT_PAGE = 50
_REASON_MOST = 200
_SEQ_MOST = 1 << 62
_PERSONAL = frozenset({"nik", "kk", "name", "phone", "purpose", "number", "text", "to", "from", "why"})
MASK = "•••"


class OutboxByHand:
    """Answers ``outbox-status``, ``-list``, ``-show``, ``-retry``, ``-discard`` and ``-export``.

    `status` is the forwarder's; `wake` tells it that a row may be due. `on_change` tells the people of a request that
    ends with its row.
    """

    def __init__(
        self,
        store: Store,
        requests: Requests,
        *,
        clock: Clock,
        status: Callable[[], Status],
        wake: Callable[[], None],
        on_change: OnChange,
    ) -> None:
        self._store, self._seal = store, requests.seal
        self._clock, self._status, self._wake = clock, status, wake
        self._giving_up = GivingUp(requests, on_change)

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask."""
        return {
            "outbox-status": self._tell,
            "outbox-list": self._list,
            "outbox-show": self._show,
            "outbox-retry": self._retry,
            "outbox-discard": self._discard,
            "outbox-export": self._export,
        }

    async def _tell(self, _question: Answer) -> Answer:
        status, now = self._status(), self._clock.wall()
        return {
            "waiting": status.waiting,
            "oldest_age_s": status.oldest_age_s if status.waiting else None,
            "dead": status.dead,
            "bytes": status.bytes,
            "next_try_s": status.next_try_s,
            "breaker": status.breaker,
            "refused": status.refused,
            "uplink": status.uplink,
            "epoch": status.epoch,
            "last_contact_s": None if status.last_contact is None else max(0.0, now - status.last_contact),
            "last_beat_s": None if status.last_beat is None else max(0.0, now - status.last_beat),
            "certificates": [asdict(each) for each in status.certificates],
            "depths": [
                {"lane": lane.name.lower(), "state": state, "rows": depth.rows, "bytes": depth.bytes}
                for (lane, state), depth in sorted(status.depths.items())
            ],
        }

    async def _list(self, question: Answer) -> Answer:
        which, limit = question.get("which", "unsettled"), _number(question, "limit", MOST_LISTED)
        lane = _lane(question.get("lane"))

        def work(conn: sqlite3.Connection) -> list[Look]:
            if which == "all":
                return outbox_view.latest(conn, limit=limit, lane=lane)
            found = outbox_view.dead(conn, limit=limit, lane=lane)
            if which != "dead":
                found += outbox_view.unsettled(conn, limit=limit, lane=lane)
            return sorted(found, key=lambda look: look.seq)[:limit]

        return {"rows": [self._told(look) for look in await self._store.read(work)]}

    async def _show(self, question: Answer) -> Answer:
        seq, reveal = _number(question, "seq", _SEQ_MOST), question.get("reveal") is True

        def work(conn: sqlite3.Connection) -> tuple[Look | None, int, str | None]:
            look = outbox_view.one(conn, seq)
            return look, outbox_view.behind(conn, seq), outbox_view.content(conn, self._seal, seq)

        look, behind, content = await self._store.read(work)
        if look is None:
            raise Refused(f"there is no outbox row {seq}; kampung-edge outbox list shows those that are")
        if reveal:
            await self._note("outbox-reveal", str(seq), look.kind)
        return self._told(look) | {"holds": behind, "content": _content(content, reveal=reveal)}

    async def _retry(self, question: Answer) -> Answer:
        seqs, now = await self._chosen(question), self._clock.wall()

        def work(conn: sqlite3.Connection) -> list[int]:
            revived = [seq for seq in seqs if outbox.revive(conn, seq, now=now)]
            for seq in revived:
                audit.record(conn, "outbox-retry", str(seq), "by hand", now=now)
            return revived

        return await self._decide(seqs, work)

    async def _discard(self, question: Answer) -> Answer:
        seqs, now = await self._chosen(question), self._clock.wall()
        reason = " ".join(str(question.get("reason") or "").split())[:_REASON_MOST]
        if not reason:
            raise Refused("say why: --reason TEXT; it is kept with the row")

        def work(conn: sqlite3.Connection) -> list[int]:
            return [seq for seq in seqs if self._giving_up.give_up(conn, seq, reason, now=now)]

        return await self._decide(seqs, work)

    async def _decide(self, seqs: list[int], work: Callable[[sqlite3.Connection], list[int]]) -> Answer:
        try:
            done = await self._store.write(work, draining=True)
        except StoreError as error:
            raise Refused(f"the store does not take it: {error}") from error
        self._wake()
        return {"done": done, "not_dead": sorted(set(seqs) - set(done))}

    async def _export(self, question: Answer) -> Answer:
        """A page of dead rows with their contents, after the row `after`."""
        after, reveal = question.get("after", 0), question.get("reveal") is True
        if not isinstance(after, int) or not 0 <= after <= _SEQ_MOST:
            raise Refused("after is the number of a row")

        def work(conn: sqlite3.Connection) -> list[tuple[Look, str | None]]:
            found = outbox_view.dead(conn, limit=EXPORT_PAGE, after=after)
            return [(look, outbox_view.content(conn, self._seal, look.seq)) for look in found]

        page = await self._store.read(work)
        if reveal and page:
            await self._note("outbox-reveal", f"{page[0][0].seq}-{page[-1][0].seq}", "exported with personal data")
        rows = [self._told(look) | {"content": _content(content, reveal=reveal)} for look, content in page]
        return {"rows": rows, "more": len(page) == EXPORT_PAGE}

    async def _chosen(self, question: Answer) -> list[int]:
        if question.get("all") is True:
            dead = await self._store.read(lambda conn: outbox_view.dead(conn, limit=MOST_AT_ONCE))
            return [look.seq for look in dead]
        seqs = question.get("seqs")
        if not isinstance(seqs, list) or not 0 < len(seqs) <= MOST_AT_ONCE:
            raise Refused(f"name 1 to {MOST_AT_ONCE} rows, or all")
        return [_number({"seq": seq}, "seq", _SEQ_MOST) for seq in seqs]

    async def _note(self, kind: str, subject: str, detail: str) -> None:
        """Write down that somebody saw personal data, before it leaves."""
        now = self._clock.wall()
        try:
            await self._store.write(lambda conn: audit.record(conn, kind, subject, detail, now=now), draining=True)
        except StoreError as error:
            raise Refused(f"what cannot be written down is not shown ({error}); leave out --reveal") from error

    def _told(self, look: Look) -> Answer:
        left_s = look.not_before - self._clock.wall()
        told = asdict(look) | {"lane": look.lane.name.lower(), "why": look.error}
        del told["error"]  # an answer with this key is a refusal (edge.control)
        return told | {"next_try_s": max(0.0, left_s) if look.state in ("waiting", "confirming") else None}


def masked(value: Any, *, personal: bool = False) -> Any:
    """A JSON value with what may be personal replaced; the shape stays."""
    if isinstance(value, dict):
        return {name: masked(each, personal=personal or name in _PERSONAL) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each, personal=personal) for each in value]
    return MASK if personal and value not in (None, "") else value


def _content(text: str | None, *, reveal: bool) -> Any:
    """The content of a row as a JSON value, None where it is gone or damaged."""
    try:
        value = None if text is None else json.loads(text)
    except ValueError:
        return None
    return value if reveal else masked(value)


def _lane(name: Any) -> Lane | None:
    if name is None:
        return None
    try:
        return Lane[str(name).upper()]
    except KeyError:
        raise Refused(f"lane is one of {', '.join(lane.name.lower() for lane in Lane)}") from None


def _number(question: Answer, name: str, most: int) -> int:
    value = question.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise Refused(f"{name} is a whole number from 1 to {most}")
    return value
