from __future__ import annotations

from itertools import pairwise

import pytest

from edge.queue.store.windows import MOST_WINDOWS, Windows, padded
from edge.sms.recent import Steps

NOW = 1_795_323_600.0
H = 3_600.0


def hour(steps: Steps, wall: float, monotonic: float, *, trusted: bool = True) -> Windows:
    steps.look(wall=wall, monotonic=monotonic, trusted=trusted)
    return steps.recent(wall=wall, monotonic=monotonic).hour


def test_a_clock_that_is_right_has_one_window() -> None:
    """Limits would count what is long over, or what is still to come."""
    steps = Steps(newest=NOW - 5)
    assert hour(steps, NOW, 9_000) == ((NOW - H, NOW),)
    assert hour(steps, NOW + 9 * H, 9_000 + 9 * H) == ((NOW + 8 * H, NOW + 9 * H),)
    assert hour(steps, NOW + 10 * H, 9_000 + 9 * H) == ((NOW + 9 * H, NOW + 10 * H),)  # trusted: nothing was wrong


def test_what_was_done_before_the_power_cut_counts_until_enough_time_has_passed() -> None:
    """A box that starts in 1970 would send its whole hour once more, or never again."""
    steps = Steps(newest=NOW)
    assert hour(steps, 20, 20, trusted=False) == ((20 - H, 20), (NOW - H + 20, NOW))
    assert hour(steps, 3_500, 3_500, trusted=False) == ((3_500 - H, 3_500), (NOW - 100, NOW))
    assert hour(steps, 3_700, 3_700, trusted=False) == ((100, 3_700),)
    assert hour(Steps(newest=NOW), 20, 20) == (
        (20 - H, 20),
    )  # a right clock: what lies ahead was stamped by a wrong one


def test_what_was_done_in_1970_counts_after_the_clock_is_set() -> None:
    """Each synchronisation would give the SIM another hour's budget."""
    steps = Steps(newest=NOW)
    hour(steps, 20, 20, trusted=False)
    assert hour(steps, NOW + 5 * H, 1_000) == ((0, 1_000), (NOW + 4 * H, NOW + 5 * H))
    assert hour(steps, NOW + 6 * H - 500, 4_100) == ((500, 1_000), (NOW + 5 * H - 500, NOW + 6 * H - 500))
    assert hour(steps, NOW + 6 * H + 1, 4_601) == ((NOW + 5 * H + 1, NOW + 6 * H + 1),)


def test_a_step_is_known_to_the_next_process() -> None:
    """A restart after the synchronisation would forget what was done before it."""
    steps = Steps()
    assert not steps.look(wall=20, monotonic=20, trusted=False)
    assert not steps.look(wall=60, monotonic=20.5, trusted=False)  # trimmed, not set
    assert steps.look(wall=NOW, monotonic=1_000, trusted=True)
    later = Steps(steps.dump())
    assert hour(later, NOW + 10, 1_010) == hour(steps, NOW + 10, 1_010)


@pytest.mark.parametrize("by", [120.0, -120.0, 2_000.0, -2_000.0])
def test_a_small_step_counts_nothing_twice(by: float) -> None:
    """A message would count twice where the windows overlap."""
    steps = Steps()
    hour(steps, NOW, 9_000, trusted=False)
    windows = hour(steps, NOW + by + 10, 9_010)
    assert all(since < until for since, until in windows)
    assert all(one[1] < other[0] for one, other in pairwise(windows))
    assert windows[-1][1] == max(NOW + by, NOW) + 10


def test_a_clock_that_never_stands_still_needs_no_more_windows() -> None:
    """A clock that is set all the time would make a statement with too many parameters."""
    steps = Steps(newest=NOW)
    for turn in range(50):
        hour(steps, 20 + 100_000 * (turn % 2), 20 + turn, trusted=False)
    steps = Steps(steps.dump(), newest=NOW)
    assert len(padded(hour(steps, 70, 70, trusted=False))) == 2 * MOST_WINDOWS + 2
