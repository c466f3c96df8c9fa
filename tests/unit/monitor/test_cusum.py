"""Evidence of loss: what many sources say together, and what one says alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.cusum import MOST_A_SOURCE, LossEvidence
from edge.monitor.sources import Role, Source
from edge.monitor.track import Track


def tracks(*roles: Role) -> tuple[Track, ...]:
    return tuple(Track(Source(f"{role}{n}", "icmp", role, str(n)), span_s=40) for n, role in enumerate(roles))


FOUR: tuple[Role, ...] = ("gateway", "anchor", "anchor", "dns")


def second(evidence: LossEvidence, all_: tuple[Track, ...], draw: random.Random, shares: list[float]) -> None:
    for track, share in zip(all_, shares, strict=True):
        lost = sum(draw.random() < share for _ in range(5))
        track.answers, track.losses, track.runs = 5 - lost, lost, lost
    evidence.weigh(all_, 0.0, weight=1.0)
    for track in all_:
        track.turn()


def seconds_until_lossy(shares: list[float], most: int, seed: int = 1) -> int | None:
    evidence, all_, draw = LossEvidence(0.15), tracks(*FOUR), random.Random(seed)
    for number in range(most):
        second(evidence, all_, draw, shares)
        if evidence.lossy(pacing=4):
            return number + 1
    return None


def test_the_more_loss_the_sooner() -> None:
    """A brownout would be found by chance."""
    found = [seconds_until_lossy([share] * 4, 120) for share in (0.5, 0.3, 0.2, 0.12)]
    assert None not in found
    assert found == sorted(found, key=lambda seconds: seconds or 0)


def test_healthy_loss_is_no_evidence() -> None:
    """Two in a hundred would add up to a brownout within a day."""
    assert seconds_until_lossy([0.02] * 4, 20_000) is None


def test_one_source_alone_never_convicts_the_uplink() -> None:
    """A host that limits its answers would move the office."""
    assert seconds_until_lossy([0.0, 0.9, 0.0, 0.0], 2_000) is None


def test_a_source_that_loses_alone_is_at_fault() -> None:
    """Its share of the evidence would stand for ever."""
    evidence, all_, draw = LossEvidence(0.15), tracks("gateway", "anchor", "anchor", "public"), random.Random(1)
    for _ in range(10):
        second(evidence, all_, draw, [0.0, 0.6, 0.0, 0.0])
    assert evidence.at_fault(all_) == [all_[1]]
    before = evidence.sum
    evidence.refund(all_[1])
    assert evidence.sum == before - MOST_A_SOURCE


def test_nobody_is_at_fault_when_all_lose() -> None:
    """The witnesses of a brownout would be sent away."""
    evidence, all_, draw = LossEvidence(0.15), tracks(*FOUR), random.Random(1)
    for _ in range(10):
        second(evidence, all_, draw, [0.3] * 4)
    assert evidence.at_fault(all_) == []


def test_a_resolver_alone_does_not_acquit() -> None:
    """A provider's own resolver stands this side of the fault: real loss would be blamed on the targets."""
    evidence, all_, draw = LossEvidence(0.15), tracks("gateway", "anchor", "anchor", "dns"), random.Random(1)
    for _ in range(30):
        second(evidence, all_, draw, [0.0, 0.5, 0.5, 0.0])
    assert evidence.at_fault(all_) == []


def test_a_line_that_comes_and_goes_is_lossy() -> None:
    """Short breaks, each no outage, would never be told."""
    evidence, all_ = LossEvidence(0.15), tracks(*FOUR)
    for _ in range(20):
        evidence.weigh(all_, 0.5, weight=1.0)
    assert evidence.lossy(pacing=4)
    quiet = LossEvidence(0.15)
    for number in range(600):
        quiet.weigh(all_, 1.5 if number % 60 == 0 else 0.0, weight=1.0)
        assert not quiet.lossy(pacing=4)


def test_own_load_takes_the_weight() -> None:
    """A full link would be called lossy."""
    evidence, all_ = LossEvidence(0.15), tracks(*FOUR)
    for _ in range(100):
        for track in all_:
            track.runs = track.losses = 3
        evidence.weigh(all_, 1.0, weight=0.0)
        for track in all_:
            track.turn()
    assert evidence.sum == evidence.blackout_s == 0


@given(
    st.floats(0, 1),
    st.lists(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=4, max_size=4), max_size=50),
)
def test_evidence_is_bounded(degraded: float, seconds: list[list[tuple[int, int]]]) -> None:
    """Evidence without bound would take as long to fade as it took to gather."""
    evidence, all_ = LossEvidence(degraded), tracks(*FOUR)
    for tallies in seconds:
        for track, (answers, losses) in zip(all_, tallies, strict=True):
            track.answers, track.losses, track.runs = answers, losses, min(losses, answers + 1)
        evidence.weigh(all_, 0.0, weight=1.0)
        evidence.at_fault(all_)
        for track in all_:
            track.turn()
            assert 0 <= track.score <= MOST_A_SOURCE
    assert evidence.sum <= 4 * MOST_A_SOURCE
    evidence.clear(all_)
    assert evidence.sum == 0
