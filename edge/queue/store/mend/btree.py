"""Pages of SQLite's b-trees, read without SQLite (https://sqlite.org/fileformat2.html, section 1.6).

Pure, for salvage. A page is read cell by cell: one that cannot be read is told as such and costs only itself.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge.queue.store.mend.record import BadRecord, varint

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 0x02, 0x05, 0x0A, 0x0D
_KINDS = (INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE)
_FIRST_PAGE_HEADER = 100
_PAYLOAD_MOST = 64_000_000

PageAt = Callable[[int], bytes | None]


class BadPage(ValueError):
    """Bytes that are no page of a b-tree."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An entry: `rowid` of a table's row, None in an index; `payload` is the record; `size` counts its bytes here."""

    rowid: int | None
    payload: bytes
    size: int
    overflow: tuple[int, ...] = ()


@dataclass(slots=True)
class Page:
    """A page as read: its kind, the pages below it in order, its cells (None for one that does not read).

    `whole` unless a cell does not read or some of the page's bytes belong to nothing.
    """

    kind: int
    children: list[int] = field(default_factory=list)
    cells: list[Cell | None] = field(default_factory=list)
    whole: bool = True


class Reader:
    """Reads pages with `usable` bytes each; `page_at` gives a page's image, None where there is none."""

    def __init__(self, page_at: PageAt, usable: int) -> None:
        self._page_at = page_at
        self._usable = usable

    def page(self, image: bytes, number: int, *, entries: bool = True) -> Page:
        """What page `number` holds, without its cells unless `entries`. Raises `BadPage` when it is no b-tree page."""
        start = _FIRST_PAGE_HEADER if number == 1 else 0
        kind = image[start]
        if kind not in _KINDS:
            raise BadPage(f"page {number} has no kind that there is ({kind})")
        interior = kind in (INTERIOR_INDEX, INTERIOR_TABLE)
        count = int.from_bytes(image[start + 3 : start + 5], "big")
        pointers = start + (12 if interior else 8)
        if pointers + 2 * count > self._usable:
            raise BadPage(f"page {number} cannot hold {count} cells")
        page = Page(kind)
        places = struct.unpack_from(f">{count}H", image, pointers)
        # Two pointers to one cell mean that another cell has none.
        single = len(set(places)) == count
        for number, at in enumerate(places):
            readable = pointers + 2 * count <= at <= self._usable - 4 and (single or at not in places[:number])
            if interior:
                page.children.append(int.from_bytes(image[at : at + 4], "big") if readable else 0)
            if entries and kind != INTERIOR_TABLE:
                page.cells.append(self._try_cell(image, at, kind) if readable else None)
        if interior:
            page.children.append(int.from_bytes(image[start + 8 : start + 12], "big"))
        page.whole = None not in page.cells and 0 not in page.children
        if entries and not interior:
            page.whole = page.whole and self._accounted(page, image, start)
        return page

    def _try_cell(self, image: bytes, at: int, kind: int) -> Cell | None:
        try:
            return self.cell(image, at, kind)
        except BadRecord:
            return None

    def _accounted(self, page: Page, image: bytes, start: int) -> bool:
        """Whether cells, free blocks and fragments fill the page's content area, as they must."""
        free, at, left = image[start + 7], int.from_bytes(image[start + 1 : start + 3], "big"), self._usable
        while at and at + 4 <= self._usable and left > 0:
            size = int.from_bytes(image[at + 2 : at + 4], "big")
            free, left, at = free + size, left - max(size, 4), int.from_bytes(image[at : at + 2], "big")
        content = int.from_bytes(image[start + 5 : start + 7], "big") or 65536
        return free + sum(cell.size for cell in page.cells if cell is not None) == self._usable - content

    def cells(self, image: bytes, number: int) -> Iterator[Cell]:
        """The cells of a page that nothing leads to, wherever they are if its header or its pointers are lost."""
        try:
            page = self.page(image, number)
            yield from (cell for cell in page.cells if cell is not None)
            if page.whole:
                return
        except BadPage:
            pass
        for kind in (LEAF_TABLE, LEAF_INDEX):
            for at in range(8, self._usable - 4):
                if image[at] == 0:
                    continue
                try:
                    yield self.cell(image, at, kind)
                except BadRecord:
                    continue

    def cell(self, image: bytes, at: int, kind: int) -> Cell:
        """The cell at `at`. Raises `BadRecord`."""
        rowid = None
        size, place = varint(image, at + 4 if kind == INTERIOR_INDEX else at)
        if kind == LEAF_TABLE:
            rowid, place = varint(image, place)
        if not 0 < size <= _PAYLOAD_MOST:
            raise BadRecord(f"a payload cannot have {size} bytes")
        local = self._local(size, kind)
        if place + local + (4 if local < size else 0) > self._usable:
            raise BadRecord("a cell reaches over the end of its page")
        payload = image[place : place + local]
        if local == size:
            return Cell(rowid, payload, max(4, place + local - at))
        first = int.from_bytes(image[place + local : place + local + 4], "big")
        rest, pages = self._overflow(first, size - local)
        return Cell(rowid, payload + rest, place + local + 4 - at, pages)

    def _local(self, size: int, kind: int) -> int:
        """How many bytes of a payload lie on its own page (section 1.6, "cell payload overflow pages")."""
        usable = self._usable
        most = usable - 35 if kind == LEAF_TABLE else (usable - 12) * 64 // 255 - 23
        if size <= most:
            return size
        least = (usable - 12) * 32 // 255 - 23
        wanted = least + (size - least) % (usable - 4)
        return wanted if wanted <= most else least

    def _overflow(self, number: int, size: int) -> tuple[bytes, tuple[int, ...]]:
        found: list[bytes] = []
        pages: list[int] = []
        while size > 0:
            image = self._page_at(number)
            if image is None or number in pages:
                raise BadRecord(f"overflow page {number} is not there")
            pages.append(number)
            part = image[4 : min(4 + size, self._usable)]
            found.append(part)
            size -= len(part)
            number = int.from_bytes(image[:4], "big")
        return b"".join(found), tuple(pages)
