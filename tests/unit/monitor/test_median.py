"""The median, against the standard library's."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.median import median


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_the_middle_is_the_standard_librarys(values: list[float]) -> None:
    """An uplink's round trip is judged by another value than the page shows."""
    assert median(values) == statistics.median(values)


def test_nothing_has_no_middle() -> None:
    """A window without an answer is given a round trip."""
    with pytest.raises(ValueError, match="the median of nothing"):
        median([])
