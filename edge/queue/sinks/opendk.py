"""The OpenDK sink: requests as letters for the kecamatan, and their way through its offices read back by asking.

OpenDK takes letters and shows a list of them; it has no cursor, no versions, no events and no heartbeats. So:

- a letter's `nomor` and file name hold the request's id. A 422 may mean that an answer was lost: the list tells.
- OpenDK's status number is the version of a change: it only grows (1 operator ... 5 signed, 6 refused).
- what it has no place for is `Declined` and stays on the box; a wish to cancel is `Dead`, since somebody must call.
- a village it does not know, or a module that is switched off, is `Unauthorised`: nothing goes until a person acts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import aiohttp
import msgspec

from edge.config import Upstream
from edge.queue.sink import (
    Beat,
    Blob,
    Certificate,
    Change,
    Changes,
    Dead,
    Declined,
    Delivered,
    Outcome,
    Parcel,
    Partly,
    Refusal,
    Retry,
    Unauthorised,
    scrub,
)
from edge.queue.sinks import opendk_sheet as sheet
from edge.queue.sinks.opendk_client import UNREADABLE, Answer, Client

_STATES: Mapping[int, str] = MappingProxyType(
    {
        1: "district_check",
        2: "secretary_approval",
        3: "head_approval",
        4: "signing",
        5: "completed",
        6: "rejected",
    }
)
_WHY_MOST = 500
_MODULE_OFF = "modul tte"
_BY_HAND = "OpenDK takes no cancellations: tell the kecamatan by telephone"


class _List(msgspec.Struct):
    """OpenDK's list of letters; `success` is the word of some of its versions for `status`."""

    data: list[dict[str, Any]] | None = None
    status: bool = True
    success: bool = True
    message: str = ""


