"""A page fetched and compared: does the answer come from the right server, or from a captive portal; a target is a URL.

The page must answer `monitor.check_status`, and its first 64 kB must hold `monitor.check_body`. A redirect elsewhere,
511 (RFC 6585, section 6), another page or a foreign certificate is somebody else's answer: "captive". An error of the
server's own (4xx, 5xx), its redirect from http to https, or a certificate out of its time is "status": the page is
gone, not the internet.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

from edge.clock import Clock
from edge.config import Monitor
from edge.monitor.probe import NoDevice, NoPrivilege, ProbeResult, Reason, Report, Way
from edge.monitor.probes.bound import bound, reason_of
from edge.monitor.probes.http_client import UnresolvedError, get
from edge.monitor.probes.http_message import Address, MalformedError, Response, read_url

LIMIT_S = 10.0
MOST_BYTES = 65_536
MOST_IN_FLIGHT = 4

_NETWORK_AUTHENTICATION_REQUIRED = 511
_OUT_OF_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED: a box without a right clock sees them too
_PLAIN_TEXT = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG")  # whoever answered speaks no TLS


class HttpProbe:
    """Fetches by `way`; results go to `report`."""

    def __init__(self, way: Way, settings: Monitor, *, clock: Clock, report: Report) -> None:
        self._way = way
        self._settings = settings
        self._clock = clock
        self._report = report
        self._opened = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None

    def open(self) -> None:
        """See that sockets can be bound. Raises `NoPrivilege` or `NoDevice`."""
        self.close()
        bound(self._way, socket.AF_INET, socket.SOCK_STREAM).close()
        self._opened = True

    def close(self) -> None:
        """Give up every fetch."""
        self._opened = False
        for task in self._tasks:
            task.cancel()

    def send(self, serial: int, target: str) -> None:
        """Begin one fetch. Raises what a fetch before died of, when that was a bug."""
        if self._bug is not None:
            bug, self._bug = self._bug, None
            raise bug
        if not self._opened:
            self._report(ProbeResult(serial, target, None, "no-device"))
        elif len(self._tasks) >= MOST_IN_FLIGHT:
            self._report(ProbeResult(serial, target, None, "too-many"))
        else:
            task = asyncio.get_running_loop().create_task(self._fetch(serial, target), name=f"check {serial}")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bug = error

    async def _fetch(self, serial: int, target: str) -> None:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(LIMIT_S):
                reason = await self._ask(target)
        except TimeoutError:
            return  # silence is no result
        elapsed = (self._clock.monotonic() - began) * 1_000
        self._report(ProbeResult(serial, target, None if reason else elapsed, reason))

    async def _ask(self, target: str) -> Reason:
        address, response = read_url(target), Response(keep=MOST_BYTES)
        try:
            await get(self._way, address, response, most=MOST_BYTES)
        except NoDevice:
            return "no-device"
        except NoPrivilege:
            return "refused"
        except UnresolvedError:
            return "unresolved"
        except MalformedError:
            return "broken"
        except ssl.SSLError as error:
            return judge_tls(error)
        except TimeoutError:
            raise
        except OSError as error:
            return reason_of(error)
        return judge(response, address, self._settings)


def judge(response: Response, address: Address, settings: Monitor) -> Reason:
    """Whether this is the answer that was wanted (""), an error of the right server, or somebody else's answer."""
    if response.status == settings.check_status:
        found = settings.check_body.encode() in response.body
        return "" if found else "captive"
    if 300 <= response.status < 400:
        return "status" if _only_secured(address, response.headers.get("location", "")) else "captive"
    if response.status < 400 or response.status == _NETWORK_AUTHENTICATION_REQUIRED:
        return "captive"
    return "status"


def _only_secured(address: Address, location: str) -> bool:
    """Whether a redirect leads from http to https of the same host: a habit of servers, not of portals."""
    try:
        there = urlsplit(location)
    except ValueError:
        return False
    return there.scheme == "https" and there.hostname == address.host and not address.secure


def judge_tls(error: ssl.SSLError) -> Reason:
    """What a failed handshake says of who answered."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "status" if error.verify_code in _OUT_OF_TIME else "captive"
    return "captive" if error.reason in _PLAIN_TEXT else "broken"
