"""The benchmark of the detector: its traces are what they claim, the peers behave as theirs do, quantiles are right."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from bench.detect import LIMITS_S, quantile
from bench.detecting import traces
from bench.detecting.peers import PEERS
from bench.detecting.runs import FAULTS, fault, month
from edge.rehearsal import scene
from edge.rehearsal.conditions import Condition
from edge.rehearsal.link import SPREAD, Link

LINE = scene.default().lines[0]
HEALTHY = Condition(0.0, LINE.name, "*", loss=0.005)


def test_a_healthy_month_is_healthy_and_not_quiet() -> None:
    """A month without trouble would prove nothing."""
    rows = traces.healthy(LINE, 5, 30)
    everyone = [row for row in rows if row.target == "*"]
    assert {row.target for row in rows} > {"*", "gateway", "9.9.9.9"}
    assert max(row.rtt_ms for row in everyone) - min(row.rtt_ms for row in everyone) <= traces.CONGESTION_MS
    assert all(0.005 <= row.loss <= 0.02 for row in everyone if row.loss != 1.0)
    assert all(row.burst_s * SPREAD[1] <= traces.LONGEST_BURST_S + 1e-9 for row in everyone)
    dead = [(row, after) for row, after in itertools.pairwise(everyone) if row.loss == 1.0]
    assert len(dead) > 100
    assert all(after.start_s - row.start_s <= traces.LONGEST_BURST_S + 1e-9 for row, after in dead)


def test_peers_find_an_outage_as_they_do() -> None:
    """The comparison would flatter us."""
    rows = [HEALTHY, replace(HEALTHY, start_s=1_000.0, loss=1.0)]
    after = {name: next(peer(LINE, Link(LINE, rows, "1"), 1_500)) - 1_000 for name, peer in PEERS.items()}
    assert 110 <= after["mwan3"] <= 135
    assert 12 <= after["pfsense"] <= 16
    assert 0.6 <= after["bfd"] <= 1.3


def test_peers_are_quiet_on_a_quiet_line() -> None:
    """The comparison would be rigged."""
    rows = [replace(HEALTHY, loss=0.0)]
    assert all(not list(peer(LINE, Link(LINE, rows, "1"), 20_000)) for peer in PEERS.values())


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ("loss_10", "dead_target")])
def test_every_fault_is_found(name: str) -> None:
    """A fault that is never found would stand as infinity in the table."""
    found = fault((name, 7))
    assert found.after_s is not None
    assert found.after_s <= 2 * LIMITS_S[name]


def test_a_day_of_a_healthy_month() -> None:
    """The count of false switches would count something else."""
    found = month((7, 0.25))
    assert found.in_hours <= found.switches <= 1
    assert set(found.peers) == set(PEERS)


def test_quantiles() -> None:
    """The p95 would be the maximum, or the median."""
    assert quantile([3, 1, 2, 4], 0.5) == 2
    assert quantile(list(range(1, 101)), 0.95) == 95
    assert quantile([5], 0.95) == 5
