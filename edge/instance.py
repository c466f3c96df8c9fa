"""One daemon a box: the lock that keeps a second one out, and the count of crashes in a row.

Both live in `run_dir`, which the service manager keeps between restarts and a reboot empties.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

CRASHES_TO_SAFE = 3


class AlreadyRunning(Exception):
    """Another daemon holds the lock."""


class Instance:
    """The right to be the daemon of `run_dir`, held until the process ends.

    Raises `AlreadyRunning` when another process holds it and OSError when `run_dir` cannot be written.
    """

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._crashes = run_dir / "unclean-starts"
        # root may be the one who asks, and `run_dir` is the daemon's own user's: a link is not followed
        self._lock = os.open(run_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(self._lock, 32, 0).decode(errors="replace").strip()
            os.close(self._lock)
            raise AlreadyRunning(f"process {pid or 'unknown'} already runs in {run_dir}") from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def begin(self) -> bool:
        """Note this start; True when the last `CRASHES_TO_SAFE` starts all ended without `settled`."""
        unclean = self._read()
        self._crashes.write_text(f"{unclean + 1}\n")
        return unclean >= CRASHES_TO_SAFE

    def settled(self) -> None:
        """Note that this run is well, or has ended as asked: the count starts again at nought."""
        self._crashes.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the right up; the end of the process does the same."""
        os.close(self._lock)

    def _read(self) -> int:
        try:
            return int(self._crashes.read_text())
        except (FileNotFoundError, ValueError):
            return 0
