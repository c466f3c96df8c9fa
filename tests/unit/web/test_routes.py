"""What every answer has in common, path by path."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from edge.health import CONDITIONS
from edge.queue.store.errors import StoreSlow
from edge.queue.store.transitions import Transition
from edge.web.routes import PROTECTIVE
from tests.unit.web.serving import KEY, TROUBLED, EmptyOffice, running

PATHS = [
    "/",
    "/metrics",
    "/healthz",
    "/static/page.css",
    "/static/page.js",
    "/static/icon.svg",
    "/v1/requests",
    "/v1/requests/x",
    "/v1/requests/x/transitions",
    "/v1/requests/x/attachments",
    "/v1/events",
    "/v1/openapi.json",
    "/no",
]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_the_protective_headers(path: str) -> None:
    """A page could be framed, sniffed, cached or made to run a foreign script."""
    async with running() as server, aiohttp.ClientSession() as session, session.get(server.url + path) as answer:
        assert {name: answer.headers[name] for name in PROTECTIVE} == PROTECTIVE
        assert "aiohttp" not in str(answer.headers)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/healthz", "application/json"),
        ("/static/page.css", "text/css; charset=utf-8"),
        ("/static/page.js", "text/javascript; charset=utf-8"),
        ("/static/icon.svg", "image/svg+xml; charset=utf-8"),
    ],
)
async def test_every_path_says_what_it_is(path: str, media_type: str) -> None:
    """With nosniff a wrong media type is a page without style, and Prometheus refuses a wrong format."""
    async with running() as server, aiohttp.ClientSession() as session, session.get(server.url + path) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8480", ""])
async def test_a_strangers_host_is_refused(path: str, host: str) -> None:
    """A foreign web page could read the office's data through DNS rebinding."""
    async with (
        running() as server,
        aiohttp.ClientSession(headers={"Host": host}) as session,
        session.get(server.url + path) as answer,
    ):
        assert answer.status == 421
        assert "host-not-ours" in await answer.text()


async def test_an_unknown_path_and_method_are_problems() -> None:
    """A programmer would get HTML where JSON was promised."""
    async with running() as server, aiohttp.ClientSession() as session:
        async with session.get(server.url + "/v2/requests") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
        async with session.delete(server.url + "/v1/requests") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,POST")


async def test_health_and_page_follow_what_holds() -> None:
    """/healthz or the page would go on telling of yesterday."""
    async with running() as server, aiohttp.ClientSession() as session:
        server.health.raise_("modem-missing")
        async with session.get(server.url + "/healthz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "attention")
        server.health.raise_("store-full")
        async with session.get(server.url + "/healthz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (503, "refusing")
        server.health.clear("store-full")
        server.health.clear("modem-missing")
        async with session.get(server.url + "/healthz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")


async def test_the_page_is_served_with_what_the_daemon_knows() -> None:
    """The office would see an empty page."""
    async with (
        running(shown=TROUBLED) as server,
        aiohttp.ClientSession() as session,
        session.get(server.url + "/") as answer,
    ):
        assert CONDITIONS["modem-missing"].title in await answer.text()


class Breaking(EmptyOffice):
    """Its store breaks down while somebody listens."""

    async def span(self) -> tuple[int, int]:
        return 1, 9

    async def after(self, seq: int, *, limit: int) -> list[Transition]:
        raise StoreSlow(f"reading {limit} after {seq} took too long")


async def test_a_stream_that_breaks_ends_and_says_nothing_else() -> None:
    """The head of another answer would stand in the middle of the events, for the listener to make sense of."""
    async with running(records=Breaking()) as server:
        host = server.url.removeprefix("http://")
        address, port = host.split(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        async with asyncio.timeout(60):
            said = await reader.read()
        writer.close()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1") == 1
