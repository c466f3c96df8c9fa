"""Examine a store without changing it: SQLite's own check, every row's sum, references, gaps, and what `damage` says.

Works on a file that nobody holds and on one in use (it reads one snapshot and holds up no writer, though the log cannot
be folded past that snapshot in the meantime).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.queue.store import rowsum
from edge.queue.store.mend import walscan
from edge.queue.store.mend.damage import BadRow, Damage, lenient, listed
from edge.queue.store.mend.record import Value
from edge.queue.store.mend.tables import Table, summed

_FAULTS_MOST = 100
_STEP = 1000
# Ids of these are told to others or stand for something accepted: a gap in them is worth knowing, though old rows are
# deleted in time and a gap is no proof.
_COUNTED = ("outbox", "inbound", "outgoing")


@dataclass(frozen=True, slots=True)
class Findings:
    """What an examination found. `gaps` and `damage` tell of the past; the rest is wrong now."""

    problems: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]
    dangling: tuple[str, ...]
    gaps: tuple[str, ...]
    damage: tuple[Damage, ...]
    rows: int

    @property
    def well(self) -> bool:
        """Whether nothing is wrong now."""
        return not (self.problems or self.bad_rows or self.dangling)


def examine(path: Path, *, progress: Callable[[str, int], None] | None = None) -> Findings:
    """Examine the store at `path`; `progress` is called with a table's name and the rows seen of it.

    Damage of any kind is a finding. Raises OSError when there is no such file or it may not be read.
    """
    path.open("rb").close()  # SQLite would not tell why
    problems = list(log_problems(path))
    try:
        with closing(_open(path)) as connection:
            connection.execute("BEGIN")
            problems += structure(connection)
            tables = summed(connection)
            bad: list[BadRow] = []
            rows = 0
            for table in tables.values():
                for seen, wrong in bad_rows(connection, table):
                    rows += seen
                    bad += wrong[: _FAULTS_MOST - len(bad)]
                    if progress is not None:
                        progress(table.name, rows)
            told = tuple(listed(connection)) if "damage" in tables else ()
            return Findings(
                tuple(problems), tuple(bad), tuple(_dangling(connection)), tuple(_gaps(connection, tables)), told, rows
            )
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: SQLite quotes a damaged schema
        problems.append(str(error))
        return Findings(tuple(problems), (), (), (), (), 0)


def log_problems(path: Path) -> Iterator[str]:
    """What is wrong with the write-ahead log that SQLite would pass over in silence."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        found = walscan.scan(log.read_bytes())
        if found.damaged:
            yield f"the log {log.name} is damaged after frame {found.taken} of {found.committed}"


def structure(connection: sqlite3.Connection) -> list[str]:
    """What SQLite's integrity check finds wrong, indexes included; empty when it is well."""
    told = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_FAULTS_MOST})")]
    return [] if told == ["ok"] else [on_one_line(one) for one in told]


def on_one_line(told: str) -> str:
    """What SQLite's check says of a fault, without the heading that every such answer has."""
    return " ".join(told.removeprefix("*** in database main ***").split())


def bad_rows(connection: sqlite3.Connection, table: Table, *, step: int = _STEP) -> Iterator[tuple[int, list[BadRow]]]:
    """Walk a table: for each step the number of rows read and those whose sum is wrong."""
    after: tuple[Value, ...] | None = None
    while True:
        rows = read_step(connection, table, after, step)
        if not rows:
            return
        yield len(rows), wrong_in(table, rows)
        after = rows[-1][: len(table.place)]


def read_step(
    connection: sqlite3.Connection, table: Table, after: tuple[Value, ...] | None, step: int
) -> list[tuple[Value, ...]]:
    """The next rows in the table's own order, each as its place, its columns and its sum."""
    place = ", ".join(f'"{column}"' for column in table.place)
    columns = ", ".join(f'"{column}"' for column in table.columns)
    marks = ", ".join("?" for _ in table.place)
    where = "" if after is None else f"WHERE ({place}) > ({marks})"
    return [
        tuple(row)
        for row in connection.execute(
            f'SELECT {place}, {columns}, "sum" FROM "{table.name}" {where} ORDER BY {place} LIMIT ?',
            (*(after or ()), step),
        )
    ]


def wrong_in(table: Table, rows: list[tuple[Value, ...]]) -> list[BadRow]:
    """Those of `read_step`'s rows whose sum is wrong."""
    width = len(table.place)
    return [BadRow(table.name, row[:width]) for row in rows if not table.right(row[width:-1], row[-1])]


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.text_factory = lenient
    rowsum.register(connection)
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection


def _dangling(connection: sqlite3.Connection) -> list[str]:
    found: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found[table, parent] = found.get((table, parent), 0) + 1
    return [f"{rows} rows of {table} refer to a {parent} that is not there" for (table, parent), rows in found.items()]


def _gaps(connection: sqlite3.Connection, tables: dict[str, Table]) -> Iterator[str]:
    for name in _COUNTED:
        if name not in tables:
            continue
        key = tables[name].alias
        rows = connection.execute(
            f'SELECT here + 1, following - 1 FROM (SELECT "{key}" AS here, lead("{key}") OVER (ORDER BY "{key}") '
            f'AS following FROM "{name}") WHERE following > here + 1 LIMIT ?',
            (_FAULTS_MOST,),
        )
        yield from (f"{name} {first}" if last == first else f"{name} {first}-{last}" for first, last in rows)
