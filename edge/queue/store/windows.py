"""Which stamps belong to the last hour and day: one stretch of wall time, more where the clock was set since."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAY_S = 86_400.0
HOUR_S = 3_600.0
MOST_WINDOWS = 3
_COLUMN = re.compile(r"\[(\w+)\]")

Windows = tuple[tuple[float, float], ...]
"""Stretches of Unix time, at most `MOST_WINDOWS` that do not overlap: after the first moment, up to the second."""


@dataclass(frozen=True, slots=True)
class Recent:
    """The stamps of the last hour and day."""

    hour: Windows
    day: Windows

    @classmethod
    def at(cls, now: float) -> Recent:
        """Where the clock has always been right."""
        return cls(((now - HOUR_S, now),), ((now - DAY_S, now),))


def padded(windows: Windows) -> tuple[float, ...]:
    """The parameters of `within`: the bounds of all, then `MOST_WINDOWS` pairs; one that is left over holds nothing."""
    empty = ((1.0, 0.0),) * (MOST_WINDOWS - len(windows))
    first, last = min(since for since, _ in windows), max(until for _, until in windows)
    return first, last, *(bound for window in (*windows, *empty) for bound in window)


def within(statement: str) -> str:
    """`statement` with each "[column]" as the condition that the column lies in the windows that `padded` gives.

    The bounds of all stand in front, by which an index is searched.
    """
    return _COLUMN.sub(_condition, statement)


def _condition(found: re.Match[str]) -> str:
    one = f"{found[1]} > ? AND {found[1]} <= ?"
    return f"({one} AND ({' OR '.join([f'({one})'] * MOST_WINDOWS)}))"
