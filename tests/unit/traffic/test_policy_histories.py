"""What must hold for every history of two uplinks."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.marks import CLASSES
from edge.traffic.policy import Policy, standing
from tests.unit.traffic.policy_steps import STARTING, used, verdicts, village
from tests.unit.traffic.village import classes

LEVELS = st.tuples(
    st.sampled_from(["up", "degraded", "down"]),
    st.sampled_from(["", "starting", "carrier", "no-privilege", "slow"]),
)
STEP = st.fixed_dictionaries(
    {
        "pde": LEVELS,
        "telkom": LEVELS,
        "hours": st.booleans(),
        "idle": st.booleans(),
        "chosen": st.none() | st.sampled_from(["pde", "telkom"]),
        "after": st.floats(0.1, 500),
    }
)
HISTORY = st.lists(STEP, min_size=1, max_size=25)


class Past:
    """Feeds a history to a policy, with `since` as a monitor would tell it."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.now = 100.0
        self.seen = verdicts(STARTING, STARTING)

    def step(self, step: dict[str, Any], *, by_hand: bool) -> None:
        self.now += step["after"]
        levels = {name: (step[name][0], step[name][1]) for name in ("pde", "telkom")}
        since = {
            name: self.seen[name].since if self.seen[name].level == level else self.now
            for name, (level, _) in levels.items()
        }
        self.seen = verdicts(*((*levels[name], since[name]) for name in ("pde", "telkom")))
        self.decide(step["hours"], step["idle"], step["chosen"] if by_hand else None)

    def decide(self, hours: bool, idle: bool, chosen: str | None) -> None:
        preferred = dict.fromkeys(CLASSES, chosen) if chosen else {}
        self.policy.decide(self.seen, service_hours=hours, service_idle=idle, preferred=preferred, now=self.now)

    def rank(self, uplink: str | None) -> int:
        return {"up": 0, "unknown": 1, "degraded": 1, "down": 2}[standing(self.seen[str(uplink)])]


@given(HISTORY)
def test_whatever_happens(history: list[dict[str, Any]]) -> None:
    """No history may put a class on an uplink it may not use, nor leave the service on a dead one beside a living."""
    past = Past(village())
    for step in history:
        past.step(step, by_hand=True)
        assignment = past.policy.assignment
        for name in CLASSES:
            assert assignment[name].uplink in getattr(classes(), name).uplinks
            assert assignment[name].because
        if past.rank(assignment.service.uplink) == 2:
            assert {past.rank("pde"), past.rank("telkom")} == {2}
        again = past.policy.again_at(now=past.now)
        assert again is None or again > past.now
        past.decide(step["hours"], step["idle"], step["chosen"])
        assert used(past.policy.assignment) == used(assignment), "the same question, another answer"


@given(HISTORY)
def test_never_to_a_worse_uplink_and_never_to_and_fro(history: list[dict[str, Any]]) -> None:
    """Traffic would leave a well uplink for a worse one, or go back sooner than the hold allows."""
    past = Past(village())
    past.decide(hours=True, idle=False, chosen=None)
    for step in history:
        before = past.policy.assignment
        past.step(step, by_hand=False)
        for name in CLASSES:
            left, taken = before[name].uplink, past.policy.assignment[name].uplink
            if left == taken:
                continue
            assert past.rank(taken) <= past.rank(left)
            if past.rank(taken) == past.rank(left):
                assert taken == "pde", "of two equal ones the preferred"
            if past.rank(left) < 2 and standing(past.seen[str(left)]) != "degraded":
                assert past.now - past.seen[str(taken)].since >= 60


@settings(max_examples=60)
@given(HISTORY, st.booleans())
def test_in_the_end_every_class_is_on_its_first_choice(history: list[dict[str, Any]], hours: bool) -> None:
    """After a bad day the office would stay on its second uplink for good."""
    past = Past(village())
    for step in history:
        past.step(step, by_hand=True)
    past.now += 1
    past.seen = verdicts(("up", "", past.now), ("up", "", past.now))
    for _ in range(8):
        past.decide(hours, True, None)
        past.now = past.policy.again_at(now=past.now) or past.now
    assert used(past.policy.assignment) == "pde telkom pde"
    assert past.policy.again_at(now=past.now) is None
