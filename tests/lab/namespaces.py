"""Network namespaces for the lab: run something inside one, and put this very process into one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def living_in(name: str) -> Iterator[None]:
    """This thread, and every thread and process it starts, lives in namespace `name` meanwhile."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Path("/run/netns", name).open("rb") as there:
            _enter(there.fileno())
        yield
    finally:
        _enter(home)
        os.close(home)


def inside(name: str, work: Callable[[], T]) -> T:
    """The result of `work` done in namespace `name` by a thread; a socket opened there stays there."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with living_in(name):
                results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def sh(command: str, *, stdin: str | None = None, check: bool = True) -> str:
    """The output of a command, split at blanks; its complaint is the error."""
    done = subprocess.run(command.split(), input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def batch(name: str, lines: str) -> None:
    """Run the lines as ip(8) commands in namespace `name`."""
    sh(f"ip -n {name} -batch -", stdin=lines)
