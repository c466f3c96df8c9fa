"""The log of a store that is not open: read before SQLite may drop its damaged end, mended, missed where it is gone."""

from __future__ import annotations

import logging
import os
import shutil
import struct
import sys
from contextlib import closing
from mmap import ACCESS_READ, mmap
from pathlib import Path

from edge.queue.store import files
from edge.queue.store.mend import damage, walscan
from edge.queue.store.mend.damage import Damage
from edge.queue.store.mend.tables import summed

log = logging.getLogger("edge.queue.store")

_INDEX_BYTES, _FRAMES_AT, _SALTS_AT, _SUMS_AT, _FOLDED_AT = 136, 16, 32, 40, 96
_KEPT = 3


def look_at(path: Path) -> tuple[int, str | None]:
    """How many committed pages are cut off the log, and what is wrong with it once flipped bits are put right."""
    name = path.with_name(f"{path.name}-wal")
    if not name.exists() or name.stat().st_size < walscan.HEADER:
        return _missing_frames(path, None, 0), None
    with name.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        found = walscan.scan(content)
        missing = _missing_frames(path, content[16:24] if found.header_right else None, found.committed)
        flips = walscan.mend(content[:]) if found.damaged else []
    if flips is None:
        return missing, f"its log is damaged after frame {found.taken} of {found.committed}"
    if flips:
        _mend_log(path, name, flips)
    return missing, None


def _missing_frames(path: Path, salts: bytes | None, committed: int) -> int:
    """How many frames the log's index (NAME-shm) tells of that are neither in the log nor folded into the file.

    The index is written after the log is durable, so that it never knows more than the log held
    (https://sqlite.org/walformat.html, "The WAL-Index File Format"). One of another turn of the log, whose header has
    other `salts`, says nothing; without a header (None) it is all that is known.
    """
    try:
        index = path.with_name(f"{path.name}-shm").read_bytes()[:_INDEX_BYTES]
    except FileNotFoundError:
        return 0
    if len(index) < _INDEX_BYTES or index[:48] != index[48:96]:
        return 0
    if salts is not None and index[_SALTS_AT : _SALTS_AT + 8] != salts:
        return 0
    counted = walscan.sums(walscan.words(index[:_SUMS_AT], sys.byteorder == "big"), (0, 0))
    if struct.pack("=2I", *counted) != index[_SUMS_AT:48]:
        return 0
    frames = int.from_bytes(index[_FRAMES_AT : _FRAMES_AT + 4], sys.byteorder)
    folded = int.from_bytes(index[_FOLDED_AT : _FOLDED_AT + 4], sys.byteorder)
    return max(0, frames - max(committed, folded))


def _mend_log(path: Path, name: Path, flips: list[walscan.Flip]) -> None:
    """Put right the flipped bits; a copy of the log as it was stays."""
    copy = numbered(path, "log")
    shutil.copyfile(name, copy)
    copy.chmod(0o600)
    descriptor = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    try:
        for flip in flips:
            (there,) = os.pread(descriptor, 1, flip.at)
            os.pwrite(descriptor, bytes([there ^ flip.mask]), flip.at)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    files.sync_directory(path.parent)
    log.error("%s had %d wrong bits, which are put right; as it was it is %s", name, len(flips), copy)


def name_mended(path: Path) -> None:
    """Write down in `damage` which logs were mended: each has left a copy, whether or not a power cut came after it."""
    copies = sorted(path.parent.glob(f"{path.name}.log-*"))
    if not copies:
        return
    with closing(damage.connect(path)) as connection:
        if "damage" not in summed(connection):
            return  # of an older schema: the next start tells it
        for copy in copies:
            made = copy.stat().st_mtime
            place = f"log {copy.name}"
            known = connection.execute("SELECT 1 FROM damage WHERE place = ? AND found_at = ?", (place, made))
            if known.fetchone() is None:
                detail = f"wrong bits in {path.name}-wal were put right; as it was it is {copy.name}"
                damage.record(connection, Damage(made, str(path), place, "", detail))


def numbered(path: Path, what: str) -> Path:
    """The next name of this kind beside the store; of earlier ones the last few stay, or a bad card fills itself."""
    start = f"{path.name}.{what}-"
    there: dict[int, list[Path]] = {}
    for file in path.parent.glob(f"{start}*"):
        number = file.name.removeprefix(start).split("-")[0]
        if number.isdecimal():
            there.setdefault(int(number), []).append(file)
    for old in sorted(there)[: -(_KEPT - 1)]:
        for file in there[old]:
            log.warning("%s is removed: %d later ones are kept", file, _KEPT)
            file.unlink()
    return path.with_name(f"{start}{max(there, default=0) + 1}")
