"""What people are told when a request changes at the portal: SMS rows of one status event, in its transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from edge import config
from edge.queue.request import Request
from edge.queue.store.messages import Messages
from edge.sms import replies, roles
from edge.sms.replies import Catalogue

_TO_APPLICANT: Mapping[str, str] = {
    "completed": "COMPLETED",
    "rejected": "REJECTED",
    "returned": "RETURNED",
    "needs_data": "MISSING",
    "cancelled": "CANCELLED",
}
_TO_HEADS: Mapping[str, str] = {"completed": "RT_COMPLETED", "returned": "RT_MISSING", "needs_data": "RT_MISSING"}
_NO_REASON = "keterangan ada di petugas"


class Notices:
    """Writes the notifications of a change, for those who still want them."""

    def __init__(self, messages: Messages, settings: config.Sms, catalogue: Catalogue) -> None:
        self._messages, self._settings, self._catalogue = messages, settings, catalogue

    def write(self, conn: sqlite3.Connection, request: Request, why: str, *, now: float) -> None:
        """Queue what the request's new state tells the applicant and the heads of the RT."""
        heads = roles.heads_of(request, self._settings) if request.state in _TO_HEADS else ()
        told = {head.phone for head in heads}
        if request.state in _TO_APPLICANT and roles.answerable(request.phone) and request.phone not in told:
            self._queue(conn, _TO_APPLICANT[request.state], request.phone, request, self._fill(request, why), now=now)
        for head in heads:
            fill = {**self._fill(request, why), "rt": head.rt, "rw": head.rw}
            self._queue(conn, _TO_HEADS[request.state], head.phone, request, fill, now=now)

    def _fill(self, request: Request, why: str) -> dict[str, object]:
        return {
            **replies.letter_fill(request.letter),
            "ticket": request.ticket,
            "name": request.name,
            "why": replies.clean(why) or _NO_REASON,
            "what": replies.missing(request.missing) or replies.clean(why) or _NO_REASON,
        }

    def _queue(
        self,
        conn: sqlite3.Connection,
        code: str,
        number: str,
        request: Request,
        fill: Mapping[str, object],
        *,
        now: float,
    ) -> None:
        if self._messages.stops.holds(conn, number):
            return
        self._messages.outgoing.queue(
            conn,
            kind="notification",
            code=code,
            number=number,
            text=self._catalogue.text(code, **fill),
            now=now,
            request=request.id,
        )
