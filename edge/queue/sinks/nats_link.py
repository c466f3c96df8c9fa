"""One connection to a NATS server: opened when first needed, asked with an answer awaited, given up when it breaks.

The client library's own reconnecting is left off: a connection that breaks ends every call under way as `Retry`, and
the next call opens a new one, by whatever route holds then. So waits and jitter are in one place
(`edge.queue.contact`).
"""

from __future__ import annotations

import asyncio
from collections import UserString, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from edge.config import Upstream
from edge.queue.sink import Certificate, Refusal, Retry, Unauthorised, scrub
from edge.queue.sinks.https_tls import Tls, TlsProblem

T = TypeVar("T")

_PING_S = 15
_PINGS_MOST = 2
_CLOSE_S = 2.0
_CREDENTIALS = "-----BEGIN NATS USER JWT-----"
_REFUSED = ("authorization", "authentication", "permissions violation", "user credentials", "maximum account")


class TooLarge(Exception):
    """A message is over the server's max_payload; the text says how large it may be."""


@dataclass(slots=True)
class _Session:
    client: Any
    broken: asyncio.Future[Refusal]


class Link:
    """The connection of the village `code` with its secret `key`: a password, an nkey seed or a credentials file."""

    def __init__(self, settings: Upstream, *, code: str, key: str, client_key: str = "") -> None:
        self._settings = settings
        self._code = code
        self._key = key
        self._tls = Tls(settings, client_key)
        self._opening = asyncio.Lock()
        self._session: _Session | None = None

    async def ask(
        self, subject: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None, timeout_s: float
    ) -> bytes | Refusal:
        """The answer to a message. Raises `TooLarge`."""

        async def request(client: Any) -> bytes:
            message = await client.request(subject, body, timeout=timeout_s, headers=dict(headers) if headers else None)
            return bytes(message.data)

        return await self.use(request)

    async def use(self, work: Callable[[Any], Awaitable[T]]) -> T | Refusal:
        """Let `work` use the connection until it ends, or the connection breaks. Raises `TooLarge`."""
        import nats.errors

        session = await self._opened()
        if not isinstance(session, _Session):
            return session
        task = asyncio.ensure_future(work(session.client))
        try:
            either: set[asyncio.Future[Any]] = {task, session.broken}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return session.broken.result()
            return task.result()
        except nats.errors.MaxPayloadError:
            raise TooLarge(f"the broker takes at most {session.client.max_payload} bytes") from None
        except nats.errors.NoRespondersError:
            return Retry("the broker has no stream or consumer for it")
        except (nats.errors.TimeoutError, TimeoutError):
            return Retry("the broker did not answer in time")
        except (nats.errors.Error, OSError) as error:
            return _refusal(error)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def certificates(self) -> tuple[Certificate, ...]:
        """The box's own certificate and the broker's, as far as they are known."""
        return self._tls.certificates() if self._settings.url.startswith("tls:") else ()

    async def drop(self) -> None:
        """Give the connection up, and every call under way with it."""
        session, self._session = self._session, None
        if session is not None:
            await self._end(session, Retry("the connection was given up"))

    async def _opened(self) -> _Session | Refusal:
        async with self._opening:
            session = self._session
            if session is not None and not session.broken.done() and session.client.is_connected:
                return session
            await self.drop()
            opened = await self._open()
            if isinstance(opened, _Session):
                self._session = opened
            return opened

    async def _open(self) -> _Session | Refusal:
        from nats.aio.client import Client

        broken: asyncio.Future[Refusal] = asyncio.get_running_loop().create_future()
        said: deque[Exception] = deque(maxlen=1)

        async def on_error(error: Exception) -> None:
            said.append(error)
            refusal = _refusal(error)
            if isinstance(refusal, Unauthorised) and not broken.done():
                broken.set_result(refusal)

        async def on_closed() -> None:
            if not broken.done():
                broken.set_result(_refusal(said[-1]) if said else Retry("the broker closed the connection"))

        try:
            options = self._options()
        except TlsProblem as problem:
            return Retry(str(problem))
        session = _Session(Client(), broken)
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await session.client.connect(error_cb=on_error, closed_cb=on_closed, **options)
        except TimeoutError:
            refusal = self._failed(said[-1]) if said else Retry("the broker did not answer in time")
        except Exception as error:  # a captive portal's page makes the client library raise whatever it likes
            refusal = self._failed(said[-1] if said else error)
        else:
            return session
        await self._end(session, refusal)
        return refusal

    def _failed(self, error: BaseException) -> Refusal:
        explained = self._tls.explain(error) if self._settings.url.startswith("tls:") else None
        return Retry(explained) if explained else _refusal(error)

    async def _end(self, session: _Session, refusal: Refusal) -> None:
        if not session.broken.done():
            session.broken.set_result(refusal)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await session.client.close()
        except Exception as error:  # what breaks while a broken connection is let go of tells nobody anything
            del error

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        options: dict[str, Any] = {
            "servers": [settings.url],
            "name": f"kampung-edge {self._code}",
            "inbox_prefix": f"_INBOX.{self._code}",
            "allow_reconnect": False,
            "max_reconnect_attempts": 1,
            "reconnect_time_wait": 0.1,
            "connect_timeout": settings.connect_timeout_s,
            "ping_interval": _PING_S,
            "max_outstanding_pings": _PINGS_MOST,
        }
        if settings.url.startswith("tls:"):
            options["tls"] = self._tls.context()
        if self._key.startswith(_CREDENTIALS):
            options["user_credentials"] = UserString(self._key + "\n")
        elif self._key.startswith("SU") and len(self._key) == 58:
            options["nkeys_seed_str"] = self._key
        elif self._key:
            options |= {"user": settings.user or self._code, "password": self._key}
        return options


def _refusal(error: BaseException) -> Refusal:
    """What an error of the client library means for the box."""
    words = scrub(str(error).removeprefix("nats: ")) or type(error).__name__
    if any(word in words.lower() for word in _REFUSED):
        return Unauthorised(f"the broker refuses: {words}")
    if isinstance(error, OSError):
        return Retry(f"no connection to the broker ({type(error).__name__})")
    return Retry(f"no answer from the broker ({words})")
