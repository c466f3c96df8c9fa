"""python -m bench.power.asleep: a machine that has booted and is ready for its desks, saved, for ``--quick``.

An emulated machine takes a minute to boot and to start the daemon. It is saved once for each state of the project,
memory and disks, beside the image; a run wakes a copy. Everything that the machine consists of is part of the name.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.power.desk import Desks
from bench.power.image import PROJECT, image
from bench.power.machine import Disks, Machine, make_disks
from bench.power.project import Project, kept, make

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asleep:
    """A saved machine; it may not be there yet."""

    directory: Path

    @property
    def memory(self) -> Path:
        """What it had in its memory."""
        return self.directory / "memory"

    def project(self) -> Project:
        """What it was booted with."""
        return kept(self.directory)

    def disks(self, directory: Path) -> Disks:
        """Copies of its disks, which a run may write to."""
        disks = _disks(directory)
        for path in (disks.root, disks.project, disks.state):
            subprocess.run(("cp", "--sparse=always", self.directory / path.name, path), check=True)
        return disks


def asleep() -> Asleep:
    """The saved machine of this state of the project, made or not."""
    return Asleep(image().directory.parent / f"asleep-{_key()}")


def _key() -> str:
    qemu = subprocess.run(("qemu-system-x86_64", "--version"), capture_output=True, check=True).stdout
    made = hashlib.sha256(f"{image().directory.name} {sys.version}".encode() + qemu)
    for path in sorted(_sources()):
        made.update(str(path.relative_to(PROJECT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return made.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """What goes into the guest, and what makes it boot as it does."""
    for folder in (PROJECT / "edge", PROJECT / "systemd", _HERE):
        for path in folder.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _disks(directory: Path) -> Disks:
    return Disks(directory / "root.qcow2", directory / "project.img", directory / "state.img")


async def _save(directory: Path) -> None:
    """Boot, wait until the box answers, and save it with its disks."""
    project = make(directory)
    disks = make_disks(directory, image(), project.disk)
    machine = Machine(image(), disks, directory / "console.log")
    try:
        await machine.boot(state="plain")
        await Desks(f"http://127.0.0.1:{machine.desk}", project.desk_key).ready()
        await machine.sleep(directory / "memory")
    except BaseException:
        print(machine.console(), file=sys.stderr)
        raise
    finally:
        await machine.cut()


def ready() -> Asleep:
    """The saved machine of this state of the project; made now, in two minutes, when it is not there."""
    saved = asleep()
    if not saved.memory.exists():
        with (saved.directory.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not saved.memory.exists():
                _make(saved)
    return saved


def _make(saved: Asleep) -> None:
    parent = saved.directory.parent
    print(f"booting the guest once and saving it in {saved.directory}: two minutes, 300 MB", file=sys.stderr)
    for old in parent.glob("asleep-*"):
        shutil.rmtree(old)
    with tempfile.TemporaryDirectory(prefix="asleep-", suffix=".making", dir=parent) as making:
        directory = Path(making) / "whole"
        directory.mkdir()
        asyncio.run(_save(directory))
        directory.rename(saved.directory)


if __name__ == "__main__":
    os.dup2(2, 1)
    ready()
