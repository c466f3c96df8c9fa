"""Which class uses which uplink: tables of steps."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from edge import config
from edge.marks import CLASSES
from edge.traffic.policy import Policy
from tests.unit.traffic.policy_steps import HOURS, NIGHT, STARTING, UP, At, Seen, verdicts, village, walk
from tests.unit.traffic.village import classes

FAILOVER = [
    At(0, STARTING, STARTING, "pde telkom pde", "pde is not judged yet", NIGHT),
    At(1, UP, UP, "pde telkom pde", "pde is up", NIGHT),
    At(10, ("down", "no-reply", 10), UP, "telkom telkom telkom", "pde is down (no-reply); telkom is up", NIGHT),
    At(20, ("up", "", 20), UP, "telkom telkom telkom", "back to it once it was well for 60 s", NIGHT),
    At(50, ("down", "carrier", 50), UP, "telkom telkom telkom", "pde is down (carrier); telkom is up", NIGHT),
    At(60, ("up", "", 60), UP, "telkom telkom telkom", "", NIGHT),
    At(119, ("up", "", 60), UP, "telkom telkom telkom", "", NIGHT),
    At(179, ("up", "", 60), UP, "telkom telkom telkom", "back to it once it was well for 120 s", NIGHT),
    At(180, ("up", "", 60), UP, "pde telkom pde", "back to pde: well for 120 s", NIGHT),
    At(181, ("up", "", 60), UP, "pde telkom pde", "pde is up", NIGHT),
]
ONE_STARTS_LATER = [
    At(0, STARTING, UP, "pde telkom pde", "pde is not judged yet"),
    At(1, ("up", "", 1), UP, "pde telkom pde", "pde is up"),
]
BROWNOUT_IN_HOURS = [
    At(0, UP, UP, "pde telkom pde"),
    At(5, ("degraded", "lossy", 5), ("degraded", "slow", 0), "pde telkom pde", "no other uplink is better"),
    At(6, ("degraded", "lossy", 5), STARTING, "pde telkom pde", "no other uplink is better"),
    At(7, ("degraded", "lossy", 5), UP, "telkom telkom telkom", "pde is degraded (lossy); telkom is up"),
    At(8, ("degraded", "dns", 5), ("degraded", "delayed", 8), "telkom telkom telkom", "telkom is degraded (delayed)"),
    At(9, ("up", "", 9), ("degraded", "delayed", 8), "pde telkom pde", "telkom is degraded (delayed); pde is up"),
]
BROWNOUT_AT_NIGHT = [
    At(0, UP, UP, "pde telkom pde", "", NIGHT),
    At(5, ("degraded", "slow", 5), UP, "pde telkom pde", "outside service hours it is only reported", NIGHT),
    At(6, ("down", "gateway", 6), UP, "telkom telkom telkom", "pde is down (gateway); telkom is up", NIGHT),
]
HOURS_BEGIN_AND_END = [
    At(0, UP, UP, "pde telkom pde", "", NIGHT),
    At(50, ("degraded", "slow", 50), UP, "pde telkom pde", "only reported", NIGHT),
    At(100, ("degraded", "slow", 50), UP, "telkom telkom telkom", "pde is degraded (slow); telkom is up", HOURS),
    At(200, ("up", "", 200), UP, "telkom telkom telkom", "well for 60 s", HOURS),
    At(999, ("up", "", 200), UP, "telkom telkom telkom", "in a pause of the service or after service hours", HOURS),
    At(1000, ("up", "", 200), UP, "pde telkom pde", "back to pde: well for 60 s", NIGHT),
]
IDLE: dict[str, Any] = {"service_hours": True, "service_idle": True}
PAUSE = [
    At(0, UP, UP, "pde telkom pde"),
    At(5, ("down", "carrier", 5), UP, "telkom telkom telkom"),
    At(10, ("up", "", 10), UP, "telkom telkom telkom", "", IDLE),
    At(60, ("up", "", 10), UP, "telkom telkom telkom", "", HOURS),
    At(70, ("up", "", 10), UP, "telkom telkom telkom", "in a pause", IDLE),
    At(129, ("up", "", 10), UP, "telkom telkom telkom", "in a pause", IDLE),
    At(130, ("up", "", 10), UP, "pde telkom pde", "back to pde", IDLE),
]
DEFERRAL_ENDS_WITH_A_FAULT = [
    At(0, ("down", "carrier", 0), UP, "telkom telkom telkom"),
    At(9, ("up", "", 9), UP, "telkom telkom telkom"),
    At(99, ("up", "", 9), UP, "telkom telkom telkom", "in a pause"),
    At(100, ("up", "", 9), ("degraded", "lossy", 100), "pde telkom pde", "telkom is degraded (lossy); pde is up"),
]
ALL_DOWN = [
    At(0, UP, UP, "pde telkom pde"),
    At(
        5, ("down", "gateway", 5), ("down", "carrier", 4), "pde telkom pde", "all its uplinks are down; it stays on pde"
    ),
    At(8, ("down", "gateway", 5), STARTING, "telkom telkom telkom", "telkom is not judged yet"),
    At(9, ("down", "gateway", 5), ("down", "carrier", 9), "telkom telkom telkom", "it stays on telkom"),
    At(12, ("up", "", 12), ("down", "carrier", 9), "pde telkom pde", "telkom is down (carrier); pde is up"),
    At(13, ("up", "", 12), UP, "pde telkom pde", "pde is up"),
]
DOWN_TO_DEGRADED = [
    At(0, UP, ("degraded", "lossy", 0), "pde telkom pde"),
    At(5, ("down", "captive-portal", 5), ("degraded", "lossy", 0), "telkom telkom telkom", "pde is down"),
    At(9, ("degraded", "lossy", 9), ("degraded", "lossy", 0), "telkom telkom telkom", "pde is degraded (lossy)"),
]
UNKNOWN_IS_NOT_DOWN = [
    At(0, ("degraded", "no-privilege", 0), ("down", "gateway", 0), "pde telkom pde", "not judged yet"),
    At(1, ("degraded", "no-privilege", 0), UP, "pde telkom pde", "not judged yet"),
    At(2, ("up", "no-targets", 2), UP, "pde telkom pde", "pde is up (no-targets)"),
]


@pytest.mark.parametrize(
    "steps",
    [
        FAILOVER,
        ONE_STARTS_LATER,
        BROWNOUT_IN_HOURS,
        BROWNOUT_AT_NIGHT,
        HOURS_BEGIN_AND_END,
        PAUSE,
        DEFERRAL_ENDS_WITH_A_FAULT,
        ALL_DOWN,
        DOWN_TO_DEGRADED,
        UNKNOWN_IS_NOT_DOWN,
    ],
)
def test_steps(steps: list[At]) -> None:
    """A wrong step is an office on a dead uplink, or traffic that is torn to and fro."""
    walk(steps, village())


SICK: Seen = ("degraded", "slow", 5.0)


@pytest.mark.parametrize(
    ("moves", "given", "uplinks"),
    [
        ("always", NIGHT, "telkom telkom telkom"),
        ("always", HOURS, "telkom telkom telkom"),
        ("never", HOURS, "pde telkom pde"),
        ("service-hours", HOURS, "telkom telkom telkom"),
        ("service-hours", NIGHT, "pde telkom pde"),
    ],
)
def test_what_a_brownout_moves(moves: str, given: dict[str, Any], uplinks: str) -> None:
    """The operator's word on brownouts would not count."""
    walk([At(0, UP, UP, "pde telkom pde"), At(9, SICK, UP, uplinks, "", given)], village(brownout_moves=moves))


