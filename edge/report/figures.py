"""The figures of a month, as every form of the report shows them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from edge import config
from edge.monitor import history_rows as rows
from edge.monitor.rollup import Figures, total
from edge.report import choices
from edge.report.choices import Choice

EARLIER_MONTHS = 3
_HOUR = 3_600


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the calendar."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    def plus(self, months: int) -> Month:
        """The month so many later, or earlier."""
        year, number = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(year, number + 1)

    @classmethod
    def of(cls, moment: float, zone: ZoneInfo) -> Month:
        """The month that holds Unix time `moment` in `zone`."""
        there = datetime.fromtimestamp(moment, zone)
        return cls(there.year, there.month)

    @classmethod
    def parse(cls, text: str) -> Month:
        """A month written as 2026-10. Raises ValueError."""
        if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", text):
            raise ValueError(f"{text!r} is not a month; write it as 2026-10, from 2000-01 to 2099-12")
        return cls(int(text[:4]), int(text[5:]))


@dataclass(frozen=True, slots=True)
class Trouble:
    """An outage (down) or brownout (degraded) within the period; Unix seconds, cut at its edges.

    `ended_by` is "" while it lasts, ``recovered``, the other level, ``box-off`` (nothing is known after it), or why the
    box could look no longer.
    """

    level: str
    cause: str
    began: float
    ended: float
    ended_by: str

    @property
    def seconds(self) -> float:
        """How long it lasted within the period."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Day:
    """One day; `figures` is None when nothing was measured on it."""

    date: date
    figures: Figures | None
    outages: int
    brownouts: int


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a day: the share of it (0 to 1) that was down, degraded, and measured at all."""

    down: float
    degraded: float
    measured: float


@dataclass(frozen=True, slots=True)
class Line:
    """One uplink in the period. Contract in Mbit/s, None when the uplink is no longer configured.

    `hours` has a row of 24 for each of `days`; `earlier` are the months before, the latest last.
    """

    name: str
    download_mbit: float | None
    upload_mbit: float | None
    whole: Figures
    days: tuple[Day, ...]
    hours: tuple[tuple[Hour, ...], ...]
    troubles: tuple[Trouble, ...]
    earlier: tuple[tuple[Month, Figures], ...]

    def of_level(self, level: str) -> tuple[Trouble, ...]:
        """Its outages (down) or brownouts (degraded)."""
        return tuple(trouble for trouble in self.troubles if trouble.level == level)


@dataclass(frozen=True, slots=True)
class Report:
    """A month of a village, from `since` to `until` (Unix seconds; in a running month, the moment of making)."""

    village: config.Village
    month: Month
    since: int
    until: float
    made_at: float
    lines: tuple[Line, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The village's time zone."""
        return ZoneInfo(self.village.timezone)

    def coverage(self, figures: Figures) -> float:
        """The share of the period, 0 to 1, in which the box judged the uplink."""
        return min(1.0, figures.measured_ms / 1_000 / (self.until - self.since)) if self.until > self.since else 0.0


class NothingMeasured(Exception):
    """The store holds nothing of the month; the message says since when it does."""


def availability(figures: Figures, hours: str = "all") -> float | None:
    """The share of measured time, 0 to 1, in which the uplink carried anything; `hours` is all, service or outside."""
    up, down = figures.up_ms + figures.degraded_ms, figures.down_ms
    service_up, service_down = figures.service_up_ms + figures.service_degraded_ms, figures.service_down_ms
    if hours == "service":
        up, down = service_up, service_down
    elif hours == "outside":
        up, down = up - service_up, down - service_down
    return up / (up + down) if up + down > 0 else None


def mean_mbit(carried_bytes: int, figures: Figures) -> float | None:
    """Mean rate in Mbit/s over the time that was metered."""
    return carried_bytes * 8 / figures.metered_ms / 1_000 if figures.metered_ms else None


