"""Get every row that still reads out of a damaged store, without SQLite.

Theory of operation. A page's newest image is the last committed one in the log, else the file's. Each table is walked
from its root; a row counts when its check sum is right (or becomes right by one flipped bit), and the sum tells also
which table it is of, since the table's name is in it. Then what the walk could not reach is looked through: pages that
did not read cell by cell, their older images, and pages that no tree and no free list leads to. Their rows are of use
only where the walk found none of the same key: `Found.older` says that a row may be of an earlier time.
Where the walk met damage, it tells between which keys rows may be missing (`Hole`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

from edge.queue.store.mend import btree
from edge.queue.store.mend.btree import BadPage, Cell, Reader
from edge.queue.store.mend.images import Images
from edge.queue.store.mend.line import Line
from edge.queue.store.mend.record import BadRecord, Value, decode
from edge.queue.store.mend.tables import Table

_DEEPEST = 20
_MENDS_MOST = 2000
_FREE_LIST_AT = 32


@dataclass(frozen=True, slots=True)
class Found:
    """A row whose sum is right: `reached` by its table's tree, or found beside it; `older` when in an older image."""

    table: Table
    values: list[Value]
    rowid: int | None
    reached: bool = True
    older: bool = False


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows of `table` may be missing after the key `after` and before the key `before` (None: no bound is known)."""

    table: str
    after: tuple[Value, ...] | None
    before: tuple[Value, ...] | None


@dataclass(frozen=True, slots=True)
class Misread:
    """A row that reads but whose sum is wrong, with the page it stood on."""

    table: str
    page: int
    values: list[Value]


class Carver:
    """Carves `images` for rows of `tables`. Read `holes`, `bad` and `faults` when `rows` is exhausted."""

    def __init__(
        self, images: Images, tables: Mapping[str, Table], *, looked: Callable[[], None] = lambda: None
    ) -> None:
        self._images, self._looked = images, looked
        self._tables = tables
        self._reader = Reader(images.newest, images.page_size)
        self._seen = bytearray(images.count + 1)
        self._hurt: dict[int, None] = {}
        self.holes: list[Hole] = []
        self.bad: list[Misread] = []
        self._mends = 0
        self._widest = max((len(table.stored) for table in tables.values()), default=0)
        self.faults: list[str] = []
        self.roots = self._roots()

    def rows(self) -> Iterator[Found]:
        """All rows that are right, the present ones first."""
        roots = dict(self.roots)
        for name, table in self._tables.items():
            yield from self._walk_table(table, roots.pop(("table", name), 0))
        for (kind, name), root in roots.items():
            if kind == "index":
                self._visit(root, f"index {name}")
            else:
                deque(self._cells(root, f"{kind} {name}"), maxlen=0)
        self._visit_free()
        unreached = (number for number in range(2, self._images.count + 1) if not self._seen[number])
        for number in [*self._hurt, *unreached]:
            yield from self._look_through(number)
            self._seen[number] = True
            self._looked()

    @property
    def share(self) -> float:
        """How much of the pages was looked at, from 0 to 1."""
        return sum(self._seen) / max(1, self._images.count)

    # ---- trees -------------------------------------------------------------------------------------------------

    def _roots(self) -> dict[tuple[str, str], int]:
        """The root page of each table and index, as the schema's own tree has them; what does not read is left out."""
        roots: dict[tuple[str, str], int] = {}
        for _, cell in self._cells(1, "the schema"):
            try:
                kind, name, _, root, _ = decode(cell.payload) if cell is not None else [None] * 5
            except ValueError:  # BadRecord, or not five values
                continue
            if isinstance(kind, str) and isinstance(name, str) and isinstance(root, int) and root > 1:
                roots[kind, name] = root
        return roots

    def plain(self, name: str, columns: int) -> list[list[Value]]:
        """The rows of a table that has no sums, as far as they read. Not to be used beside `rows`."""
        found = []
        for _, cell in self._cells(self.roots.get(("table", name), 0), name):
            try:
                found.append(decode(cell.payload) if cell is not None else [])
            except BadRecord:
                continue
        return [row for row in found if len(row) == columns]

    def _walk_table(self, table: Table, root: int) -> Iterator[Found]:
        line = Line()
        for number, cell in self._cells(root, f"table {table.name}"):
            found = self._row(table, cell, number) if cell is not None else None
            line.turn(number)
            if found is None or found.table.name != table.name:
                line.tear()
            elif not line.goes_on(_place(table, found.values, cell)):
                # One of the last pages is another's: written to the wrong place. Whatever it was may lie in the log.
                for page in line.pages:
                    self._hurt[page] = None
            elif line.torn:
                self.holes.append(Hole(table.name, *line.mended()))
            if found is not None:
                yield found
        if line.torn:
            self.holes.append(Hole(table.name, line.start, None))

    def _visit(self, number: int, what: str, depth: int = 0) -> None:
        """Mark the pages of an index; its entries are of no use, since indexes are built anew."""
        page = self._page(number, depth, what, entries=False)
        if page is None:
            return
        if page.kind in (btree.LEAF_TABLE, btree.INTERIOR_TABLE):
            self.faults.append(f"page {number} of {what} is a table's")
            self._hurt[number] = None
            return
        for child in page.children:
            self._visit(child, what, depth + 1)

    def _cells(self, number: int, what: str, depth: int = 0) -> Iterator[tuple[int, Cell | None]]:
        """All cells below page `number` in order; None in the place of whatever could not be read."""
        page = self._page(number, depth, what)
        if page is None:
            yield number, None
            return
        if page.kind in (btree.LEAF_TABLE, btree.LEAF_INDEX):
            yield from ((number, cell) for cell in page.cells)
        else:
            # An index has its cells between its children; the last child stands behind them all.
            for child, cell in zip_longest(page.children, page.cells):
                yield from self._cells(child, what, depth + 1)
                if page.kind == btree.INTERIOR_INDEX and child != page.children[-1]:
                    yield number, cell
        if not page.whole:
            yield number, None

    def _page(self, number: int, depth: int, what: str, *, entries: bool = True) -> btree.Page | None:
        image = self._images.newest(number) if 0 < number <= self._images.count else None
        if image is None or depth > _DEEPEST:
            self.faults.append(f"page {number} of {what} is not there")
            return None
        if self._seen[number]:
            self.faults.append(f"page {number} of {what} is pointed to twice")
            return None
        try:
            page = self._reader.page(image, number, entries=entries)
        except BadPage as bad:
            self.faults.append(f"{bad}; it is of {what}")
            self._seen[number] = True
            self._hurt[number] = None
            return None
        self._seen[number] = True
        for cell in page.cells:
            self._mark(cell.overflow if cell is not None else ())
        if not page.whole or self._images.doubtful(number):
            self.faults.append(f"page {number} of {what} does not read as a whole")
            self._hurt[number] = None
        return page

    def _mark(self, pages: tuple[int, ...]) -> None:
        for number in pages:
            if number < len(self._seen):
                self._seen[number] = True

    def _visit_free(self) -> None:
        """Mark the pages of the free list, whose rows were deleted (section 1.5)."""
        first = self._images.newest(1) or bytes(self._images.page_size)
        number = int.from_bytes(first[_FREE_LIST_AT : _FREE_LIST_AT + 4], "big")
        while 1 < number <= self._images.count and not self._seen[number]:
            self._seen[number] = True
            trunk = self._images.newest(number) or bytes(self._images.page_size)
            count = int.from_bytes(trunk[4:8], "big")
            for place in range(8, min(8 + 4 * count, self._images.page_size - 3), 4):
                self._mark((int.from_bytes(trunk[place : place + 4], "big"),))
            number = int.from_bytes(trunk[:4], "big")

    # ---- rows --------------------------------------------------------------------------------------------------

    def _row(self, table: Table, cell: Cell, number: int) -> Found | None:
        """The row of a cell met in `table`: of it, or of whatever table its sum is right for."""
        try:
            record = decode(cell.payload)
        except BadRecord:
            self._hurt[number] = None
            return None
        return self._identified(table, record, cell) or self._mended(table, record, cell, number)

    def _identified(self, table: Table | None, record: list[Value], cell: Cell) -> Found | None:
        for guess in chain(() if table is None else (table,), self._tables.values()):
            read = guess.of_record(record, cell.rowid)
            if read is not None and (guess.right(*read) if guess.sums else guess is table):
                return Found(guess, read[0], cell.rowid)
        return None

    def _mended(self, table: Table, record: list[Value], cell: Cell, number: int) -> Found | None:
        self._hurt[number] = None
        read = table.of_record(record, cell.rowid)
        if read is None:
            return None
        self._mends += 1
        better = table.mend(*read) if self._mends <= _MENDS_MOST else None
        if better is not None:
            self.faults.append(
                f"one bit of {table.name} {table.name_of(better)} was wrong (page {number}) and is put right"
            )
            return Found(table, better, cell.rowid)
        self.bad.append(Misread(table.name, number, read[0]))
        return None

    def _look_through(self, number: int) -> Iterator[Found]:
        """Rows at any place of a page's images."""
        for age, image in enumerate(self._images.all(number)):
            for cell in self._reader.cells(image, number):
                try:
                    found = self._identified(None, decode(cell.payload, most=self._widest), cell)
                except BadRecord:
                    continue
                if found is not None:
                    yield replace(found, reached=False, older=age > 0)


def _place(table: Table, values: list[Value], cell: Cell | None) -> tuple[Value, ...]:
    if table.rowid:
        return (cell.rowid if cell is not None else None,)
    found = dict(zip(table.columns, values, strict=True))
    return tuple(found[column] for column in table.key)