def test_failback_in_service_hours_can_be_allowed() -> None:
    """An office that wants its first uplink back at once would wait for the evening."""
    policy = village(failback_in_service_hours="allowed")
    walk(
        [
            At(0, ("down", "carrier", 0), UP, "telkom telkom telkom"),
            At(9, ("up", "", 9), UP, "telkom telkom telkom"),
            At(69, ("up", "", 9), UP, "pde telkom pde"),
        ],
        policy,
    )


def test_guests_never_leave_a_degraded_uplink_and_go_back_without_a_pause() -> None:
    """Guests would crowd onto the office's healthy uplink, or stay there all day."""
    both = classes(uplinks=("telkom", "pde"), cap_mbit={"pde": 2.0})
    policy = Policy(both, config.Policy())
    policy.decide(verdicts(UP, UP), **HOURS, now=0)
    assert policy.decide(verdicts(UP, SICK), **HOURS, now=5).wifi.uplink == "telkom"
    assert policy.assignment.wifi.because == "telkom is degraded (slow); guests stay on a degraded uplink"
    assert policy.decide(verdicts(UP, ("down", "carrier", 6)), **HOURS, now=6).wifi.uplink == "pde"
    assert policy.decide(verdicts(UP, ("up", "", 10)), **HOURS, now=69).wifi.uplink == "pde"
    assert policy.decide(verdicts(UP, ("up", "", 10)), **HOURS, now=70).wifi.uplink == "telkom"


