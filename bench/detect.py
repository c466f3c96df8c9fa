"""How soon an uplink's faults are found and how seldom a healthy one is doubted, in virtual time, beside the peers.

The traces' seeds were never used while the detector was tuned (that was done below 1,000).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench import Figure, Figures, Result, at_most
from bench.detecting.peers import PEERS
from bench.detecting.runs import FAULTS, Found, Month, fault, month, pool

SEEDS = 100_000
RUNS, MONTHS, DAYS = 40, 10, 30.0
QUICK_RUNS, QUICK_MONTHS, QUICK_DAYS = 20, 2, 1.0
LIMITS_S = {
    "outage": 3.0,
    "beyond_gateway": 3.0,
    "loss_30": 8.0,
    "loss_20": 15.0,
    "loss_10": 60.0,
    "plus_300_ms": 8.0,
    "slow": 20.0,
}
FALSE, FALSE_IN_HOURS = 2.0, 0.3


def run(*, quick: bool) -> Result:
    """False switches in a month, seconds until each fault moves the service (median, p95), and the peers' of both."""
    runs, months, days = (QUICK_RUNS, QUICK_MONTHS, QUICK_DAYS) if quick else (RUNS, MONTHS, DAYS)
    with pool() as processes:
        healthy = processes.map(month, [(SEEDS + seed, days) for seed in range(months)])
        tasks = [(name, SEEDS + 1_000 + seed) for name in FAULTS for seed in range(runs)]
        found = list(processes.map(fault, tasks, chunksize=4))
        figures = _of_faults(found) | _of_months(list(healthy), days)
    skipped = [f"{MONTHS} healthy months of {DAYS:g} days ({months} of {days:g} were run)"] if quick else []
    return figures, [*skipped, f"{RUNS} runs a fault ({runs} were run)"] if quick else skipped


def _of_faults(found: Sequence[Found]) -> Figures:
    figures: Figures = {}
    for name, limit in LIMITS_S.items():
        ours = [_seconds(one.after_s) for one in found if one.fault == name]
        figures[f"{name}_p50_s"] = at_most(quantile(ours, 0.5), limit)
        figures[f"{name}_p95_s"] = at_most(quantile(ours, 0.95), limit)
        for peer in PEERS:
            theirs = [_seconds(one.peers[peer]) for one in found if one.fault == name]
            figures[f"{name}_{peer}_p95_over_ours"] = _over(quantile(theirs, 0.95), quantile(ours, 0.95))
    moved = sum(one.after_s is not None for one in found if one.fault == "dead_target")
    figures["dead_target_switches"] = at_most(moved, 0)
    return figures


def _of_months(months: Sequence[Month], days: float) -> Figures:
    share = DAYS / days / len(months)
    ours = sum(one.switches for one in months) * share
    figures = {
        "false_switches_30_days": at_most(ours, FALSE),
        "false_switches_in_hours": at_most(sum(one.in_hours for one in months) * share, FALSE_IN_HOURS),
    }
    for peer in PEERS:
        value = round(sum(one.peers[peer] for one in months) * share, 3)
        figures[f"false_alarms_{peer}"] = {"value": value, "wanted": "for comparison", "ok": True}
    return figures


def _seconds(after_s: float | None) -> float:
    return math.inf if after_s is None else after_s


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of `values` do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _over(theirs: float, ours: float) -> Figure:
    """How many times as long the peer takes; BFD, which pays with false alarms, is there for comparison only."""
    value: object = "never" if math.isinf(theirs) else round(theirs / ours, 2)
    return {"value": value, "wanted": "for comparison", "ok": not math.isinf(ours)}
