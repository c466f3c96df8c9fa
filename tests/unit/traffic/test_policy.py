"""Which class uses which uplink: tables of steps, and what must hold for every history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import Level
from edge.marks import CLASSES
from edge.monitor.verdict import Cause, Verdict
from edge.traffic.policy import NOTHING, Assignment, adopt, again_at, decide, standing
from tests.unit.traffic.village import classes

HOLD_S = 60.0
Judged = dict[str, tuple[Level, Cause, float]]


def verdicts(judged: Judged) -> dict[str, Verdict]:
    return {name: Verdict(name, level, cause, 0.0, None, since) for name, (level, cause, since) in judged.items()}


def decided(judged: Judged, before: Assignment, now: float) -> Assignment:
    return decide(classes(), verdicts(judged), before, hold_s=HOLD_S, now=now)


UP: tuple[Level, Cause, float] = ("up", "", 0.0)
STARTING: tuple[Level, Cause, float] = ("down", "starting", 0.0)

# (time, verdict of pde, verdict of telkom, wanted uplinks of service, wifi and control, words of the service's reason)
Step = tuple[float, tuple[Level, Cause, float], tuple[Level, Cause, float], str, str]
FAILOVER: list[Step] = [
    (0, STARTING, STARTING, "pde telkom pde", "not judged yet"),
    (1, UP, UP, "pde telkom pde", "pde is up"),
    (10, ("down", "no-reply", 10), UP, "telkom telkom telkom", "pde is down (no-reply); telkom is up"),
    (20, ("up", "", 20), UP, "telkom telkom telkom", "pde is down (no-reply); telkom is up"),
    (50, ("down", "carrier", 50), UP, "telkom telkom telkom", "pde is down (no-reply)"),
    (60, ("up", "", 60), UP, "telkom telkom telkom", "pde is down (no-reply)"),
    (119, ("up", "", 60), UP, "telkom telkom telkom", "pde is down (no-reply)"),
    (120, ("up", "", 60), UP, "pde telkom pde", "back to pde: well for 60 s"),
]
BROWNOUT: list[Step] = [
    (0, UP, UP, "pde telkom pde", ""),
    (5, ("degraded", "lossy", 5), ("degraded", "lossy", 0), "pde telkom pde", ""),
    (6, ("degraded", "lossy", 5), STARTING, "pde telkom pde", ""),
    (7, ("degraded", "lossy", 5), UP, "telkom telkom telkom", "pde is degraded (lossy); telkom is up"),
    (8, ("degraded", "lossy", 5), ("degraded", "delayed", 8), "telkom telkom telkom", "pde is degraded"),
    (9, ("up", "", 9), ("degraded", "delayed", 8), "pde telkom pde", "telkom is degraded (delayed); pde is up"),
]
ALL_DOWN: list[Step] = [
    (0, UP, UP, "pde telkom pde", ""),
    (5, ("down", "gateway", 5), ("down", "carrier", 4), "pde telkom pde", "all its uplinks are down; it stays on pde"),
    (8, ("down", "gateway", 5), STARTING, "telkom telkom telkom", "telkom is not judged yet"),
    (9, ("down", "gateway", 5), ("down", "carrier", 9), "telkom telkom telkom", "it stays on telkom"),
    (12, ("up", "", 12), ("down", "carrier", 9), "pde telkom pde", "telkom is down (carrier); pde is up"),
    (13, ("up", "", 12), UP, "pde telkom pde", "telkom is down (carrier); pde is up"),
]
RETURN_IN_PLACE: list[Step] = [
    (0, UP, UP, "pde telkom pde", ""),
    (5, ("down", "gateway", 5), ("down", "carrier", 4), "pde telkom pde", "all its uplinks are down"),
    (9, ("up", "", 9), ("down", "carrier", 4), "pde telkom pde", "pde is up"),
]
UNKNOWN_IS_NOT_DOWN: list[Step] = [
    (0, ("degraded", "no-privilege", 0), UP, "telkom telkom telkom", "telkom is up"),
    (1, ("degraded", "no-privilege", 0), ("degraded", "no-privilege", 1), "telkom telkom telkom", "telkom is up"),
    (2, ("up", "no-targets", 2), ("down", "carrier", 2), "pde telkom pde", "pde is up (no-targets)"),
]


@pytest.mark.parametrize("steps", [FAILOVER, BROWNOUT, ALL_DOWN, RETURN_IN_PLACE, UNKNOWN_IS_NOT_DOWN])
def test_steps(steps: list[Step]) -> None:
    """A wrong step is an office on a dead uplink, or traffic that is torn to and fro."""
    assignment = NOTHING
    for now, pde, telkom, uplinks, because in steps:
        assignment = decided({"pde": pde, "telkom": telkom}, assignment, now)
        assert " ".join(str(assignment[name].uplink) for name in CLASSES) == uplinks, f"at {now}"
        assert because in assignment.service.because, f"at {now}"


def test_the_kernels_assignment_is_adopted() -> None:
    """A restarted daemon must keep the uplink in use until it has judged; one no longer allowed is left at once."""
    before = adopt({"service": "telkom", "wifi": "pde"})
    after = decided({"pde": STARTING, "telkom": STARTING}, before, 0)
    assert after.service.uplink == "telkom"
    assert after.service.because == "as the kernel had it"
    assert after.wifi.uplink == "telkom", "guests may not use pde"
    judged = decided({"pde": ("down", "carrier", 1), "telkom": UP}, after, 1)
    assert (judged.service.uplink, judged.service.because) == ("telkom", "telkom is up")


def test_the_next_failback_is_known_in_advance() -> None:
    """Nobody calls when a hold ends: the time to decide again must be told, and only while there is one."""
    on_telkom = adopt(dict.fromkeys(CLASSES, "telkom"))
    judged = verdicts({"pde": ("up", "", 20.0), "telkom": UP})
    assert again_at(classes(), judged, on_telkom, hold_s=HOLD_S) == 80
    assert again_at(classes(), judged, adopt({"service": "pde", "control": "pde"}), hold_s=HOLD_S) is not None
    assert again_at(classes(), judged, adopt({"service": "pde", "wifi": "telkom", "control": "pde"}), hold_s=60) is None
    down = verdicts({"pde": ("down", "no-reply", 20.0), "telkom": UP})
    assert again_at(classes(), down, on_telkom, hold_s=HOLD_S) is None


LEVELS: st.SearchStrategy[tuple[Level, Cause, float]] = st.tuples(
    st.sampled_from(["up", "degraded", "down"]),
    st.sampled_from(["", "starting", "carrier", "no-privilege"]),
    st.floats(0, 100),
)


@given(st.lists(st.fixed_dictionaries({}, optional={"pde": LEVELS, "telkom": LEVELS}), min_size=1, max_size=12))
def test_whatever_happens(history: list[Judged]) -> None:
    """No history may put a class on an uplink it may not use, nor leave the service on a dead one beside a living."""
    assignment, now = NOTHING, 100.0
    for judged in history:
        assignment = decided(judged, assignment, now)
        seen = {name: standing(verdicts(judged).get(name)) for name in ("pde", "telkom")}
        for name in CLASSES:
            uplink = assignment[name].uplink
            assert uplink in getattr(classes(), name).uplinks
            assert assignment[name].because
        assert seen[assignment.service.uplink or ""] != "down" or set(seen.values()) == {"down"}
        again = decided(judged, assignment, now)
        assert [again[name].uplink for name in CLASSES] == [assignment[name].uplink for name in CLASSES]
        now += 1
