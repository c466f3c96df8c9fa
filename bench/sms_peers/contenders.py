"""Who is measured: the bare script, our modem part, gammu-smsd and smstools, by what they have in common."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from subprocess import PIPE
from typing import IO, Protocol

from bench.sms_peers.bare import NUMBER
from bench.sms_peers.worker import raised

GAMMU = """\
[gammu]
device = {device}
connection = at115200
[smsd]
service = files
logfile = {home}/log
inboxpath = {home}/inbox/
outboxpath = {home}/outbox/
sentsmspath = {home}/sent/
errorsmspath = {home}/error/
outboxformat = detail
CommTimeout = 1
ReceiveFrequency = 1
LoopSleep = 0
StatusFrequency = 0
CheckSecurity = 0
CheckBattery = 0
CheckSignal = 0
CheckNetwork = 0
"""
SMSTOOLS = """\
devices = GSM1
logfile = {home}/log
loglevel = 4
infofile = {home}/working
pidfile = {home}/pid
outgoing = {home}/outgoing
checked = {home}/checked
incoming = {home}/incoming
failed = {home}/failed
sent = {home}/sent
delaytime = 1
delaytime_mainprocess = 1
errorsleeptime = 1
blocktime = 1
[GSM1]
device = {device}
baudrate = 115200
incoming = high
check_memory_method = 31
check_network = 0
memory_start = 1
rtscts = no
report = no
max_continuous_sending = 10
status_signal_quality = no
"""


class Contender(Protocol):
    """A program at a modem; its directory is its own."""

    settings: str

    async def start(self) -> None:
        """Run; it may be some time until it is at work."""
        ...

    async def queue(self, texts: list[str]) -> None:
        """Hand it messages to send, as its users do; they are its own when this returns."""
        ...

    async def expect(self, count: int) -> None:
        """So many messages are about to arrive."""
        ...

    def stored(self) -> int:
        """How many messages it has received and keeps."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class _Program:
    """A child process, with what it says kept for when something is wrong."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: asyncio.subprocess.Process | None = None
        self._said: IO[bytes] | None = None

    async def run(self, *command: str, talks: bool = False) -> None:
        self._said = (self.home / "said").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE if talks else self._said, stderr=self._said
        )

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self._said is not None:
            self._said.close()

    async def expect(self, count: int) -> None:
        """Nothing to prepare, whatever `count` is."""

    async def say(self, line: str) -> None:
        if self.process is None or self.process.stdin is None:
            raise RuntimeError("it does not run")
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self, wanted: str) -> None:
        if self.process is None or self.process.stdout is None:
            raise RuntimeError("it does not run")
        heard = (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode().strip()
        if heard != wanted:
            raise RuntimeError(f"{heard!r} instead of {wanted!r}: {(self.home / 'said').read_text()[-2000:]}")


class Bare(_Program):
    """The limit."""

    settings = ""

    def __init__(self, home: Path, device: Path) -> None:
        super().__init__(home)
        self._device, self._stored = device, 0
        self._counting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run it."""
        file = self.home / "received"
        await self.run(sys.executable, "-m", "bench.sms_peers.bare", str(self._device), str(file), talks=True)
        await self.hear("ready")

    async def queue(self, texts: list[str]) -> None:
        """Hand it messages."""
        for text in texts:
            await self.say(f"send {text}")
        await self.say("go")

    async def expect(self, count: int) -> None:
        """Let it wait for `count` messages."""
        await self.say(f"receive {count}")
        if self._counting is None:
            self._counting = asyncio.create_task(self._count())

    async def _count(self) -> None:
        if self.process is None or self.process.stdout is None:
            raise RuntimeError("it does not run")
        while line := await self.process.stdout.readline():
            self._stored = int(line.split()[1])

    def stored(self) -> int:
        """How many it has."""
        return self._stored

    async def stop(self) -> None:
        """End it."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        await super().stop()


class Edge(_Program):
    """Our store, mailbox and driver; what is stored is what another connection sees committed."""

    def __init__(self, home: Path, device: Path | str) -> None:
        super().__init__(home)
        self.settings = raised()
        self._device = device
        self._reader: sqlite3.Connection | None = None

    async def start(self) -> None:
        """Run it."""
        path = self.home / "store.db"
        await self.run(sys.executable, "-m", "bench.sms_peers.worker", str(path), str(self._device), talks=True)
        await self.hear("ready")
        self._reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    async def queue(self, texts: list[str]) -> None:
        """Hand it messages."""
        await self.say(json.dumps(texts))
        await self.hear("queued")

    def stored(self) -> int:
        """How many it has."""
        if self._reader is None:
            raise RuntimeError("it does not run")
        return int(self._reader.execute("SELECT count(*) FROM inbound").fetchone()[0])

    async def stop(self) -> None:
        """End it."""
        if self._reader is not None:
            self._reader.close()
        await super().stop()

    def processor_s(self) -> float:
        """Processor seconds of all its threads so far."""
        if self.process is None:
            raise RuntimeError("it does not run")
        ran = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread may end meanwhile
                ran += int((task / "schedstat").read_text().split()[0])
        return ran / 1e9


class _Spooling(_Program, ABC):
    """A daemon whose users put files into one directory and take files from another."""

    template, outbox, inbox = "", "", ""
    folders: tuple[str, ...] = ()

    def __init__(self, home: Path, device: Path) -> None:
        super().__init__(home)
        self.settings = self.template.format(home=home, device=device)
        self._queued = 0

    def prepare(self) -> Path:
        for name in self.folders:
            (self.home / name).mkdir()
        config = self.home / "config"
        config.write_text(self.settings)
        return config

    async def queue(self, texts: list[str]) -> None:
        for text in texts:
            self._queued += 1
            name, content = self.file(text, self._queued)
            draft = self.home / name
            draft.write_text(content)
            draft.rename(self.home / self.outbox / name)

    @abstractmethod
    def file(self, text: str, number: int) -> tuple[str, str]:
        """The name and content of the file that queues `text`."""

    def stored(self) -> int:
        return sum(1 for _ in (self.home / self.inbox).iterdir())


class Gammu(_Spooling):
    """Debian's gammu-smsd with its files service."""

    template, outbox, inbox = GAMMU, "outbox", "inbox"
    folders = ("inbox", "outbox", "sent", "error")

    async def start(self) -> None:
        """Run it."""
        await self.run("gammu-smsd", "--config", str(self.prepare()))

    def file(self, text: str, number: int) -> tuple[str, str]:
        """The name and content of an outgoing message's file."""
        return f"OUTA20261122_000000_{number:04}_{NUMBER}_x.txt", text


class Smstools(_Spooling):
    """Debian's smstools."""

    template, outbox, inbox = SMSTOOLS, "outgoing", "incoming"
    folders = ("outgoing", "checked", "incoming", "failed", "sent")

    async def start(self) -> None:
        """Run it."""
        await self.run("smsd", "-t", f"-c{self.prepare()}")

    def file(self, text: str, number: int) -> tuple[str, str]:
        """The name and content of an outgoing message's file."""
        return f"sms{number:04}", f"To: {NUMBER.removeprefix('+')}\n\n{text}"


def missing() -> list[str]:
    """The peers' programs that are not installed."""
    return [name for name in ("gammu-smsd", "smsd") if shutil.which(name) is None]
