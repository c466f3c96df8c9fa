"""The keys of a table as its tree has them, and where some of them must be missing. Pure."""

from __future__ import annotations

from collections import deque

from edge.queue.store.mend.record import Value

_PAGES_DOUBTED = 4


class Line:
    """The keys of a table in the order of its tree, which only grow; `torn` after what did not read or did not grow.

    Where a key is smaller than the one before it, either of the two pages may be the wrong one: `start`, after which
    rows may be missing, is then the last key of some pages before.
    """

    def __init__(self) -> None:
        self.torn = self._disordered = False
        self.start: tuple[Value, ...] | None = None
        self._after: tuple[Value, ...] | None = None
        self._before: deque[tuple[int, tuple[Value, ...] | None]] = deque(maxlen=_PAGES_DOUBTED)

    @property
    def pages(self) -> list[int]:
        """The last pages."""
        return [number for number, _ in self._before]

    def turn(self, number: int) -> None:
        """The next cell is of page `number`."""
        if not self._before or self._before[-1][0] != number:
            self._before.append((number, self._after))

    def tear(self) -> None:
        """A cell does not read."""
        if not self.torn:
            self.start = self._after
        self.torn = True

    def goes_on(self, place: tuple[Value, ...]) -> bool:
        """Take the next key; False when it is not larger than the last."""
        if self._after is None or _larger(place, self._after):
            if not self.torn:
                self._after = place
            self._next = place
            return True
        if not self._disordered:
            self.start = self._before[0][1]
        self.torn = self._disordered = True
        return False

    def mended(self) -> tuple[tuple[Value, ...] | None, tuple[Value, ...]]:
        """The hole that ends with the key just taken."""
        hole = self.start, self._next
        self._after, self.torn, self._disordered = self._next, False, False
        return hole


def _larger(place: tuple[Value, ...], before: tuple[Value, ...]) -> bool:
    try:
        return place > before
    except TypeError:
        return False
