"""HTTP calls to OpenDK with a token that is renewed: what answers comes back, what does not is a refusal."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta

from edge.config import Upstream
from edge.queue import retry
from edge.queue.sink import Certificate, Refusal, Retry, Unauthorised
from edge.queue.sinks.https_tls import Tls, TlsProblem

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_ANSWER_MOST = 8 << 20
_RENEW_AT = 0.9
_KEEPALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 3), (socket.TCP_KEEPCNT, 3))


class Answer(msgspec.Struct):
    """An answer in JSON, whatever its status."""

    status: int
    body: bytes


class _Token(msgspec.Struct):
    access_token: Annotated[str, Meta(min_length=1, max_length=4_096, pattern=r"^[!-~]+\Z")]
    expires_in: Annotated[float, Meta(gt=0, le=31 * 86_400)] = 3_600.0


class Client:
    """Speaks for `settings.user`, an e-mail address, with the password `key`; without a user `key` is an API key."""

    def __init__(self, settings: Upstream, *, key: str, client_key: str = "") -> None:
        self._settings = settings
        self._tls = Tls(settings, client_key)
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._context: ssl.SSLContext | None = None
        self._token = ""
        self._renew_at = 0.0
        self._logging_in = asyncio.Lock()

    async def get(self, path: str, **query: str) -> Answer | Refusal:
        """GET `path`."""
        return await self._with_token("GET", path, params=query, form=None)

    async def post(self, path: str, form: Callable[[], aiohttp.FormData]) -> Answer | Refusal:
        """POST a form; it is built anew for each try, for it can be sent once."""
        return await self._with_token("POST", path, params={}, form=form)

    def certificates(self) -> tuple[Certificate, ...]:
        """OpenDK's certificate and the box's own, as far as they are known."""
        return self._tls.certificates()

    async def drop(self) -> None:
        """Close every connection; the token stays good."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _with_token(
        self, method: str, path: str, *, params: Mapping[str, str], form: Callable[[], aiohttp.FormData] | None
    ) -> Answer | Refusal:
        for renewed in (False, True):
            token = await self._bearer()
            if not isinstance(token, str):
                return token
            data = form() if form else None
            answer = await self._call(method, path, params=params, data=data, token=token)
            if not isinstance(answer, Answer) or answer.status != 401:
                return answer
            self._token = ""
            if renewed or not self._settings.user:
                break
        return Unauthorised("401: OpenDK refuses the key")

    async def _bearer(self) -> str | Refusal:
        if not self._settings.user:
            return self._key
        async with self._logging_in:
            if self._token and time.monotonic() < self._renew_at:
                return self._token
            return await self._log_in()

    async def _log_in(self) -> str | Refusal:
        account = {"email": self._settings.user, "password": self._key}
        answer = await self._call("POST", "/api/v1/auth/login", params={}, data=aiohttp.FormData(account), token="")
        if not isinstance(answer, Answer):
            return answer
        if answer.status in (400, 401, 403, 422):
            return Unauthorised(f"{answer.status}: OpenDK refuses the e-mail address or the password")
        try:
            token = msgspec.json.decode(answer.body, type=_Token)
        except UNREADABLE:
            return Retry("OpenDK's answer to the login is not what was agreed")
        self._token, self._renew_at = token.access_token, time.monotonic() + token.expires_in * _RENEW_AT
        return self._token

    async def _call(
        self, method: str, path: str, *, params: Mapping[str, str], data: aiohttp.FormData | None, token: str
    ) -> Answer | Retry:
        try:
            session = await self._open()
        except TlsProblem as problem:
            return Retry(str(problem))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self._settings.url + path
        try:
            async with session.request(
                method, url, params=params, data=data, headers=headers, allow_redirects=False
            ) as response:
                return await self._read(response)
        except TimeoutError:
            return Retry("OpenDK did not answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Retry(self._tls.explain(error) or f"no connection to OpenDK ({type(error).__name__})")

    async def _read(self, response: aiohttp.ClientResponse) -> Answer | Retry:
        after = retry.retry_after(response.headers.get("Retry-After"), now=time.time())
        if response.status in (408, 425, 429) or response.status >= 500:
            return Retry(f"OpenDK answered {response.status}", after)
        if response.content_type != "application/json":
            return Retry(f"{response.status} without JSON: not OpenDK's answer", after)
        body = bytearray()
        async for chunk in response.content.iter_chunked(16_384):
            body += chunk
            if len(body) > _ANSWER_MOST:
                response.close()
                return Retry(f"OpenDK's answer is larger than {_ANSWER_MOST >> 20} MB: have its old letters archived")
        return Answer(response.status, bytes(body))

    async def _open(self) -> aiohttp.ClientSession:
        context = self._tls.context()
        if context is not self._context:
            await self.drop()
        if self._session is None:
            settings, self._context = self._settings, context
            total = settings.connect_timeout_s + settings.read_timeout_s
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=4, socket_factory=_socket),
                headers={"Accept": "application/json"},
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=total, sock_connect=settings.connect_timeout_s, sock_read=settings.read_timeout_s
                ),
            )
        return self._session


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket that notices within some 15 s that its uplink is gone (tcp(7))."""
    made = socket.socket(*address[:3])
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE:
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
    return made
