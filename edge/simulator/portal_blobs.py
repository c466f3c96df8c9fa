"""Scans that arrive in ranges at the reference portal: kept per village, checked by their SHA-256 once whole."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

from edge.simulator.portal_ledger import Ledger

SIZE_MOST = 10 << 20
_UNFINISHED_MOST = 32

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blob (
    village TEXT NOT NULL, sha TEXT NOT NULL, total INTEGER NOT NULL, received INTEGER NOT NULL DEFAULT 0,
    whole INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (village, sha)) STRICT;
CREATE TABLE IF NOT EXISTS piece (
    village TEXT NOT NULL, sha TEXT NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (village, sha, start)) STRICT;
"""


@dataclass(frozen=True)
class Held:
    """What is held of a blob."""

    total: int
    received: int
    whole: bool


class Mismatch(Exception):
    """The bytes do not have the SHA-256 they were announced by; they are dropped."""


class Blobs:
    """The blobs of all villages, in the ledger's file. A village's 33rd unfinished blob ends its oldest one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        with ledger.transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    def held(self, village: str, sha: str) -> Held | None:
        """What is held of a blob, or None."""
        with self._ledger.transaction() as db:
            return _held(db, village, sha)

    def take(self, village: str, sha: str, start: int, total: int, body: bytes) -> Held:
        """Take one range; one that does not follow what is held changes nothing. Raises `Mismatch` at the end."""
        with self._ledger.transaction() as db:
            known = _held(db, village, sha) or _begin(db, village, sha, total)
            if known.whole or start != known.received or total != known.total or start + len(body) > total:
                return known
            db.execute("INSERT INTO piece VALUES (?, ?, ?, ?)", (village, sha, start, body))
            whole = start + len(body) == total
            sound = not whole or _digest(db, village, sha) == sha
            if not sound:
                _drop(db, village, sha)
            else:
                db.execute(
                    "UPDATE blob SET received = ?, whole = ? WHERE village = ? AND sha = ?",
                    (start + len(body), int(whole), village, sha),
                )
        if not sound:
            raise Mismatch(sha)
        return Held(total, start + len(body), whole)

    def forget(self, village: str, sha: str) -> None:
        """Lose what is held of a blob that is not whole."""
        with self._ledger.transaction() as db:
            held = _held(db, village, sha)
            if held is not None and not held.whole:
                _drop(db, village, sha)

    def content(self, village: str, sha: str) -> bytes:
        """The bytes held."""
        with self._ledger.transaction() as db:
            return b"".join(_pieces(db, village, sha))

    def all(self) -> dict[str, dict[str, int]]:
        """Total and received of every blob, by its SHA-256."""
        with self._ledger.transaction() as db:
            return {
                row["sha"]: {"total": row["total"], "received": row["received"]}
                for row in db.execute("SELECT * FROM blob")
            }


def _held(db: sqlite3.Connection, village: str, sha: str) -> Held | None:
    row = db.execute("SELECT * FROM blob WHERE village = ? AND sha = ?", (village, sha)).fetchone()
    return None if row is None else Held(row["total"], row["received"], bool(row["whole"]))


def _begin(db: sqlite3.Connection, village: str, sha: str, total: int) -> Held:
    oldest = db.execute(
        "SELECT sha FROM blob WHERE village = ? AND NOT whole ORDER BY rowid DESC LIMIT -1 OFFSET ?",
        (village, _UNFINISHED_MOST - 1),
    ).fetchall()
    for row in oldest:
        _drop(db, village, row["sha"])
    db.execute("INSERT INTO blob (village, sha, total) VALUES (?, ?, ?)", (village, sha, total))
    return Held(total, 0, False)


def _drop(db: sqlite3.Connection, village: str, sha: str) -> None:
    db.execute("DELETE FROM piece WHERE village = ? AND sha = ?", (village, sha))
    db.execute("DELETE FROM blob WHERE village = ? AND sha = ?", (village, sha))


def _digest(db: sqlite3.Connection, village: str, sha: str) -> str:
    made = hashlib.sha256()
    for body in _pieces(db, village, sha):
        made.update(body)
    return made.hexdigest()


def _pieces(db: sqlite3.Connection, village: str, sha: str) -> list[bytes]:
    rows = db.execute("SELECT body FROM piece WHERE village = ? AND sha = ? ORDER BY start", (village, sha))
    return [row["body"] for row in rows]
