"""The HTTPS sink against a server that answers anything at all."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.config import Upstream
from edge.queue.lane import Lane
from edge.queue.sink import Blob, Change, Changes, Dead, Delivered, Outcome, Parcel, Retry, Unauthorised
from edge.queue.sinks.https import HttpsSink
from edge.simulator import portal_tls

CONTENT = b'{"id":"r","applicant":{"nik":"3510152306089909","name":"SITI AMINAH"},"purpose":"x"}'
REQUEST = Parcel("e1", "r", "request", Lane.REQUEST, 1, 0.0, CONTENT)
EVENT = Parcel("e1", "r", "cancel_requested", Lane.EVENT, 2, 0.0, b"{}")
FILED = b'{"id":"r","state":"forwarded","version":1}'
JSON = "Content-Type: application/json\r\n"
HTML = "Content-Type: text/html\r\n"
LEFT_OUT = Retry("the portal's answer leaves our request out")
PROBLEM = "Content-Type: application/problem+json\r\n"
NOT_AGREED = "the portal's answer to events is not what was agreed"


def http(status: str, headers: str = "", body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


UNKNOWN = http("404 Not Found", PROBLEM, b"{}")


@asynccontextmanager
async def answering(directory: Path, *answers: bytes) -> AsyncIterator[HttpsSink]:
    """A sink whose server gives these bytes to one call after the other, then closes."""
    tls = portal_tls.make(directory, ["127.0.0.1"])
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = head.partition("content-length: ")[2].partition("\r\n")[0]
            await reader.readexactly(int(length or 0))
            writer.write(left.pop(0).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls.server_context())
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Upstream(url=url, ca_file=str(tls.ca), connect_timeout_s=2, read_timeout_s=2, wait_s=0)
    sink = HttpsSink(settings, code="3510052001", key="k")
    try:
        yield sink
    finally:
        await sink.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (http("201 Created", JSON, b'{"id":"r","state":"forwarded","version":1}'), Delivered()),
        (http("201 Created", JSON, b"{}"), LEFT_OUT),
        (http("200 OK", JSON, b'{"id":"r","state":"forwarded","version":1}'), Delivered()),
        (http("200 OK", JSON, b'{"error":"database"}'), LEFT_OUT),
        (http("200 OK", JSON, b'{"id":"other","state":"forwarded","version":1}'), LEFT_OUT),
        (http("200 OK", JSON, b'{"id":' + b"[" * 5000), LEFT_OUT),
        (
            http("200 OK", "Content-Type: text/html\r\n", b"<h1>WiFi"),
            Retry("200 with text/html: not the portal's answer"),
        ),
        (http("204 No Content"), Retry("204 with application/octet-stream: not the portal's answer")),
        (
            http("302 Found", "Location: https://wifi.example/\r\n"),
            Retry("302 with application/octet-stream: not the portal's answer"),
        ),
        (http("408 Request Timeout", PROBLEM, b"{}"), Retry("the portal answered 408")),
        (http("425 Too Early", PROBLEM, b"{}"), Retry("the portal answered 425")),
        (http("429 Too Many", f"Retry-After: 7\r\n{PROBLEM}", b"{}"), Retry("the portal answered 429", 7.0)),
        (http("503 Away", "Retry-After: soon\r\n"), Retry("the portal answered 503")),
        (http("404 Not Found", PROBLEM, b"{}"), Retry("the portal answered 404")),
        (http("403 Forbidden", HTML, b"<h1>WiFi"), Retry("the portal answered 403")),
        (http("401 Unauthorized"), Unauthorised("401: the portal refuses the key")),
        (http("409 Conflict", PROBLEM, b'{"title":"differs"}'), Dead("409 differs")),
        (http("422 No", PROBLEM, b"not json"), Dead("422")),
        (http("422 No", PROBLEM, b'{"title":7,"detail":null}'), Dead("422")),
        (http("422 No", PROBLEM, b'{"title":"\xff"}'), Dead("422")),
        (http("422 No", PROBLEM, b'{"title":' + b"[" * 5000), Dead("422")),
        (
            http("422 No", PROBLEM, b'{"title":"wrong","detail":"NIK 3510152306089909 of Siti Aminah, Aminah!"}'),
            Dead("422 wrong: NIK … of …, …!"),
        ),
        (http("200 OK", JSON, b"x" * 20_000), Retry("the portal's answer is larger than 16384 bytes")),
        (b"SSH-2.0-OpenSSH\r\n", Retry("no connection to the portal (ClientResponseError)")),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{", None),
        (b"", None),
    ],
)
async def test_deliver(tmp_path: Path, answer: bytes, wanted: Outcome | None) -> None:
    """An answer is taken for another one: a loss, an endless retry, a crash, or a villager's data in a log."""
    # An idempotent call on a connection that breaks is made once more by the client library.
    async with answering(tmp_path, answer, answer if wanted is None else UNKNOWN) as sink:
        outcome = (await sink.deliver([REQUEST]))[0]
    if wanted is None:
        assert isinstance(outcome, Retry)
        assert outcome.detail.startswith("no connection to the portal (")
    else:
        assert outcome == wanted


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (http("200 OK", JSON, b'{"results":[{"id":"e1","status":"accepted"}],"last_seq":2}'), Delivered()),
        (http("200 OK", JSON, b'{"results":[{"id":"e1","status":"duplicate"}],"last_seq":2}'), Delivered()),
        (
            http("200 OK", JSON, b'{"results":[{"id":"e1","status":"rejected","problem":{"title":"closed"}}]}'),
            Dead("closed"),
        ),
        (
            http("200 OK", JSON, b'{"results":[{"id":"other","status":"accepted"}]}'),
            Retry("the portal's answer leaves our event out", own=True),
        ),
        (http("200 OK", JSON, b"[]"), Retry(NOT_AGREED)),
        (http("200 OK", JSON, b'{"results":[{"id":"\xff","status":"accepted"}]}'), Retry(NOT_AGREED)),
        (http("200 OK", JSON, b'{"results":' + b"[" * 5000), Retry(NOT_AGREED)),
        (http("400 No", PROBLEM, b'{"title":"no"}'), Dead("400 no")),
    ],
)
async def test_deliver_event(tmp_path: Path, answer: bytes, wanted: Outcome) -> None:
    """An order is taken for delivered when it was not, or the other way round."""
    async with answering(tmp_path, answer) as sink:
        assert (await sink.deliver([EVENT]))[0] == wanted


