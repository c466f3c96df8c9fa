"""How much of an uplink the guests may take."""

import pytest

from edge.traffic.capacity import ACTIVE_BYTES_S, HOLD_S, Activity, guest_ceiling


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([(0, 0), (1, 0), (2, 100)], [False, False, False]),
        ([(0, 0), (1, ACTIVE_BYTES_S), (2, ACTIVE_BYTES_S)], [False, True, True]),
        ([(0, 10**9), (1, 10**9 + 1)], [False, False]),
        ([(0, 0), (1, 9_000), (1 + HOLD_S - 0.1, 9_000), (1 + HOLD_S, 9_000)], [False, True, True, False]),
        ([(0, 9_000), (1, 0), (2, 100)], [False, False, False]),
        ([(0, 0), (0, 90_000), (1, 90_000)], [False, False, False]),
    ],
    ids=["idle", "a click", "a restart of the daemon", "reading after a click", "a device came up again", "no time"],
)
def test_the_service_is_active_while_it_carries_and_a_while_after(
    steps: list[tuple[float, int]], wanted: list[bool]
) -> None:
    """Guests would crowd a person at the desk, or be kept small for nobody."""
    activity = Activity()
    assert [activity.active(carried, now=now) for now, carried in steps] == wanted


@pytest.mark.parametrize(
    ("ceiling", "busy", "active", "wanted"),
    [(100, 60, False, 100), (100, 60, True, 60), (40, 60, True, 40), (40, 60, False, 40)],
)
def test_guests_leave_room_only_while_the_service_is_active(
    ceiling: float, busy: float, active: bool, wanted: float
) -> None:
    """A village's own lower ceiling must hold in any case."""
    assert guest_ceiling(ceiling, busy, service_active=active) == wanted
