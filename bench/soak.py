"""Ten minutes of random faults, then everything is healed: what is left must be as after a fresh start.

Compared are rules, routes, nftables, qdiscs, classes and filters of the box, by the kernel's own tools.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench import Figures, Result, at_least, at_most, exactly
from bench.trials import UNSHARED

_SEED = 20261119
_MOST_S = 240


def run(*, quick: bool) -> Result:
    """`quick`: 17 s, with a fault every two to four seconds instead of every five to twenty."""
    seconds, *more = (17, 8, 2, 4, 2) if quick else (600, 60, 5, 20, 12)
    times = tuple(map(str, (_SEED, seconds, *more)))
    worker = (sys.executable, "-m", "bench.trials.soak_worker", *times)
    done = subprocess.run((*UNSHARED, *worker), stdout=subprocess.PIPE, timeout=seconds + _MOST_S, check=False)
    if done.returncode:
        raise RuntimeError(f"the soak ended with {done.returncode}; see above")
    skipped = ["ten minutes: 17 s, in which memory may still settle"] if quick else []
    return judge(json.loads(done.stdout), least_faults=5 if quick else 40), skipped


def judge(facts: dict[str, Any], *, least_faults: int) -> Figures:
    """What the soak found against what is promised; the lines behind a figure go to standard error."""
    for what in ("differences", "unexplained"):
        for line in facts[what]:
            print(f"{what}: {line}", file=sys.stderr)
    grown = facts["grown_mb"]
    return {
        "faults": at_least(facts["faults"], least_faults),
        "switches": at_least(facts["switches"], 1),
        "unexplained_switches": exactly(len(facts["unexplained"]), 0),
        "part_failures": exactly(facts["part_failures"], 0),
        "state_differences": exactly(len(facts["differences"]), 0),
        "grown_mb": at_most(float("inf") if grown is None else grown, 2),
        "rss_mb": at_most(facts["rss_mb"], 70),
    }
