"""A file at rest: pieces of 64 KiB, each sealed for its own place: none can be cut off, changed or moved unseen.

A piece is sealed (AES-256-GCM) for the file's name, its whole size and the piece's number. The file grows at its end
and can be read from any place. All functions block; the caller runs them on a thread.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from edge.queue.store.files import sync_directory
from edge.queue.store.seal import OVERHEAD, Seal, SealBroken

PIECE = 65_536
_SEALED = PIECE + OVERHEAD


class SealedFile:
    """The file at `path`, known as `name`, that will hold `size` plain bytes when it is whole."""

    def __init__(self, path: Path, seal: Seal, name: str, size: int) -> None:
        self.path = path
        self._seal = seal
        self._name = name
        self._size = size

    def append(self, held: int, plain: bytes) -> int:
        """Write one piece after the `held` bytes, and forget what was behind them; how many it holds then.

        ValueError unless `held` is a multiple of `PIECE` and `plain` is one piece: full, or the file's last.
        """
        number, offset = divmod(held, PIECE)
        if offset or len(plain) != min(PIECE, self._size - held) or not plain:
            raise ValueError(f"{len(plain)} bytes after {held} of {self._size} are no piece")
        sealed = self._seal.seal_bytes(plain, self._context(number))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.truncate(number * _SEALED)
            file.seek(number * _SEALED)
            if file.write(sealed) != len(sealed):
                raise OSError(f"{self.path.name}: a short write")
        return held + len(plain)

    def sync(self) -> None:
        """Make what was appended, and the file's name, durable."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        sync_directory(self.path.parent)

    def holds(self, received: int) -> bool:
        """Whether the file is there and long enough for so many plain bytes."""
        pieces = -(-received // PIECE)
        try:
            return self.path.stat().st_size >= received + pieces * OVERHEAD
        except FileNotFoundError:
            return received == 0

    def read(self, start: int, length: int) -> bytes:
        """Plain bytes from `start`, fewer at the file's end. Raises `SealBroken` for damage, OSError."""
        end = min(start + length, self._size)
        if end <= start:
            return b""
        first, last = start // PIECE, (end - 1) // PIECE
        with self.path.open("rb") as file:
            file.seek(first * _SEALED)
            plain = b"".join(self._piece(file.read(_SEALED), number) for number in range(first, last + 1))
        return plain[start - first * PIECE : end - first * PIECE]

    def sha256(self) -> str:
        """The hash of all plain bytes, in hexadecimal. Raises `SealBroken`, OSError."""
        digest = hashlib.sha256()
        for start in range(0, self._size, PIECE):
            digest.update(self.read(start, PIECE))
        return digest.hexdigest()

    def remove(self) -> None:
        """Take it off the disk, if it is there."""
        self.path.unlink(missing_ok=True)

    def _piece(self, sealed: bytes, number: int) -> bytes:
        plain = self._seal.open_bytes(sealed, self._context(number))
        if len(plain) != min(PIECE, self._size - number * PIECE):
            raise SealBroken(f"a piece of {self.path.name} has another length")
        return plain

    def _context(self, number: int) -> str:
        return f"{self._name}:{self._size}:{number}"
