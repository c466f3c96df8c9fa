"""Small files that survive a power cut: the old content or the new, never half of one.

For what the network needs before the store opens. The calls block (fsync(2) on a worn card may take a second): keep
them off the loop with `asyncio.to_thread`.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


def read_json(path: Path) -> Any:
    """What the file at `path` holds, None where there is none. ValueError when it is no JSON or over 1 MB; OSError."""
    try:
        with path.open("rb") as file:
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


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` in place of the file at `path`, readable by its owner only. OSError leaves the old one standing."""
    part = path.with_name(f"{path.name}.new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
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