class OpenDkSink:
    """Speaks to OpenDK at `settings.url` for the village `code`: `key` is a password, or an API key without a user."""

    def __init__(self, settings: Upstream, *, code: str, key: str, client_key: str = "") -> None:
        self._settings = settings
        dotted = f"{code[:2]}.{code[2:4]}.{code[4:6]}.{code[6:]}"
        self._names = [dotted, code]  # both stand in the wild; the first is the one that was last right
        self._client = Client(settings, key=key, client_key=client_key)
        self._poll_at = 0.0
        self._told: dict[str, int] = {}

    @property
    def batch_most(self) -> int:
        """OpenDK takes one letter a call."""
        return 1

    async def deliver(self, parcels: Sequence[Parcel]) -> Sequence[Outcome]:
        """Hand requests over as letters; settle at once what OpenDK has no place for."""
        return [await self._deliver(parcel) for parcel in parcels]

    async def _deliver(self, parcel: Parcel) -> Outcome:
        if parcel.kind == "cancel_requested":
            return Dead(_BY_HAND)
        if parcel.kind != "request":
            return Declined(f"OpenDK has no place for {parcel.kind}")
        content: dict[str, Any] = msgspec.json.decode(parcel.content)
        answer = await self._each_name(lambda name: self._post(content, name))
        if not isinstance(answer, Answer):
            return answer
        if answer.status in (200, 201) and _is_well(answer.body):
            return Delivered()
        if answer.status == 422:
            return await self._after_422(parcel.request, answer)
        return _refused(answer, content)

    async def _post(self, content: Mapping[str, Any], name: str) -> Answer | Refusal:
        def form() -> aiohttp.FormData:
            data = aiohttp.FormData(sheet.fields(content, village=name))
            data.add_field(
                "file", sheet.page(content), filename=sheet.file_name(content), content_type="application/pdf"
            )
            return data

        return await self._client.post("/api/v1/surat/kirim", form)

    async def _after_422(self, request: str, answer: Answer) -> Outcome:
        """A letter is refused: because it is there already, by a try whose answer was lost, or for good."""
        letters = await self._letters()
        if not isinstance(letters, list):
            return letters
        if any(sheet.request_of(letter) == request for letter in letters):
            return Delivered()
        try:
            named = sorted(msgspec.json.decode(answer.body, type=dict[str, Any]))
        except UNREADABLE:
            named = []
        return Dead(scrub(f"422 OpenDK refuses {', '.join(named) or 'the letter'}"))

    async def carry(self, blob: Blob) -> Delivered | Partly | Dead | Declined | Refusal:
        """OpenDK takes a letter's own file only: a scan stays on the box."""
        del blob
        return Declined("OpenDK takes no scans: they stay at the office")

    async def beat(self, state: bytes) -> Beat | Refusal:
        """OpenDK knows no heartbeats: ask who we are, which tells that it is there and that the key is right."""
        del state
        answer = await self._client.get("/api/v1/auth/me")
        if not isinstance(answer, Answer):
            return answer
        try:
            msgspec.json.decode(answer.body)
        except UNREADABLE:
            return Retry("OpenDK's answer is no JSON")
        return Beat()

    async def changes(self, cursor: str, *, at_once: bool = False) -> Changes | Refusal:
        """What has changed in the list since it was last read; it is read every `poll_s`."""
        loop = asyncio.get_running_loop()
        if not at_once and (left := self._poll_at - loop.time()) > 0:
            await asyncio.sleep(min(left, max(1.0, self._settings.wait_s)))
            if loop.time() < self._poll_at:
                return Changes((), cursor)
        letters = await self._letters()
        if not isinstance(letters, list):
            return letters
        self._poll_at = loop.time() + self._settings.poll_s
        return self._news(letters, cursor)

    def _news(self, letters: Sequence[Mapping[str, Any]], cursor: str) -> Changes:
        found, unreadable = [], 0
        stands: dict[str, int] = {}
        for letter in letters:
            request, number, identifier = sheet.request_of(letter), letter.get("log_verifikasi"), letter.get("id")
            if request is None:
                continue
            if not (isinstance(number, int) and number in _STATES and isinstance(identifier, int)):
                unreadable += self._told.get(request) != 0
                stands[request] = 0
                continue
            stands[request] = number
            if self._told.get(request) != number:
                why = str(letter.get("keterangan") or "")[:_WHY_MOST] if number == 6 else ""
                found.append(Change(f"opendk-{identifier}-{number}", request, _STATES[number], number, why))

        async def done() -> None:
            self._told = stands

        return Changes(tuple(found), cursor, unreadable, done=done)

    async def _letters(self) -> list[dict[str, Any]] | Refusal:
        answer = await self._each_name(lambda name: self._client.get("/api/v1/surat", desa_id=name))
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            refusal = _refused(answer, {})
            return Retry(refusal.detail) if isinstance(refusal, Dead) else refusal
        try:
            read = msgspec.json.decode(answer.body, type=_List)
        except UNREADABLE:
            return Retry("OpenDK's list of letters is not what was agreed")
        if read.data is None or not (read.status and read.success):
            refusal = _refused(answer, {})
            return Retry(refusal.detail) if isinstance(refusal, Dead) else refusal
        return read.data

    async def _each_name(self, call: Any) -> Answer | Refusal:
        """Call with the village's code in the form that OpenDK knows; the other one where it knows not the first."""
        answer: Answer | Refusal = Retry("nothing asked")
        for name in tuple(self._names):
            answer = await call(name)
            if not (isinstance(answer, Answer) and _unknown_village(answer)):
                if isinstance(answer, Answer) and answer.status in (200, 201) and name != self._names[0]:
                    self._names.reverse()
                return answer
        return Unauthorised("OpenDK does not know this village: have its code registered at the kecamatan")

    def certificates(self) -> tuple[Certificate, ...]:
        """OpenDK's, as of the last handshake, and the box's own where it has one."""
        return self._client.certificates()

    async def refresh(self) -> None:
        """Drop every connection."""
        await self._client.drop()

    async def close(self) -> None:
        """Close the session."""
        await self._client.drop()


def _unknown_village(answer: Answer) -> bool:
    """OpenDK says so as 400 with a bare string, or as 200 with {"status": false}."""
    words = _words(answer.body).lower()
    if answer.status == 400:
        return "kode desa" in words
    return answer.status == 200 and _says_no(answer.body) and (not words or "desa" in words)


def _says_no(body: bytes) -> bool:
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except UNREADABLE:
        return False
    return said.get("status") is False or said.get("success") is False


def _is_well(body: bytes) -> bool:
    """Whether a body with status 200 tells of success."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except UNREADABLE:
        return False
    return isinstance(said.get("data"), dict | list) and not _says_no(body)


def _words(body: bytes) -> str:
    try:
        said = msgspec.json.decode(body)
    except UNREADABLE:
        return ""
    if isinstance(said, dict):
        said = said.get("message") or said.get("error")
    return said if isinstance(said, str) else ""


def _refused(answer: Answer, content: Mapping[str, Any]) -> Dead | Refusal:
    words = _words(answer.body)
    if _MODULE_OFF in words.lower():
        return Unauthorised(f"OpenDK: {scrub(words)}")
    detail = f"{answer.status} OpenDK: {scrub(words, _personal(content))}"
    if answer.status in (400, 403, 413):
        return Dead(detail)
    return Retry(f"{detail}: not what was agreed", own=answer.status == 200)


def _personal(content: Mapping[str, Any]) -> list[str]:
    values = [*content.get("applicant", {}).values(), content.get("purpose")]
    return [value for value in values if isinstance(value, str)]
