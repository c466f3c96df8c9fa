"""The machine's clocks."""

from edge.clock import SystemClock


def test_monotonic_time_never_goes_back_and_wall_time_is_this_century() -> None:
    """Deadlines are counted on one, records are dated by the other."""
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.wall() > 946_684_800
