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
    """The bounds as `MOST_WINDOWS` pairs of parameters of a statement; pairs that are left over hold nothing."""
    empty = ((1.0, 0.0),) * (MOST_WINDOWS - len(windows))
    return tuple(bound for window in (*windows, *empty) for bound in window)


def within(statement: str) -> str:
    """`statement` with each "[column]" as the condition that the column lies in the windows that `padded` gives."""
    return _COLUMN.sub(
        lambda found: "(" + " OR ".join([f"({found[1]} > ? AND {found[1]} <= ?)"] * MOST_WINDOWS) + ")", statement
    )