def test_a_flapping_uplink_must_be_well_for_longer_each_time() -> None:
    """The office's connections would be torn every other minute by an uplink with a loose plug."""
    policy, now, waited = village(), 0.0, []
    policy.decide(verdicts(UP, UP), **NIGHT, now=now)
    for _ in range(4):
        policy.decide(verdicts(("down", "carrier", now), UP), **NIGHT, now=now)
        assert policy.assignment.service.uplink == "telkom"
        since = now = now + 5
        policy.decide(verdicts(("up", "", since), UP), **NIGHT, now=now)
        now = policy.again_at(now=now) or now
        policy.decide(verdicts(("up", "", since), UP), **NIGHT, now=now)
        assert policy.assignment.service.uplink == "pde"
        waited.append(now - since)
    assert waited[0] == 60
    assert all(later > 1.5 * earlier for earlier, later in pairwise(waited))
    long_after = now + 20 * 1800
    policy.decide(verdicts(("down", "carrier", long_after), UP), **NIGHT, now=long_after)
    policy.decide(verdicts(("up", "", long_after), UP), **NIGHT, now=long_after)
    assert policy.again_at(now=long_after) == long_after + 60


def test_two_uplinks_that_sicken_in_turns_do_not_toss_the_service() -> None:
    """Every connection would break each time the worse of two bad uplinks changes."""
    policy, moved, before = village(), 0, "pde"
    for turn in range(60):
        now = turn * 20.0
        ill: Seen = ("degraded", "lossy", now)
        well: Seen = ("up", "", now)
        service = policy.decide(verdicts(*((ill, well) if turn % 2 == 0 else (well, ill))), **HOURS, now=now).service
        moved += service.uplink != before
        before = str(service.uplink)
    assert moved <= 6
    assert policy.decide(verdicts(("down", "carrier", 9999.0), well), **HOURS, now=9999).service.uplink == "telkom"


def test_the_kernels_assignment_is_adopted() -> None:
    """A restarted daemon must keep the uplink in use until it has judged; one no longer allowed is left at once."""
    policy = Policy(classes(), config.Policy(), adopted={"service": "telkom", "wifi": "pde"})
    after = policy.decide(verdicts(STARTING, STARTING), **HOURS, now=0)
    assert (after.service.uplink, after.service.because) == ("telkom", "as the kernel had it")
    assert after.wifi.uplink == "telkom", "guests may not use pde"
    judged = policy.decide(verdicts(("down", "carrier", 1), UP), **HOURS, now=1)
    assert judged.service.because == "pde is down (carrier); telkom is up"


def test_a_move_rests_on_the_facts_of_both_uplinks() -> None:
    """`uplink why` would claim what nobody measured."""
    policy = village()
    policy.decide(verdicts(UP, UP), **HOURS, now=0)
    choice = policy.decide(verdicts(("down", "gateway", 3), UP), **HOURS, now=3).service
    assert choice.evidence == ("pde: down measured", "telkom: up measured")


