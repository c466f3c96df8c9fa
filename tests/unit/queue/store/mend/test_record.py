"""Records and varints, against SQLite's own."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queue.store.mend.btree import Reader
from edge.queue.store.mend.record import BadRecord, Value, decode, varint

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)
VALUES = st.one_of(st.none(), NUMBERS, st.floats(allow_nan=False), TEXTS, st.binary(max_size=200))


def stored(values: list[Value]) -> tuple[int, bytes]:
    """The rowid and record of the only row of a table, cut out of SQLite's own page."""
    conn = sqlite3.connect(":memory:")
    conn.execute(f"CREATE TABLE t ({', '.join(f'c{number}' for number in range(len(values)))})")
    conn.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(values))})", values)
    conn.commit()
    image = conn.serialize()
    pages = {number: image[(number - 1) * 4096 : number * 4096] for number in range(1, len(image) // 4096 + 1)}
    (cell,) = Reader(pages.get, 4096).page(pages[2], 2).cells
    assert cell is not None
    assert cell.rowid is not None
    return cell.rowid, cell.payload


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x81\x00", 128),
        (b"\xff\x7f", 16383),
        (b"\x81\x80\x00", 16384),
        (b"\xff" * 8 + b"\xff", -1),
        (b"\x80" * 8 + b"\x05", 5),
    ],
)
def test_varint_is_read(raw: bytes, value: int) -> None:
    """A length or a rowid is read wrongly, and all behind it with it."""
    assert varint(raw, 0) == (value, len(raw))


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=20))
def test_record_is_read_as_sqlite_wrote_it(values: list[Value]) -> None:
    """A salvaged value differs from the one that was stored, also where it lies on overflow pages."""
    _, payload = stored(values)
    assert decode(payload) == [
        int(value) if isinstance(value, float) and value.is_integer() and decode(payload)[number] != value else value
        for number, value in enumerate(values)
    ]


@given(st.binary(max_size=60))
def test_garbage_is_refused_or_read_as_something(raw: bytes) -> None:
    """Damaged bytes crash the salvage."""
    try:
        decode(raw)
    except BadRecord:
        return
    assert varint(raw, 0)[0] <= len(raw)


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=8), st.data())
def test_a_cut_record_is_refused(values: list[Value], data: st.DataObject) -> None:
    """Half a row passes for a whole one."""
    _, payload = stored(values)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(BadRecord):
        decode(payload[:cut])


def test_more_values_than_wanted_are_refused() -> None:
    """Looking through a page for rows takes hours, since any byte may be the length of a long header."""
    _, payload = stored([1, 2, 3])
    with pytest.raises(BadRecord):
        decode(payload, most=2)
