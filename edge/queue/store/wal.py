"""Where the write-ahead log stands, read from the log itself, so that folding it into the file can be timed.

The header names two salts, new whenever the log begins anew; each frame repeats them, so a frame of an older round is
known (https://sqlite.org/fileformat2.html#walformat). SQLite takes no lock on this file: reading it harms nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

_HEADER = 32
_FRAME = 24
_SALTS = slice(16, 24)
_FRAME_SALTS = slice(8, 16)
_SIZE_MOST = 4  # times the wanted length: then the log is held by a reader, and new work must wait


class Log:
    """The log of a database with pages of `page` bytes, to be folded every `every` frames; counted in frames."""

    def __init__(self, path: Path, *, page: int, every: int) -> None:
        self._path = path.with_name(path.name + "-wal")
        self._page, self._every = page, every
        self._file: int | None = None
        self._salts = b""
        self._frames = 0

    @property
    def bytes_wanted(self) -> int:
        """The size up to which the log grows where no reader holds it."""
        return _HEADER + self._every * (_FRAME + self._page)

    def due(self) -> bool:
        """Whether the log has grown by enough since it began or since it was last folded."""
        salts = self._read(0, _HEADER)[_SALTS]
        if salts != self._salts:
            self._salts, self._frames = salts, 0
        wanted = self._frames + self._every // 4 if self._frames else self._every
        place = _HEADER + (wanted - 1) * (_FRAME + self._page)
        return len(salts) == 8 and self._read(place, _FRAME)[_FRAME_SALTS] == salts

    def folded(self, frames: int) -> None:
        """The log was folded as far as its readers let it be, and has `frames`."""
        self._frames = frames

    def overgrown(self) -> bool:
        """Whether it has become far too long, because a reader keeps it from beginning anew."""
        return self._frames >= _SIZE_MOST * self._every

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _read(self, place: int, length: int) -> bytes:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return b""
        return os.pread(self._file, length, place)
