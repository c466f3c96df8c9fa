"""SQLite's record format, read without SQLite (https://sqlite.org/fileformat2.html, sections 1.6 and 2.1).

Pure, for salvage: what it is given may be damaged anywhere, so every length is checked before it is believed.
"""

from __future__ import annotations

import struct
from functools import lru_cache

Value = None | int | float | str | bytes

_COLUMNS_MOST = 2000  # SQLITE_MAX_COLUMN
_SIZES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)  # by serial type
_REAL = struct.Struct(">d")
_FORMS_KEPT = 4096
_VARINT_MOST = 9  # bytes


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
    header, at = (payload[0], 1) if payload and payload[0] < 0x80 else varint(payload, 0)
    if not at <= header <= min(len(payload), _VARINT_MOST * (most + 1)):
        raise BadRecord("the record's header is longer than the record")
    kinds, size = _form(payload[at:header], most)
    if header + size != len(payload):
        raise BadRecord("the record's values do not fill it")
    values: list[Value] = []
    at = header
    for kind, length in kinds:
        values.append(_meaning(payload[at : at + length], kind) if kind else None)
        at += length
    return values


@lru_cache(maxsize=_FORMS_KEPT)
def _form(header: bytes, most: int) -> tuple[tuple[tuple[int, int], ...], int]:
    """The serial type and size of each value, and their sum: the rows of a table have few forms."""
    kinds: list[tuple[int, int]] = []
    at = 0
    while at < len(header) and len(kinds) < most:
        kind, at = varint(header, at)
        kinds.append((kind, _size(kind)))
    if at != len(header):
        raise BadRecord("the record's header does not end where it says")
    return tuple(kinds), sum(size for _, size in kinds)


def _size(kind: int) -> int:
    if kind < 0 or kind in (10, 11):
        raise BadRecord(f"no value has the serial type {kind}")
    return (kind - 12) // 2 if kind >= 12 else _SIZES[kind]


def _meaning(raw: bytes, kind: int) -> Value:
    if kind >= 12:
        return raw if kind % 2 == 0 else raw.decode(errors="surrogateescape")
    if kind >= 8:
        return kind - 8
    return float(_REAL.unpack(raw)[0]) if kind == 7 else int.from_bytes(raw, "big", signed=True)
