"""The table of Ramadans: the moon allows no gap and no other length."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from edge.monitor.ramadan import RAMADAN


def test_each_is_a_lunar_month_after_the_last() -> None:
    """A slip in the table would give an office Ramadan's hours on the wrong days, or skip a year."""
    assert all((ends - begins).days + 1 in (29, 30) for begins, ends in RAMADAN)
    assert all(353 <= (later - earlier).days <= 356 for (earlier, _), (later, _) in pairwise(RAMADAN))
    assert RAMADAN[0][0].year <= 2026
    assert RAMADAN[-1][1] >= date(2040, 1, 1)


def test_the_announced_ones() -> None:
    """The years that the Ministry of Religious Affairs has announced are known to the day."""
    announced = {(date(2025, 3, 1), date(2025, 3, 30)), (date(2026, 2, 19), date(2026, 3, 20))}
    assert announced <= set(RAMADAN)
