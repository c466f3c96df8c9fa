"""What is usual: learned soon, forgotten slowly, read back with suspicion."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.baseline import HOURS, MOST_SOURCES, Baseline

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def taught(values: list[float], hour: int | None = 9) -> Baseline:
    baseline = Baseline()
    for value in values:
        baseline.learn("a", value, hour)
    return baseline


def test_a_cold_start_is_usable_within_ten_minutes() -> None:
    """A box that was off would take a bad line for the usual one all day."""
    draw = random.Random(1)
    baseline = taught([20 + abs(draw.gauss(0, 5)) for _ in range(60)], None)
    assert baseline.usual("a", None, 80) == pytest.approx(23, abs=4)


def test_a_bad_evening_is_not_learned() -> None:
    """After some bad hours they would be the usual ones."""
    baseline = taught([20.0] * 100 + [400.0] * 360)
    assert (baseline.usual("a", 3, 80) or 0) <= 20 + 380 * 0.05


def test_an_hour_may_be_usually_slow_within_limits() -> None:
    """Either every busy hour alarms, or habit hides a brownout."""
    baseline = taught([20.0] * 100, 3)
    for _ in range(720):
        baseline.learn("a", 90.0, 9)
    night, morning = baseline.usual("a", 3, 80), baseline.usual("a", 9, 80)
    assert night is not None
    assert morning is not None
    assert morning - night > 20
    for _ in range(720):
        baseline.learn("a", 900.0, 9)
    floor = baseline.usual("a", None, 0)
    assert baseline.usual("a", 9, 80) == pytest.approx((floor or 0) + 80)


def test_unknown_is_none() -> None:
    """A made-up baseline would judge a new source."""
    assert Baseline().usual("a", 9, 80) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5_000), st.integers(0, HOURS - 1)), max_size=60))
def test_round_trip(lessons: list[tuple[str, float, int]]) -> None:
    """A restart would change what is usual."""
    baseline = Baseline()
    for name, value, hour in lessons:
        baseline.learn(name, value, hour)
    again = Baseline.load(json.loads(json.dumps(baseline.dump())))
    assert again.dump() == baseline.dump()


@given(ANY)
def test_rubbish_is_left_out(rubbish: object) -> None:
    """A damaged file would crash the monitor."""
    for found in (
        rubbish,
        {"sources": rubbish},
        {"sources": {"a": rubbish}},
        {"sources": {"a": {"floor_ms": rubbish}}},
    ):
        usual = Baseline.load(found).usual("a", 5, 80)
        assert usual is None or 0 <= usual <= 60_080


def test_bounded() -> None:
    """Sources that come and go would fill the memory."""
    baseline = Baseline()
    for number in range(3 * MOST_SOURCES):
        for hour in range(HOURS):
            baseline.learn(str(number), 20.0, hour)
    assert len(baseline.dump()["sources"]) == MOST_SOURCES
