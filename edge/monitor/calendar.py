"""Pure: when the office serves. Days written by hand first, then holidays, then Ramadan's hours, then the week's.

While wall time is not trusted it always counts as service hours: the careful choice where nobody knows the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

from edge import config
from edge.monitor.hours import Span, read_date, read_entry, read_period, read_spans
from edge.monitor.ramadan import RAMADAN

_FAR_DAYS = 400
Week = tuple[tuple[Span, ...], ...]


class Calendar:
    """The service hours of one office, for Unix seconds `wall` in its `timezone`.

    `holidays` is asked anew for every day, so a table that fills later is seen. `settings` must have passed
    check-config; ValueError otherwise. Made for time zones without summer time: where the clock is set forward or
    back, `next_change` may be off by that hour on that day.
    """

    def __init__(self, settings: config.Calendar, timezone: str, holidays: Mapping[date, str]) -> None:
        self._zone = ZoneInfo(timezone)
        self._week = _week(settings.hours)
        self._ramadan_week = _week(settings.ramadan_hours) if settings.ramadan_hours else self._week
        self._ramadan = _corrected(tuple(map(read_period, settings.ramadan)))
        self._days = {read_date(day): read_spans(spans) for day, spans in settings.days.items()}
        self._holidays = holidays if settings.holidays == "closed" else {}

    def service_hours(self, wall: float, *, trusted: bool) -> bool:
        """Whether the office serves at `wall`."""
        return not trusted or self._serves(datetime.fromtimestamp(wall, self._zone))

    def next_change(self, wall: float) -> float:
        """The first moment after `wall` at which hours begin or end; infinity when none does within 400 days."""
        today = datetime.fromtimestamp(wall, self._zone)
        serving = self._serves(today)
        for ahead in range(_FAR_DAYS):
            midnight = datetime.combine(today.date() + timedelta(days=ahead), datetime.min.time())
            for minute in (minute for span in self._spans(midnight.date()) for minute in span):
                moment = (midnight + timedelta(minutes=minute)).replace(tzinfo=self._zone)
                if moment.timestamp() > wall and self._serves(moment) != serving:
                    return moment.timestamp()
        return inf

    def hour_of_week(self, wall: float, *, trusted: bool) -> int | None:
        """0 to 167, Monday midnight is 0; None while wall time is not trusted."""
        if not trusted:
            return None
        local = datetime.fromtimestamp(wall, self._zone)
        return local.weekday() * 24 + local.hour

    def _serves(self, local: datetime) -> bool:
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self._spans(local.date()))

    def _spans(self, day: date) -> tuple[Span, ...]:
        if day in self._days:
            return self._days[day]
        if day in self._holidays:
            return ()
        fasting = any(begins <= day <= ends for begins, ends in self._ramadan)
        return (self._ramadan_week if fasting else self._week)[day.weekday()]


def _week(entries: Sequence[str]) -> Week:
    spans: list[list[Span]] = [[] for _ in range(7)]
    for days, written in map(read_entry, entries):
        for day in days:
            spans[day] += written
    return tuple(tuple(sorted(day)) for day in spans)


def _corrected(written: Sequence[tuple[date, date]]) -> tuple[tuple[date, date], ...]:
    """The known periods, each replaced by the one written for the same month."""
    known = [
        (begins, ends)
        for begins, ends in RAMADAN
        if not any(first <= ends and begins <= last for first, last in written)
    ]
    return (*written, *known)
