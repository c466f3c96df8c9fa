"""The real daemon on the village's box: started, watched, measured and taken away as a service manager would."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

from edge.simulator import netns
from edge.simulator.settings import Files
from edge.simulator.village import BOX

_TICKS = os.sysconf("SC_CLK_TCK")
_FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


class ApplianceFailed(netns.VillageError):
    """The daemon or one of its commands ended or kept silent; the message ends with what it said last."""


class Appliance:
    """One box. `files` says where its configuration and keys are; its log goes to ``daemon.log`` beside them."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._process: asyncio.subprocess.Process | None = None
        self._names: asyncio.subprocess.Process | None = None
        self._log = files.home / "daemon.log"

    async def guard(self) -> None:
        """Load the static guest-deny rules and enable forwarding, as the root oneshot does at boot."""
        await self._command("guard")

    async def serve_names(self) -> None:
        """Run the box's own dnsmasq as its unit does; the daemon has its name servers follow the office's uplink."""
        await self._command("dnsmasq", "--prepare")
        path = self._files.home / "run" / "dnsmasq.conf"
        self._names = await netns.spawn(
            BOX, "dnsmasq", "--keep-in-foreground", f"--conf-file={path}", "--user=root", "--group=root"
        )

    async def start(self, within_s: float = 60) -> float:
        """Start the daemon and wait until it says READY=1; returns the seconds from exec to that."""
        path = self._files.home / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, self._log.open("ab") as log:
            told.setblocking(False)
            told.bind(str(path))
            begun = time.monotonic()
            self._process = await netns.spawn(
                BOX, *self._line("run"), output=log, errors=log, environment=self._environment(path)
            )
            await self._ready(self._process, told, within_s)
            return time.monotonic() - begun

    async def _ready(self, process: asyncio.subprocess.Process, told: socket.socket, within_s: float) -> None:
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(_hear(told, "READY=1"))
        done, rest = await asyncio.wait({ended, ready}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        if ready not in done:
            what = f"ended with status {process.returncode}" if ended in done else f"was not ready in {within_s} s"
            raise ApplianceFailed(f"the daemon {what}:\n{self.last_words()}")

    async def stop(self) -> None:
        """End the daemon and dnsmasq as a service manager does; the kernel keeps what the daemon has set."""
        if self._names:
            await netns.end(self._names)
            self._names = None
        if self._process:
            await netns.end(self._process, patience_s=10)
            self._process = None

    async def teardown(self) -> None:
        """Have every trace of the daemon taken away."""
        await self._command("teardown")

    @property
    def running(self) -> bool:
        """Whether the daemon runs."""
        return self._process is not None and self._process.returncode is None

    def last_words(self, lines: int = 30) -> str:
        """The end of the daemon's log."""
        if not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    def rss_mbyte(self) -> float:
        """Resident memory of the daemon's process in MB (VmRSS of proc_pid_status(5))."""
        for line in self._proc("status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise ApplianceFailed("the daemon has no memory: it has ended")

    def cpu_seconds(self) -> float:
        """CPU time of the daemon and of its children that have ended (utime to cstime of proc_pid_stat(5))."""
        fields = self._proc("stat").read_text().rpartition(")")[2].split()
        return sum(int(field) for field in fields[11:15]) / _TICKS

    def _proc(self, name: str) -> Path:
        if not self._process:
            raise ApplianceFailed("the daemon is not running")
        return Path(f"/proc/{self._process.pid}") / name

    def _line(self, command: str) -> tuple[str, ...]:
        return sys.executable, "-m", "edge", command, "--config", str(self._files.config)

    def _environment(self, notify: Path | None = None) -> dict[str, str]:
        added = {"CREDENTIALS_DIRECTORY": str(self._files.credentials), "PYTHONUNBUFFERED": "1"}
        return {**os.environ, **added, **({"NOTIFY_SOCKET": str(notify)} if notify else {})}

    async def _command(self, command: str, *options: str) -> None:
        with self._log.open("ab") as log:
            process = await netns.spawn(
                BOX, *self._line(command), *options, output=log, errors=log, environment=self._environment()
            )
            async with asyncio.timeout(20):
                status = await process.wait()
        if status:
            raise ApplianceFailed(f"`kampung-edge {command}` ended with status {status}:\n{self.last_words()}")


async def _hear(told: socket.socket, wanted: str) -> None:
    loop = asyncio.get_running_loop()
    while wanted not in (await loop.sock_recv(told, 4096)).decode(errors="replace").splitlines():
        pass


def traces() -> frozenset[str]:
    """Everything in the box that the daemon may have set: rules, routes, tables, qdiscs, devices and forwarding.

    Link-local routes come and go by the kernel's own hand and are left out.
    """
    commands = ("ip -o rule", "ip -6 -o rule", "ip -o route show table all", "nft list ruleset", "tc qdisc show")
    seen = {f"{line.split()[0]}: {text.strip()}" for line in commands for text in _lines(line) if "fe80::" not in text}
    devices = {f"device: {text.split(':')[1].split('@')[0].strip()}" for text in _lines("ip -o link")}
    with netns.inside(BOX):
        forwarding = {f"{path}: {Path(path).read_text().strip()}" for path in _FORWARDING}
    return frozenset(seen | devices | forwarding)


def _lines(command: str) -> list[str]:
    return netns.run(*command.split(), namespace=BOX).splitlines()
