"""How service hours are written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from edge.monitor.hours import read_date, read_entry, read_period, read_spans, said

HALF_PAST_SEVEN, NOON, ONE = 450, 720, 780


@pytest.mark.parametrize(
    ("text", "days", "spans"),
    [
        ("mon 07:30-12:00", (0,), ((HALF_PAST_SEVEN, NOON),)),
        ("mon-thu 07:30-12:00", (0, 1, 2, 3), ((HALF_PAST_SEVEN, NOON),)),
        ("sat-mon 13:00-24:00", (5, 6, 0), ((ONE, 1440),)),
        ("sun-sun 00:00-00:01", (6,), ((0, 1),)),
        ("fri 13:00-14:30,07:30-12:00", (4,), ((HALF_PAST_SEVEN, NOON), (ONE, 870))),
        ("tue 07:30-12:00,12:00-13:00", (1,), ((HALF_PAST_SEVEN, NOON), (NOON, ONE))),
    ],
)
def test_an_entry(text: str, days: tuple[int, ...], spans: tuple[tuple[int, int], ...]) -> None:
    """The office would be open on other days than it wrote."""
    assert read_entry(text) == (days, spans)


def test_closed_has_no_hours() -> None:
    """A closed day would be refused, or be open."""
    assert read_spans("closed") == ()


@pytest.mark.parametrize(
    ("reader", "text", "reason"),
    [
        (read_spans, "08:00-08:00", "has hours that end before they begin"),
        (read_spans, "07:30-12:00,11:59-13:00", "has hours that overlap from 11:59 on"),
        (read_date, "2027-02-29", "is no date"),
        (read_date, "20270208", "is no date"),
        (read_date, "2027-W06-1", "is no date"),
        (read_period, "2027-02-08", "is no date"),
        (read_period, "2027-03-09/2027-03-08", "ends before it begins"),
    ],
)
def test_what_is_refused(reader: Callable[[str], object], text: str, reason: str) -> None:
    """A slip of the pen would close the office, or open it for a year."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        reader(text)


def test_dates() -> None:
    """A period would lose its first or last day."""
    assert read_period("2027-02-08/2027-03-09") == (date(2027, 2, 8), date(2027, 3, 9))
    assert said(HALF_PAST_SEVEN) == "07:30"
