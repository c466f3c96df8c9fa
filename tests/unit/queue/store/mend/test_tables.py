"""Check sums of rows, and rows put right by them."""

from __future__ import annotations

import struct

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.queue.store.mend.record import Value
from edge.queue.store.mend.tables import described, summed
from edge.queue.store.rowsum import rowsum
from tests.unit.queue.store.rows import database

OUTBOX = summed(database())["outbox"]
ROW: list[Value] = [
    *(7, "0198-event", "stream", None, "request", 0, bytes(range(200)), "pending", 1, 0, 1.0),
    *(None, 2.5, "", 1_795_000_000.25, None),
]


def flipped(value: Value, bit: int) -> Value:
    """A value with one bit other, as it would lie on the card."""
    if isinstance(value, int):
        return value ^ 1 << bit % 40
    if value is None:
        return None
    raw = bytearray(
        struct.pack(">d", value) if isinstance(value, float) else value.encode() if isinstance(value, str) else value
    )
    if raw:
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    if isinstance(value, float):
        return float(struct.unpack(">d", raw)[0])
    return raw.decode(errors="surrogateescape") if isinstance(value, str) else bytes(raw)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(ROW) - 1), st.integers(0, 10_000))
def test_one_flipped_bit_is_put_right(column: int, bit: int) -> None:
    """A row is given up though its sum tells which bit is wrong, or is put right into another row."""
    total = rowsum("outbox", *ROW)
    damaged = list(ROW)
    damaged[column] = flipped(ROW[column], bit)
    assume(damaged != ROW)
    assert not OUTBOX.right(damaged, total)
    assert OUTBOX.mend(damaged, total) == ROW


def test_a_flipped_sum_is_told_from_a_wrong_row() -> None:
    """A row is moved out although only its check sum rotted."""
    total = rowsum("outbox", *ROW)
    assert OUTBOX.mend(ROW, total ^ 1 << 9) == ROW
    assert OUTBOX.mend(ROW, total ^ 0b111 << 9) is None


@given(st.binary(min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_more_damage_is_given_up(garbage: bytes) -> None:
    """Bytes that were never stored are made to fit the sum."""
    damaged = [*ROW[:6], garbage, *ROW[7:]]
    assert OUTBOX.mend(damaged, rowsum("outbox", *ROW)) is None


def test_every_table_that_holds_facts_carries_a_sum() -> None:
    """A later migration adds a table whose rot nobody sees, or that salvage leaves behind."""
    conn = database()
    assert {name for name, table in described(conn).items() if not table.sums} == set()


def test_records_of_each_table_are_told_apart_by_their_columns() -> None:
    """A row is carved into the wrong columns: a table without rowid stores its key first."""
    part = summed(database())["outgoing_part"]
    assert part.stored[:2] == ("message", "sequence")
    modem = summed(database())["modem_memory"]
    read = modem.of_record(["a modem", "a name", "value", 3, 99], None)
    assert read == (["a modem", "a name", "value", 3.0], 99)
