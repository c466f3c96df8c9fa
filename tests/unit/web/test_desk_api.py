"""The desk API over HTTP, with a desk in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from edge.desk_keys import KeyRing
from edge.queue.desk import StoreFull
from edge.queue.store.requests import TicketsExhausted
from edge.web.desk_api import BODY_LIMIT
from edge.web.server import Limits
from tests.unit.web.serving import BODY, KEY, FakeDesk, running

HEADERS = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "desk-1", "Content-Type": "application/json"}


class Caller:
    """The office's program: speaks to one server and reads JSON whatever the media type."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    async def __call__(self, method: str, path: str, **given: Any) -> tuple[aiohttp.ClientResponse, Any]:
        async with self.session.request(method, self.url + path, **given) as answer:
            content = await answer.read()
            return answer, await answer.json(content_type=None) if content else None

    async def post(self, body: object = None, **headers: str) -> tuple[aiohttp.ClientResponse, Any]:
        return await self("POST", "/v1/requests", json=body or BODY, headers={**HEADERS, **headers})


async def refused(post: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that an awaited call was refused with this problem; its document."""
    answer, body = await post
    assert (answer.status, body["type"]) == (status, f"urn:kampung-edge:problem:{code}")
    assert answer.content_type == "application/problem+json"
    document: dict[str, Any] = body
    return document


async def test_a_request_is_accepted_and_can_be_asked_for() -> None:
    """The desk could not file a letter, or not find it again."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        answer, made = await call.post()
        assert answer.status == 202
        assert answer.headers["Location"] == f"/v1/requests/{made['id']}"
        assert (made["ticket"], made["state"], made["version"], made["letter"]) == ("K47-M2", "received", 1, "SKTM")
        found, again = await call("GET", answer.headers["Location"], headers=HEADERS)
        assert (found.status, found.headers["ETag"], again) == (200, '"1"', made)


async def test_answers_mask_the_person() -> None:
    """A NIK, name or number would leave the box in full."""
    person = {"nik": "3510054107859901", "name": "Siti Aminah", "kk": "3510051503109902", "phone": "+6281234567001"}
    async with running() as server, aiohttp.ClientSession() as session:
        _, made = await Caller(server.url, session).post({**BODY, **person})
        assert made["person"] == {
            "nik": "3510••••••••9901",
            "name": "S••• A•••",
            "kk": "3510••••••••9902",
            "phone": "+62812••••001",
        }
        assert not any(value in str(made) for value in (*person.values(), "beasiswa"))


async def test_the_same_key_and_body_make_one_request() -> None:
    """A desk that lost the answer and sent again would file the letter twice."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        answers = [await call.post() for _ in range(3)]
        assert [answer.status for answer, _ in answers] == [202, 202, 202]
        assert {body["id"] for _, body in answers} == {answers[0][1]["id"]}
        assert [answer.headers.get("Idempotent-Replayed") for answer, _ in answers] == [None, "true", "true"]


async def test_the_same_key_with_another_body_is_refused() -> None:
    """Two different letters under one key would lose the second without a word."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        await call.post()
        await refused(call.post({**BODY, "letter": "KTP"}), 409, "idempotency-key-reused")


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer \xff", f"Bearer{KEY}"],
)
async def test_a_wrong_key_is_refused(authorization: str) -> None:
    """Anyone in the office network could file and read requests."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        headers = {**HEADERS, "Authorization": authorization}
        answer, _ = await call("POST", "/v1/requests", json=BODY, headers=headers)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        await refused(call("POST", "/v1/requests", json=BODY, headers=headers), 401, "unauthorised")
        await refused(call("GET", "/v1/requests/x", headers=headers), 401, "unauthorised")
        assert isinstance(server.desk, FakeDesk)
        assert not server.desk.made


async def test_without_a_desk_key_nothing_is_accepted() -> None:
    """An empty credential would let an empty key in."""
    async with running(keys=KeyRing("")) as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        for authorization in ("Bearer ", "Bearer", f"Bearer {KEY}"):
            document = await refused(call.post(Authorization=authorization), 503, "no-desk-key")
            assert "desk-key" in document["remedy"]


@pytest.mark.parametrize("key", [None, "", "x" * 65, "two words", "kunci-é"])
async def test_an_unfit_idempotency_key_is_refused(key: str | None) -> None:
    """A request without a usable key could be filed twice after a lost answer."""
    headers = {name: value for name, value in HEADERS.items() if name != "Idempotency-Key"}
    async with running() as server, aiohttp.ClientSession() as session:
        given = headers if key is None else {**headers, "Idempotency-Key": key}
        call = Caller(server.url, session)("POST", "/v1/requests", json=BODY, headers=given)
        await refused(call, 400, "idempotency-key")


@pytest.mark.parametrize("key", ["!", "~" * 64, "0191e4d2-7d4e-7cc0-9f3b-1f2e3d4c5b6a"])
async def test_a_fit_idempotency_key_is_taken(key: str) -> None:
    """A client with keys at the edge of the rule would be turned away."""
    async with running() as server, aiohttp.ClientSession() as session:
        answer, _ = await Caller(server.url, session).post(**{"Idempotency-Key": key})
        assert answer.status == 202


async def test_wrong_fields_are_named_without_their_values() -> None:
    """The desk would not know what to correct, or a NIK would come back in an error."""
    async with running() as server, aiohttp.ClientSession() as session:
        wrong = {**BODY, "nik": "3510054107850000", "letter": "PASPOR"}
        document = await refused(Caller(server.url, session).post(wrong), 422, "invalid")
        assert [error["field"] for error in document["errors"]] == ["letter", "nik"]
        assert "3510054107850000" not in str(document)


async def test_a_body_that_is_no_json_is_refused() -> None:
    """Garbage would crash the handler or be filed."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        await refused(call("POST", "/v1/requests", data=b"{", headers=HEADERS), 400, "malformed")
        form = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
        await refused(call("POST", "/v1/requests", data=b"letter=SKTM", headers=form), 415, "media-type")
        packed = {**HEADERS, "Content-Encoding": "gzip"}
        await refused(call("POST", "/v1/requests", data=b"\x1f\x8b", headers=packed), 415, "media-type")


async def test_a_body_over_the_limit_is_refused() -> None:
    """One caller could fill the daemon's memory, by a declared or by an endless body."""

    async def endless() -> Any:
        for _ in range(BODY_LIMIT // 1024 + 2):
            yield b" " * 1024

    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        await refused(call("POST", "/v1/requests", data=b" " * (BODY_LIMIT + 1), headers=HEADERS), 413, "too-large")
        await refused(call("POST", "/v1/requests", data=endless(), headers=HEADERS), 413, "too-large")


async def test_a_body_that_does_not_come_is_given_up() -> None:
    """A caller that sends a byte a minute would hold its place for ever."""
    async with running(limits=Limits(body_s=0.05)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        writer.write(f"POST /v1/requests HTTP/1.1\r\nHost: {host}\r\n{head}Content-Length: 100\r\n\r\n{{".encode())
        async with asyncio.timeout(60):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"urn:kampung-edge:problem:slow-body" in answer
        writer.close()


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (StoreFull("the disk is full"), 503, "store-refuses"),
        (TicketsExhausted("every ticket is taken"), 503, "store-refuses"),
    ],
)
async def test_what_the_desk_refuses_is_passed_on(refusal: Exception, status: int, code: str) -> None:
    """The desk would take a request for filed that the store refused."""
    async with running(desk=FakeDesk(refusal)) as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        await refused(call.post(), status, code)
        answer, _ = await call.post()
        assert (answer.headers.get("Retry-After") is not None) == (status == 503)
        assert "Location" not in answer.headers


async def test_a_bug_in_the_desk_is_no_acceptance(caplog: pytest.LogCaptureFixture) -> None:
    """A crash after the body was read would look like success, end the server, or write a NIK into the log."""
    async with running(desk=FakeDesk(KeyError("3510054107859901"))) as server, aiohttp.ClientSession() as session:
        async with session.post(server.url + "/v1/requests", json=BODY, headers=HEADERS) as answer:
            assert answer.status == 500
            assert "3510054107859901" not in await answer.text()
            assert (await answer.json(content_type=None))["type"] == "urn:kampung-edge:problem:internal"
        (told,) = (record.getMessage() for record in caplog.records if record.name == "edge.web")
        assert "POST /v1/requests: KeyError" in told
        assert "3510054107859901" not in caplog.text
        async with session.get(server.url + "/healthz") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "identifier",
    ["x", "0191e4d2-7d4e-7cc0-9f3b-1f2e3d4c5b6a", "%00", "..%2f..%2fmetrics", "' OR 1=1 --", "9" * 36, "{x}"],
)
async def test_an_unknown_id_is_not_found(identifier: str) -> None:
    """A wrong id would crash the handler or show another's request."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        answer, document = await call("GET", f"/v1/requests/{identifier}", headers=HEADERS)
        assert answer.status == 404
        assert document["type"].startswith("urn:kampung-edge:problem:")


async def test_a_version_the_caller_has_is_not_sent_again() -> None:
    """A desk that asks every few seconds would fetch the same answer over and over, or miss a new one."""
    async with running() as server, aiohttp.ClientSession() as session:
        call = Caller(server.url, session)
        _, made = await call.post()
        path = f"/v1/requests/{made['id']}"
        same, body = await call("GET", path, headers={**HEADERS, "If-None-Match": 'W/"7", "1"'})
        newer, _ = await call("GET", path, headers={**HEADERS, "If-None-Match": '"2"'})
        assert (same.status, same.headers["ETag"], body, newer.status) == (304, '"1"', None, 200)