CHANGE = b'{"id":"c1","subject":"r","data":{"state":"completed","version":3,"why":"w"},"more":1}'


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        ([http("204 No Content")], Changes((), "7")),
        (
            [http("200 OK", JSON, b'{"events":[' + CHANGE + b'],"cursor":"8"}')],
            Changes((Change("c1", "r", "completed", 3, "w"),), "8"),
        ),
        (
            [http("200 OK", JSON, b'{"events":[{}, 7, null, {"id":""},' + CHANGE + b'],"cursor":"8"}')],
            Changes((Change("c1", "r", "completed", 3, "w"),), "8", 4),
        ),
        ([http("200 OK", JSON, b'{"events":[]}')], Retry("the portal's page of changes is not what was agreed")),
        ([http("200 OK", JSON, b"\xff\xfe")], Retry("the portal's page of changes is not what was agreed")),
        (
            [http("200 OK", JSON, b'{"events":' + b"[" * 5000)],
            Retry("the portal's page of changes is not what was agreed"),
        ),
        (
            [http("200 OK", JSON, b'{"events":[{"id":"\xff"}, {"id":"c","subject":"\xff"}],"cursor":"8"}')],
            Changes((), "8", 2),
        ),
        (
            [http("200 OK", JSON, b'{"events":[' + CHANGE.replace(b"c1", b"a\\u000ab") + b'],"cursor":"8"}')],
            Changes((), "8", 1),
        ),
        (
            [http("200 OK", JSON, b'{"events":[' + CHANGE.replace(b"completed", b"completed\\n") + b'],"cursor":"8"}')],
            Changes((), "8", 1),
        ),
        ([http("409 No", PROBLEM, b"{}")], Retry("409")),
        ([http("401 No")], Unauthorised("401: the portal refuses the key")),
        (
            [http("410 Gone", PROBLEM, b"{}"), http("200 OK", JSON, b'{"events":[],"cursor":"9"}')],
            Changes((), "9"),
        ),
        ([http("410 Gone", PROBLEM, b"{}"), http("500 No")], Retry("the portal answered 500")),
        ([http("200 OK", JSON, b"x" * 1_100_000)], Retry("the portal's answer is larger than 1048576 bytes")),
    ],
)
async def test_changes(tmp_path: Path, answers: list[bytes], wanted: object) -> None:
    """A page of changes is misread, or one wrong event hides the right ones."""
    async with answering(tmp_path, *answers) as sink:
        assert await sink.changes("7") == wanted


