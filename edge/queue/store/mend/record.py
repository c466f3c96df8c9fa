"""SQLite's record format, read without SQLite (https://sqlite.org/fileformat2.html, sections 1.6 and 2.1).

Pure, for salvage: what it is given may be damaged anywhere, so every length is checked before it is believed.
"""

from __future__ import annotations

import struct

Value = None | int | float | str | bytes

_COLUMNS_MOST = 2000  # SQLITE_MAX_COLUMN
_INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)


class BadRecord(ValueError):
    """Bytes that are no record."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The variable-length integer at `at` (1 to 9 bytes, as a 64-bit two's-complement number) and where it ends.

    Raises `BadRecord` when the bytes end before it does.
    """
    value = 0
    try:
        for place in range(at, at + 8):
            byte = data[place]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, place + 1
        value = value << 8 | data[at + 8]
    except IndexError:
        raise BadRecord("a number is cut off") from None
    return value - (1 << 64) if value >> 63 else value, at + 9


def decode(payload: bytes, *, most: int = _COLUMNS_MOST) -> list[Value]:
    """The values of a record; what is no UTF-8 in a text is kept as lone surrogates (PEP 383).

    Raises `BadRecord` for a form that SQLite would not have written, or for more than `most` values.
    """
    header, at = varint(payload, 0)
    if not at <= header <= len(payload):
        raise BadRecord("the record's header is longer than the record")
    kinds: list[int] = []
    while at < header and len(kinds) < most:
        kind, at = varint(payload, at)
        kinds.append(kind)
    if at != header:
        raise BadRecord("the record's header does not end where it says")
    values = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != len(payload):
        raise BadRecord("the record's values do not fill it")
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind < 0 or kind in (10, 11):
        raise BadRecord(f"no value has the serial type {kind}")
    size = (kind - 12) // 2 if kind >= 12 else 8 if kind == 7 else _INTEGER_BYTES[kind]
    raw = payload[at : at + size]
    if len(raw) != size:
        raise BadRecord("a value is cut off")
    return _meaning(raw, kind), at + size


def _meaning(raw: bytes, kind: int) -> Value:
    if kind < 7:
        return int.from_bytes(raw, "big", signed=True)
    if kind == 7:
        return float(struct.unpack(">d", raw)[0])
    return raw if kind % 2 == 0 else raw.decode(errors="surrogateescape")
