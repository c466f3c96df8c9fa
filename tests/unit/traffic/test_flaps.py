"""How the hold grows with flaps and is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import config
from edge.traffic.flaps import Flaps

HALF_LIFE_S = 1800.0
SETTINGS = config.Policy(failback_hold_s=60, failback_most_s=3600, flap_half_life_s=HALF_LIFE_S)


def held(times: list[float], at: float, settings: config.Policy = SETTINGS) -> float:
    flaps = Flaps(settings)
    for now in times:
        flaps.stands("pde", well=False, since=now)
        flaps.left("pde")
        flaps.stands("pde", well=True, since=now)
    return flaps.hold_s("pde", at=at)


@pytest.mark.parametrize(
    ("times", "at", "hold_s"),
    [
        ([], 0, 60),
        ([0], 0, 60),
        ([0, 0], 0, 120),
        ([0, 0, 0], 0, 240),
        ([0, 0, 0], HALF_LIFE_S, 120),
        ([0, 0, 0], HALF_LIFE_S * 2, 60),
        ([0, 0, 0], HALF_LIFE_S * 50, 60),
        ([0] * 40, 0, 3600),
        ([0] * 40, HALF_LIFE_S, 1800),
        ([0, HALF_LIFE_S], HALF_LIFE_S, 60),
        ([0, HALF_LIFE_S / 2], HALF_LIFE_S / 2, 60 * 2**0.5),
    ],
)
def test_the_hold(times: list[float], at: float, hold_s: float) -> None:
    """A restless uplink would be gone back to every minute, or a calm one be shunned for the day."""
    assert held(times, at) == pytest.approx(hold_s)


def test_time_in_which_it_is_ill_forgives_nothing() -> None:
    """A link that is ill for half an hour between two flaps would take the office with it every time, all day."""
    flaps = Flaps(SETTINGS)
    at = 0.0
    holds = []
    for _ in range(5):
        flaps.stands("pde", well=False, since=at)
        flaps.left("pde")
        at += HALF_LIFE_S
        flaps.stands("pde", well=True, since=at)
        holds.append(flaps.hold_s("pde", at=at))
        at += 60
    assert holds == sorted(holds)
    assert holds[-1] > 10 * holds[0]
    assert flaps.hold_s("pde", at=at + 5 * HALF_LIFE_S) == 60


def test_a_relapse_within_the_hold_is_a_flap() -> None:
    """A link that is well for half a minute again and again would be gone back to as soon as it lasts a whole one."""
    flaps = Flaps(SETTINGS)
    flaps.left("pde")
    for at in (0.0, 60.0, 120.0):
        flaps.stands("pde", well=True, since=at)
        flaps.stands("pde", well=False, since=at + 30)
    assert flaps.hold_s("pde", at=200) == pytest.approx(60 * 2**3, rel=0.05)
    flaps.stands("telkom", well=True, since=0)
    flaps.stands("telkom", well=False, since=1)
    assert flaps.hold_s("telkom", at=2) == 60, "nobody had left it"


def test_each_uplink_has_its_own_past() -> None:
    """The uplink that works would be held responsible for the one that does not."""
    flaps = Flaps(SETTINGS)
    flaps.left("pde")
    flaps.left("pde")
    assert flaps.hold_s("pde", at=0) == 60, "two classes left it, for one illness"
    flaps.stands("pde", well=True, since=0)
    flaps.stands("pde", well=False, since=0)
    flaps.left("pde")
    assert flaps.hold_s("telkom", at=0) == 60
    assert flaps.penalty_s("telkom", at=0) == 0
    assert flaps.penalty_s("pde", at=0) == 60


@pytest.mark.parametrize(("hold_s", "most_s"), [(0, 3600), (0, 0), (600, 600)])
def test_a_hold_that_cannot_grow(hold_s: float, most_s: float) -> None:
    """A village without a hold would divide by nought."""
    settings = config.Policy(failback_hold_s=hold_s, failback_most_s=most_s)
    assert held([0, 0, 0], 0, settings) == hold_s


@given(st.lists(st.floats(0, 1e6), max_size=50), st.floats(0, 2e6), st.floats(0, 1e5), st.floats(0, 1e5))
def test_the_hold_stays_in_its_bounds(times: list[float], at: float, hold_s: float, most_s: float) -> None:
    """No past may make an uplink unusable for longer than the operator allowed, nor the hold shorter than asked."""
    settings = config.Policy(failback_hold_s=hold_s, failback_most_s=most_s)
    upper = max(hold_s, most_s)
    assert hold_s <= held(sorted(times), at, settings) <= upper * (1 + 1e-9)