async def test_a_compressed_answer_is_bounded_too(tmp_path: Path) -> None:
    """A small compressed answer that unpacks to gigabytes fills the memory."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with answering(tmp_path, http("200 OK", f"{JSON}Content-Encoding: gzip\r\n", bomb)) as sink:
        assert isinstance((await sink.deliver([REQUEST]))[0], Retry)


async def test_missing_ca_file_is_a_clear_detail(tmp_path: Path) -> None:
    """A missing certificate file stops the whole box instead of the way to the portal alone."""
    settings = Upstream(url="https://127.0.0.1:9", ca_file=str(tmp_path / "none.pem"))
    sink = HttpsSink(settings, code="3510052001", key="k")
    outcome = (await sink.deliver([REQUEST]))[0]
    assert outcome == Retry(f"ca_file {tmp_path / 'none.pem'} cannot be used (FileNotFoundError): copy it there anew")
    await sink.close()


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", f"{JSON}Content-Encoding: deflate\r\n", b"{}"),
        http("200 OK", f"{JSON}Content-Encoding: gzip\r\n", b'{"id":"r","state":"forwarded","version":1}'),
        http("200 OK", f"{JSON}Content-Encoding: gzip\r\n", gzip.compress(FILED)[:-6]),
        http("201 Created", HTML, FILED),
        http("202 Accepted", JSON, FILED),
        http("204 No Content"),
        http("206 Partial Content", JSON, FILED),
        http("303 See Other", f"Location: /v1/requests/r\r\n{JSON}", FILED),
        http("307 Temporary Redirect", "Location: https://wifi.example/\r\n"),
        http("511 Network Authentication Required", HTML, b"<h1>WiFi"),
        http("200 OK", JSON, b'{"login":"https://wifi.example/"}'),
        http("200 OK", "", FILED),
    ],
)
async def test_what_is_nearly_right_is_not_delivered(tmp_path: Path, answer: bytes) -> None:
    """A captive portal, a proxy or a half answer makes the box forget a request that nobody has."""
    async with answering(tmp_path, answer, answer) as sink:
        assert isinstance((await sink.deliver([REQUEST]))[0], Retry)
    async with answering(tmp_path, answer, answer) as sink:
        assert isinstance((await sink.deliver([EVENT]))[0], Retry)
    blob = Blob("0" * 64, 3, "application/pdf", 0, _three)
    async with answering(tmp_path, answer, answer) as sink:
        assert isinstance(await sink.carry(blob), Retry)


async def test_a_compressed_answer_is_read(tmp_path: Path) -> None:
    """A portal behind a proxy that compresses is taken for a captive one."""
    packed = http("200 OK", f"{JSON}Content-Encoding: gzip\r\n", gzip.compress(FILED))
    async with answering(tmp_path, packed) as sink:
        assert await sink.deliver([REQUEST]) == [Delivered()]


@pytest.mark.parametrize("drip", [b" " * 16_384, b" "])
async def test_an_answer_without_end_is_given_up(tmp_path: Path, drip: bytes) -> None:
    """A body that never ends fills the memory, or one that drips holds a call for ever."""
    tls = portal_tls.make(tmp_path, ["127.0.0.1"])

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode())
        try:
            while True:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls.server_context())
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = Upstream(url=url, ca_file=str(tls.ca), connect_timeout_s=3, read_timeout_s=1, wait_s=0)
    sink = HttpsSink(settings, code="3510052001", key="k")
    try:
        (outcome,) = await sink.deliver([REQUEST])
    finally:
        await sink.close()
        server.close()
    wanted = "the portal did not answer in time" if len(drip) == 1 else "the portal's answer is larger than 16384 bytes"
    assert outcome == Retry(wanted)


async def _three(_start: int, length: int) -> bytes:
    return b"abc"[:length]
