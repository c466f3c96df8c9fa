"""Ten minutes of every fault in the village, as the benchmark runs them."""

import pytest

from bench import soak


@pytest.mark.long
@pytest.mark.timeout(1000)
def test_ten_minutes_of_faults_leave_a_fresh_box() -> None:
    """After a bad day the box would steer, leak or grow in a way that only a restart heals."""
    figures, _ = soak.run(quick=False)
    assert {name: figure for name, figure in figures.items() if not figure["ok"]} == {}
