"""The regency's servers, each a process: the reference portal over TLS, and nats-server with its landing consumer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from bench.regency.landing import REGENCY, SECRET

KEY = "bench-key"
FIRST = 3_510_100_001
_CALLS_AT_ONCE = 64
# Go's collector lets memory grow to twice of what is in use unless it is bound (Go 1.19, runtime: GOMEMLIMIT).
_NATS_MEMORY = "192MiB"
_NATS = """
listen: "127.0.0.1:{port}"
server_name: regency
max_payload: 256KB
max_pending: 16MB
max_connections: 1000
jetstream {{ store_dir: "{home}/streams", max_file_store: 1GB, max_memory_store: 16MB }}
authorization {{ users: [
  {{ user: {regency}, password: "{secret}" }}
{villages}
] }}
"""
_VILLAGE = """  {{ user: "{code}", password: "{key}-{code}", permissions: {{
    publish: ["kampung.{code}.>", "$JS.API.STREAM.INFO.KAMPUNG_DOWN", "$JS.API.CONSUMER.*.KAMPUNG_DOWN.box-{code}",
      "$JS.API.CONSUMER.CREATE.KAMPUNG_DOWN.box-{code}.kampung.{code}.changes",
      "$JS.API.CONSUMER.MSG.NEXT.KAMPUNG_DOWN.box-{code}", "$JS.ACK.KAMPUNG_DOWN.box-{code}.>"]
    subscribe: "_INBOX.{code}.>" }} }}"""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a server says in the end: distinct events, those that had two effects or came out of order, and more."""

    events: int
    twice: int
    disorder: int
    more: dict[str, Any]


def codes(villages: int) -> list[str]:
    """The villages' codes, as the portal counts them."""
    return [str(FIRST + number) for number in range(villages)]


def _most_mb(process: subprocess.Popen[str]) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


class PortalServer:
    """The reference portal; it takes 64 calls at once and tells the others when to come again."""

    sink, user = "https", False

    def __init__(self, home: Path, villages: int) -> None:
        self._control = home / "control"
        command = ["--port", "0", "--dir", str(home), "--control", str(self._control), "--db", str(home / "portal.db")]
        command += ["--villages", str(villages), "--key", KEY, "--most", str(_CALLS_AT_ONCE)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge.simulator.portal", *command], stdout=PIPE, text=True
        )
        self.url = f"https://127.0.0.1:{_ready(self._process).split()[1]}"
        self.ca = str(home / "ca.pem")

    def arrived(self) -> Arrived:
        """What its ledger holds."""
        audit, status = self._tell("audit"), self._tell("status")
        known = {name: value for name, value in audit.items() if isinstance(value, int)}
        more = {"busiest": status["busiest"], "turned_away": status["turned_away"], **known}
        return Arrived(
            known.get("requests", 0) + known.get("events", 0), len(audit["twice"]), len(audit["disorder"]), more
        )

    def memory_mb(self) -> float:
        """The most it ever had resident."""
        return _most_mb(self._process)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _tell(self, do: str) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(60)
            control.connect(str(self._control))
            with control.makefile("rw") as lines:
                lines.write(json.dumps({"do": do}) + "\n")
                lines.flush()
                answer: dict[str, Any] = json.loads(lines.readline())
        return answer


class NatsServer:
    """Debian's nats-server with an account a village and bounded streams, and the consumer that lands and confirms."""

    sink, ca, user = "nats", "", True

    def __init__(self, home: Path, villages: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        users = "\n".join(_VILLAGE.format(code=code, key=KEY) for code in codes(villages))
        config = home / "nats.conf"
        config.write_text(_NATS.format(port=port, home=home, regency=REGENCY, secret=SECRET, villages=users))
        self.url = f"nats://127.0.0.1:{port}"
        with (home / "nats.log").open("wb") as log:
            bound = os.environ | {"GOMEMLIMIT": _NATS_MEMORY}
            command = ["nats-server", "-c", str(config)]
            self._server = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=bound)
        _listening(port)
        self._landing = subprocess.Popen(
            [sys.executable, "-m", "bench.regency.landing", self.url, str(home / "landed.db")],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        _ready(self._landing)

    def arrived(self) -> Arrived:
        """What the consumer's table holds; it ends with this."""
        landing_mb = _most_mb(self._landing)
        figures = json.loads(self._landing.communicate()[0])
        more = {"came_again": figures["again"], "landing_mb": round(landing_mb, 1)}
        # What comes again is known by its id: the table has it once by its key.
        return Arrived(figures["landed"], 0, figures["disorder"], more)

    def memory_mb(self) -> float:
        """The most the broker ever had resident."""
        return _most_mb(self._server)

    def close(self) -> None:
        """End both."""
        for process in (self._landing, self._server):
            process.kill()
            process.communicate()


def _ready(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("a server without a pipe")
    line = process.stdout.readline()
    if not line.startswith("ready"):
        raise RuntimeError(f"a server did not start: {line!r}")
    return line


def _listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def serving(kind: type[PortalServer | NatsServer], home: Path, villages: int) -> Iterator[PortalServer | NatsServer]:
    """A server until the block ends."""
    home.mkdir()
    server = kind(home, villages)
    try:
        yield server
    finally:
        server.close()
