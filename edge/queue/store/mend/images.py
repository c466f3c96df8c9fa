"""The pages of a damaged store and of its log, in every state that still reads."""

from __future__ import annotations

import os
from collections.abc import Iterator

from edge.queue.store.mend import walscan

PAGE_SIZE = 4096  # SQLite's default since 3.12, and what every store has; nothing is kept back at a page's end


class Images:
    """The pages of a store's file and of its log, from whose end `missing_frames` are known to be cut off."""

    def __init__(self, file: int, log: bytes, *, page_size: int = PAGE_SIZE, missing_frames: int = 0) -> None:
        self._file, self._log = file, log
        self.missing_frames = missing_frames
        self.page_size = page_size
        self.scan = walscan.scan(log, page_size=page_size)
        last = self.scan.committed if self.scan.damaged else self.scan.taken
        self._frames: dict[int, list[walscan.Frame]] = {}
        self.lost_frames: list[int] = []
        for frame in self.scan.frames[:last]:
            if frame.ours:
                self._frames.setdefault(frame.page, []).append(frame)
            else:
                self.lost_frames.append(frame.number)
        size = os.fstat(file).st_size
        self.count = max(
            [-(-size // page_size), *(page for page in self._frames if page <= (size // page_size) + last)]
        )

    def newest(self, number: int) -> bytes | None:
        """The present image of a page, None where there is none."""
        return next(self.all(number), None)

    def doubtful(self, number: int) -> bool:
        """Whether the newest image of a page is known to be damaged."""
        frames = self._frames.get(number)
        return frames is not None and not frames[-1].right

    def all(self, number: int) -> Iterator[bytes]:
        """Every image of a page, the newest first."""
        for frame in reversed(self._frames.get(number, ())):
            start = frame.at + walscan.FRAME_HEADER
            yield self._log[start : start + self.page_size]
        if number > 0:
            image = os.pread(self._file, self.page_size, (number - 1) * self.page_size)
            if image:
                yield image.ljust(self.page_size, b"\0")
