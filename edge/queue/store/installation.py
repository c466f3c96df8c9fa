"""Which installation this is: an identity made with the store, and the epoch that its upstream gave to it.

A box that is replaced keeps its old epoch; its successor gets a newer one, and the upstream refuses what an older one
says. All functions take the connection of the caller's transaction.
"""

from __future__ import annotations

import sqlite3
import uuid
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Installation:
    """`id` is a UUID; `epoch` counts the installations of a village from 1, and is 0 before the first enrolment."""

    id: str
    epoch: int


def identify(conn: sqlite3.Connection) -> Installation:
    """This installation; its identity is made by the first call."""
    conn.execute("INSERT INTO installation (name, value) VALUES ('id', ?) ON CONFLICT DO NOTHING", (str(uuid.uuid4()),))
    return Installation(_value(conn, "id") or "", int(_value(conn, "epoch") or 0))


def raise_epoch(conn: sqlite3.Connection, epoch: int) -> bool:
    """Take over a newer epoch; False for one that is not newer."""
    if epoch <= int(_value(conn, "epoch") or 0):
        return False
    remember(conn, "epoch", str(epoch))
    return True


def renew(conn: sqlite3.Connection) -> Installation:
    """Become a new installation that speaks after the one whose store this was (a restored backup)."""
    before = identify(conn)
    remember(conn, "id", str(uuid.uuid4()))
    remember(conn, "epoch", str(before.epoch + 1))
    return identify(conn)


def remember(conn: sqlite3.Connection, name: str, value: str) -> None:
    """Keep a fact of this installation."""
    conn.execute(
        "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def recall(conn: sqlite3.Connection, name: str) -> str | None:
    """A fact of this installation, or None."""
    return _value(conn, name)


def _value(conn: sqlite3.Connection, name: str) -> str | None:
    row = conn.execute("SELECT value FROM installation WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])
