"""Probes by HTTP and timed fetches against servers that answer as they please."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.monitor.fetch import fetch
from edge.monitor.probes import http, http_client
from tests.lab.monitor_lab import GATEWAY, TARGETS, WAY, Line, eventually, line, sh
from tests.lab.monitor_peers import HOST, listening, resolver, served, serving, told
from tests.lab.namespaces import inside
from tests.lab.probing import NAME, PAGE, URL, descriptors, one, probing

__all__ = ["line"]

pytestmark = pytest.mark.usefixtures("line")


async def test_right_page_is_a_sign_of_life() -> None:
    """The page of the regency, by a name that the uplink's own resolver tells, must count as an answer."""
    with resolver(lambda query: [told(query)]), serving(PAGE) as seen:
        result = await one("http", URL)
    assert (result.reason, result.rtt_ms is not None) == ("", True)
    assert seen[0].startswith(b"GET /ready HTTP/1.1\r\nHost: check.go.id\r\n")


ANSWERS = {
    "portal": (b"HTTP/1.1 302 Found\r\nLocation: http://login.wifi/\r\nContent-Length: 0\r\n\r\n", "captive"),
    "portal page": (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlog in", "captive"),
    "server error": (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "status"),
    "not HTTP": (b"220 smtp ready\r\n", "broken"),
    "cut off": (PAGE[:-3], "broken"),
    "nothing": (b"", "broken"),
    "head without end": (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000, "broken"),
    "body too far": (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 200_000 + b"Banyuwangi", "captive"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_other_answer_is_told_by_its_reason(name: str) -> None:
    """A portal's answer must be told from a broken server's, and no answer may crash or fill the memory."""
    answer, wanted = ANSWERS[name]
    with resolver(lambda query: [told(query)]), serving(answer):
        result = await one("http", URL)
    assert (result.rtt_ms, result.reason) == (None, wanted)


async def test_portal_that_answers_every_name_is_captive() -> None:
    """A portal that resolves every name to itself must be found out by its page."""
    with resolver(lambda query: [told(query, GATEWAY)]), serving(b"HTTP/1.1 200 OK\r\n\r\nlog in", address=GATEWAY):
        assert (await one("http", URL)).reason == "captive"


async def test_unresolved_and_refused_pages_are_told() -> None:
    """No name and no server are failures of this probe, told with their reason."""
    assert (await one("http", URL)).reason == "unresolved"
    with resolver(lambda query: [told(query)]):
        assert (await one("http", URL)).reason == "refused"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ssl.SSLContext]]:
    """Makes servers' certificates; those signed for NAME are trusted."""

    def make(name: str, *, days: int = 30) -> ssl.SSLContext:
        key, certificate = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-keyout", key, "-out", certificate, "-days", str(days), "-subj", f"/CN={name}"),
                *("-addext", f"subjectAltName=DNS:{name}"),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    trusted = make(NAME)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{NAME}.pem"))
    http_client.authorities.cache_clear()
    yield lambda name: trusted if name == NAME else make(name)
    http_client.authorities.cache_clear()


async def test_page_by_tls_is_checked_by_its_certificate(authority: Callable[..., ssl.SSLContext]) -> None:
    """The right certificate must count; a portal's own certificate, or no TLS at all, is somebody else's answer."""
    url = f"https://{NAME}/ready"
    with resolver(lambda query: [told(query)]):
        with serving(PAGE, port=443, context=authority(NAME)):
            assert (await one("http", url)).reason == ""
        with serving(PAGE, port=443, address=TARGETS[1], context=authority("login.wifi")), _led_to(TARGETS[1]):
            assert (await one("http", url)).reason == "captive"


async def test_port_of_tls_that_speaks_http_is_captive() -> None:
    """A portal that leads every port to its page speaks no TLS."""
    with resolver(lambda query: [told(query)]), _plain(443):
        assert (await one("http", f"https://{NAME}/")).reason == "captive"


async def test_fetches_in_flight_are_bounded_and_given_up(line: Line) -> None:
    """A server that never answers must hold no more than a few sockets, and none after closing."""
    line.drop("tcp dport 80")
    opened = descriptors()
    with probing("http") as (probe, results):
        for serial in range(http.MOST_IN_FLIGHT + 2):
            probe.send(serial, f"http://{HOST}/")
        assert [result.reason for result in results] == ["too-many", "too-many"]
        await eventually(lambda: descriptors() == opened + http.MOST_IN_FLIGHT)
    await eventually(lambda: descriptors() == opened)


async def test_bug_in_a_fetch_is_not_swallowed() -> None:
    """A fetch that dies of a bug must crash the watcher, or it would go on without its check for ever."""
    with probing("http") as (probe, results):
        probe.send(1, "ftp://nowhere/")
        await asyncio.sleep(0.01)  # the fetch fails before it waits for anything
        with pytest.raises(ValueError, match="is no http"):
            probe.send(2, URL)
        assert results == []


# ---- timed fetch


async def test_timed_fetch_tells_the_rate() -> None:
    """The rate that the line is shaped to must be told, and never more; a small file must tell nothing."""
    sh("ip netns exec pde tc qdisc replace dev box root tbf rate 8mbit burst 16k latency 300ms")
    body = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(400_000)
    with serving(body):
        rate = await fetch(WAY, f"http://{HOST}/", clock=SystemClock())
    assert rate is not None
    assert 2 < rate < 10  # a busy machine reads more slowly than the line carries
    with serving(PAGE):
        assert await fetch(WAY, f"http://{HOST}/", clock=SystemClock()) is None


async def test_fetch_that_fails_tells_nothing() -> None:
    """A refused, missing or malformed file says nothing of the rate."""
    assert await fetch(WAY, f"http://{HOST}/", clock=SystemClock()) is None
    for answer in (b"HTTP/1.1 404 Gone\r\n\r\n" + bytes(200_000), b"nonsense\r\n"):
        with serving(answer):
            assert await fetch(WAY, f"http://{HOST}/", clock=SystemClock()) is None


@contextmanager
def _led_to(address: str) -> Iterator[None]:
    """The provider leads connections for HOST to `address`, as a portal does."""
    rules = (
        "add table ip portal\n"
        "add chain ip portal pre { type nat hook prerouting priority -100; }\n"
        f"add rule ip portal pre ip daddr {HOST} tcp dport 443 dnat to {address}\n"
    )
    subprocess.run(["ip", "netns", "exec", "pde", "nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        sh("ip netns exec pde nft delete table ip portal")


@contextmanager
def _plain(port: int) -> Iterator[None]:
    """HOST answers whatever comes on `port` by an HTTP redirect, without TLS."""
    sock = inside("pde", lambda: listening(socket.AF_INET, HOST, port))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://login.wifi/\r\n\r\n")
        writer.close()

    with served(sock, talk):
        yield