def test_the_next_decision_is_known_in_advance() -> None:
    """Nobody calls when a hold or a pause ends: the time must be told, and only while there is one."""
    policy = Policy(classes(), config.Policy(), adopted=dict.fromkeys(CLASSES, "telkom"))
    returned = verdicts(("up", "", 20), UP)
    policy.decide(returned, **HOURS, now=30)
    assert policy.again_at(now=30) == 80
    policy.decide(returned, **HOURS, now=80)
    assert policy.again_at(now=80) is None, "only the end of the hours can change anything"
    policy.decide(returned, **IDLE, now=90)
    assert policy.again_at(now=90) == 150
    policy.decide(returned, **IDLE, now=150)
    assert policy.assignment.service.uplink == "pde"
    assert policy.again_at(now=150) is None
    policy.decide(verdicts(("down", "no-reply", 160), UP), **HOURS, now=160)
    assert policy.again_at(now=160) is None


CHOSEN = HOURS | {"preferred": {"service": "telkom", "control": "telkom"}}
DEAD: Seen = ("down", "carrier", 20.0)


def test_a_choice_by_hand_from_beginning_to_end() -> None:
    """What a person chose would not happen, would outlast the uplink's life, or would not be undone."""
    walk(
        [
            At(0, UP, UP, "pde telkom pde"),
            At(10, UP, UP, "telkom telkom telkom", "chosen by hand; telkom is up", CHOSEN),
            At(15, UP, ("degraded", "lossy", 15), "telkom telkom telkom", "chosen by hand; telkom is degraded", CHOSEN),
            At(20, UP, DEAD, "pde telkom pde", "telkom is down (carrier); pde is up", CHOSEN),
            At(25, UP, ("degraded", "lossy", 25), "pde telkom pde", "pde is up", CHOSEN),
            At(30, UP, ("up", "", 30), "telkom telkom telkom", "chosen by hand; telkom is up", CHOSEN),
            At(70, UP, ("up", "", 30), "pde telkom pde", "the choice by hand has ended; pde is up", HOURS),
        ],
        village(),
    )


def test_a_flapping_choice_by_hand_is_damped_too() -> None:
    """A person's choice of a sick uplink would tear the service at every flap for two hours."""
    policy = village()
    policy.decide(verdicts(UP, UP), **CHOSEN, now=0)
    for now in (10.0, 20.0, 30.0):
        policy.decide(verdicts(UP, ("down", "carrier", now)), **CHOSEN, now=now)
        policy.decide(verdicts(UP, ("up", "", now + 5)), **CHOSEN, now=now + 5)
    assert policy.assignment.service.uplink == "pde"
    again = policy.again_at(now=35)
    assert again is not None
    assert policy.decide(verdicts(UP, ("up", "", 35)), **CHOSEN, now=again).service.uplink == "telkom"


def test_a_new_choice_by_hand_counts_at_once() -> None:
    """The officer would choose once more and nothing would happen."""
    policy = village()
    policy.decide(verdicts(UP, DEAD), **CHOSEN, now=20)
    policy.decide(verdicts(UP, ("degraded", "lossy", 25)), **CHOSEN, now=25)
    assert policy.assignment.service.uplink == "pde"
    policy.decide(verdicts(UP, ("degraded", "lossy", 25)), **HOURS, now=26)
    assert policy.decide(verdicts(UP, ("degraded", "lossy", 25)), **CHOSEN, now=27).service.uplink == "telkom"


@pytest.mark.parametrize("uplink", ["pde", "indihome"])
def test_a_choice_that_the_class_may_not_use_is_passed_over(uplink: str) -> None:
    """Guests would be sent through the government's network by a command."""
    policy = village()
    assert policy.decide(verdicts(UP, UP), **HOURS, preferred={"wifi": uplink}, now=0).wifi.uplink == "telkom"
