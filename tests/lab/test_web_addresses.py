"""The web server's addresses in a network of its own: one that comes later, and callers that may not call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import aiohttp
import pytest

from edge.health import Health
from edge.web.overview import Overview
from edge.web.server import Limits
from tests.lab.monitor_lab import sh
from tests.unit.web.serving import NOW, WELL, FakeDesk, build, once, running

OFFICE, GUEST, LATE = "198.18.10.5", "198.18.20.5", "198.18.10.1"


@pytest.fixture
def addresses() -> Iterator[None]:
    for address in (OFFICE, GUEST):
        sh(f"ip addr add {address}/32 dev lo")
    try:
        yield
    finally:
        for address in (OFFICE, GUEST, LATE):
            sh(f"ip addr del {address}/32 dev lo", check=False)


async def ask(url: str, source: str, *, path: str = "/") -> int:
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url + path) as answer:
        return answer.status


@pytest.mark.usefixtures("addresses")
async def test_only_the_given_networks_are_served() -> None:
    """A guest who found a way to the address would read the office's page and file requests."""
    async with running(allow=("198.18.10.0/24",), listen=(f"{OFFICE}:0",)) as server:
        for path in ("/", "/metrics", "/healthz"):
            assert (await ask(server.url, OFFICE, path=path), await ask(server.url, GUEST, path=path)) == (200, 403)
        assert await ask(server.url, GUEST, path="/v1/requests/x") == 403
        assert await ask(server.url, GUEST, path="/static/page.css") == 403


@pytest.mark.usefixtures("addresses")
async def test_an_address_that_comes_later_is_taken_up(caplog: pytest.LogCaptureFixture) -> None:
    """After a cold start the office's address is not there yet, and the page would stay away until a restart."""
    caplog.set_level(logging.INFO, "edge.web")

    async def overview() -> Overview:
        return WELL

    server = build(
        overview,
        desk=FakeDesk(),
        health=Health(wall=lambda: NOW),
        allow=("198.18.10.0/24",),
        listen=("127.0.0.1:0", f"{LATE}:8480"),
        limits=Limits(retry_s=0.05),
    )
    task = asyncio.create_task(server.run())
    try:
        await once(lambda: caplog.records and server.addresses)
        assert await ask("http://{}:{}".format(*server.addresses[0]), "127.0.0.1") == 200
        sh(f"ip addr add {LATE}/32 dev lo")
        await once(lambda: len(server.addresses) == 2)
        assert await ask(f"http://{LATE}:8480", OFFICE) == 200
        assert [record.getMessage() for record in caplog.records] == [
            f"cannot listen on {LATE} port 8480 yet (Cannot assign requested address): trying again until it can",
            f"listening on {LATE} port 8480",
        ]
    finally:
        task.cancel()
        await asyncio.wait([task])
