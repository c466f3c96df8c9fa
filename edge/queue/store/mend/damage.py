"""Rows whose check sum is wrong: put right where one bit is wrong, else moved out of the live tables, and named.

What was found stands in the table `damage`: `lost` names what is gone ("outbox 17", "outbox 17-23", "outbox 124-": all
after it), or is empty where nothing is; `detail` keeps what a bad row held (sealed fields stay sealed, hexadecimal).
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.queue.store import files, installation
from edge.queue.store.mend.record import Value
from edge.queue.store.mend.tables import Table, described

log = logging.getLogger("edge.queue.store")

REPLACED = "the whole file"  # the place of a damage for which the file was replaced by what still read
_DETAIL_MOST = 262_144
LISTED_MOST = 1000
_SEEN = "damage_seen"
# The first open row of a stream alone may go; whatever was lost or is older than it was, that must hold again.
_UNSETTLED = "('pending', 'waiting', 'held', 'leased', 'confirming', 'dead')"
ORDER_STREAMS = (
    (
        "UPDATE outbox SET state = 'held', leased_until = NULL WHERE stream IS NOT NULL "
        "AND state IN ('pending', 'waiting', 'leased') AND EXISTS (SELECT 1 FROM outbox AS earlier "
        f"WHERE earlier.stream = outbox.stream AND earlier.state IN {_UNSETTLED} AND earlier.seq < outbox.seq)"
    ),
    (
        "UPDATE outbox SET state = 'pending' WHERE state = 'held' AND NOT EXISTS (SELECT 1 FROM outbox AS earlier "
        f"WHERE earlier.stream = outbox.stream AND earlier.state IN {_UNSETTLED} AND earlier.seq < outbox.seq)"
    ),
)
COUNTED_DEPTHS = (
    "SELECT lane, state, count(*), ifnull(sum(length(payload)), 0) FROM outbox GROUP BY lane, state"  # as 0005 does
)


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing found: when (Unix seconds), in which file and where in it, what is lost by it, what is known of it."""

    found_at: float
    file: str
    place: str
    lost: str
    detail: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row whose sum is wrong: `place` is its rowid, or its key in a table without rowids."""

    table: str
    place: tuple[Value, ...]


def count_depths(conn: sqlite3.Connection) -> None:
    """Count anew what the triggers of the outbox keep, the depth of each lane and state: that table has no sums."""
    conn.execute("DELETE FROM outbox_depth")
    conn.execute(f"INSERT INTO outbox_depth {COUNTED_DEPTHS}")


def record(conn: sqlite3.Connection, found: Damage, *, into: str = "damage") -> None:
    """Write a finding down."""
    conn.execute(
        f"INSERT INTO {into} (found_at, file, place, lost, detail) VALUES (?, ?, ?, ?, ?)",
        (found.found_at, found.file, found.place, found.lost, found.detail[:_DETAIL_MOST]),
    )


def listed(conn: sqlite3.Connection, *, since: float = 0.0) -> list[Damage]:
    """What was found since then, the newest first, at most 1000."""
    rows = conn.execute(
        "SELECT found_at, file, place, lost, detail FROM damage WHERE found_at >= ? ORDER BY seq DESC LIMIT ?",
        (since, LISTED_MOST),
    )
    return [Damage(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Unseen:
    """What nobody has said to have seen: how much is lost, the last of it, and the last replacement."""

    losses: int
    last_lost: str
    replaced: str


def unread(path: Path) -> tuple[int, list[Damage]]:
    """What nobody has said to have seen, at most the first `LISTED_MOST`, and up to which number that goes.

    Raises `sqlite3.DatabaseError`; nothing is changed.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as conn:
        conn.text_factory = lenient
        last, since = _span(conn)
        rows = conn.execute(
            "SELECT seq, found_at, file, place, lost, detail FROM damage WHERE seq > ? AND seq <= ? "
            "ORDER BY seq LIMIT ?",
            (since, last, LISTED_MOST),
        ).fetchall()
        upto = rows[-1][0] if len(rows) == LISTED_MOST else last
        return upto, [Damage(*row[1:]) for row in rows]


