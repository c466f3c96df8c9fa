"""Giving dead rows up by hand. With a request's own row the request ends too, in the same transaction.

Its people must not wait for what nobody sends any more: it becomes *rejected*, or *cancelled* where somebody had asked
for that and nothing of it can have reached the portal; what waited behind it is then withdrawn. Where a try may have
arrived after all, the portal's word about such a request counts, and opens it again (`edge.queue.receiver`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from edge.queue import lifecycle
from edge.queue.request import Request
from edge.queue.sink import Change
from edge.queue.store import audit, changes, outbox, outbox_view
from edge.queue.store.requests import Requests
from edge.queue.store.seal import SealBroken

OnChange = Callable[[sqlite3.Connection, Request, Change], None]
ACTOR = "outbox"
"""Who ends such a request, in its transition."""


class GivingUp:
    """Gives rows up; `on_change` tells a request's people in the transaction that ends it."""

    def __init__(self, requests: Requests, on_change: OnChange) -> None:
        self._requests = requests
        self._on_change = on_change

    def give_up(self, conn: sqlite3.Connection, seq: int, reason: str, *, now: float) -> bool:
        """Give a dead row up for `reason`, which no villager reads; False when it is not dead."""
        row = outbox_view.one(conn, seq)
        if row is None or not outbox.discard(conn, seq, now=now, reason=f"discarded: {reason}"):
            return False
        audit.record(conn, "outbox-discard", str(seq), reason, now=now)
        if row.kind == "request":
            self._end(conn, row.request, reason, now=now)
        return True

    def _end(self, conn: sqlite3.Connection, identifier: str, reason: str, *, now: float) -> None:
        try:
            request = self._requests.get(conn, identifier)
        except SealBroken:  # it is damaged itself; whoever mends the store names it
            return
        if request is None or request.state not in lifecycle.BEFORE_HANDOVER - {"draft"}:
            return
        if changes.portal_version(conn, identifier) > 0:
            return
        asked = outbox_view.has(conn, identifier, "cancel_requested")
        never_left = outbox.withdraw(conn, identifier, now=now)
        state = "cancelled" if asked and never_left else "rejected"
        after = self._requests.move(conn, identifier, state, by=ACTOR, now=now, why=reason)
        self._on_change(conn, after, Change("", identifier, state, 0))
