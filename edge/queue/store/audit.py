"""Audit rows: what happened that somebody may ask about later. Never personal data."""

from __future__ import annotations

import sqlite3

_DETAIL_MOST = 300


def record(conn: sqlite3.Connection, kind: str, subject: str, detail: str, *, now: float) -> None:
    """Append a row in the caller's transaction; `subject` is an identifier, `detail` is cut at 300 characters."""
    conn.execute(
        "INSERT INTO audit (kind, subject, detail, at) VALUES (?, ?, ?, ?)",
        (kind, subject, detail[:_DETAIL_MOST], now),
    )
