"""The state disk after a cut, read on this machine: e2fsck recovers its journal, and the daemon runs on what was there.

For ``--quick``: it takes seconds where a second boot of the emulated machine takes a minute.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.power.guest import sums
from bench.power.image import PROJECT
from bench.power.machine import free_port
from bench.power.project import DESK_PORT, GUEST, HOST, Project

_STORE = "kampung-edge.db"


class Reader:
    """What `Machine` is, for one disk that has lost its power; the daemon's log goes to `said`."""

    def __init__(self, disk: Path, project: Project, directory: Path, said: Path) -> None:
        self.desk = free_port()
        self._disk = disk
        self._project = project
        self._state = directory / "state"
        self._config = directory / "kampung-edge.toml"
        self._run = directory / "run"
        self._said = said
        self._fsck: list[str] = []
        self._daemon: asyncio.subprocess.Process | None = None

    async def boot(self, **_given: str) -> None:
        """Check the disk as Debian does, copy its files out, and start the daemon on them."""
        self._fsck = await asyncio.to_thread(self._copy)
        text = (self._project.tree / "etc/kampung-edge.toml").read_text()
        text = text.replace("/etc/kampung-edge/", f"{self._project.tree}/etc/").replace(HOST, "127.0.0.1")
        text = text.replace(f"{GUEST}:{DESK_PORT}", f"127.0.0.1:{self.desk}")
        self._config.write_text(f'state_dir = "{self._state}"\nrun_dir = "{self._run}"\n{text}')
        command = (sys.executable, "-m", "edge", "run", "--config", str(self._config))
        credentials = {"CREDENTIALS_DIRECTORY": str(self._project.tree / "etc/keys")}
        with self._said.open("ab") as said:
            self._daemon = await asyncio.create_subprocess_exec(
                *command, cwd=PROJECT, env=os.environ | credentials, stderr=said
            )

    async def cut(self) -> None:
        """End it."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            with contextlib.suppress(ProcessLookupError):
                daemon.kill()
            await daemon.wait()

    def console(self) -> str:
        """The end of the daemon's log."""
        return self._said.read_text(errors="replace")[-4_000:]

    async def tell(self, do: str, *, fails: bool = True) -> dict[str, Any]:
        """The agent's answer to "check", found here."""
        if do != "check":
            if fails:
                raise ValueError(f"{do}: there is no machine to obey")
            return {}
        found = await asyncio.to_thread(sums.read, str(self._state / _STORE))
        return found | {"fsck": self._fsck, "restarts": 0, "aside": sums.set_aside(self._state)}

    def _copy(self) -> list[str]:
        self._state.mkdir(mode=0o700, parents=True)
        done = subprocess.run(("e2fsck", "-p", self._disk), capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"e2fsck ended with {done.returncode}: {done.stdout} {done.stderr}")
        subprocess.run(("debugfs", "-R", f"rdump / {self._state}", self._disk), capture_output=True, check=True)
        return done.stdout.splitlines()
