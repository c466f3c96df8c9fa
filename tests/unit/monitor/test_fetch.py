"""The rate of a timed fetch, by when how much had come."""

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
        ([(1.0, 50_000), (1.5, 100_000), (1.6, 200_000)], 1.6, 8.0),
        ([(1.0, 0), (4.9, 100_000), (5.0, 200_000)], 5.0, 0.4),
        ([(0.0, 0), (1.0, 100_000)], 1.0, 0.8),
        ([(1.0, 100_000)], 1.0, None),
        ([(0.0, 1_000), (1.0, LEAST_BYTES - 1)], 1.0, None),
        ([], 1.0, None),
    ],
    ids=["slow start left out", "held back by a retransmission", "one burst", "one piece", "too little", "nothing"],
)
def test_rate_leaves_slow_start_out(marks: list[tuple[float, int]], now: float, wanted: float | None) -> None:
    """Slow start would make every healthy uplink look slow; a tiny file would tell any rate at all."""
    assert timed(*marks).mbit(now=now) == (None if wanted is None else pytest.approx(wanted))
