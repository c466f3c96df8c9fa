"""When the office serves: golden moments, and next_change against looking at every minute."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import config
from edge.monitor.calendar import Calendar

JAKARTA = ZoneInfo("Asia/Jakarta")
HOLIDAYS = {date(2026, 12, 25): "Natal", date(2026, 3, 19): "Nyepi"}


def calendar(**changed: Any) -> Calendar:
    return Calendar(config.Calendar(**changed), "Asia/Jakarta", HOLIDAYS)


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=JAKARTA).timestamp()


@pytest.mark.parametrize(
    ("moment", "changed", "serves"),
    [
        ("2026-10-05 07:29:59.9", {}, False),
        ("2026-10-05 07:30", {}, True),
        ("2026-10-05 15:29:59", {}, True),
        ("2026-10-05 15:30", {}, False),
        ("2026-10-09 14:30", {}, False),
        ("2026-10-09 07:00", {}, True),
        ("2026-10-10 10:00", {}, False),
        ("2026-10-11 10:00", {"hours": ("sun 09:00-11:00",)}, True),
        ("2026-10-05 12:30", {"hours": ("mon-fri 07:30-12:00,13:00-15:30",)}, False),
        ("2026-10-05 13:00", {"hours": ("mon-fri 07:30-12:00,13:00-15:30",)}, True),
        ("2026-10-05 20:00", {"hours": ("mon-fri 07:30-15:30", "mon 19:00-24:00")}, True),
        ("2026-10-06 00:00", {"hours": ("mon-fri 07:30-15:30", "mon 19:00-24:00")}, False),
        ("2026-12-25 10:00", {}, False),
        ("2026-12-25 10:00", {"holidays": "open"}, True),
        ("2026-12-25 10:00", {"days": {"2026-12-25": "08:00-12:00"}}, True),
        ("2026-12-24 10:00", {"days": {"2026-12-24": "closed"}}, False),
        ("2026-02-18 07:45", {}, True),
        ("2026-02-19 07:45", {}, False),
        ("2026-02-19 08:00", {}, True),
        ("2026-02-20 15:15", {}, True),
        ("2026-03-20 15:15", {}, True),
        ("2026-03-27 15:15", {}, False),
        ("2026-02-19 07:45", {"ramadan_hours": ()}, True),
        ("2026-02-19 07:45", {"ramadan": ("2026-02-20/2026-03-20",)}, True),
        ("2027-02-08 07:45", {"ramadan": ("2026-02-20/2026-03-20",)}, False),
    ],
)
def test_moments(moment: str, changed: dict[str, Any], serves: bool) -> None:
    """A brownout at the busy hour would only be reported, or the office's traffic moved at night."""
    assert calendar(**changed).service_hours(wall(moment), trusted=True) is serves


@pytest.mark.parametrize("moment", [0.0, 4_102_444_800.0, 1.0e9])
def test_an_untrusted_clock_always_serves(moment: float) -> None:
    """After a power cut the box would take a working day of 1970 for a night, whatever it says."""
    assert calendar(hours=()).service_hours(moment, trusted=False)
    assert calendar().hour_of_week(moment, trusted=False) is None


@pytest.mark.parametrize("moment", [0.0, -86_400.0, 4_102_444_800.0, 9_000_000_000.0])
def test_a_clock_decades_away_is_borne(moment: float) -> None:
    """A clock that jumps by years would end the steering of the uplinks."""
    year_long = calendar()
    assert year_long.service_hours(moment, trusted=True) in (True, False)
    assert moment < year_long.next_change(moment) < moment + 7 * 86_400


def test_the_hour_of_the_week() -> None:
    """What was learnt on Mondays would be held against Tuesdays."""
    assert calendar().hour_of_week(wall("2026-10-05 00:00"), trusted=True) == 0
    assert calendar().hour_of_week(wall("2026-10-06 13:59"), trusted=True) == 37
    assert calendar().hour_of_week(wall("2026-10-11 23:59:59"), trusted=True) == 167


def test_holidays_may_come_later() -> None:
    """The table that a child process brings after the start would never count."""
    table: dict[date, str] = {}
    late = Calendar(config.Calendar(), "Asia/Jakarta", table)
    assert late.service_hours(wall("2026-12-25 10:00"), trusted=True)
    table[date(2026, 12, 25)] = "Natal"
    assert not late.service_hours(wall("2026-12-25 10:00"), trusted=True)


def test_another_time_zone() -> None:
    """A village in the east would open with Jakarta."""
    east = Calendar(config.Calendar(), "Asia/Jayapura", {})
    assert east.service_hours(wall("2026-10-05 05:30"), trusted=True)
    assert not east.service_hours(wall("2026-10-05 14:00"), trusted=True)


def test_no_change_is_infinitely_far() -> None:
    """Whoever waits for hours that never come would look every second, or crash."""
    assert calendar(hours=(), ramadan_hours=()).next_change(wall("2026-10-05 10:00")) == inf
    always = calendar(hours=("mon-sun 00:00-24:00",), ramadan_hours=(), holidays="open")
    assert always.next_change(wall("2026-10-05 10:00")) == inf


SPANS = st.sampled_from(
    [
        "07:30-15:30",
        "07:00-14:30",
        "07:30-12:00,13:00-15:30",
        "00:00-24:00",
        "19:00-24:00",
        "00:00-01:00",
        "12:00-12:01",
    ]
)
WEEKS = st.dictionaries(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), SPANS, max_size=7)
DATES = st.dates(date(2026, 12, 20), date(2027, 3, 15))


@settings(deadline=None, max_examples=60)
@given(WEEKS, WEEKS, st.dictionaries(DATES, SPANS | st.just("closed"), max_size=5), DATES, st.floats(0, 86_399))
def test_next_change_against_every_minute(
    week: dict[str, str], ramadan: dict[str, str], days: dict[date, str], day: date, second: float
) -> None:
    """Hours would begin late: nobody looks again before the moment that next_change told."""
    office = calendar(
        hours=tuple(f"{name} {spans}" for name, spans in week.items()),
        ramadan_hours=tuple(f"{name} {spans}" for name, spans in ramadan.items()),
        days={one.isoformat(): spans for one, spans in days.items()},
    )
    start = datetime(day.year, day.month, day.day, tzinfo=JAKARTA).timestamp() + second
    found = office.next_change(start)
    before = office.service_hours(start, trusted=True)
    minute = (start // 60 + 1) * 60
    last = min(found, start + timedelta(days=9).total_seconds())
    while minute < last:
        assert office.service_hours(minute, trusted=True) == before
        minute += 60
    if found < inf:
        assert found > start
        assert office.service_hours(found, trusted=True) != before
        assert office.service_hours(found - 0.001, trusted=True) == before
