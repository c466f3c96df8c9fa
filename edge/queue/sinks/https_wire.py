"""One call to the portal: every time-out set, no redirect followed, the answer bounded before and after gzip."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from edge.config import Upstream
from edge.queue.sink import Retry
from edge.queue.sinks.https_tls import Tls, TlsProblem

JSON = "application/json"
PROBLEM = "application/problem+json"
PROBLEM_MOST = 16 << 10
_GZIP_WINDOW = 31
_SLOWEST_BYTES_S = 2_048  # 16 kbit/s, the least a body going up is given time for


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the body is whole, unpacked and not longer than was asked for."""

    status: int
    content_type: str
    retry_after: str | None
    body: bytes

    @property
    def ours(self) -> bool:
        """Whether the content type is one that the contract has; a captive portal's page has another."""
        return self.content_type in (JSON, PROBLEM)


class Wire:
    """Connections to the portal at `settings.url`, with the bearer `key` where there is one."""

    def __init__(self, settings: Upstream, tls: Tls, *, key: str) -> None:
        self._settings = settings
        self._tls = tls
        self._headers = {
            "Accept": f"{JSON}, {PROBLEM}",
            "Accept-Encoding": "gzip",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        }
        self._session: aiohttp.ClientSession | None = None
        self._context: object = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        most: int = PROBLEM_MOST,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        hold_s: float = 0,
    ) -> Answer | Retry:
        """The answer of at most `most` bytes; `hold_s` is how long the portal may keep the call open by agreement."""
        try:
            session = await self._open()
        except TlsProblem as problem:
            return Retry(str(problem))
        try:
            async with session.request(
                method,
                self._settings.url + path,
                data=body,
                params=query,
                headers={"Content-Type": JSON, **(headers or {})},
                timeout=self._timeout(hold_s, len(body or b"")),
                allow_redirects=False,
            ) as response:
                return await _read(response, most)
        except TimeoutError:
            return Retry("the portal did not answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(self._tls.explain(error) or f"no connection to the portal ({type(error).__name__})")

    async def drop(self) -> None:
        """Let go of every connection; the next call opens a new one by whatever route holds then."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _timeout(self, hold_s: float, length: int) -> aiohttp.ClientTimeout:
        # A long poll holds its answer: a read shorter than that would never see one.
        connect = self._settings.connect_timeout_s
        read = max(self._settings.read_timeout_s, hold_s + 5 if hold_s else 0)
        total = connect + read + length / _SLOWEST_BYTES_S
        return aiohttp.ClientTimeout(total=total, connect=connect, sock_connect=connect, sock_read=read)

    async def _open(self) -> aiohttp.ClientSession:
        context = self._tls.context()
        if context is not self._context:
            await self.drop()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=16, socket_factory=_socket),
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
            self._context = context
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


async def _read(response: aiohttp.ClientResponse, most: int) -> Answer | Retry:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "gzip"):
        response.close()
        return Retry("the portal's answer is compressed in a way that was not asked for")
    machine = zlib.decompressobj(_GZIP_WINDOW) if encoding == "gzip" else None
    body = bytearray()
    async for chunk in response.content.iter_chunked(16_384):
        try:
            body += machine.decompress(chunk, most + 1) if machine else chunk
        except zlib.error:
            response.close()
            return Retry("the portal's answer is no gzip")
        if len(body) > most:
            response.close()
            return Retry(f"the portal's answer is larger than {most} bytes")
    if machine is not None and body and not machine.eof:
        return Retry("the portal's answer is cut off")
    return Answer(response.status, response.content_type, response.headers.get("Retry-After"), bytes(body))
