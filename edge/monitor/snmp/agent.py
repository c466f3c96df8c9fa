"""One device as SNMP sees it: opens a socket for a poll, asks one request at a time, tells silence from a refusal.

pysnmp does messages and security (RFC 3412, 3414, 3826, 7860). Each device has an engine of its own (1.5 MB each):
cheap devices share an engine ID, and one engine would mix up their clocks. It is built in an executor, for it takes
80 ms. It remembers the device's engine ID, and one that was swapped is silent to it for ever; so `forget` drops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from typing import Any

from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pysnmp.entity import config as lcd
from pysnmp.entity.engine import SnmpEngine
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.error import PySnmpError
from pysnmp.proto import errind
from pysnmp.proto.rfc1902 import Null

from edge import config
from edge.monitor.snmp.oids import Binding, Oid, Value
from edge.monitor.snmp.secret import Community, Secret, User
from edge.monitor.snmp.wire import ADDRESS, DOMAIN, Wire

ANSWER_S = 1.5  # of one try
RETRIES = 1
REQUEST_S = 8.0  # of one request with discovery, synchronisation and retries
POLLS_AN_ENGINE = 200  # pysnmp keeps 2 kB of every v3 poll, and would for ever: its clock stands between polls
MOST_TEXT = 256
_NAME = "device"  # of the only target, parameters and community an engine has
_V2C, _V3 = 1, 3  # message processing models, RFC 3411, section 5
_AUTH = {
    "SHA": lcd.USM_AUTH_HMAC96_SHA,
    "SHA-224": lcd.USM_AUTH_HMAC128_SHA224,
    "SHA-256": lcd.USM_AUTH_HMAC192_SHA256,
    "SHA-384": lcd.USM_AUTH_HMAC256_SHA384,
    "SHA-512": lcd.USM_AUTH_HMAC384_SHA512,
}
_PRIV = {
    "AES": lcd.USM_PRIV_CFB128_AES,
    "AES-192": lcd.USM_PRIV_CFB192_AES,
    "AES-256": lcd.USM_PRIV_CFB256_AES,
}
_SECRET_ERRORS = (
    (errind.unknownUserName, "the device does not know the user"),
    (errind.unknownSecurityName, "the device does not know the user"),
    (errind.wrongDigest, "the device knows the user, but not with this auth pass phrase or protocol"),
    (errind.authenticationFailure, "the device knows the user, but not with this auth pass phrase or protocol"),
    (errind.decryptionError, "the device knows the user, but not with this priv pass phrase or protocol"),
    (errind.unsupportedSecurityLevel, "the device does not allow the user authentication with privacy"),
)
# An agent that cannot decrypt a request drops it (net-snmp does), though it answers the discovery before.
_HALF_SILENT = "the device answers, but not this user's encrypted requests: the priv pass phrase or protocol is wrong"
_STATUS_DENIED = (6, 16)  # noAccess, authorizationError: RFC 3416, section 3


class NoAnswer(Exception):
    """The device did not answer this request; the text says what came instead."""


class SecretRefused(Exception):
    """The device answered that it does not accept the secret; the text says in which point."""


class Agent:
    """Asks the device of `settings`, each try for `answer_s` seconds; `builder` makes its engines.

    With `device`, packets leave by that network device only, with `mark`.
    """

    def __init__(
        self,
        settings: config.Snmp,
        secret: Secret,
        *,
        device: str = "",
        mark: int = 0,
        answer_s: float = ANSWER_S,
        builder: Executor | None = None,
    ) -> None:
        self._builder = builder
        self._settings = settings
        self._secret = secret
        self._device = device
        self._mark = mark
        self._answer_s = answer_s
        self._engine: Any = None
        self._polls = 0
        self._wire = Wire(self._unreachable)
        self._waiting: asyncio.Future[Any] | None = None

    @property
    def malformed(self) -> int:
        """Datagrams so far that were no SNMP."""
        return self._wire.malformed

    def forget(self) -> None:
        """Drop what the engine believes of the device, if it heard of it at all."""
        if self._wire.heard:
            self._engine = None

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have a socket within. Raises NoAnswer where there is no way to the device."""
        self._polls += 1
        if self._engine is None or self._polls > POLLS_AN_ENGINE:
            self._engine = await asyncio.get_running_loop().run_in_executor(self._builder, self._build)
            self._engine.register_transport_dispatcher(self._wire)
            self._polls = self._wire.heard = 0
        try:
            await self._wire.open(self._socket())
        except OSError as error:
            raise NoAnswer(_said(error)) from error
        try:
            yield
        finally:
            self._wire.close()

    async def get(self, oids: tuple[Oid, ...]) -> tuple[Binding, ...]:
        """The values of `oids` (GET). Raises NoAnswer and SecretRefused."""
        return await self._request(cmdgen.GetCommandGenerator(), (), oids)

    async def bulk(self, oids: tuple[Oid, ...], repetitions: int) -> tuple[Binding, ...]:
        """Up to `repetitions` successors of each of `oids` (GETBULK). Raises NoAnswer and SecretRefused."""
        return await self._request(cmdgen.BulkCommandGenerator(), (0, repetitions), oids)

    async def _request(self, generator: Any, counts: tuple[int, ...], oids: tuple[Oid, ...]) -> tuple[Binding, ...]:
        self._waiting = asyncio.get_running_loop().create_future()
        heard = self._wire.heard
        asked = [(each, Null("")) for each in oids]
        try:
            async with asyncio.timeout(REQUEST_S):
                generator.send_varbinds(self._engine, _NAME, None, "", *counts, asked, self._answered, self._waiting)
                trouble, status, bindings = await self._waiting
        except TimeoutError:
            raise NoAnswer(f"no answer within {REQUEST_S:g} s") from None
        except OSError as error:
            raise NoAnswer(_said(error)) from error
        except (PySnmpError, PyAsn1Error, LookupError, TypeError, ValueError) as error:
            # The device made the engine believe what cannot be encoded; a new engine knows nothing of it.
            raise NoAnswer("its answers make no sense") from error
        finally:
            self._waiting = None
        if trouble == errind.requestTimedOut and self._wire.heard > heard:
            if isinstance(self._secret, User):
                raise SecretRefused(_HALF_SILENT)
            raise NoAnswer("it sends something, but no answer of version 2c with this community")
        _judge(trouble, status)
        return tuple((tuple(name), _plain(value)) for name, value in bindings)

    def _answered(self, *said: Any) -> bool:
        """Take what pysnmp says of a request: engine, handle, trouble, status, index, bindings, and the one waiting."""
        _, _, trouble, status, _, bindings, waiting = said
        if not waiting.done():
            waiting.set_result((trouble, int(status or 0), bindings))
        return False

    def _unreachable(self, error: OSError) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error)

    def _socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if self._device:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._device.encode())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._mark)
            sock.connect((self._settings.host, self._settings.port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _build(self) -> Any:
        """A fresh engine with this one device in its local configuration (RFC 3413, section 4)."""
        engine = SnmpEngine()
        match self._secret:
            case Community():
                lcd.add_v1_system(engine, _NAME, self._secret.text)
                lcd.add_target_parameters(engine, _NAME, _NAME, "noAuthNoPriv", _V2C)
            case User():
                lcd.add_v3_user(
                    engine,
                    self._secret.name,
                    _AUTH[self._secret.auth_protocol],
                    self._secret.auth,
                    _PRIV[self._secret.priv_protocol],
                    self._secret.priv,
                )
                lcd.add_target_parameters(engine, _NAME, self._secret.name, "authPriv", _V3)
        lcd.add_target_address(engine, _NAME, DOMAIN, ADDRESS, _NAME, int(self._answer_s * 100), RETRIES)
        return engine


def _judge(trouble: Any, status: int) -> None:
    """Raise what a request's outcome means, if it is no answer."""
    for known, sentence in _SECRET_ERRORS:
        if trouble == known:
            raise SecretRefused(sentence)
    if trouble:
        raise NoAnswer("no answer" if trouble == errind.requestTimedOut else f"answers with: {str(trouble)[:80]}")
    if status in _STATUS_DENIED:
        raise SecretRefused("the device denies this user or community every view")
    if status:
        raise NoAnswer(f"answers with error status {status}")


def _plain(value: Any) -> Value:
    if isinstance(value, univ.Null):  # noSuchObject and its like; to pyasn1 they are octet strings too
        return None
    if isinstance(value, univ.Integer):
        return int(value)
    if isinstance(value, univ.OctetString):
        return bytes(value[:MOST_TEXT])
    return None


def _said(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "its port is closed: SNMP is off or on another port"
    return f"no way there: {error.strerror or error}"
