"""The rate of a timed fetch, by the second half of what came."""

from __future__ import annotations

import pytest

from edge.monitor.fetch import LEAST_BYTES, Stopwatch


def timed(*marks: tuple[float, int]) -> Stopwatch:
    stopwatch = Stopwatch()
    for now, length in marks:
        stopwatch.note(length, now=now)
    return stopwatch


@pytest.mark.parametrize(
    ("marks", "now", "wanted"),
    [
        ([(1.0, 50_000), (2.0, 100_000), (2.1, 200_000)], 2.1, 8.0),
        ([(0.0, 0), (1.0, 100_000)], 1.0, 0.8),
        ([(1.0, 100_000)], 1.0, None),
        ([(0.0, 1_000), (1.0, LEAST_BYTES - 1)], 1.0, None),
        ([], 1.0, None),
    ],
    ids=["slow start left out", "one burst", "one piece", "too little", "nothing"],
)
def test_rate_is_of_the_second_half(marks: list[tuple[float, int]], now: float, wanted: float | None) -> None:
    """Slow start would make every healthy uplink look slow; a tiny file would tell any rate at all."""
    assert timed(*marks).mbit(now=now) == (None if wanted is None else pytest.approx(wanted))
