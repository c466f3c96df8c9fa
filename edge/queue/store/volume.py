"""The room on the disk: a ballast that is given back when the disk is full, and how much new work may take.

In WAL mode even DELETE writes first (https://sqlite.org/wal.html), so a full disk would stop the queue from draining.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)


def ballast(path: Path) -> Path:
    """Where the ballast of the database at `path` lies."""
    return path.with_name(f"{path.name}.ballast")


class Ballast:
    """A file of real blocks beside the database, given back when the disk is full so that the queue can drain."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = ballast(path)
        self._bytes = size
        self._kept = False

    def keep(self) -> bool:
        """Make sure the ballast is there; False while the disk has no room for it. OSError for any other reason."""
        if self._kept:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._bytes)
            os.ftruncate(descriptor, self._bytes)
        except OSError as error:
            self.path.unlink()
            if error.errno not in _FULL:
                raise
            return False
        finally:
            os.close(descriptor)
        self._kept = True
        return True

    def release(self) -> bool:
        """Give the blocks back; False when they were given back before."""
        if not self._kept:
            return False
        self.path.unlink(missing_ok=True)
        self._kept = False
        return True

    def room(self) -> int:
        """Bytes on this file system that new work beside the database may take: the database itself must go on."""
        if not self._kept:
            return 0
        disk = os.statvfs(self.path.parent)
        return max(0, disk.f_bavail * disk.f_frsize - 2 * self._bytes)
