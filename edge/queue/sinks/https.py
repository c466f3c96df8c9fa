"""The HTTPS sink: the contract of ``docs/openapi.json`` over TLS, with a bearer key, a certificate of the box, or both.

Whatever a broken link, a captive portal or a broken server answers becomes one of the outcomes of `edge.queue.sink`:
only what names the very thing that was sent counts as delivered, problems of RFC 9457 are refusals, and all the rest is
tried again. `https_wire` makes a call, `https_tls` knows whom to trust, `https_answers` what an answer means,
`https_events` and `https_blobs` carry batches and scans.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from edge.clock import Clock
from edge.config import Upstream
from edge.queue.sink import (
    Beat,
    Blob,
    Certificate,
    Change,
    Changes,
    Dead,
    Delivered,
    Outcome,
    Parcel,
    Partly,
    Refusal,
    Replaced,
    Retry,
)
from edge.queue.sinks import https_answers as answers
from edge.queue.sinks.https_blobs import Blobs
from edge.queue.sinks.https_events import BATCH_MOST, Events
from edge.queue.sinks.https_tls import Tls
from edge.queue.sinks.https_wire import JSON, Answer, Wire

log = logging.getLogger("edge.queue.https")

_AT_ONCE = 2  # 217 boxes that come back together open so many connections each
_PAGE = 50
_SNAPSHOT_PAGE = 200
_PAGE_MOST = 1 << 20
_REFETCHED_MOST = 500
_ABSENT = frozenset({404, 405, 501})
_LEFT_OUT = "the portal's answer leaves our request out"
_OF_ONE = (_LEFT_OUT, "the portal answered 500")  # what may be the fault of the one request that was sent


class HttpsSink:
    """Speaks to the portal at `settings.url` for the village `code`."""

    def __init__(
        self, settings: Upstream, *, code: str, key: str, client_key: str = "", clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._code = code
        self._tls = Tls(settings, client_key, clock=clock)
        self._wire = Wire(settings, self._tls, key=key)
        self._events = Events(self._wire, code=code, stale=self._refetch)
        self._blobs = Blobs(self._wire)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._epoch = 0
        self._refetched: dict[str, Change] = {}
        self._lost = False

    @property
    def batch_most(self) -> int:
        """As many events as the contract allows in one call."""
        return BATCH_MOST

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """PUT requests side by side (RFC 9110 sections 9.3.4 and 13.1.2), POST the events about others in batches."""
        self._epoch = max([self._epoch, *(parcel.epoch for parcel in parcels)])
        requests = [parcel for parcel in parcels if parcel.kind == "request"]
        events = [parcel for parcel in parcels if parcel.kind != "request"]
        away: list[Refusal] = []
        async with asyncio.TaskGroup() as group:
            puts = [group.create_task(self._put(parcel, away)) for parcel in requests]
            posted = group.create_task(self._events.post(events))
        outcomes = dict(zip((parcel.event for parcel in events), posted.result(), strict=True))
        every = [*outcomes.values(), *(put.result() for put in puts)]
        answered = any(isinstance(outcome, Delivered | Dead) for outcome in every)
        for parcel, put in zip(requests, puts, strict=True):
            outcomes[parcel.event] = _blamed(put.result()) if answered else put.result()
        return [_unenrolled(outcomes[parcel.event], parcel.epoch) for parcel in parcels]

    async def _put(self, parcel: Parcel, away: list[Refusal]) -> Outcome:
        """File a request, unless the portal turned out to be `away` meanwhile: its turn comes with the next try."""
        async with self._slots:
            if away:
                return away[0]
            outcome = await self._file(parcel)
        if isinstance(outcome, Refusal) and outcome.detail not in _OF_ONE:
            away.append(outcome)
        return outcome

    async def _file(self, parcel: Parcel) -> Outcome:
        headers = {"If-None-Match": "*", **({"Kampung-Epoch": str(parcel.epoch)} if parcel.epoch else {})}
        content = msgspec.json.encode({**msgspec.json.decode(parcel.content), "village": self._code})
        answer = await self._wire.ask("PUT", self._of(parcel.request), body=content, headers=headers)
        if isinstance(answer, Answer) and answer.status in (200, 201) and answer.content_type == JSON:
            filed = answers.read(answer.body, answers.Filed)
            return Delivered() if filed is not None and filed.id == parcel.request else Retry(_LEFT_OUT)
        verdict = answers.refusal(answer, parcel)
        if isinstance(verdict, Dead) and isinstance(answer, Answer) and answer.status == 422:
            return await self._filed_before(parcel, verdict)
        return verdict

    async def _filed_before(self, parcel: Parcel, verdict: Dead) -> Outcome:
        """422, which some portals also say to a resend of what they have: look before calling it a failure."""
        answer = await self._wire.ask("GET", self._of(parcel.request))
        if isinstance(answer, Answer) and answer.status == 200 and answer.content_type == JSON:
            filed = answers.read(answer.body, answers.Filed)
            if filed is not None and filed.id == parcel.request:
                return Delivered()
        other = answers.refusal(answer)
        absent = isinstance(answer, Answer) and answer.ours and answer.status in _ABSENT
        return verdict if absent or isinstance(other, Dead) else other

    async def _refetch(self, parcel: Parcel) -> Outcome:
        """409, our event is about a version that is past: it has nothing to say; the present state comes down."""
        if not parcel.request:
            return Dead("409 for an event that is about no request")
        answer = await self._wire.ask("GET", self._of(parcel.request))
        if not (isinstance(answer, Answer) and answer.status == 200 and answer.content_type == JSON):
            missing = isinstance(answer, Answer) and answer.status == 404 and answer.ours
            return Dead("409 and the portal has no such request") if missing else answers.refusal(answer)
        filed = answers.read(answer.body, answers.Filed)
        if filed is None or filed.id != parcel.request:
            return Retry(_LEFT_OUT)
        if len(self._refetched) >= _REFETCHED_MOST:
            return Retry("too many requests wait for their present state to be stored")
        self._refetched[filed.id] = Change(f"{filed.id}.{filed.version}", filed.id, filed.state, filed.version)
        return Delivered()

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Refusal:
        """Long-poll for a page of changes; a cursor too old (410) is answered by the snapshot, page by page.

        A cursor inside a snapshot is our own and holds what the portal needs for the next page.
        """
        if self._refetched:
            return self._present(cursor)
        if cursor.startswith(answers.SNAPSHOT):
            return await self._snapshot(*_inside(cursor))
        wait = 0 if at_once else self._settings.wait_s
        query = {"after": cursor, "wait": str(wait), "limit": str(_PAGE)}
        answer = await self._wire.ask(
            "GET", f"{self._village}/changes", query=query, headers=self._told(), most=_PAGE_MOST, hold_s=wait
        )
        if isinstance(answer, Answer) and answer.status == 204:
            return Changes((), cursor)
        if isinstance(answer, Answer) and answer.status == 410:
            if not self._lost:
                log.warning("the portal no longer knows our cursor: reading its snapshot")
            self._lost = True
            return await self._snapshot("", "")
        page = _page(answer)
        self._lost = self._lost and not isinstance(page, Changes)
        return page

    def _present(self, cursor: str) -> Changes:
        """The states that were read again; they are kept until somebody has made them durable."""
        refetched = tuple(self._refetched.values())

        async def done() -> None:
            for change in refetched:
                if self._refetched.get(change.request) is change:
                    del self._refetched[change.request]

        return Changes(refetched, cursor, done=done)

    async def _snapshot(self, go_on: str, after: str) -> Changes | Refusal:
        """A page of the snapshot: what changes meanwhile comes after the cursor of its first page, `go_on`."""
        query = {"after": after, "limit": str(_SNAPSHOT_PAGE)}
        answer = await self._wire.ask(
            "GET", f"{self._village}/snapshot", query=query, headers=self._told(), most=_PAGE_MOST
        )
        if after and isinstance(answer, Answer) and answer.status in (400, 404, 410) and answer.ours:
            return Changes((), _cursor("", ""))
        page = _page(answer, go_on if after else None)
        if isinstance(page, Changes) and after and _inside(page.cursor)[1] == after:
            return Retry("the portal's snapshot does not get on")
        return page

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Refusal:
        """PUT the next range of a blob, after asking what the portal holds where that is not known."""
        return await self._blobs.carry(blob, epoch=self._epoch)

    async def beat(self, state: bytes) -> Beat | Refusal:
        """POST the heartbeat, which enrols this installation; a portal that knows none is no hindrance."""
        told = answers.read(state, answers.Enrolled)
        self._epoch = max(self._epoch, told.epoch if told else 0)
        answer = await self._wire.ask("POST", f"{self._village}/heartbeat", body=state)
        if isinstance(answer, Answer) and (answer.status == 204 or (answer.ours and answer.status in _ABSENT)):
            return Beat()
        if isinstance(answer, Answer) and answer.status == 200 and answer.content_type == JSON:
            enrolled = answers.read(answer.body, answers.Enrolled)
            if enrolled is None:
                return Retry("the portal's answer to a heartbeat is not what was agreed")
            self._epoch = max(self._epoch, enrolled.epoch)
            return Beat(enrolled.epoch)
        return _no_letter(answers.refusal(answer))

    def certificates(self) -> tuple[Certificate, ...]:
        """The box's own, and the portal's as of the last handshake."""
        return self._tls.certificates()

    async def refresh(self) -> None:
        """Drop every pooled connection; the next call opens a new one by whatever route holds then."""
        self._events.refresh()
        self._blobs.refresh()
        await self._wire.drop()

    async def close(self) -> None:
        """Close every connection."""
        await self._wire.drop()

    @property
    def _village(self) -> str:
        return f"/v1/villages/{self._code}"

    def _told(self) -> dict[str, str]:
        """What a question says of this installation, as far as that is known."""
        return {"Kampung-Epoch": str(self._epoch)} if self._epoch else {}

    def _of(self, request: str) -> str:
        return f"/v1/requests/{request}"


def _page(answer: Answer | Retry, go_on: str | None = None) -> Changes | Refusal:
    """A page of changes or of a snapshot; `go_on` is the cursor to keep while the snapshot lasts."""
    if not (isinstance(answer, Answer) and answer.status == 200 and answer.content_type == JSON):
        return _no_letter(answers.refusal(answer))
    page = answers.read(answer.body, answers.Page)
    if page is None or page.cursor.startswith(answers.SNAPSHOT):
        return Retry("the portal's page of changes is not what was agreed")
    found, unreadable = answers.changes(page)
    cursor = page.cursor if go_on is None else go_on
    return Changes(found, _cursor(cursor, page.next) if page.next else cursor, unreadable)


def _cursor(go_on: str, after: str) -> str:
    return answers.SNAPSHOT + msgspec.json.encode((go_on, after)).decode()


def _inside(cursor: str) -> tuple[str, str]:
    go_on, after = answers.read(cursor.removeprefix(answers.SNAPSHOT).encode(), tuple[str, str]) or ("", "")
    return go_on, after


def _no_letter(verdict: Dead | Refusal) -> Refusal:
    """A refusal of what is no letter: nothing is lost by trying again."""
    return Retry(verdict.detail) if isinstance(verdict, Dead) else verdict


def _blamed(outcome: Outcome) -> Outcome:
    """The portal answers others: where it breaks at this one, or answers nonsense, this one is at fault."""
    if isinstance(outcome, Retry) and outcome.detail in _OF_ONE:
        return Retry(outcome.detail, outcome.after_s, own=True)
    return outcome


def _unenrolled(outcome: Outcome, epoch: int) -> Outcome:
    """Before its first enrolment an installation is not replaced, but unknown: the next heartbeat enrols it."""
    if isinstance(outcome, Replaced) and not epoch:
        return Retry("the portal wants this installation's epoch, which the next heartbeat brings")
    return outcome
