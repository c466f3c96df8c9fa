"""How long the office is without service when its line fails: the daemon, keepalived and the kernel alone, in one run.

Every trial is in the virtual village, on a real kernel: a client in the office begins a new request of 4 kB every 50 ms
by the box, and a fault befalls PDE at a random moment. Its longest gap is the figure; a contender that never recovers
within 20 s counts as 20. Telkom, where the service goes, has an MTU of 1492 behind filtered ICMP throughout.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from bench import Figure, Figures, Result, at_least, at_most, exactly
from bench.trials import EVERY_S, UNSHARED
from bench.trials.contenders import KEEPALIVED, NOTIFY
from bench.trials.faults import FAULTS
from bench.trials.measure import quantile

CAP_S = 20.0
TRIALS = 20
_AT_ONCE = 8
_SEED = 20261122
_MOST_S = 1_500
_CONTENDERS = ("edge", "kernel", "keepalived")  # those that take longest begin first
_TOLD = ("edge", "keepalived", "kernel")
_RATIO_OF = {"loss30": "suffered_s"}  # a lossy line answers many requests, and fails the others
_QUICK = (
    ("edge", "blackhole", 1),
    ("edge", "beyond", 1),
    ("edge", "carrier", 1),
    ("edge", "captive", 1),
    ("keepalived", "blackhole", 1),
    ("kernel", "carrier", 1),
)
_GAP_WANTED = {"blackhole": 3.3, "carrier": 0.5}

Outcome = dict[str, Any]
Job = tuple[str, str, int]


def run(*, quick: bool) -> Result:
    """All of it takes half an hour in eight villages at once; `quick`, half a minute, tries each of a few once."""
    every = [(contender, fault, TRIALS) for contender in _CONTENDERS for fault in FAULTS]
    jobs = list(_QUICK) if quick else every
    print(f"keepalived is set up so:\n{KEEPALIVED}\n{json.dumps(NOTIFY, indent=1)}", file=sys.stderr)
    outcomes = asyncio.run(_all(jobs))
    tried = {(contender, fault) for contender, fault, _ in jobs}
    skipped = [f"{contender}: {fault}" for contender, fault, _ in every if (contender, fault) not in tried]
    if quick:
        skipped.append(f"{TRIALS} trials each: one")
    return judge(outcomes), skipped


async def _all(jobs: Sequence[Job]) -> list[Outcome]:
    turn = asyncio.Semaphore(_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_one(turn, job, _SEED + number)) for number, job in enumerate(jobs)]
    return [outcome for task in tasks for outcome in task.result()]


async def _one(turn: asyncio.Semaphore, job: Job, seed: int) -> list[Outcome]:
    """Run one worker in namespaces of its own; what it says of its progress goes to standard error."""
    contender, fault, trials = job
    async with turn:
        worker = (sys.executable, "-m", "bench.trials.worker", contender, fault, str(trials), str(seed))
        process = await asyncio.create_subprocess_exec(*UNSHARED, *worker, stdout=subprocess.PIPE, env=dict(os.environ))
        try:
            async with asyncio.timeout(_MOST_S):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    outcomes: list[Outcome] = [json.loads(line) for line in said.splitlines()]
    if process.returncode or len(outcomes) != trials:
        raise RuntimeError(f"{contender} {fault}: {len(outcomes)} of {trials} trials, status {process.returncode}")
    return outcomes


def judge(outcomes: Iterable[Outcome]) -> Figures:
    """Every figure of the trials, the daemon's against what is wanted of it."""
    tried = defaultdict[tuple[str, str], list[Outcome]](list)
    for outcome in outcomes:
        tried[outcome["contender"], outcome["fault"]].append(outcome)
    figures: Figures = {}
    for (contender, fault), each in sorted(tried.items(), key=_in_order):
        figures |= _gaps(contender, fault, each)
    for fault in FAULTS:
        mine, peer = tried.get(("edge", fault)), tried.get(("keepalived", fault))
        if mine and peer:
            figures[f"{fault}_keepalived_ratio"] = _ratio(mine, peer, _RATIO_OF.get(fault, "gap_s"))
    return figures | _promises([outcome for (name, _), each in tried.items() if name == "edge" for outcome in each])


def _in_order(item: tuple[tuple[str, str], list[Outcome]]) -> tuple[int, int]:
    contender, fault = item[0]
    return list(FAULTS).index(fault), _TOLD.index(contender)


def _gap(outcomes: Iterable[Outcome]) -> list[float]:
    """The longest gap of each trial; one that outlasted the trial counts as `CAP_S`."""
    return [min(outcome["gap_s"], CAP_S) for outcome in outcomes]


def _gaps(contender: str, fault: str, outcomes: list[Outcome]) -> Figures:
    name = f"{fault}_{contender}"
    gaps = _gap(outcomes)
    p95 = quantile(gaps, 0.95)
    wanted = _GAP_WANTED.get(fault) if contender == "edge" else None
    stayed = sum(outcome["moved_s"] is None for outcome in outcomes)
    return {
        f"{name}_gap_median_s": _noted(_capped(statistics.median(gaps)), f"for the record, of {len(gaps)} trials"),
        f"{name}_gap_p95_s": at_most(p95, wanted) if wanted else _noted(_capped(p95), "for the record"),
        f"{name}_suffered_p95_s": _noted(
            _capped(quantile([min(each["suffered_s"], CAP_S) for each in outcomes], 0.95)),
            "requests fail or take > 1 s",
        ),
        f"{name}_never_moved": exactly(stayed, 0)
        if contender == "edge"
        else _noted(stayed, "trials of all in which Telkom was not used within 20 s"),
    }


def _ratio(mine: list[Outcome], peer: list[Outcome], key: str) -> Figure:
    """How many times longer the office suffers with keepalived; at least so, where keepalived never recovers."""
    longer, shorter = (statistics.median(min(each[key], CAP_S) for each in side) for side in (peer, mine))
    ratio = round(longer / max(shorter, EVERY_S), 2)
    wanted = f"for the record: keepalived's median {key} over ours"
    return _noted(f">= {ratio:g}" if longer >= CAP_S - 0.1 else ratio, wanted)


def _capped(seconds: float) -> object:
    return f">= {CAP_S:g}" if seconds >= CAP_S - 0.1 else round(seconds, 3)


def _noted(value: object, wanted: str) -> Figure:
    return Figure(value=value, wanted=wanted, ok=True)


def _promises(edge: list[Outcome]) -> Figures:
    """What is promised of the switch itself, over all faults."""
    moved = [outcome for outcome in edge if outcome["moved_s"] is not None]
    figures: Figures = {
        "guests_lost_datagrams": exactly(sum(each["guests_lost"] for each in edge), 0),
        "guests_sent_datagrams": at_least(sum(each["guests_sent"] for each in edge), 1),
    }
    promised = (("decision_to_answer_p95_s", "answered_s", 0.3), ("reconnecting_client_p95_s", "session_s", 1.5))
    for name, key, limit in promised:
        # A switch whose decision nobody saw, or after which no answer came, is one that took too long.
        values = [CAP_S if each[key] is None else each[key] for each in moved]
        figures[name] = at_most(quantile(values, 0.95) if values else CAP_S, limit)
    return figures
