"""The queue's benchmark: its figures can be bad, its slow card is slow, its producers hide no error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from bench.queue import EVERY, LOADS, QUICK, Rounds, judge_loads, judge_waiting, spare
from bench.queue_peers.children import Card, build
from bench.queue_peers.load import Until
from bench.queue_peers.worker import threads


def rounds(**rates: float) -> Rounds:
    """One round in which everybody is as fast as is wanted; `rates` by contender, producers and card."""
    usual = {"edge_64_fast": 300, "edge_64_slow": 4_000, "edge_1_slow": 95}
    made: Rounds = {}
    for card in ("fast", "slow"):
        for what, producers in LOADS:
            for who in EVERY:
                name = f"{who}_{producers}_{card}"
                rate = rates.get(name, usual.get(name, 100))
                made[card, what, producers, who] = [{"rate": rate, "amplification": rates.get("written", 5.0)}]
    return made


def bad(**rates: float) -> set[str]:
    return {name for name, figure in judge_loads(rounds(**rates)).items() if not figure["ok"]}


def judged(each: Rounds) -> set[str]:
    return {name for name, figure in judge_loads(each).items() if figure["wanted"] != "for the record"}


def test_a_good_queue_keeps_every_promise() -> None:
    """The bench could never be green."""
    assert bad() == set()


def test_each_promise_can_be_broken() -> None:
    """A figure that is too low would be reported as kept."""
    assert bad(edge_64_fast=290) == {"put_64_over_best_peer", "cycle_64_over_best_peer"}
    assert bad(huey_64_fast=110) == {"put_64_over_best_peer", "cycle_64_over_best_peer"}
    assert bad(edge_64_slow=3_900) == {"put_64_over_best_peer_slow", "cycle_64_over_best_leasing_slow"}
    assert bad(edge_1_fast=39) == {"put_1_of_raw"}
    assert bad(edge_1_slow=94) == {"put_1_of_raw_slow"}
    assert bad(written=6.1) == {"written_over_payload_64"}


def test_the_quick_form_judges_the_same_promises() -> None:
    """A promise would be left out without a word, or a figure be made of nothing."""
    every = rounds()
    few = {key: every[key] for card in get_args(Card) for load in QUICK.loads(card) for key in [(card, *load)]}
    assert judged(few) == judged(every)
    assert len(few) < len(every)


def test_a_store_without_a_processor_is_not_judged_on_the_slow_card() -> None:
    """A busy machine's quick form would accuse the store; or a machine with time to spare would excuse it."""
    figures = judge_loads(rounds(edge_64_slow=3_000))
    assert spare(figures, 0.15) == []
    assert not figures["put_64_over_best_peer_slow"]["ok"]
    assert [name.split(":")[0] for name in spare(figures, 0.25)] == [
        *("put_64_over_best_peer_slow", "cycle_64_over_best_leasing_slow")
    ]
    assert figures["put_64_over_best_peer_slow"] == {"value": 30.0, "wanted": "for the record", "ok": True}


def test_rows_that_wait_can_cost_too_much() -> None:
    """A store that slows down as it fills, or starts for minutes, would be called good."""
    loads = (("put", 64), ("put", 1), ("claim", 1))
    keys = [(what, producers, who) for what, producers in loads for who in ("few", "many")]
    measured: Rounds = {("fast", *key): [{"rate": 100.0}] for key in keys}
    start: dict[str, Any] = {"seconds": 1.0, "waiting": 1_000_000, "most_kib": 50_000}

    def found(slow: float = 100.0, seconds: float = 1.0, kib: int = 50_000) -> set[str]:
        measured["fast", "claim", 1, "many"] = [{"rate": slow}]
        starts = {"many": [start, start | {"seconds": seconds, "most_kib": kib}], "empty": [start]}
        return {name for name, figure in judge_waiting(measured, starts).items() if not figure["ok"]}

    assert found() == set()
    assert found(slow=60) == {"claim_1_slower_with_many"}
    assert found(seconds=3.1) == {"start_with_many_s"}
    assert found(kib=70_000) == {"start_with_many_more_mb"}


def test_the_slow_card_is_slow(tmp_path: Path) -> None:
    """The slow card would be this disk again."""
    program = """
import os, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
begun = time.monotonic()
for flush in (os.fsync, os.fdatasync):
    flush(file)
print(time.monotonic() - begun)
"""
    took = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")],
        env=os.environ | {"LD_PRELOAD": str(build(tmp_path)), "SLOW_SYNC_MS": "30"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert float(took) >= 0.06


def test_a_producer_that_fails_is_no_fast_one() -> None:
    """A peer that raises would count as the quickest of all."""
    until, calls = Until(60.0, 100), list[int]()

    def step() -> None:
        calls.append(1)
        if len(calls) > 5:
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        threads(3, step, until)
    assert len(calls) < 20


def test_producers_stop_when_told() -> None:
    """A load would do more, or less, than is counted."""
    until, calls = Until(60.0, 50), list[int]()
    threads(4, lambda: calls.append(1), until)
    assert len(calls) == until.begun == 50
    assert not Until(0.0).more()
