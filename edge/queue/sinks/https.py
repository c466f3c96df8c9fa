"""The HTTPS sink: the contract of ``docs/openapi.json`` over TLS, with a bearer key.

Whatever a broken link, a captive portal or a broken server answers becomes one of the outcomes of `edge.queue.sink`:
only 201, and 200 that names what was sent, count as delivered; 400, 403, 409 and 422 are refusals for good; 401 stops
everything; all the rest is tried again. Redirects are never followed, bodies are read up to a bound, errors are
RFC 9457 problems.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta

from edge.config import Upstream
from edge.queue import retry
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
    Retry,
    Unauthorised,
    scrub,
)

log = logging.getLogger("edge.queue.https")

_PAGE = 50
_PIECE = 65_536
_BODY_MOST = 1 << 20
_SNAPSHOT_MOST = 8 << 20
_PROBLEM_MOST = 16 << 10
_FOR_GOOD = frozenset({400, 403, 409, 422})
_JSON = ("application/json",)
_PROBLEM = ("application/problem+json",)
# What msgspec raises for a body that is not JSON of the type: bad UTF-8 and deep nesting have errors of their own.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# No control characters: identifiers stand in the log.
Identifier = Annotated[str, Meta(pattern=r"^[!-~]{1,64}\Z")]


class _Data(msgspec.Struct):
    state: Annotated[str, Meta(pattern=r"^[a-z_]{1,32}\Z")]
    version: Annotated[int, Meta(ge=1, le=2**53)]
    why: Annotated[str, Meta(max_length=500)] = ""


class _Event(msgspec.Struct):
    id: Identifier
    subject: Identifier
    data: _Data


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    cursor: Annotated[str, Meta(max_length=256)]


class _Filed(msgspec.Struct):
    id: str


class _Received(msgspec.Struct):
    received: Annotated[int, Meta(ge=0)]


class _Result(msgspec.Struct):
    id: str
    status: str
    problem: dict[str, Any] | None = None


class _Results(msgspec.Struct):
    results: list[_Result]


class _Answer(msgspec.Struct):
    status: int
    content_type: str
    retry_after: str | None
    body: bytes


class HttpsSink:
    """Speaks to the portal at `settings.url` for the village `code` with the bearer `key`."""

    def __init__(self, settings: Upstream, *, code: str, key: str, client_key: str = "") -> None:
        self._settings = settings
        self._code = code
        self._key = key
        self._client_key = client_key
        self._session: aiohttp.ClientSession | None = None

    @property
    def batch_most(self) -> int:
        """As many events as the contract allows in one call."""
        return _PAGE

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """PUT requests, POST events about them (RFC 9110 sections 9.3.4 and 13.1.2)."""
        return [await self._deliver(parcel) for parcel in parcels]

    async def _deliver(self, parcel: Parcel) -> Outcome:
        if parcel.kind != "request":
            return await self._post_event(parcel)
        content = {**msgspec.json.decode(parcel.content), "village": self._code}
        answer = await self._ask(
            "PUT", f"/v1/requests/{parcel.request}", json=content, headers={"If-None-Match": "*"}, most=_PROBLEM_MOST
        )
        if isinstance(answer, _Answer) and answer.status in (200, 201) and answer.content_type in _JSON:
            if answer.status == 201 or _names(answer.body, parcel):
                return Delivered()
            return Retry("the portal's answer leaves our request out")
        return _refusal(answer, parcel)

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Refusal:
        """Long-poll for a page of changes; a cursor too old (410) is answered by the whole snapshot."""
        wait = "0" if at_once else str(self._settings.wait_s)
        query = {"after": cursor, "wait": wait, "limit": str(_PAGE)}
        answer = await self._ask("GET", f"{self._village}/changes", params=query, most=_BODY_MOST)
        if isinstance(answer, _Answer) and answer.status == 204:
            return Changes((), cursor)
        if isinstance(answer, _Answer) and answer.status == 410:
            log.warning("the portal no longer knows our cursor: reading its snapshot")
            answer = await self._ask("GET", f"{self._village}/snapshot", most=_SNAPSHOT_MOST)
        if isinstance(answer, _Answer) and answer.status == 200 and answer.content_type in _JSON:
            return _page(answer.body)
        refusal = _refusal(answer)
        return Retry(refusal.detail) if isinstance(refusal, Dead) else refusal

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Refusal:
        """PUT the next range of a blob (RFC 9110 section 14.4); the answer says how many bytes are held."""
        body = await blob.read(blob.sent, min(_PIECE, blob.size - blob.sent))
        last = blob.sent + len(body) - 1
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"bytes {blob.sent}-{last}/{blob.size}",
        }
        answer = await self._ask("PUT", f"/v1/blobs/{blob.sha256}", body=body, headers=headers, most=_PROBLEM_MOST)
        if isinstance(answer, _Answer) and answer.status in (200, 201, 202) and answer.content_type in _JSON:
            if answer.status != 202:
                return Delivered()
            try:
                return Partly(min(blob.size, msgspec.json.decode(answer.body, type=_Received).received))
            except _UNREADABLE:
                return Retry("the portal's answer to a range is not what was agreed")
        return _refusal(answer)

    async def beat(self, state: bytes) -> Beat | Refusal:
        """POST the heartbeat."""
        answer = await self._ask("POST", f"{self._village}/heartbeat", body=state, most=_PROBLEM_MOST)
        if isinstance(answer, _Answer) and answer.status == 204:
            return Beat()
        refusal = _refusal(answer)
        return Retry(refusal.detail) if isinstance(refusal, Dead) else refusal

    def certificates(self) -> tuple[Certificate, ...]:
        """None is known yet."""
        return ()

    async def refresh(self) -> None:
        """Drop every pooled connection; the next call opens a new one by whatever route holds then."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def close(self) -> None:
        """Close the session."""
        await self.refresh()

    @property
    def _village(self) -> str:
        return f"/v1/villages/{self._code}"

    async def _post_event(self, parcel: Parcel) -> Outcome:
        event = {
            "specversion": "1.0",
            "id": parcel.event,
            "source": f"kampung/{self._code}",
            "type": f"kampung.request.{parcel.kind}",
            "subject": parcel.request,
            "seq": parcel.seq,
            "data": msgspec.json.decode(parcel.content),
        }
        answer = await self._ask(
            "POST",
            f"{self._village}/events",
            json=[event],
            headers={"Content-Type": "application/cloudevents-batch+json"},
            most=_BODY_MOST,
        )
        if not (isinstance(answer, _Answer) and answer.status == 200 and answer.content_type in _JSON):
            return _refusal(answer, parcel)
        try:
            results = msgspec.json.decode(answer.body, type=_Results).results
        except _UNREADABLE:
            return Retry("the portal's answer to an event is not what was agreed")
        for result in results:
            if result.id == parcel.event:
                return Delivered() if result.status in ("accepted", "duplicate") else Dead(_title(result.problem))
        return Retry("the portal's answer leaves our event out")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        most: int,
        json: object = None,
        body: bytes | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> _Answer | Retry:
        try:
            session = self._open()
        except OSError as error:
            return Retry(f"ca_file {self._settings.ca_file} cannot be used ({type(error).__name__})")
        try:
            async with session.request(
                method,
                self._settings.url + path,
                data=body if json is None else msgspec.json.encode(json),
                params=params,
                headers={"Content-Type": "application/json", **(headers or {})},
                timeout=self._timeout(float((params or {}).get("wait", 0))),
                allow_redirects=False,
            ) as response:
                content = await _bounded(response, most)
                if content is None:
                    return Retry(f"the portal's answer is larger than {most} bytes")
                return _Answer(response.status, response.content_type, response.headers.get("Retry-After"), content)
        except TimeoutError:
            return Retry("the portal did not answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(f"no connection to the portal ({type(error).__name__})")

    def _timeout(self, wait_s: float) -> aiohttp.ClientTimeout:
        # A long poll holds its answer for `wait_s`: a read shorter than that would never see one.
        settings = self._settings
        read = max(settings.read_timeout_s, wait_s + 5 if wait_s else 0)
        connect = settings.connect_timeout_s
        return aiohttp.ClientTimeout(total=connect + read, sock_connect=connect, sock_read=read)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            tls = ssl.create_default_context(cafile=self._settings.ca_file or None)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=16, socket_factory=_socket),
                headers={
                    "Authorization": f"Bearer {self._key}",
                    "Accept": ", ".join((*_JSON, *_PROBLEM)),
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket that notices within some 15 s that its uplink is gone (tcp(7))."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 3)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
    return made


async def _bounded(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        body += chunk
        if len(body) > most:
            response.close()
            return None
    return bytes(body)


def _names(body: bytes, parcel: Parcel) -> bool:
    """Whether the answer speaks of the parcel's request: some portals say 200 and write an error."""
    try:
        return msgspec.json.decode(body, type=_Filed).id == parcel.request
    except _UNREADABLE:
        return False


def _page(body: bytes) -> Changes | Retry:
    try:
        page = msgspec.json.decode(body, type=_Page)
    except _UNREADABLE:
        return Retry("the portal's page of changes is not what was agreed")
    changes, unreadable = [], 0
    for raw in page.events:
        try:
            event = msgspec.json.decode(raw, type=_Event)
        except _UNREADABLE:
            unreadable += 1
        else:
            changes.append(Change(event.id, event.subject, event.data.state, event.data.version, event.data.why))
    return Changes(tuple(changes), page.cursor, unreadable)


def _refusal(answer: _Answer | Retry, parcel: Parcel | None = None) -> Dead | Refusal:
    """What an answer that is no success means."""
    if isinstance(answer, Retry):
        return answer
    if answer.status == 401:
        return Unauthorised("401: the portal refuses the key")
    if answer.status in _FOR_GOOD and answer.content_type in (*_PROBLEM, *_JSON):
        return Dead(f"{answer.status} {_detail(answer.body, parcel)}".strip())
    after = retry.retry_after(answer.retry_after, now=time.time())
    if answer.status < 400:
        return Retry(f"{answer.status} with {scrub(answer.content_type)[:60]}: not the portal's answer", after)
    return Retry(f"the portal answered {answer.status}", after)


def _detail(body: bytes, parcel: Parcel | None) -> str:
    try:
        problem = msgspec.json.decode(body, type=dict[str, Any])
    except _UNREADABLE:
        return ""
    return _title(problem, _personal(parcel))


def _title(problem: dict[str, Any] | None, personal: Sequence[str] = ()) -> str:
    words = (problem or {}).get("title"), (problem or {}).get("detail")
    return scrub(": ".join(word for word in words if isinstance(word, str)), personal)


def _personal(parcel: Parcel | None) -> list[str]:
    if parcel is None:
        return []
    content = msgspec.json.decode(parcel.content)
    applicant = content.get("applicant", {})
    whole = [value for value in (*applicant.values(), content.get("purpose")) if isinstance(value, str) and value]
    name = applicant.get("name", "")
    return whole + [word for word in name.split() if len(word) > 2]
