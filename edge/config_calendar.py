"""Pure: the mistakes in ``[calendar]`` that no pattern shows: hours that overlap, dates that do not exist."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from edge.config_problem import Findings
from edge.config_shape import Table, items, shown
from edge.monitor.hours import DAYS, Span, read_date, read_entry, read_period, read_spans, said

_T = TypeVar("_T")


def check_calendar(config: Table, findings: Findings) -> None:
    """Note every contradiction in the calendar of `config`, and what it leaves the policy without."""
    calendar = config.get("calendar", {})
    for key in ("hours", "ramadan_hours"):
        _check_week(f"calendar.{key}", items(calendar, key), findings)
    _check_days(calendar.get("days", {}), findings)
    _check_ramadan(items(calendar, "ramadan"), findings)
    moves = config.get("policy", {}).get("brownout_moves")
    if calendar.get("hours") == [] and not calendar.get("days") and moves == "service-hours":
        findings.warning(
            "calendar.hours",
            "is empty, so a degraded uplink is never left: policy.brownout_moves is service-hours",
            'Write the hours, or brownout_moves = "always" or "never".',
        )


def _check_week(path: str, entries: list[Any], findings: Findings) -> None:
    taken: list[tuple[int, Span, int]] = []
    for place, entry in enumerate(entries, 1):
        days, spans = (entry and _read(read_entry, entry, f"{path}[{place}]", _IN_ORDER, findings)) or ((), ())
        mine = [(day, span, place) for day in days for span in spans]
        _check_overlap(f"{path}[{place}]", mine, taken, findings)
        taken += mine


def _check_overlap(
    here: str, mine: list[tuple[int, Span, int]], taken: list[tuple[int, Span, int]], findings: Findings
) -> None:
    for day, (start, end), _ in mine:
        for other, (begins, ends), place in taken:
            if day == other and start < ends and begins < end:
                hours = (
                    f"{said(start)}-{said(end)} on {DAYS[day]} overlaps {said(begins)}-{said(ends)} of entry {place}"
                )
                findings.error(here, hours, "Give each hour of a day one entry.")
                return


def _check_days(days: dict[str, str], findings: Findings) -> None:
    for day, spans in days.items():
        here = f"calendar.days.{day[:45]}"
        _read(read_date, day, here, _DATE, findings)
        _read(read_spans, spans, here, _IN_ORDER, findings)


def _check_ramadan(periods: list[Any], findings: Findings) -> None:
    before: list[tuple[date, date]] = []
    for place, text in enumerate(periods, 1):
        here = f"calendar.ramadan[{place}]"
        period = text and _read(read_period, text, here, _PERIOD, findings)
        if not period:
            continue
        days = (period[1] - period[0]).days + 1
        if days not in (29, 30):
            findings.error(here, f"{shown(text)} has {days} days, wanted 29 or 30", "Correct its first or last day.")
        elif any(begins <= period[1] and period[0] <= ends for begins, ends in before):
            findings.error(here, f"{shown(text)} overlaps another period", "Write each Ramadan once.")
        before.append(period)


_DATE = "Write year, month and day, such as 2026-12-24."
_PERIOD = "Write the first and the last day, such as 2027-02-08/2027-03-09."
_IN_ORDER = "Write hours that follow each other, such as 07:30-12:00,13:00-15:30."


def _read(reader: Callable[[str], _T], text: str, here: str, remedy: str, findings: Findings) -> _T | None:
    try:
        return reader(text)
    except ValueError as error:
        findings.error(here, f"{shown(text)} {error}", remedy)
        return None
