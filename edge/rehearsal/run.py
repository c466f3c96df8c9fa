"""A rehearsal: the verdicts of every uplink, then what the policy makes of them, in the order of virtual time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from heapq import merge

from edge.marks import CLASSES
from edge.monitor.calendar import Calendar
from edge.monitor.verdict import Verdict
from edge.rehearsal.conditions import Condition
from edge.rehearsal.drive import Judged, drive
from edge.rehearsal.link import Link
from edge.rehearsal.scene import Line, Scene
from edge.traffic.policy import Policy

HOUR_S = 3_600.0
_WORTH_PROCESSES_S = 6 * HOUR_S  # shorter rehearsals are over before a second process has begun


@dataclass(frozen=True, slots=True)
class Moved:
    """A class left one uplink for another, `at` seconds after the beginning."""

    at: float
    traffic_class: str
    from_uplink: str
    to_uplink: str
    because: str


@dataclass(frozen=True, slots=True)
class _Part:
    scene: Scene
    line: Line
    conditions: tuple[Condition, ...]
    seed: str
    begins: float
    until: float


def rehearse(
    scene: Scene, conditions: Sequence[Condition], *, seed: int, begins: float, until: float, processes: int = 0
) -> Iterator[Judged | Moved]:
    """Every change from 0 to `until` seconds; second 0 is Unix time `begins`. The same seed gives the same again.

    `processes` is the most to use, 0 as many as there are cores.
    """
    parts = [
        _Part(
            scene,
            line,
            tuple(row for row in conditions if row.uplink == line.name),
            f"{seed}:{line.name}",
            begins,
            until,
        )
        for line in scene.lines
    ]
    workers = min(len(parts), processes or os.cpu_count() or 1)
    if until >= _WORTH_PROCESSES_S and workers > 1:
        with ProcessPoolExecutor(max_workers=workers) as pool:
            judged = list(pool.map(judge, parts))
    else:
        judged = [judge(part) for part in parts]
    yield from steer(scene, merge(*judged, key=lambda change: change.at), begins=begins, until=until)


def judge(part: _Part) -> list[Judged]:
    """The verdicts of one uplink; in a process of its own where that pays."""
    link = Link(part.line, part.conditions, part.seed)
    hour = _hours(_calendar(part.scene), part.begins)
    return list(drive(part.line, part.scene.monitor, link, until=part.until, hour_of_week=hour))


def steer(scene: Scene, judged: Iterator[Judged], *, begins: float, until: float) -> Iterator[Judged | Moved]:
    """The verdicts, and after each what the policy moves; also when a hold ends and when service hours change."""
    calendar = _calendar(scene)
    policy = Policy(scene.classes, scene.policy)
    verdicts: dict[str, Verdict] = {}
    decided_at = 0.0
    hours_change = calendar.next_change(begins) - begins
    for change in (*judged, None):
        upto = until if change is None else change.at
        while True:
            again = policy.again_at(now=decided_at)
            due = min(hours_change, upto if again is None else again)
            if due >= upto:
                break
            if due >= hours_change:
                hours_change = calendar.next_change(begins + due) - begins
            decided_at = due
            yield from _moves(policy, verdicts, calendar.service_hours(begins + due, trusted=True), due)
        if change is None:
            return
        verdicts[change.verdict.uplink] = change.verdict
        if change.verdict.cause != "starting":
            yield change
        if len(verdicts) == len(scene.lines):
            decided_at = upto
            yield from _moves(policy, verdicts, calendar.service_hours(begins + upto, trusted=True), upto)


def _moves(policy: Policy, verdicts: dict[str, Verdict], service_hours: bool, now: float) -> Iterator[Moved]:
    before = policy.assignment
    # conditions say nothing of the desk's own work: it pauses, as desks do, so going back is not put off until evening
    after = policy.decide(verdicts, service_hours=service_hours, service_idle=True, now=now)
    for name in CLASSES:
        left, taken = before[name].uplink, after[name].uplink
        if left is not None and taken is not None and left != taken:
            yield Moved(now, name, left, taken, after[name].because)


def _calendar(scene: Scene) -> Calendar:
    return Calendar(scene.calendar, scene.timezone, {})


def _hours(calendar: Calendar, begins: float) -> Callable[[float], int | None]:
    return lambda now: calendar.hour_of_week(begins + now, trusted=True)
