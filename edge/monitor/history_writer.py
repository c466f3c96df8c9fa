"""What the history has yet to write, and the writing of it: bounded, once, and with the wall time it had.

Minutes, ended outages and decisions wait here until a store takes them; those that happened while the clock was not
trusted get their wall time when it is. Beyond its bound the oldest gives way.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import partial
from itertools import islice
from typing import Any, Protocol, TypeVar

from edge.monitor import history_rows as rows
from edge.monitor.outages import Outage
from edge.monitor.rollup import Figures

log = logging.getLogger("edge.monitor.history")
T = TypeVar("T")

MINUTES_HELD = 2 * 24 * 60
HELD = 1_000
RESUME_S = 120.0  # an outage that spans a restart this short is one outage
EARLY_S = 1.0  # a timer may fire this much before the wall's minute: what begins then is the next one


class Store(Protocol):
    """What the history asks of the durable store."""

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction; returns when it is durable."""
        ...

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` on a snapshot."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Minute:
    """A finished minute; `wall` is Unix time at its begin, None while not known. Packed, since many may wait."""

    began: float
    wall: float | None
    uplink: str
    values: tuple[int | bytes, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A decision at monotonic time `at`; `wall` is Unix time, None while not known."""

    at: float
    wall: float | None
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Now:
    """One moment by both clocks, the wall's being trusted."""

    monotonic: float
    wall: float

    def at(self, moment: float, wall: float | None) -> float:
        """Unix time of a monotonic moment, where `wall` is not known yet."""
        return self.wall - self.monotonic + moment if wall is None else wall


class Writer:
    """Holds and writes. `known(uplink)` says whether an uplink that is still configured has been judged yet."""

    def __init__(
        self, *, zone: tzinfo, service_hours: Callable[[float], bool], known: Callable[[str], bool], born: float
    ) -> None:
        self.minutes: deque[Minute] = deque(maxlen=MINUTES_HELD)
        self.ended: deque[Outage] = deque(maxlen=HELD)
        self.decisions: deque[Decision] = deque(maxlen=HELD)
        self._zone = zone
        self._service_hours = service_hours
        self._known = known
        self._born = born
        self._left: list[rows.OutageRow] | None = None
        self._passed_hour = 0

    async def write(self, store: Store, open_outages: Iterable[Outage], *, now: Now) -> None:
        """Write all that waits, a few hundred rows a transaction. Raises what the store does; what it took is gone."""
        if self._left is None:
            self._left = await store.read(rows.left_open)
        lasting = list(open_outages)
        more = True
        while more:
            over, waiting = self._settle_left(self._left, lasting, now)
            self._left = over + waiting
            minutes, ended, decisions = _first(self.minutes), _first(self.ended), _first(self.decisions)
            outages = ended + lasting
            work = partial(
                _write,
                minutes=[self._row(minute, now) for minute in minutes],
                outages=[_outage_row(outage, now) for outage in outages],
                decisions=[(now.at(each.at, each.wall), each.content) for each in decisions],
                over=over,
            )
            for outage, row in zip(outages, await store.write(work), strict=True):
                outage.row = row
            self._left = waiting
            _forget(self.minutes, minutes)
            _forget(self.ended, ended)
            _forget(self.decisions, decisions)
            more = rows.ROWS_MOST in (len(minutes), len(ended), len(decisions))

    async def pass_on(self, store: Store, uplinks: int, *, now: Now, hours: rows.OnHours | None = None) -> None:
        """Once an hour: add what is over to the coarser rows (`hours` is told of hours), then let the oldest go."""
        hour = rows.begin("hour", now.wall, self._zone)
        if hour == self._passed_hour:
            return
        for grain in rows.COARSER:
            while await store.write(partial(rows.pass_on, grain=grain, now=now.wall, zone=self._zone, hours=hours)):
                pass
        for grain in rows.KEPT:
            while await store.write(partial(rows.trim, grain=grain, uplinks=uplinks, now=now.wall)):
                pass
        for level in ("down", "degraded"):
            while await store.write(partial(rows.trim_outages, level=level)):
                pass
        self._passed_hour = hour

    def _row(self, minute: Minute, now: Now) -> rows.Row:
        start = int((now.at(minute.began, minute.wall) + EARLY_S) // 60) * 60
        figures = Figures.load(minute.values)
        return rows.Row(start, minute.uplink, figures.in_service() if self._service_hours(start) else figures)

    def _settle_left(
        self, left: list[rows.OutageRow], lasting: list[Outage], now: Now
    ) -> tuple[list[rows.OutageRow], list[rows.OutageRow]]:
        """Of the outages that the last run left open: those that ended with it, and those of which is not known yet.

        One that still holds after a short restart goes on: the outage that was found anew takes its row.
        """
        over, waiting = [], []
        for row in left:
            brief = abs(now.at(self._born, None) - row.seen) <= RESUME_S
            same = [each for each in lasting if (each.uplink, each.level, each.row) == (row.uplink, row.level, None)]
            if brief and same:
                began = now.at(same[0].began, same[0].began_wall)
                same[0].row, same[0].began, same[0].began_wall = row.id, same[0].began - began + row.began, row.began
            elif brief and not self._known(row.uplink):
                waiting.append(row)
            else:
                over.append(row)
        return over, waiting


def _write(
    conn: sqlite3.Connection,
    *,
    minutes: list[rows.Row],
    outages: list[rows.OutageRow],
    decisions: list[tuple[float, dict[str, Any]]],
    over: list[rows.OutageRow],
) -> list[int]:
    rows.add(conn, "minute", minutes)
    for left in over:
        rows.close_left(conn, left)
    if decisions:
        rows.keep_decisions(conn, decisions)
    return [rows.keep_outage(conn, outage) for outage in outages]


def _outage_row(outage: Outage, now: Now) -> rows.OutageRow:
    began = outage.began_wall = now.at(outage.began, outage.began_wall)
    last = now.monotonic if outage.ended is None else outage.ended
    seen = began + max(0.0, last - outage.began)
    ended = None if outage.ended is None else seen
    cause = outage.cause(now=now.monotonic)
    return rows.OutageRow(outage.row, outage.uplink, outage.level, cause, began, seen, ended, outage.ended_by)


def _first(waiting: Iterable[T]) -> list[T]:
    return list(islice(waiting, rows.ROWS_MOST))


def _forget(waiting: deque[T], written: Sequence[T]) -> None:
    """Take what was written from the head of `waiting`; more may have come, and the oldest may have given way."""
    done = {id(each) for each in written}
    while waiting and id(waiting[0]) in done:
        waiting.popleft()
