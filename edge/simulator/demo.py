"""``kampung-edge demo``: keeps the virtual village in namespaces of its own and a way into its page from outside.

This process stays on the host and changes nothing there. Everything else runs in a child with private network, mount
and process namespaces (unshare(1)): when that child ends, or this process ends however, the kernel ends all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from shutil import which

from edge.simulator.home import HomeRefused, claim
from edge.simulator.relay import forward
from edge.simulator.village import NAMESPACES

EXIT_FAILED, EXIT_IMPOSSIBLE, EXIT_INTERRUPTED = 1, 3, 130
SMOKE_LIMIT_S = 120
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TOOLS = {
    "ip": "iproute2",
    "tc": "iproute2",
    "nft": "nftables",
    "iperf3": "iperf3",
    "unshare": "util-linux",
    "setpriv": "util-linux",
}
_REFUSED = (
    "this kernel lets an ordinary user create no network namespaces: run it as root (sudo kampung-edge demo), or allow "
    "it by `sysctl -w kernel.unprivileged_userns_clone=1` (on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)"
)
_REFUSED_ROOT = "this root may create no network namespaces: give its container CAP_SYS_ADMIN, or run it on the host"


def main(smoke: bool) -> int:
    """Run the village with its menu, or with `smoke` (or without a terminal) its self-test; returns the exit status."""
    smoke = smoke or not (sys.stdin.isatty() and sys.stdout.isatty())
    sentence = obstacle()
    if sentence:
        _say(sentence)
        return EXIT_IMPOSSIBLE
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)  # until the loop can take them, and again while it tidies up
    try:
        with claim() as home, _same_terminal():
            status = asyncio.run(_keep(home, smoke=smoke))
            return _report(home) if smoke else status
    except HomeRefused as error:
        _say(str(error))
        return EXIT_IMPOSSIBLE


def obstacle() -> str:
    """Why no village can be built here and what to do about it, or "" when one can."""
    missing = sorted({package for tool, package in _TOOLS.items() if which(tool) is None})
    if missing:
        return f"missing Debian packages: apt-get install {' '.join(missing)}"
    tried = subprocess.run(("unshare", *_flags(), "true"), capture_output=True, check=False)
    if tried.returncode:
        return _REFUSED if os.geteuid() else _REFUSED_ROOT
    return ""


def _flags() -> tuple[str, ...]:
    private = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    return private if os.geteuid() == 0 else (*private, "--user", "--map-root-user")


def _say(sentence: str) -> None:
    print(f"kampung-edge demo: {sentence}", file=sys.stderr, flush=True)


async def _keep(home: Path, *, smoke: bool) -> int:
    """Run the village in `home` until it ends or a signal ends it."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDINGS:
        loop.add_signal_handler(number, ended.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    page = await asyncio.start_server(lambda r, w: forward(r, w, home / "page.sock"), "127.0.0.1", 0)
    port = page.sockets[0].getsockname()[1]
    # pdeathsig: the child's end follows from ours even by SIGKILL (prctl(2) PR_SET_PDEATHSIG); an
    # end before that call is seen by the child itself.
    guarded = ("setpriv", "--pdeathsig", "KILL", "unshare", *_flags(), sys.executable, "-m")
    async with page:
        village = await asyncio.create_subprocess_exec(
            *guarded,
            "edge.simulator.village_main",
            str(home),
            "smoke" if smoke else f"http://127.0.0.1:{port}/",
            stdin=subprocess.DEVNULL if smoke else None,
            stdout=sys.stderr if smoke else None,
        )
        done, asked = asyncio.ensure_future(village.wait()), asyncio.ensure_future(ended.wait())
        limit = SMOKE_LIMIT_S if smoke else None
        await asyncio.wait({done, asked}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
        asked.cancel()
        if not done.done():
            _kill(village)
            if not ended.is_set():
                _say(f"the smoke was not done in {limit} s")
        status = await done
        return EXIT_INTERRUPTED if ended.is_set() else status


def _kill(village: asyncio.subprocess.Process) -> None:
    """End every process of the village at once: the first one's end is the end of its process namespace."""
    with contextlib.suppress(ProcessLookupError):
        village.kill()


def _report(home: Path) -> int:
    """Print the one line of the smoke: what the village found, and what of it is left on the host."""
    found = home / "facts.json"
    facts = json.loads(found.read_text()) if found.exists() else {"leftovers": None, "ok": False}
    left = leftovers()
    for name in left:
        _say(f"left over on the host: {name}")
    if facts["leftovers"] is not None:
        facts["leftovers"] += len(left)
    facts["ok"] = bool(facts["ok"] and not left)
    print(json.dumps(facts), flush=True)
    return 0 if facts["ok"] else EXIT_FAILED


def leftovers() -> list[str]:
    """What the village should never show on the host: its namespaces and its devices."""
    namespaces = {path.name for path in Path("/run/netns").glob("*")} & set(NAMESPACES)
    devices = {name for _, name in socket.if_nameindex()} & {"pde0", "telkom0", "office0", "wifi0"}
    return sorted(namespaces | devices)


@contextlib.contextmanager
def _same_terminal() -> Iterator[None]:
    """Give the terminal back as it was: the menu reads single keys and may be killed while it does."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