def _span(conn: sqlite3.Connection) -> tuple[int, int]:
    """The last number given, and the last one seen."""
    (last,) = conn.execute("SELECT ifnull(max(seq), 0) FROM damage").fetchone()
    # A mark behind the last number is of a table that was itself lost: it would hide all that is found from now on.
    mark = int(installation.recall(conn, _SEEN) or 0)
    return last, mark if mark <= last else 0


def unseen(conn: sqlite3.Connection) -> Unseen:
    """What was found since `mark_seen` was last called; bits that were put right do not count."""
    _, since = _span(conn)
    (losses,) = conn.execute("SELECT count(*) FROM damage WHERE seq > ? AND lost <> ''", (since,)).fetchone()
    lost = _last(conn, "SELECT lost FROM damage WHERE seq > ? AND lost <> ''", since)
    replaced = _last(conn, f"SELECT detail FROM damage WHERE seq > ? AND place = '{REPLACED}'", since)
    return Unseen(losses, lost, replaced)


def _last(conn: sqlite3.Connection, asked: str, since: int) -> str:
    row = conn.execute(f"{asked} ORDER BY seq DESC LIMIT 1", (since,)).fetchone()
    return str(row[0]) if row is not None else ""


def mark_seen(conn: sqlite3.Connection, upto: int) -> None:
    """A person has seen what was found up to number `upto`."""
    installation.remember(conn, _SEEN, str(upto))


def content(table: Table, values: Sequence[Value]) -> str:
    """A row as JSON, blobs in hexadecimal."""
    shown = {
        column: value.hex() if isinstance(value, bytes) else value
        for column, value in zip(table.columns, values, strict=True)
    }
    return json.dumps(shown)


def lenient(raw: bytes) -> str:
    """A text of which some may be no UTF-8 (a connection's text_factory)."""
    return raw.decode(errors="surrogateescape")


def connect(path: Path) -> sqlite3.Connection:
    """A connection that reads damaged texts too, and lets rows go that others refer to."""
    connection = files.connect(path)
    connection.text_factory = lenient
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def set_right(path: Path, rows: Iterable[BadRow], *, now: float) -> list[Damage]:
    """Mend `rows`, or move them into `damage`; what was found, all of it durable. Waits for another writer's turn.

    A row that is right by now, or gone, is left alone. What refers to a row that is moved stays.
    """
    with closing(connect(path)) as connection:
        tables = described(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            found = [
                damage for row in rows if (damage := _one(connection, tables[row.table], row, path, now)) is not None
            ]
            for damage in found:
                record(connection, damage)
            if any(row.table == "outbox" for row in rows):
                for statement in ORDER_STREAMS:
                    connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    for damage in found:
        log.error("%s: %s in %s", damage.place, f"{damage.lost} is lost" if damage.lost else "one bit put right", path)
    return found


def _one(connection: sqlite3.Connection, table: Table, bad: BadRow, path: Path, now: float) -> Damage | None:
    where = " AND ".join(f'"{column}" = ?' for column in table.place)
    columns = ", ".join(f'"{column}"' for column in table.columns)
    row = connection.execute(f'SELECT {columns}, "sum" FROM "{table.name}" WHERE {where}', bad.place).fetchone()
    if row is None or table.right(row[:-1], row[-1]):
        return None
    *values, total = row
    place = f"{table.name} {' '.join(table.place)} {' '.join(str(part) for part in bad.place)}"
    better = table.mend(values, total)
    if better is not None and _update(connection, table, better, where, bad.place):
        return Damage(now, str(path), place, "", f"one bit of {table.name} {table.name_of(better)} was wrong")
    connection.execute(f'DELETE FROM "{table.name}" WHERE {where}', bad.place)
    return Damage(now, str(path), place, f"{table.name} {table.name_of(values)}", content(table, values))


def _update(
    connection: sqlite3.Connection, table: Table, values: Sequence[Value], where: str, place: tuple[Value, ...]
) -> bool:
    """Write a mended row over the damaged one; False when another row has taken its key."""
    setting = ", ".join(f'"{column}" = ?' for column in table.columns)
    try:
        connection.execute(f'UPDATE "{table.name}" SET {setting} WHERE {where}', (*values, *place))
    except sqlite3.IntegrityError:
        return False
    return True
