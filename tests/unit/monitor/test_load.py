"""What carried bytes say: life, own load, a link that became slow."""

from __future__ import annotations

from edge.config import Monitor
from edge.monitor.facts import LinkFacts
from edge.monitor.load import SLOW_DOUBT_S, Load


def after(
    seconds: int, down: float, rise_ms: float | None, *, up: float = 0.0, loss: float = 0.0, to: Load | None = None
) -> Load:
    load = to or Load((10, 10), Monitor())
    for second in range(seconds):
        load.carried(LinkFacts(1.0, round(down * 125_000), round(up * 125_000)), rise_ms, loss, now=1_000.0 + second)
    return load


def test_own_load_takes_the_weight_from_loss_and_delay() -> None:
    """A full link would be called sick."""
    assert after(3, 9.0, 200.0).weight == 0
    assert after(3, 0.0, 200.0, up=9.0).weight == 0
    assert after(3, 0.3, 300.0).weight == 1
    assert 0 < after(3, 5.0, 400.0).weight < 1


def test_slow_needs_a_queue_and_its_time() -> None:
    """An idle link would be slow, or a slow one never."""
    assert not after(60, 1.0, 5.0).slow
    assert not after(14, 1.0, 2_000.0).slow
    assert after(16, 1.0, 2_000.0).slow
    assert after(16, 1.0, None, loss=0.9).slow
    assert not after(60, 4.0, 2_000.0).slow


def test_slow_ends_when_more_is_carried_or_nobody_tries() -> None:
    """A healed link would stay slow for ever."""
    load = after(16, 1.0, 2_000.0)
    load.carried(LinkFacts(1.0, 625_000, 0), 0.0, 0.0, now=1_100.0)
    assert not load.slow
    load = after(16, 1.0, 2_000.0)
    load.carried(LinkFacts(1.0, 0, 0), 0.0, 0.0, now=1_100.0)
    assert load.slow
    load.carried(LinkFacts(1.0, 0, 0), 0.0, 0.0, now=1_100.0 + SLOW_DOUBT_S)
    assert not load.slow


def test_only_a_span_that_began_in_the_silence_proves_life() -> None:
    """The bytes of before would hide an outage."""
    load = after(1, 5.0, 0.0)
    assert load.lives(999.0)
    assert not load.lives(999.5)
    assert not after(1, 0.05, 0.0).lives(0.0)


def test_odd_facts_are_harmless() -> None:
    """A counter that was reset would crash the monitor."""
    load = Load((10, 10), Monitor())
    load.carried(LinkFacts(0.0, 10**9, 0), 1.0, 0.0, now=1.0)
    load.carried(LinkFacts(1.0, -5, -5), 1.0, 0.0, now=2.0)
    assert (load.received_mbit, load.weight, load.slow) == (0, 1, False)


def test_one_poor_fetch_is_not_told_as_two() -> None:
    """A complaint to the provider would rest on a fetch that nobody made."""
    load = Load((10, 10), Monitor())
    load.fetched(1.0, now=1_000.0)
    after(16, 1.0, 2_000.0, to=load)
    assert load.slow
    assert load.poor_fetch_mbit is None
    load.fetched(0.5, now=1_020.0)
    assert load.poor_fetch_mbit == 1.0
