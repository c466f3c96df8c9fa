"""Small files that survive a power cut: the old content or the new, never half of one.

For what the network needs before the store opens. The calls block (fsync(2) on a worn card may take a second): keep
them off the loop with `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


def read_json(path: Path) -> Any:
    """What the file at `path` holds, None where there is none. ValueError when it is no JSON or over 1 MB; OSError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("no regular file")
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(data) > MOST_BYTES:
        raise ValueError("over 1 MB")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_json(path: Path, value: object) -> None:
    """Put `value` in place of the file at `path`, as `write_bytes` does."""
    write_bytes(path, json.dumps(value, ensure_ascii=False).encode())


def write_bytes(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Put `data` in place of the file at `path`. OSError leaves the old one standing.

    Root calls it too, in directories of the daemon's own user: a link that lies in the way is never followed.
    """
    part = path.with_name(f"{path.name}.new")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_directory(path.parent)


def full(error: OSError) -> bool:
    """Whether it failed for want of room: no blocks, no inodes, or a quota's end."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _without_waiting(name: str, flags: int) -> int:
    """Open as ever, but a fifo or device in the file's place must not hold up whoever reads it."""
    return os.open(name, flags | os.O_NONBLOCK)


def remove(path: Path) -> None:
    """Take the file at `path` away for good; nothing is done where there is none. OSError."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
