"""What the power cuts found becomes figures that tell the truth."""

from dataclasses import replace
from typing import Any

import pytest

from bench.power.cuts import Found
from bench.powercut import judge

GOOD = Found("plain", cuts=5, promised=400, recovered=5, rows=2_000, boots_s=[40.0])
LYING = replace(GOOD, kind="flakey", void=30, void_gone=30)


def test_nothing_lost_is_good() -> None:
    """The benchmark could never be green."""
    for found in (GOOD, LYING):
        assert all(figure["ok"] for figure in judge(found, cuts=5).values())


@pytest.mark.parametrize(
    ("changed", "bad"),
    [
        ({"cuts": 4}, "cuts"),
        ({"recovered": 4}, "journals_recovered"),
        ({"promised": 99}, "acknowledged"),
        ({"lost": ["0199: 404"]}, "acknowledged_lost"),
        ({"differ": ["0199: another ticket"]}, "differing"),
        ({"unsound": ["row 3 missing from index"]}, "unsound"),
        ({"missing": ["0199"]}, "not_at_portal"),
        ({"twice": ["+6281200000001: 2 requests"]}, "twice_at_portal"),
    ],
)
def test_whatever_is_amiss_shows(changed: dict[str, Any], bad: str) -> None:
    """A box that loses what it promised, or a cut that cut nothing, would look well."""
    figures = judge(replace(GOOD, **changed), cuts=5)
    assert [name for name, figure in figures.items() if not figure["ok"]] == [f"plain_{bad}"]


def test_a_drive_that_kept_what_it_should_have_dropped_shows() -> None:
    """A dm-flakey that never switched would prove nothing."""
    figures = judge(replace(LYING, void_gone=0), cuts=5)
    assert [name for name, figure in figures.items() if not figure["ok"]] == ["flakey_void_lost"]
