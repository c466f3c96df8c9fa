"""One emulated machine: two processors and 512 MB like the village's box, its disks files of this machine.

cache=writeback: a write of the guest is done once it is in this machine's memory, a flush of the guest is an fsync of
the file (qemu's documentation of ``-drive cache=``). SIGKILL takes everything that the guest itself had not yet
written, in its page cache or in its programs, as pulling the plug does; what it had written stays with this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.power import monitor, until
from bench.power.image import Image
from bench.power.project import DESK_PORT, GUEST, HOST, NETWORK

_AGENT_PORT = 9000
_STATE_MBYTE = 512
_BOOT_S = 600.0
_ORDER_S = 120.0
# no_timer_check: on a busy machine an emulated timer may be too late for the kernel, which then panics at once.
_KERNEL = (
    "root=/dev/vda rw console=ttyS0 quiet net.ifnames=0 mitigations=off systemd.show_status=false audit=0 "
    "no_timer_check panic=-1"
)


@dataclass(frozen=True, slots=True)
class Disks:
    """The disks of one machine, which outlive its cuts."""

    root: Path
    project: Path
    state: Path


def make_disks(directory: Path, image: Image, project: Path) -> Disks:
    """A fresh root over the image, which stays as it is, and an empty state disk with Debian's ext4."""
    disks = Disks(directory / "root.qcow2", project, directory / "state.img")
    subprocess.run(("qemu-img", "create", "-q", "-f", "qcow2", "-b", image.root, "-F", "raw", disks.root), check=True)
    subprocess.run(("mke2fs", "-q", "-t", "ext4", disks.state, f"{_STATE_MBYTE}M"), check=True)
    return disks


class Machine:
    """A machine that can be switched on and lose its power. `said` is its console's log.

    `volatile`: the state disk keeps what is not flushed in a cache of its own, which goes with the power. `memory` is
    the file of a machine that was put to sleep: the first boot wakes it on its disks.
    """

    def __init__(
        self, image: Image, disks: Disks, said: Path, *, volatile: bool = False, memory: Path | None = None
    ) -> None:
        self.desk = free_port()
        self._agent = free_port()
        self._image = image
        self._disks = disks
        self._said = said
        self._cache = disks.state.with_suffix(".sock") if volatile else None
        self._memory = memory
        self._monitor = disks.state.with_suffix(".monitor")
        self._drive: asyncio.subprocess.Process | None = None
        self._qemu: asyncio.subprocess.Process | None = None

    async def boot(self, **given: str) -> None:
        """Switch on with ``powercut.NAME=VALUE`` on the kernel's command line; returns once the agent listens."""
        if self._cache is not None:
            await self._plug(self._cache)
        words = " ".join(f"powercut.{name}={value}" for name, value in given.items())
        with self._said.open("ab") as said:
            self._qemu = await asyncio.create_subprocess_exec(*self._command(f"{_KERNEL} {words}"), stderr=said)
        async with asyncio.timeout(_BOOT_S):
            while not await self._runs() or "known" not in await self.tell("known", fails=False):
                self._alive()
                await asyncio.sleep(0.1)
        if self._memory is not None:
            self._memory = None
            await self.tell("wake", now=time.time())

    async def sleep(self, memory: Path) -> None:
        """Write what it has in its memory into a new file and switch off; the disks stay as they are at that moment."""
        await monitor.order(self._monitor, "migrate", uri=f"exec:cat > {shlex.quote(str(memory))}")
        async with asyncio.timeout(_ORDER_S):
            while (status := (await monitor.order(self._monitor, "query-migrate")).get("status")) != "completed":
                if status == "failed":
                    raise RuntimeError("qemu could not write its memory down")
                await asyncio.sleep(0.2)
        await self.cut()

    def console(self) -> str:
        """The end of what it wrote on its console."""
        return self._said.read_text(errors="replace")[-4_000:]

    async def cut(self) -> None:
        """The power fails: the drive's cache goes first, so that no flush on its way comes through."""
        processes = [process for process in (self._drive, self._qemu) if process is not None]
        self._drive = self._qemu = None
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        for process in processes:
            await process.wait()

    async def _plug(self, sock: Path) -> None:
        """A drive with a cache: nbdkit-cache-filter(1) with writeback writes nothing that is not flushed."""
        await asyncio.to_thread(sock.unlink, missing_ok=True)
        said = ("--filter=cache", "file", str(self._disks.state), "cache=writeback")
        self._drive = await asyncio.create_subprocess_exec("nbdkit", "-f", "-U", str(sock), *said)
        await until(sock.is_socket, within_s=_ORDER_S)

    async def _runs(self) -> bool:
        """Whether qemu runs its processors: what calls one that is still waking is lost with its answer."""
        try:
            return bool((await monitor.order(self._monitor, "query-status"))["running"])
        except OSError:
            return False

    async def tell(self, do: str, *, fails: bool = True, **more: object) -> dict[str, Any]:
        """One order to the agent and its answer; RuntimeError when it does not obey, {} then without `fails`."""
        try:
            async with asyncio.timeout(_ORDER_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._agent, limit=1 << 24)
                writer.write(json.dumps({"do": do} | more).encode() + b"\n")
                line = await reader.readline()
                writer.close()
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            if fails:
                raise RuntimeError(f"{do}: the guest's agent did not answer: {error}") from error
            return {}
        if fails and "error" in answer:
            raise RuntimeError(f"{do}: {answer['error']}")
        return answer

    def _alive(self) -> None:
        if self._qemu is None or self._qemu.returncode is not None:
            raise RuntimeError(f"qemu ended by itself; see {self._said}")

    def _command(self, words: str) -> list[str]:
        state = self._disks.state if self._cache is None else f"nbd:unix:{self._cache}"
        disks = ((self._disks.root, "qcow2"), (self._disks.project, "raw"), (state, "raw"))
        drives = [
            word for path, kind in disks for word in ("-drive", f"file={path},format={kind},if=virtio,cache=writeback")
        ]
        ports = ((self.desk, DESK_PORT), (self._agent, _AGENT_PORT))
        forwards = ",".join(f"hostfwd=tcp:127.0.0.1:{here}-{GUEST}:{there}" for here, there in ports)
        waking = [] if self._memory is None else ["-incoming", f"exec:cat {shlex.quote(str(self._memory))}"]
        return [
            *("qemu-system-x86_64", "-nodefaults", "-no-reboot", "-display", "none", "-serial", f"file:{self._said}"),
            *("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "512"),
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd), "-append", words),
            *("-qmp", f"unix:{self._monitor},server=on,wait=off"),
            *waking,
            *drives,
            *(
                "-netdev",
                f"user,id=lan,net={NETWORK},host={HOST},{forwards}",
                "-device",
                "virtio-net-pci,netdev=lan,romfile=",
            ),
        ]


def free_port() -> int:
    """A TCP port of loopback that nobody holds."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
