"""What the tables of a store look like, told by the store itself, and whether a row's check sum is right.

A row with one flipped bit is put right: the sums of two rows that differ in one bit or two never agree (CRC-32 has a
Hamming distance of 4 up to 91,606 bits, of 3 far beyond: Koopman, "32-bit cyclic redundancy codes", DSN 2002).
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.queue.store.mend.record import Value
from edge.queue.store.rowsum import rowsum

DERIVED = ("migration", "outbox_depth")
_MASK = 0xFFFFFFFF
_POLYNOMIAL = 0xEDB88320  # CRC-32 of ISO 3309, its bits reversed, as zlib has it


@dataclass(frozen=True, slots=True)
class Index:
    """An index: its columns, and the condition of a partial one ("" for all rows)."""

    name: str
    columns: tuple[str, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `sums` when its rows carry a sum. `columns` in their order, without the sum.

    `key` are the columns that name a row; `alias` is the one that is the rowid, "" where the rowid is hidden or absent.
    `stored` is the order in which a record holds them, the sum as the last.
    """

    name: str
    columns: tuple[str, ...]
    texts: frozenset[str]
    reals: frozenset[str]
    key: tuple[str, ...]
    alias: str
    rowid: bool
    stored: tuple[str, ...]
    indexes: tuple[Index, ...]
    sums: bool = True
    # Where a record holds each column, and which columns are the rowid and reals: reckoned once, not for each row.
    _places: tuple[tuple[int, ...], int | None, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = tuple(self.stored.index(column) for column in self.columns)
        alias = self.columns.index(self.alias) if self.alias else None
        reals = tuple(place for place, column in enumerate(self.columns) if column in self.reals)
        object.__setattr__(self, "_places", (order, alias, reals))

    @property
    def place(self) -> tuple[str, ...]:
        """The columns by which the table is walked in its own order."""
        return ("rowid",) if self.rowid else self.key

    def name_of(self, values: Sequence[Value]) -> str:
        """How a row is named in reports: its key; no personal field is one."""
        return " ".join(shown(value) for column, value in zip(self.columns, values, strict=True) if column in self.key)

    def right(self, values: Sequence[Value], total: Value) -> bool:
        """Whether `total` is the sum of `values` (in the order of `columns`)."""
        try:
            return rowsum(self.name, *values) == total
        except (UnicodeEncodeError, OverflowError):
            return False

    def mend(self, values: Sequence[Value], total: Value) -> list[Value] | None:
        """The row whose sum is `total` and that differs in one bit, or None. The sum itself may be what is flipped."""
        if not isinstance(total, int):
            return None
        for candidate in _nearby(self.name, values, total):
            if self.right(candidate, total) or (candidate == list(values) and self._sum_flipped(values, total)):
                return candidate
        return None

    def of_record(self, values: Sequence[Value], rowid: int | None) -> tuple[list[Value], Value] | None:
        """A record's values in the order of `columns`, and its sum; None when it cannot be a row of this table."""
        if len(values) != len(self.stored):
            return None
        order, alias, reals = self._places
        found = [values[place] for place in order]
        if alias is not None:
            if found[alias] is not None:  # https://sqlite.org/fileformat2.html, 2.3: the rowid stands for it
                return None
            found[alias] = rowid
        for column in reals:
            value = found[column]
            if isinstance(value, int):  # 2.1: a REAL without a fraction is stored as an integer
                found[column] = float(value)
        return found, values[-1] if self.sums else None

    def _sum_flipped(self, values: Sequence[Value], total: int) -> bool:
        try:
            return (rowsum(self.name, *values) ^ total).bit_count() == 1
        except (UnicodeEncodeError, OverflowError):
            return False


def shown(value: Value) -> str:
    """A key's value for reports."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def described(connection: sqlite3.Connection) -> dict[str, Table]:
    """The tables of a database by name, but for those that hold no facts of their own (`DERIVED`) and SQLite's."""
    rows = connection.execute("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    found = {row[0]: not row[1] for row in rows if row[0] not in DERIVED and not row[0].startswith("sqlite_")}
    return {name: _table(connection, name, found[name]) for name in sorted(found)}


def summed(connection: sqlite3.Connection) -> dict[str, Table]:
    """The tables whose rows carry a sum (all, since migration 0005)."""
    return {name: table for name, table in described(connection).items() if table.sums}


def _table(connection: sqlite3.Connection, name: str, rowid: bool) -> Table:
    info = connection.execute("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", (name,)).fetchall()
    columns = tuple(row[0] for row in info if row[3] == 0)
    sums = any(row[0] == "sum" and row[3] == 3 for row in info)
    total = ("sum",) if sums else ()
    key = tuple(row[0] for row in sorted((row for row in info if row[2]), key=lambda row: int(row[2])))
    whole = len(key) == 1 and rowid and any(row[0] == key[0] and row[1] == "INTEGER" for row in info)
    stored = (*columns, *total) if rowid else (*key, *(column for column in columns if column not in key), *total)
    return Table(
        name=name,
        columns=columns,
        texts=frozenset(row[0] for row in info if row[1] == "TEXT"),
        reals=frozenset(row[0] for row in info if row[1] == "REAL"),
        key=key or columns[:1],
        alias=key[0] if whole else "",
        rowid=rowid,
        stored=stored,
        indexes=tuple(_indexes(connection, name, rowid)),
        sums=sums,
    )


def _indexes(connection: sqlite3.Connection, name: str, rowid: bool) -> Iterator[Index]:
    listed = connection.execute("SELECT name, origin, partial FROM pragma_index_list(?)", (name,)).fetchall()
    for index, origin, partial in listed:
        if origin == "pk" and not rowid:
            continue  # the table itself
        columns = tuple(row[0] for row in connection.execute("SELECT name FROM pragma_index_info(?)", (index,)))
        (sql,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (index,)
        ).fetchone()
        where = sql[sql.upper().index(" WHERE ") + 7 :] if partial else ""
        yield Index(index, columns, where)


def _nearby(name: str, values: Sequence[Value], total: int) -> Iterator[list[Value]]:
    """Rows that may be the right one: with one bit of a text, a blob or a float other, then with one of a number."""
    yield list(values)
    coded = _coded((name, *values))
    place = _flipped(len(coded), zlib.crc32(coded) ^ total)
    if place is not None:
        at, bit = divmod(place, 8)
        try:
            read = msgspec.msgpack.decode(coded[:at] + bytes([coded[at] ^ 1 << bit]) + coded[at + 1 :])
        except (msgspec.DecodeError, UnicodeDecodeError):
            read = None
        if isinstance(read, list) and [type(value) for value in read[1:]] == [type(value) for value in values]:
            yield read[1:]
    for number, value in enumerate(values):
        if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
            for bit in range(63):
                yield [*values[:number], type(value)(int(value) ^ 1 << bit), *values[number + 1 :]]


def _coded(values: Sequence[Value]) -> bytes:
    """The MessagePack form, of texts that are no UTF-8 too."""
    head = bytes([0x90 | len(values)]) if len(values) < 16 else b"\xdc" + struct.pack(">H", len(values))
    return head + b"".join(_coded_value(value) for value in values)


def _coded_value(value: Value) -> bytes:
    if not isinstance(value, str):
        return msgspec.msgpack.encode(value)
    raw = value.encode(errors="surrogateescape")
    # A stand-in of the same length has the same head.
    return msgspec.msgpack.encode("x" * len(raw))[: -len(raw) or None] + raw


def _flipped(size: int, difference: int) -> int | None:
    """The bit of `size` bytes whose flip changes their CRC-32 by `difference`, counted from the first byte's lowest."""
    effects = [_effect(bit) for bit in range(8)]
    for byte in range(size - 1, -1, -1):
        for bit in range(8):
            if effects[bit] == difference:
                return byte * 8 + bit
            effects[bit] = _shifted(effects[bit])
    return None


def _effect(bit: int) -> int:
    """What a bit of the last byte does to the register."""
    return _shifted(1 << bit)


def _shifted(register: int) -> int:
    """The register after eight more bits of zero."""
    for _ in range(8):
        register = register >> 1 ^ (_POLYNOMIAL if register & 1 else 0)
    return register & _MASK
