"""The shell around dnsmasq: its name servers follow the uplink of the service, and it is seen when it does not answer.

dnsmasq reads the servers-file again on SIGHUP and empties its cache, so a captive portal's lies do not outlive a
switch. What clients have asked and nobody has answered is another matter: dnsmasq keeps such a question with the record
of its server, and puts the new server into the old record, so that the same question would wait for the dead uplink's
answer for as long as anybody asks it. Therefore the old servers are taken away first, and their questions with them;
the new ones come as soon as dnsmasq says that it has none, a few milliseconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from pathlib import Path
from typing import Protocol

from edge.config import Config
from edge.durable import write_bytes
from edge.health import Health
from edge.lan.dnsmasq import CONFIGURATION, SERVERS, asked, render, servers
from edge.lan.process import NotRunning, Running, find, tell
from edge.marks import CLASSES
from edge.monitor.verdict import Verdict

log = logging.getLogger("edge.lan")

CHECK_S = 5.0
PATIENCE_S = 10.0
_ANSWER_S = 0.2
_TAKEN_S = 1.0
_ADDRESS = ("127.0.0.1", 53)
# A question of class CHAOS: which servers does dnsmasq ask? One TXT string each, ADDRESS#53 SENT FAILED (dnsmasq(8)).
_QUESTION = b"\0\7\1\0\0\1\0\0\0\0\0\0\7servers\4bind\0\0\x10\0\3"
_NO_SERVERS = "# Written by kampung-edge; between two uplinks.\n"


class Chosen(Protocol):
    """A class's choice, as far as names need it."""

    @property
    def uplink(self) -> str | None:
        """The uplink's name, None when there never was one."""
        ...


class Assigned(Protocol):
    """An assignment of traffic classes to uplinks."""

    def __getitem__(self, name: str) -> Chosen:
        """The choice of the class `name`."""
        ...


class Resolver:
    """Keeps dnsmasq's configuration and name servers in `run_dir` as they should be, and dnsmasq told.

    That dnsmasq is absent, hangs or belongs to another user is condition ``resolver-missing`` after `patience_s`
    seconds, where some uplink has a resolver; whoever calls `follow` or `judged` never waits for it. In mode beside
    nothing is done. dnsmasq is looked at every `check_s` seconds.
    """

    def __init__(
        self, config: Config, *, health: Health, check_s: float = CHECK_S, patience_s: float = PATIENCE_S
    ) -> None:
        self._config = config
        self._health = health
        self._check_s = check_s
        self._patience_s = patience_s
        self._run_dir = Path(config.run_dir)
        self._active = config.mode == "router" and any(uplink.resolvers for uplink in config.uplink)
        self._order: tuple[str, ...] | None = None
        self._verdicts: dict[str, Verdict] = {}
        self._told: tuple[Running, str] | None = None
        self._missing_since: float | None = None
        self._wake = asyncio.Event()

    async def follow(self, assignment: Assigned) -> None:
        """Have `run` ask names by the uplinks of `assignment` from now on; call it when routes have moved."""
        chosen = (assignment[name].uplink for name in CLASSES)
        self._order = tuple(uplink for uplink in chosen if uplink is not None)
        self._wake.set()

    def judged(self, verdict: Verdict) -> None:
        """Note an uplink's verdict; where names alone fail or are well again, `run` acts on it at once."""
        before = self._verdicts.get(verdict.uplink)
        self._verdicts[verdict.uplink] = verdict
        if "dns" in (verdict.cause, before.cause if before else ""):
            self._wake.set()

    async def run(self) -> None:
        """Look after dnsmasq until cancelled; returns at once where there is nothing to look after."""
        if not self._active:
            return
        self._configure()
        while True:
            try:
                await self._bring()
            except (OSError, NotRunning) as error:
                self._miss(str(error))
            else:
                self._missing_since = None
                self._health.clear("resolver-missing")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_s):
                    await self._wake.wait()
            self._wake.clear()

    def _configure(self) -> None:
        """Write dnsmasq.conf; one that runs with another is ended, and its unit starts it again with this one."""
        try:
            prepare(self._config)
            if _renew(self._run_dir / CONFIGURATION, render(self._config)):
                tell(find(self._run_dir), signal.SIGTERM, self._run_dir)
                log.info("dnsmasq's configuration has changed: it is started again")
        except NotRunning:
            log.debug("dnsmasq's configuration has changed; none runs with it")
        except OSError as error:
            log.warning("dnsmasq's configuration cannot be written: %s", error)

    async def _bring(self) -> None:
        """Bring the name servers to what is wanted, and see that dnsmasq answers. OSError, NotRunning."""
        if self._order is None:
            await _answers(find(self._run_dir))
            return
        wanted = servers(self._config, asked(self._config, self._order, self._verdicts))
        if self._told and wanted != self._told[1]:
            self._told = None
        try:
            running = find(self._run_dir)
            if self._told and self._told[0] == running:
                await _answers(running)
            else:
                await self._hand_over(running, wanted)
                self._told = (running, wanted)
        finally:
            _renew(self._run_dir / SERVERS, wanted)  # whatever happened: dnsmasq reads it when it starts

    async def _hand_over(self, running: Running, wanted: str) -> None:
        for text in (_NO_SERVERS, wanted):
            _renew(self._run_dir / SERVERS, text)
            tell(running, signal.SIGHUP, self._run_dir)
            if not await _until_servers(some="\nserver=" in text):
                raise NotRunning(f"dnsmasq, process {running.pid}, does not take its servers from {SERVERS}")

    def _miss(self, why: str) -> None:
        now = asyncio.get_running_loop().time()
        self._missing_since = now if self._missing_since is None else self._missing_since
        if now - self._missing_since >= self._patience_s:
            self._health.raise_("resolver-missing", why)


async def _answers(running: Running) -> None:
    if await _has_servers() is None:
        raise NotRunning(f"dnsmasq, process {running.pid}, does not answer")


async def _until_servers(*, some: bool) -> bool:
    """Whether dnsmasq says within a second that it asks some server, or none."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _TAKEN_S
    while loop.time() < deadline:
        if await _has_servers() is some:
            return True
        await asyncio.sleep(0.002)
    return False


async def _has_servers() -> bool | None:
    """Whether the dnsmasq of this machine asks any server; None without an answer."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(_ADDRESS)
            async with asyncio.timeout(_ANSWER_S):
                await loop.sock_sendall(sock, _QUESTION)
                return b"#53 " in await loop.sock_recv(sock, 4096)
        except OSError:  # a refusal, or the time-out, which is one too
            return None


def _renew(path: Path, text: str) -> bool:
    """Replace the file at `path` whole; False when it says so already."""
    data = text.encode()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return False
    write_bytes(path, data, mode=0o644)
    return True


def prepare(config: Config) -> list[Path]:
    """Write what dnsmasq reads at its start, where the daemon has not: every uplink's resolvers are asked.

    Returns the files written. Raises OSError.
    """
    run_dir = Path(config.run_dir)
    having = [uplink for uplink in config.uplink if uplink.resolvers]
    texts = {CONFIGURATION: render(config), SERVERS: servers(config, having)}
    absent = {run_dir / name: text for name, text in texts.items() if not (run_dir / name).exists()}
    return [path for path, text in absent.items() if _renew(path, text)]
