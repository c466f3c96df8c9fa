"""The files of one demo: a directory of its own, removed at its end, or by the next demo when this one was killed.

A demo holds a lock (flock(2)) on its directory for as long as it lives; the kernel gives the lock up however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_DYING_S = 5.0
_LONGEST = 80  # with a home's name and a socket's this fits the 107 bytes of a Unix socket's address (unix(7))


class HomeRefused(Exception):
    """The directory of all demos is not ours to use; the message says what to change."""


@contextlib.contextmanager
def claim(base: Path | None = None) -> Iterator[Path]:
    """Remove what killed demos left below `base`, make a new directory there, and remove it in the end."""
    base = base or Path(tempfile.gettempdir()) / f"kampung-edge-demo-{os.getuid()}"
    _own(base)
    with _locked(base / "lock"):
        _sweep(base)
        home = Path(tempfile.mkdtemp(prefix="village-", dir=base))
        held = _lock(home / "lock", fcntl.LOCK_EX)
    try:
        yield home
    finally:
        _remove(home)
        os.close(held)


def is_held(home: Path) -> bool:
    """Whether the demo of `home` lives still."""
    try:
        os.close(_lock(home / "lock", fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass  # swept away already
    return False


def _own(base: Path) -> None:
    """Make `base`, or be sure that the one that stands there is a directory of this user that nobody else writes."""
    if len(os.fsencode(base)) > _LONGEST:
        raise HomeRefused(f"{base} is too long a path for the sockets in it: set TMPDIR to a shorter one")
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if base.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HomeRefused(f"{base} belongs to somebody else or is open to others: remove it, or set TMPDIR")


def _sweep(base: Path) -> None:
    for home in base.glob("village-*"):
        try:
            held = _lock(home / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its demo lives
        _remove(home)
        os.close(held)


def _remove(home: Path) -> None:
    """Remove `home`, again while the last processes of a killed village still write into it."""
    deadline = time.monotonic() + _DYING_S
    while True:
        try:
            shutil.rmtree(home)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    held = _lock(path, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(held)


def _lock(path: Path, how: int) -> int:
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, how)
    except BaseException:
        os.close(held)
        raise
    return held
