"""Runs Debian's snmpd as an ordinary process on a high port of loopback, with its own configuration and memory."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.contract.modem_rig import until
from tests.office import free_port

COMMUNITY = "desa-baca"
USER = "edge"
AUTH = "pintu air desa"
PRIV = "sawah di timur"


def secret(*, user: str = USER, auth: str = AUTH, priv: str = PRIV, extra: str = "") -> str:
    """A credential file's text for version 3."""
    return f"user={user}\nauth={auth}\npriv={priv}\n{extra}"


class Snmpd:
    """One agent; `lines` go to its snmpd.conf. Start it as often as needed: without `fresh`, it is the same device."""

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.port = port or free_port(socket.SOCK_DGRAM)
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *lines: str, auth: str = "SHA", priv: str = "AES", fresh: bool = False) -> None:
        """Run it; `fresh` gives it a new engine ID and forgets its boots, as a swapped device has."""
        if fresh:
            shutil.rmtree(self._directory)
        self._directory.mkdir(exist_ok=True)
        conf = self._directory / "snmpd.conf"
        conf.write_text(
            "\n".join(
                [
                    f"agentaddress udp:127.0.0.1:{self.port}",
                    f"rocommunity {COMMUNITY} 127.0.0.1",
                    f'createUser {USER} {auth} "{AUTH}" {priv} "{PRIV}"',
                    f"rouser {USER} priv",
                    *lines,
                    "",
                ]
            )
        )
        self._process = subprocess.Popen(
            ["/usr/sbin/snmpd", "-f", "-Lf", str(self._directory / "log"), "-C", "-c", str(conf), "-I", "-smux"],
            env={"SNMP_PERSISTENT_DIR": str(self._directory / "state"), "PATH": "/usr/sbin:/usr/bin"},
        )

    def stop(self) -> None:
        """End it as a power cut would."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def listening(self) -> None:
        """Return once it has its port."""
        await until(self._bound)

    def _bound(self) -> bool:
        here = f":{self.port:04X}"
        return any(line.split()[1].endswith(here) for line in Path("/proc/net/udp").read_text().splitlines())


@contextlib.contextmanager
def snmpd() -> Iterator[Snmpd]:
    """An agent that is not started yet and is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="devices-snmpd-"))
    agent = Snmpd(home / "agent")
    try:
        yield agent
    finally:
        agent.stop()
        shutil.rmtree(home)
