"""The server itself: listening, waiting for an address, starting again, and callers that misbehave."""

from __future__ import annotations

import asyncio
import logging
import socket

import aiohttp
import pytest

from edge import config
from edge.desk_keys import KeyRing
from edge.health import Health
from edge.web.overview import Overview
from edge.web.server import Limits, Server
from tests.unit.web.serving import NOW, WELL, EmptyOffice, FakeDesk, build, no_metrics, once, running


async def overview() -> Overview:
    return WELL


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def test_it_listens_on_every_address() -> None:
    """The office or the box itself would find no server."""
    async with running(listen=("127.0.0.1:0", "127.0.0.2:0", "[::1]:0")) as server:
        assert await status(server.url + "/") == 200


async def test_it_can_be_run_again() -> None:
    """After a crash of the part its ports would stay taken, or the page stay away."""
    port = free_port()
    server = build(overview, desk=FakeDesk(), health=Health(wall=lambda: NOW), listen=(f"127.0.0.1:{port}",))
    for _ in range(3):
        task = asyncio.create_task(server.run())
        await once(lambda: server.addresses)
        assert await status(f"http://127.0.0.1:{port}/healthz") == 200
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert server.addresses == ()


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nAuthorization: Bearer secret\x01\r\n\r\n", b"GET /?secret HTTP/9.1\r\n\r\n"]
)
async def test_a_malformed_request_leaves_nothing_in_the_log(request_: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A key in a broken header would stand in the journal, and anybody could fill it without a key."""
    async with running() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        writer.write(request_)
        assert b" 400 " in await reader.readline()
        writer.close()
    assert caplog.text == ""


async def test_an_address_that_is_taken_is_said_once_and_had_later(caplog: pytest.LogCaptureFixture) -> None:
    """One address that is not there yet would keep the whole server away, or fill the journal."""
    caplog.set_level(logging.INFO, "edge.web")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = build(
            overview,
            desk=FakeDesk(),
            health=Health(wall=lambda: NOW),
            listen=("127.0.0.2:0", f"127.0.0.1:{port}"),
            limits=Limits(retry_s=0.01),
        )
        task = asyncio.create_task(server.run())
        await once(lambda: caplog.records and server.addresses)
        assert await status("http://{}:{}/".format(*server.addresses[0])) == 200
    await once(lambda: len(server.addresses) == 2)
    assert await status(f"http://127.0.0.1:{port}/") == 200
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot listen on 127.0.0.1 port {port} yet (Address already in use): trying again until it can",
        f"listening on 127.0.0.1 port {port}",
    ]
    task.cancel()
    await asyncio.wait([task])


async def test_a_stop_does_not_wait_for_an_idle_browser() -> None:
    """The daemon's clean stop would take as long as someone keeps the page open."""
    async with running() as server:
        host, port = server.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HT")
        await writer.drain()
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 30, "the library would wait for a minute"
    writer.close()


async def test_a_header_that_does_not_come_is_given_up() -> None:
    """Callers that send a byte a minute would take every place."""
    async with running(limits=Limits(header_s=0.1)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"POST /v1/requests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
    ids=["path", "header", "headers", "two-hosts", "tls", "two-lengths", "proxy"],
)
async def test_an_unfit_request_is_refused(sent: bytes) -> None:
    """A request past the limits, or one that is no HTTP, would be served or would end the server."""
    async with running() as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        async with asyncio.timeout(60):
            assert (await reader.readline()).startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        writer.close()
        assert await status(server.url + "/healthz") == 200


@pytest.mark.parametrize(
    ("listen", "allow", "timezone", "named"),
    [
        ("kotak:8480", (), "Asia/Jakarta", "web.listen"),
        ("127.0.0.1:0", ("192.168.300.0/24",), "Asia/Jakarta", "192.168.300.0/24"),
        ("127.0.0.1:0", (), "Asia/Nowhere", "village.timezone"),
    ],
)
def test_a_setting_it_cannot_use_is_named(listen: str, allow: tuple[str, ...], timezone: str, named: str) -> None:
    """The operator would see a server that stays away without a word why."""
    village = config.Village(code="3510052001", name="Sumberberas", district="Muncar", timezone=timezone)
    with pytest.raises(ValueError, match=named):
        Server(
            config.Web(listen=(listen,)),
            allow=allow,
            desk=FakeDesk(),
            records=EmptyOffice(),
            scans=EmptyOffice(),
            keys=KeyRing("k"),
            overview=overview,
            metrics=no_metrics,
            health=Health(wall=lambda: NOW),
            village=village,
        )
