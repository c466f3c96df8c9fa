"""Network namespaces by iproute2, and sockets and processes that live in them.

A socket belongs for ever to the namespace of the thread that made it (network_namespaces(7)), so one process can hold
sockets everywhere: `inside` moves this thread for the moment of `socket()` only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

_CLONE_NEWNET = 0x40000000
_RUN = Path("/run/netns")
_libc = ctypes.CDLL(None, use_errno=True)


class VillageError(Exception):
    """The village itself could not do its part, so that what it shows of the daemon would mean nothing."""


class CommandFailed(VillageError):
    """A command of the village's set-up ended badly; the message names it and what it said."""


def run(*command: str, namespace: str = "", text: str | None = None) -> str:
    """Run `command` (in `namespace`, with `text` as its input) and give its output. Raises `CommandFailed`."""
    full = (*(("ip", "netns", "exec", namespace) if namespace else ()), *command)
    done = subprocess.run(full, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise CommandFailed(f"{' '.join(full)}: {said}")
    return done.stdout


def ip(namespace: str, *lines: str) -> None:
    """Run lines of iproute2 in one process in `namespace`; the first that fails ends it."""
    run("ip", "-n", namespace, "-batch", "-", text="\n".join(lines) + "\n")


def nft(namespace: str, *lines: str) -> None:
    """Load lines of an nftables script as one transaction in `namespace`."""
    run("nft", "-f", "-", namespace=namespace, text="\n".join(lines) + "\n")


def sysctl(namespace: str, *settings: str) -> None:
    """Set kernel parameters (``net.ipv4.ip_forward=1``) in `namespace`."""
    with inside(namespace):
        for setting in settings:
            key, _, value = setting.partition("=")
            # /proc/thread-self/net is this thread's namespace; /proc/sys/net follows the opener's.
            Path("/proc/sys", *key.split(".")).write_text(value)


def add(names: Sequence[str]) -> None:
    """Create namespaces, each with loopback up."""
    run("ip", "-batch", "-", text="".join(f"netns add {name}\n" for name in names))
    for name in names:
        ip(name, "link set lo up")


def remove(names: Sequence[str]) -> None:
    """Take namespaces away, with every device and process-less socket in them."""
    run("ip", "-batch", "-", text="".join(f"netns del {name}\n" for name in names))


@contextlib.contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Move this thread into `namespace` for the body, which must not await."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(_RUN / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(here)
    finally:
        os.close(here)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


def open_socket(
    namespace: str, kind: socket.SocketKind = socket.SOCK_STREAM, family: socket.AddressFamily = socket.AF_INET
) -> socket.socket:
    """A non-blocking socket of `namespace`."""
    with inside(namespace):
        made = socket.socket(family, kind)
    made.setblocking(False)
    return made


def listener(
    namespace: str,
    address: str,
    port: int,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    family: socket.AddressFamily = socket.AF_INET,
) -> socket.socket:
    """A socket of `namespace` bound to `address` and `port`, listening when it is a stream."""
    made = open_socket(namespace, kind, family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen(128)
    return made


async def connect(
    namespace: str, address: str, port: int, *, family: socket.AddressFamily = socket.AF_INET
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a TCP connection from `namespace`. Raises OSError; bound the time with `asyncio.timeout`."""
    made = open_socket(namespace, family=family)
    try:
        await asyncio.get_running_loop().sock_connect(made, (address, port))
        return await asyncio.open_connection(sock=made)
    except BaseException:
        made.close()
        raise


async def spawn(
    namespace: str,
    *command: str,
    output: int | IO[bytes] = subprocess.DEVNULL,
    errors: int | IO[bytes] = subprocess.DEVNULL,
    environment: dict[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start `command` in `namespace`; `ip netns exec` becomes the command, so the process id is its own."""
    return await asyncio.create_subprocess_exec(
        "ip",
        "netns",
        "exec",
        namespace,
        *command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        env=environment,
    )


async def end(process: asyncio.subprocess.Process, patience_s: float = 5) -> None:
    """Ask `process` to end, and after `patience_s` seconds make it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
