"""The history's tables: works for the store, and what a report reads. Each takes the connection of a transaction.

The rows of `rollup` are additive: every measured second stands in exactly one row with ``passed = 0``. When its hour,
day or month is over a row is added to the coarser one and kept with ``passed = 1``. Minutes are appended, also when one
comes late or again (the clock was set back); hours, days and months are one row each, or two while something that came
late has not been passed on.

Bounds count rows, not age: a clock that jumps by years must not empty the tables. The oldest rows go first, and before
them any that lie in the future.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from edge.monitor.outages import BOX_OFF
from edge.monitor.rollup import Figures, total

KEPT = {"minute": 48 * 60, "hour": 90 * 24, "day": 36 * 31, "month": 36}  # rows an uplink
COARSER = {"minute": "hour", "hour": "day", "day": "month"}
OUTAGES_KEPT = 10_000  # of each level
DECISIONS_KEPT = 1_000
CHOICES_KEPT = 500  # apart from the others: a restless uplink must not push out who chose what
ROWS_MOST = 500  # of one transaction, so that requests need not wait
_FUTURE_S = 86_400

_CHOICE = '{"event": "choice",%'  # how the content of a choice by hand begins, as `json.dumps` writes it
_OUTAGE = "id, uplink, level, cause, began, seen, ended, ended_by"
_SELECT = """
    SELECT id, start, uplink,
        up_ms, degraded_ms, down_ms, service_up_ms, service_degraded_ms, service_down_ms, probes, lost,
        jitter_us, jitter_count, received_bytes, sent_bytes, metered_ms, peak_received_kbit, peak_sent_kbit, latency
    FROM rollup WHERE grain = ? AND """
_INSERT = """
    INSERT OR REPLACE INTO rollup (grain, start, uplink, passed,
        up_ms, degraded_ms, down_ms, service_up_ms, service_degraded_ms, service_down_ms, probes, lost,
        jitter_us, jitter_count, received_bytes, sent_bytes, metered_ms, peak_received_kbit, peak_sent_kbit, latency)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one uplink from `start` (Unix s) on; `id` is its place in the table, once it has one."""

    start: int
    uplink: str
    figures: Figures
    id: int | None = None


@dataclass(frozen=True, slots=True)
class OutageRow:
    """An outage as it is kept; times are Unix seconds, `seen` when it was last known to hold."""

    id: int | None
    uplink: str
    level: str
    cause: str
    began: float
    seen: float
    ended: float | None
    ended_by: str


OnHours = Callable[[sqlite3.Connection, Sequence[Row], float], None]
"""Told of hours in the transaction that writes them, with the Unix time of now."""


def begin(grain: str, moment: float, zone: tzinfo) -> int:
    """When the minute, hour, day or month that holds `moment` began (Unix s); days and months are the village's."""
    if grain in ("minute", "hour"):
        length = 60 if grain == "minute" else 3_600
        return int(moment // length) * length
    local = datetime.fromtimestamp(moment, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((local.replace(day=1) if grain == "month" else local).timestamp())


def add(conn: sqlite3.Connection, grain: str, rows: Iterable[Row], *, passed: int = 0) -> None:
    """Write rows; those of an hour, day or month are added to the one that is there."""
    for row in rows:
        figures = row.figures
        if grain != "minute":
            key = "grain <> 'minute' AND start = ? AND uplink = ? AND passed = ?"
            there = _read(conn, grain, key, (row.start, row.uplink, passed))
            figures = total([figures, *(each.figures for each in there)])
        conn.execute(_INSERT, (grain, row.start, row.uplink, passed, *figures.values()))


def pass_on(conn: sqlite3.Connection, grain: str, *, now: float, zone: tzinfo, hours: OnHours | None = None) -> bool:
    """Add rows of `grain` whose coarser span is over to it, at most `ROWS_MOST`; whether there may be more.

    `hours` is told, in the same transaction, of each hour that minutes were added to, as it stands now.
    """
    coarser = COARSER[grain]
    over = begin(coarser, now, zone)
    rows = list(_read(conn, grain, "passed = 0 AND start < ? ORDER BY start LIMIT ?", (over, ROWS_MOST)))
    sums: dict[tuple[int, str], Figures] = {}
    for row in rows:
        sums.setdefault((begin(coarser, row.start, zone), row.uplink), Figures()).add(row.figures)
    add(conn, coarser, (Row(start, uplink, figures) for (start, uplink), figures in sums.items()))
    for row in rows:
        _mark_passed(conn, grain, row)
    if hours is not None and grain == "minute" and sums:
        hours(conn, [_hour(conn, start, uplink) for start, uplink in sorted(sums)], now)
    return len(rows) == ROWS_MOST


def _hour(conn: sqlite3.Connection, start: int, uplink: str) -> Row:
    """The whole hour: what was passed on of it before, too."""
    there = _read(conn, "hour", "grain <> 'minute' AND start = ? AND uplink = ?", (start, uplink))
    return Row(start, uplink, total(row.figures for row in there))


def _mark_passed(conn: sqlite3.Connection, grain: str, row: Row) -> None:
    if not conn.execute("UPDATE OR IGNORE rollup SET passed = 1 WHERE id = ?", (row.id,)).rowcount:
        add(conn, grain, [row], passed=1)  # one that was passed before stands in the way: the two become one
        conn.execute("DELETE FROM rollup WHERE id = ?", (row.id,))


def trim(conn: sqlite3.Connection, grain: str, uplinks: int, *, now: float) -> bool:
    """Delete rows of `grain` beyond its bound for so many uplinks, at most `ROWS_MOST`; whether there may be more."""
    (count,) = conn.execute("SELECT count(*) FROM rollup WHERE grain = ?", (grain,)).fetchone()
    excess: int = min(ROWS_MOST, count - KEPT[grain] * uplinks)
    if excess <= 0:
        return False
    conn.execute(
        "DELETE FROM rollup WHERE id IN (SELECT id FROM rollup WHERE grain = ? ORDER BY start > ? DESC, start LIMIT ?)",
        (grain, now + _FUTURE_S, excess),
    )
    return excess == ROWS_MOST


def keep_outage(conn: sqlite3.Connection, row: OutageRow) -> int:
    """Write an outage, over itself when it has an id; its id."""
    if row.id is not None:
        conn.execute(
            "UPDATE outage SET cause = ?, seen = ?, ended = ?, ended_by = ? WHERE id = ?",
            (row.cause, row.seen, row.ended, row.ended_by, row.id),
        )
        return row.id
    (written,) = conn.execute(
        "INSERT INTO outage (uplink, level, cause, began, seen, ended, ended_by) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "RETURNING id",
        (row.uplink, row.level, row.cause, row.began, row.seen, row.ended, row.ended_by),
    ).fetchone()
    return int(written)


def trim_outages(conn: sqlite3.Connection, level: str) -> bool:
    """Delete the oldest outages of `level` beyond their bound, at most `ROWS_MOST`; whether there may be more."""
    (count,) = conn.execute("SELECT count(*) FROM outage WHERE level = ?", (level,)).fetchone()
    excess: int = min(ROWS_MOST, count - OUTAGES_KEPT)
    if excess > 0:
        conn.execute(
            "DELETE FROM outage WHERE id IN (SELECT id FROM outage WHERE level = ? ORDER BY id LIMIT ?)",
            (level, excess),
        )
    return excess == ROWS_MOST


def left_open(conn: sqlite3.Connection) -> list[OutageRow]:
    """The outages that nobody ended."""
    found = conn.execute(f"SELECT {_OUTAGE} FROM outage WHERE ended IS NULL ORDER BY id LIMIT ?", (ROWS_MOST,))  # noqa: S608 - a constant
    return [OutageRow(*row) for row in found]


def close_left(conn: sqlite3.Connection, row: OutageRow) -> None:
    """End an outage at the last moment it was known to hold: the box was off since."""
    conn.execute(
        "UPDATE outage SET ended = seen, ended_by = ? WHERE id = ? AND ended IS NULL",
        (BOX_OFF, row.id),
    )


def keep_decisions(conn: sqlite3.Connection, decisions: Sequence[tuple[float, dict[str, Any]]]) -> None:
    """Append decisions with their Unix time; only the last `CHOICES_KEPT` by hand and `DECISIONS_KEPT` others stay.

    The content of a choice by hand begins with its event.
    """
    conn.executemany(
        "INSERT INTO decision (at, content) VALUES (?, ?)",
        [(at, json.dumps(content, ensure_ascii=False)) for at, content in decisions],
    )
    for by_hand, kept in ((True, CHOICES_KEPT), (False, DECISIONS_KEPT)):
        if any((content.get("event") == "choice") is by_hand for _, content in decisions):
            conn.execute(
                "DELETE FROM decision WHERE id IN "
                "(SELECT id FROM decision WHERE (content LIKE ?) = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
                (_CHOICE, by_hand, kept),
            )


def decisions(conn: sqlite3.Connection, most: int) -> list[dict[str, Any]]:
    """The last decisions, the newest last, each with its Unix time as ``at``."""
    found = conn.execute("SELECT at, content FROM decision ORDER BY id DESC LIMIT ?", (most,)).fetchall()
    return [{"at": at} | json.loads(content) for at, content in reversed(found)]


def choices(conn: sqlite3.Connection, until: float) -> list[dict[str, Any]]:
    """The choices by hand before Unix time `until`, in the order they were made, as `decisions` gives them."""
    found = conn.execute(
        "SELECT at, content FROM decision WHERE content LIKE ? AND at < ? ORDER BY id", (_CHOICE, until)
    )
    return [{"at": at} | json.loads(content) for at, content in found]


def span(conn: sqlite3.Connection, grain: str, since: int, until: int, zone: tzinfo) -> list[Row]:
    """Every row of `grain` from `since` to before `until`, with what finer rows have not passed on yet."""
    sums: dict[tuple[int, str], Figures] = {}
    finer = list(KEPT)[: list(KEPT).index(grain)]
    for each in (grain, *finer):
        where = "start >= ? AND start < ?" + ("" if each == grain else " AND passed = 0")
        for row in _read(conn, each, where, (since, until)):
            sums.setdefault((begin(grain, row.start, zone), row.uplink), Figures()).add(row.figures)
    return [Row(start, uplink, figures) for (start, uplink), figures in sorted(sums.items(), key=lambda item: item[0])]


def outages(conn: sqlite3.Connection, since: float, until: float) -> list[OutageRow]:
    """Outages and brownouts that touch the time from `since` to `until`, in the order they began."""
    found = conn.execute(
        f"SELECT {_OUTAGE} FROM outage WHERE began < ? AND coalesce(ended, seen) >= ? ORDER BY began",  # noqa: S608 - a constant
        (until, since),
    )
    return [OutageRow(*row) for row in found]


def _read(conn: sqlite3.Connection, grain: str, where: str, values: Sequence[object]) -> Iterator[Row]:
    # `where` is one of this module's own constants; every value is a parameter.
    for row in conn.execute(_SELECT + where, (grain, *values)).fetchall():
        yield Row(row[1], row[2], Figures.load(row[3:]), row[0])
