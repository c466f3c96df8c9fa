"""How often a caller may call: steps of time, caller and cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.web.rate import Rate

STEPS = [
    # now, caller, cost -> seconds to wait
    (0.0, "a", 1.0, 0.0),
    (0.0, "a", 1.0, 0.0),
    (0.0, "a", 1.0, 0.5),
    (0.0, "b", 1.0, 0.0),
    (0.3, "a", 1.0, 0.2),
    (0.5, "a", 1.0, 0.0),
    (0.5, "a", 1.0, 0.5),
    (9.0, "a", 2.0, 0.0),
    (9.0, "a", 2.0, 1.0),
]


def test_a_bucket_fills_again() -> None:
    """A busy desk would be turned away for good, or one that never stops never."""
    rate = Rate(per_s=2, burst=2)
    for now, caller, cost, wanted in STEPS:
        assert rate.take(caller, now=now, cost=cost) == pytest.approx(wanted), (now, caller)


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc")), max_size=200))
def test_nobody_calls_more_than_the_rate(calls: list[tuple[float, str]]) -> None:
    """The bound would not hold for some order of calls."""
    rate, taken = Rate(per_s=3, burst=4), dict.fromkeys("abc", 0)
    now = 0.0
    for step, caller in calls:
        now += step
        taken[caller] += rate.take(caller, now=now) == 0.0
    assert all(count <= 4 + 3 * now + 1e-6 for count in taken.values())


def test_callers_are_forgotten() -> None:
    """A network scan with many addresses would fill the memory."""
    rate = Rate(per_s=1, burst=1)
    for number in range(3_000):
        assert rate.take(str(number), now=0.0) == 0.0
    assert len(rate._full_at) <= 1_024
    assert rate.take("2999", now=0.0) == 1.0
