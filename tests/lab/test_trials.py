"""The benchmark of failover measures what befalls a village: one trial of each kind of contender."""

import json
import subprocess
import sys
from typing import Any

import pytest

from bench.trials import UNSHARED


def trial(contender: str, fault: str) -> dict[str, Any]:
    worker = (sys.executable, "-m", "bench.trials.worker", contender, fault, "1", "1")
    done = subprocess.run((*UNSHARED, *worker), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    outcome: dict[str, Any] = json.loads(line)
    return outcome


def test_the_daemons_decision_is_seen_before_its_effect() -> None:
    """The time from decision to answer would be measured from anywhere."""
    seen = trial("edge", "blackhole")
    assert 1 < seen["decided_s"] < seen["moved_s"] < 10
    assert seen["moved_s"] == pytest.approx(seen["decided_s"] + seen["answered_s"], abs=0.01)
    assert seen["gap_s"] == pytest.approx(seen["moved_s"], abs=0.3)
    assert seen["session_s"] > 0
    assert seen["guests_sent"] > 100


def test_keepalived_moves_the_office_from_a_dead_line() -> None:
    """A peer that is set up wrongly would make every comparison worthless."""
    seen = trial("keepalived", "beyond")
    assert 3 < seen["moved_s"] < 9
    assert seen["decided_s"] is None


def test_the_kernel_alone_falls_back_when_the_carrier_is_lost() -> None:
    """The least that any contender can do would be denied to the one that can do nothing else."""
    assert trial("kernel", "carrier")["gap_s"] < 0.5
