"""The benchmark of failover measures what befalls a village: one trial of each kind of contender."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench.trials import UNSHARED

Trials = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def trials() -> Trials:
    """What came of one trial of each contender, in villages of their own at the same time: they mostly wait."""
    faults = {"edge": "blackhole", "keepalived": "beyond", "kernel": "carrier"}
    with ThreadPoolExecutor(len(faults)) as pool:
        return dict(zip(faults, pool.map(trial, faults.keys(), faults.values()), strict=True))


def trial(contender: str, fault: str) -> dict[str, Any]:
    worker = (sys.executable, "-m", "bench.trials.worker", contender, fault, "1", "1")
    done = subprocess.run((*UNSHARED, *worker), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    outcome: dict[str, Any] = json.loads(line)
    return outcome


def test_the_daemons_decision_is_seen_before_its_effect(trials: Trials) -> None:
    """The time from decision to answer would be measured from anywhere."""
    seen = trials["edge"]
    assert 1 < seen["decided_s"] < seen["moved_s"] < 30
    assert seen["moved_s"] == pytest.approx(seen["decided_s"] + seen["answered_s"], abs=0.01)
    assert 1 < seen["gap_s"] < seen["moved_s"] + 5
    assert seen["session_s"] > 0
    assert seen["guests_sent"] > 100


def test_keepalived_moves_the_office_from_a_dead_line(trials: Trials) -> None:
    """A peer that is set up wrongly would make every comparison worthless."""
    seen = trials["keepalived"]
    assert 3 < seen["moved_s"] < 30
    assert seen["decided_s"] is None


def test_the_kernel_alone_falls_back_when_the_carrier_is_lost(trials: Trials) -> None:
    """The least that any contender can do would be denied to the one that can do nothing else."""
    assert trials["kernel"]["gap_s"] < 10
