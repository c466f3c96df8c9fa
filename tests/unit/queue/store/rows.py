"""A database in memory with every migration applied, and made-up parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from edge.queue.store import files, rowsum
from edge.queue.store.messages import Part
from edge.queue.store.migrate import statements


def database() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    rowsum.register(conn)
    conn.row_factory = sqlite3.Row
    conn.execute("PRAGMA foreign_keys = 1")
    for file in files.known_migrations():
        for statement in statements(file.read_text(encoding="utf-8")):
            conn.execute(statement)
    return conn


def joined(texts: Iterable[str]) -> str:
    return "".join(texts)


def part(
    text: str = "status",
    pdu: str = "07AA",
    *,
    sender: str = "+6281234567001",
    modem: str = "modem",
    reference: int | None = None,
    total: int = 1,
    sequence: int = 1,
    wide: bool = False,
) -> Part:
    return Part(
        modem=modem,
        sender=sender,
        alphanumeric=False,
        text=text,
        timestamp="2026-11-22T12:00:00+07:00",
        reference=reference,
        total=total,
        sequence=sequence,
        pdu=pdu,
        wide=wide,
    )
