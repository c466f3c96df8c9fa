"""Steps of a village's day: what is judged when, and which uplinks the classes use then."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge import config
from edge.events import Level
from edge.marks import CLASSES
from edge.monitor.verdict import Cause, Verdict
from edge.traffic.policy import Assignment, Policy
from tests.unit.traffic.village import classes

Seen = tuple[Level, Cause, float]
UP: Seen = ("up", "", 0.0)
STARTING: Seen = ("down", "starting", 0.0)
HOURS: dict[str, Any] = {"service_hours": True}
NIGHT: dict[str, Any] = {"service_hours": False}


def verdicts(pde: Seen, telkom: Seen) -> dict[str, Verdict]:
    return {
        name: Verdict(name, level, cause, 0.0, None, since, evidence=(f"{level} measured",))
        for name, (level, cause, since) in (("pde", pde), ("telkom", telkom))
    }


def used(assignment: Assignment) -> str:
    return " ".join(str(assignment[name].uplink) for name in CLASSES)


@dataclass(frozen=True)
class At:
    """One step: time, verdicts of pde and telkom, wanted uplinks of service, wifi and control, words of the reason."""

    now: float
    pde: Seen
    telkom: Seen
    uplinks: str
    because: str = ""
    given: dict[str, Any] = field(default_factory=lambda: HOURS)


def walk(steps: list[At], policy: Policy) -> None:
    for step in steps:
        assignment = policy.decide(verdicts(step.pde, step.telkom), **step.given, now=step.now)
        assert used(assignment) == step.uplinks, f"at {step.now}: {assignment.service.because}"
        assert step.because in assignment.service.because, f"at {step.now}"


def village(**changed: Any) -> Policy:
    return Policy(classes(), config.Policy(**changed))
