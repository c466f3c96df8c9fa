"""The check sum of a row, kept by SQLite itself in each table's generated column ``sum``.

CRC-32 (ISO 3309, as zlib has it) over the MessagePack form of the table's name and the row's other values in their
order: a standard form that no version of Python or SQLite changes. It finds damage, not malice: personal fields are
authenticated by their seal.
"""

from __future__ import annotations

import sqlite3
import zlib

import msgspec

_encode = msgspec.msgpack.Encoder().encode


def rowsum(*values: object) -> int:
    """The sum of (table, value, value, ...), each None, int, float, str or bytes: 0 to 2^32 - 1."""
    return zlib.crc32(_encode(values))


def register(connection: sqlite3.Connection) -> None:
    """Make ``rowsum()`` known to a connection; without it no row with a sum can be written through it."""
    connection.create_function("rowsum", -1, rowsum, deterministic=True)
