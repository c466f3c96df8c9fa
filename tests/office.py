"""A village office without a network of its own: the real daemon, a modem and a portal, each a process.

The daemon stands *beside* a router, so it needs no privilege; modem and portal outlive its kills.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import socket
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError

DESK_KEY = "desk-key-of-the-tests"
HEAD = "+6281234500003"

_CONFIG = """
mode = "beside"
state_dir = "{dir}/state"
run_dir = "{dir}/run"

[village]
code = "3510052001"
name = "Sumberberas"
district = "Muncar"

[[uplink]]
name = "pde"
device = "absent0"
gateway = "192.0.2.1"
download_mbit = 10
upload_mbit = 10
targets = ["192.0.2.10"]

[classes.service]
uplinks = ["pde"]
guaranteed_percent = 70
[classes.wifi]
uplinks = ["pde"]
guaranteed_percent = 20
cap_mbit = {{ pde = 2 }}
[classes.control]
uplinks = ["pde"]
guaranteed_percent = 5

[modem]
device = "{dir}/ttyGSM"
list_every_s = 1

[sms]
heads = [{{ rt = 3, rw = 1, phone = "{head}" }}]
send_gap_s = 0
sends_per_hour = 10000
sends_per_day = 100000
sends_per_recipient_per_day = 10000
settle_uncertain_s = 0.5
quiet_from = "00:00"
quiet_until = "00:00"

[web]
listen = ["127.0.0.1:{web}"]

[upstream]
url = "https://localhost:{portal}"
ca_file = "{dir}/portal/ca.pem"
retry_first_s = 0.1
retry_most_s = 1
wait_s = 5
"""

Order = dict[str, Any]
T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], *, within_s: float = 60.0, what: str = "") -> T:
    """What `look` returns once it is true; AssertionError after `within_s` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within_s
    while not (found := await look()):
        assert loop.time() < end, f"not within {within_s:.0f} s: {what or look}"
        await asyncio.sleep(0.02)
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of loopback for a server that starts later, or again.

    It is not of those that the kernel gives to callers (ip_local_port_range): else another connection might have taken
    it meanwhile, and one who calls a server that is down might be connected to itself (RFC 9293, 3.5: both at once).
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


class Office:
    """The processes of one office under `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "kampung-edge.toml"
        self.log = directory / "daemon.log"
        self.web = free_port()
        self.portal = free_port()
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Office:
        for name in ("state", "portal", "secrets"):
            (self.directory / name).mkdir()
        secrets = {"store-key": base64.b64encode(bytes(32)).decode(), "desk-key": DESK_KEY, "portal-key": "portal-key"}
        for name, text in secrets.items():
            (self.directory / "secrets" / name).write_text(text)
        self.config.write_text(
            _CONFIG.format(dir=self.directory, head=HEAD, web=self.web, portal=self.portal), encoding="utf-8"
        )
        await self.simulate("gsm", "--link", "ttyGSM", "--network-s", "0.05", "--command-s", "0.002")
        await self.simulate("portal", "--port", str(self.portal), "--dir", "portal")
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def simulate(self, name: str, *arguments: str) -> None:
        """Start a simulator and wait until it takes orders."""
        command = ["-m", f"edge.simulator.{name}", *arguments, "--control", f"{name}.sock"]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=self.directory, stdout=asyncio.subprocess.DEVNULL
        )
        self._processes.append(process)
        await until(lambda: _exists(self.directory / f"{name}.sock"), what=f"{name} starts")

    async def daemon(
        self, *, kill_at: str = "", without_privilege: bool = False, settled_s: float = 0, **environment: str
    ) -> asyncio.subprocess.Process:
        """Start the daemon; its log goes on in one file."""
        dropped = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if without_privilege else ()
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(*dropped, sys.executable, *self._command(settled_s)),
                stderr=log,
                env=os.environ
                | {"CREDENTIALS_DIRECTORY": str(self.directory / "secrets"), "KAMPUNG_EDGE_KILL_AT": kill_at}
                | environment,
            )
        self._processes.append(process)
        return process

    def _command(self, settled_s: float) -> tuple[str, ...]:
        """The daemon's command line; with `settled_s`, one that calls a run well after so many seconds."""
        if not settled_s:
            return "-m", "edge", "run", "--config", str(self.config)
        code = (
            f"from edge import daemon; daemon.SETTLED_S = {settled_s}; daemon.main(daemon.Path({str(self.config)!r}))"
        )
        return "-c", code

    @contextlib.asynccontextmanager
    async def running(
        self, *, without_privilege: bool = False, **environment: str
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """The daemon, answering, and stopped at the end by SIGTERM with exit code 0."""
        process = await self.daemon(without_privilege=without_privilege, settled_s=0, **environment)
        await until(self.healthy, what="the daemon answers")
        yield process
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 60) == 0

    async def healthy(self) -> bool:
        """Whether /healthz answers at all."""
        status, _ = await self.ask("GET", "/healthz")
        return status != 0

    async def ask(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        """Call the daemon's own HTTP server; status 0 when it does not answer."""
        return await asyncio.to_thread(self._ask, method, path, body, key)

    def _ask(self, method: str, path: str, body: object, key: str) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {DESK_KEY}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, _json(answer.read())
        except HTTPError as error:
            return error.code, _json(error.read())
        except OSError:
            return 0, None

    async def tell(self, simulator: str, do: str, **order: object) -> Order:
        """One order to a simulator and its answer."""
        reader, writer = await asyncio.open_unix_connection(str(self.directory / f"{simulator}.sock"), limit=1 << 24)
        writer.write(json.dumps({"do": do, **order}).encode() + b"\n")
        answer: Order = json.loads(await reader.readline())
        writer.close()
        assert "error" not in answer, answer
        return answer

    async def sent(self, number: str) -> list[str]:
        """The texts of the SMS that went to `number`."""
        return [sms["text"] for sms in (await self.tell("gsm", "sent"))["sent"] if sms["number"] == number]


async def _exists(path: Path) -> bool:
    return await asyncio.to_thread(path.exists)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
