"""What a soak found becomes figures that tell the truth."""

from typing import Any

import pytest

from bench.soak import judge

GOOD: dict[str, Any] = {
    "faults": 48,
    "switches": 20,
    "unexplained": [],
    "part_failures": 0.0,
    "grown_mb": 0.5,
    "rss_mb": 66.0,
    "differences": [],
}


def test_a_clean_soak_is_good() -> None:
    """The soak could never be green."""
    assert all(figure["ok"] for figure in judge(GOOD, least_faults=40).values())


@pytest.mark.parametrize(
    ("found", "bad"),
    [
        ({"faults": 39}, "faults"),
        ({"switches": 0}, "switches"),
        ({"unexplained": ["service: pde -> telkom: "]}, "unexplained_switches"),
        ({"part_failures": 1.0}, "part_failures"),
        ({"part_failures": None}, "part_failures"),
        ({"grown_mb": 2.1}, "grown_mb"),
        ({"grown_mb": None}, "grown_mb"),
        ({"differences": ["- ip rule: 20100: ..."]}, "state_differences"),
    ],
)
def test_whatever_was_left_shows(found: dict[str, Any], bad: str) -> None:
    """A daemon that leaves something behind, or tells nothing, would look clean."""
    assert [name for name, figure in judge(GOOD | found, least_faults=40).items() if not figure["ok"]] == [bad]
