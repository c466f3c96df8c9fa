"""One daemon a box: the lock that keeps a second one out, and the count of crashes in a row.

Both live in `run_dir`, which the service manager keeps between restarts and a reboot empties. The lock is on the
directory itself, so that it needs no room there (flock(2)): a full /run must not keep a village off the network. Nobody
else may read that directory, or they could hold the lock.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

from edge.durable import full, write_bytes

log = logging.getLogger("edge.instance")

CRASHES_TO_SAFE = 3


class AlreadyRunning(Exception):
    """Another daemon holds the lock."""


class Instance:
    """The right to be the daemon of `run_dir`, held until the process ends.

    Raises `AlreadyRunning` when another process holds it and OSError when `run_dir` cannot be written.
    """

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run_dir = run_dir
        self._crashes = run_dir / "unclean-starts"
        self._full = False
        self._lock = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._note("lock", os.getpid())
        except BlockingIOError as error:
            os.close(self._lock)
            raise AlreadyRunning(f"process {_first_line(run_dir / 'lock')} already runs in {run_dir}") from error
        except OSError:
            os.close(self._lock)
            raise

    def begin(self) -> bool:
        """Note this start; True when the last `CRASHES_TO_SAFE` starts all ended without `settled`."""
        unclean = self._read()
        self._note(self._crashes.name, unclean + 1)
        return unclean >= CRASHES_TO_SAFE

    def settled(self) -> None:
        """Note that this run is well, or has ended as asked: the count starts again at nought."""
        self._crashes.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the right up; the end of the process does the same."""
        os.close(self._lock)

    def _note(self, name: str, number: int) -> None:
        """Write a number into `run_dir`, where there is room for it; without any, say so once."""
        try:
            write_bytes(self._run_dir / name, f"{number}\n".encode(), mode=0o644)
        except OSError as error:
            if not full(error):
                raise
            if not self._full:
                log.error(
                    "%s is full: the daemon starts all the same, but nobody counts its crashes and commands may not "
                    "reach it; make room there (df %s; df -i %s)",
                    *(self._run_dir,) * 3,
                )
            self._full = True

    def _read(self) -> int:
        try:
            return int(self._crashes.read_text())
        except (FileNotFoundError, ValueError):
            return 0


def _first_line(path: Path) -> str:
    """What `path` says of who holds the lock. Root may ask, and `run_dir` is another's: a link is not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "unknown"
    with os.fdopen(descriptor, "rb") as file:
        return file.read(32).decode(errors="replace").strip() or "unknown"