def gather(conn: sqlite3.Connection, settings: config.Config, month: Month, *, now: float) -> Report:
    """The figures of `month` as of Unix time `now`. Raises `NothingMeasured` and what SQLite does."""
    zone = ZoneInfo(settings.village.timezone)
    since, end = _start(month, zone), _start(month.plus(1), zone)
    until = max(float(since), min(float(end), now))
    days = rows.span(conn, "day", since, end, zone)
    names = dict.fromkeys([uplink.name for uplink in settings.uplink] + sorted(row.uplink for row in days))
    seen = {row.uplink for row in days}
    if not seen:
        raise NothingMeasured(_nothing(conn, month, zone))
    contracts = {uplink.name: (uplink.download_mbit, uplink.upload_mbit) for uplink in settings.uplink}
    hours = rows.span(conn, "hour", since, end, zone)
    months = rows.span(conn, "month", _start(month.plus(-EARLIER_MONTHS), zone), since, zone)
    troubles = rows.outages(conn, since, until)
    lines = []
    for name in names:
        if name not in seen:
            continue
        mine = _troubles(troubles, name, since, until)
        by_day = {_date(row.start, zone): row.figures for row in days if row.uplink == name}
        dates = _dates(month, datetime.fromtimestamp(until, zone))
        download, upload = contracts.get(name, (None, None))
        lines.append(
            Line(
                name,
                download,
                upload,
                total(by_day.values()),
                tuple(_day(each, by_day.get(each), mine, zone) for each in dates),
                _hours(dates, mine, {row.start: row.figures for row in hours if row.uplink == name}, by_day, zone),
                mine,
                tuple((Month.of(row.start, zone), row.figures) for row in months if row.uplink == name),
            )
        )
    by_hand = choices.between(rows.choices(conn, until), since, until)
    return Report(settings.village, month, since, until, now, tuple(lines), by_hand)


def _start(month: Month, zone: ZoneInfo) -> int:
    return int(datetime(month.year, month.number, 1, tzinfo=zone).timestamp())


def _date(moment: float, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(moment, zone).date()


def _dates(month: Month, until: datetime) -> list[date]:
    """The days of the month that have begun."""
    last = min(month.plus(1).first - timedelta(days=1), (until - timedelta(microseconds=1)).date())
    return [month.first + timedelta(days=number) for number in range((last - month.first).days + 1)]


def _troubles(found: Iterable[rows.OutageRow], name: str, since: float, until: float) -> tuple[Trouble, ...]:
    mine = []
    for row in found:
        began, ended = max(row.began, since), min(row.seen if row.ended is None else row.ended, until)
        if row.uplink == name and ended >= began:
            mine.append(Trouble(row.level, row.cause, began, ended, row.ended_by))
    return tuple(mine)


def _day(day: date, figures: Figures | None, troubles: Iterable[Trouble], zone: ZoneInfo) -> Day:
    begun = [trouble.level for trouble in troubles if _date(trouble.began, zone) == day]
    return Day(day, figures, begun.count("down"), begun.count("degraded"))


def _hours(
    dates: list[date],
    troubles: Iterable[Trouble],
    by_hour: dict[int, Figures],
    by_day: dict[date, Figures],
    zone: ZoneInfo,
) -> tuple[tuple[Hour, ...], ...]:
    """Trouble by the hour, from the outages; which hours were measured is known as long as their rows are kept."""
    lost: dict[tuple[int, str], float] = {}
    for trouble in troubles:
        at = int(trouble.began // _HOUR) * _HOUR
        while at < trouble.ended:
            share = (min(trouble.ended, at + _HOUR) - max(trouble.began, at)) / _HOUR
            lost[at, trouble.level] = lost.get((at, trouble.level), 0.0) + share
            at += _HOUR
    table = []
    for day in dates:
        start = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
        starts = [start + hour * _HOUR for hour in range(24)]
        kept = any(at in by_hour for at in starts)
        table.append(
            tuple(
                Hour(
                    min(1.0, lost.get((at, "down"), 0.0)),
                    min(1.0, lost.get((at, "degraded"), 0.0)),
                    by_hour[at].measured_ms / 1_000 / _HOUR if at in by_hour else float(not kept and day in by_day),
                )
                for at in starts
            )
        )
    return tuple(table)


def _nothing(conn: sqlite3.Connection, month: Month, zone: ZoneInfo) -> str:
    first, last = conn.execute("SELECT min(start), max(start) FROM rollup").fetchone()
    if first is None:
        return "nothing has been measured yet; the daemon writes its first minute within two minutes"
    return f"nothing was measured in {month}; the history goes from {Month.of(first, zone)} to {Month.of(last, zone)}"
