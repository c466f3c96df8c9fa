"""Single runs: a healthy month and a fault, ours and the peers', each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from bench.detecting import traces
from bench.detecting.peers import PEERS
from edge.monitor.calendar import Calendar
from edge.rehearsal import scene
from edge.rehearsal.link import Link
from edge.rehearsal.run import Moved, rehearse

FIRST = "pde"
WATCHED_S = 300.0  # so long after a fault it may still be found
FAULTS: dict[str, traces.Fault] = {
    "outage": traces.dead,
    "beyond_gateway": traces.beyond,
    "loss_30": traces.lossy(0.30),
    "loss_20": traces.lossy(0.20),
    "loss_10": traces.lossy(0.10),
    "plus_300_ms": traces.delayed(300),
    "slow": traces.slow(0.10),
    "dead_target": traces.silent_target,
}
_BEGINS = datetime.fromisoformat(traces.MONDAY).timestamp()
_OFFICE_S = 9 * traces.HOUR_S  # faults begin on Monday morning


@dataclass(frozen=True, slots=True)
class Month:
    """A healthy month: how often the service left its first uplink, and how often in service hours; then the peers."""

    switches: int
    in_hours: int
    peers: dict[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A fault: after how many seconds the service left its first uplink, and each peer (None: never)."""

    fault: str
    after_s: float | None
    peers: dict[str, float | None]


@contextmanager
def pool() -> Iterator[ProcessPoolExecutor]:
    """As many processes as there are cores."""
    with ProcessPoolExecutor(os.cpu_count() or 1) as processes:
        yield processes


def month(task: tuple[int, float]) -> Month:
    """`task` is the seed and the days."""
    seed, days = task
    setting = scene.default()
    rows = [row for line in setting.lines for row in traces.healthy(line, seed, days)]
    until = days * traces.DAY_S
    calendar = Calendar(setting.calendar, setting.timezone, {})
    left = [
        change.at
        for change in rehearse(setting, rows, seed=seed, begins=_BEGINS, until=until, processes=1)
        if isinstance(change, Moved) and change.traffic_class == "service" and change.from_uplink == FIRST
    ]
    line = setting.lines[0]
    own = [row for row in rows if row.uplink == FIRST]
    return Month(
        len(left),
        sum(calendar.service_hours(_BEGINS + at, trusted=True) for at in left),
        {name: sum(1 for _ in peer(line, Link(line, own, f"{seed}:{name}"), until)) for name, peer in PEERS.items()},
    )


def fault(task: tuple[str, int]) -> Found:
    """`task` is the name of the fault and the seed."""
    name, seed = task
    setting = scene.default()
    line = setting.lines[0]
    at, rows = traces.with_fault(line, seed, FAULTS[name], demand=1.0 if name == "slow" else 0.0)
    until = at + WATCHED_S * (4 if name == "dead_target" else 1)
    begins = _BEGINS + _OFFICE_S - at
    changes = rehearse(setting, rows, seed=seed, begins=begins, until=until, processes=1)
    left = (
        change.at - at
        for change in changes
        if isinstance(change, Moved) and change.traffic_class == "service" and change.from_uplink == FIRST
    )
    peers = {}
    for peer, model in PEERS.items():
        alarms = (moment - at for moment in model(line, Link(line, rows, f"{seed}:{peer}"), until))
        peers[peer] = next((after for after in alarms if after >= 0), None)
    return Found(name, next(left, None), peers)
