"""How far round trips are above the usual."""

from __future__ import annotations

from edge.config import Monitor
from edge.monitor.baseline import Baseline
from edge.monitor.delay import Delay
from edge.monitor.sources import Source
from edge.monitor.track import Track

SETTINGS = Monitor()  # 200 ms degrade, 100 ms are well, 3 s


def tracks(count: int) -> tuple[Track, ...]:
    found = tuple(Track(Source(str(n), "icmp", "anchor", str(n)), span_s=40) for n in range(count))
    for track in found:
        track.usual_ms = 20.0
    return found


def measured(rtts: list[float], *, others: tuple[Track, ...] = ()) -> Delay:
    all_ = tracks(len(rtts))
    delay = Delay(all_, others, Baseline(), SETTINGS, now=0.0)
    for track, rtt in zip(all_, rtts, strict=True):
        for number in range(12):
            track.took(9 + number / 10, rtt, 10.0)
    delay.measure(now=10.5)
    return delay


def test_the_typical_rise_decides() -> None:
    """A single slow host would be a slow line."""
    assert (measured([400.0, 20.0]).rise_ms or 0) < 100
    assert (measured([400.0, 380.0, 20.0]).rise_ms or 0) > 300
    assert measured([20.0, 21.0]).doubtful is False
    assert measured([150.0, 150.0]).doubtful is True


def test_it_must_last() -> None:
    """One slow second would move the office; and own load explains it."""
    delay = measured([400.0, 400.0])
    delay.hold(1.0)
    delay.hold(1.0)
    assert not delay.held
    delay.hold(1.0)
    assert delay.held
    loaded = measured([400.0, 400.0])
    for _ in range(60):
        loaded.hold(0.0)
    assert not loaded.held


def test_it_learns_only_while_all_is_well() -> None:
    """A bad time would become the usual one."""
    all_ = tracks(2)
    baseline = Baseline()
    delay = Delay(all_, (), baseline, SETTINGS, now=0.0)
    for track in all_:
        track.took(9.5, 30.0, 1.0)
    delay.learn(all_, 9, well=False, now=10.0)
    assert baseline.dump() == {"sources": {}}
    delay.learn(all_, 9, well=True, now=11.0)
    learned = baseline.dump()
    assert set(learned["sources"]) == {"0", "1"}, "what is usual at all is learned at the first good second"
    assert all_[0].usual_ms == 30.0
    for track in all_:
        track.took(15.0, 40.0, 1.0)
    delay.learn(all_, 9, well=True, now=16.0)
    assert baseline.dump() == learned, "and then every ten seconds"
    delay.learn(all_, 9, well=True, now=21.0)
    assert baseline.dump() != learned


def test_unknown_without_a_baseline() -> None:
    """A made-up rise would degrade a line on its first day."""
    track = Track(Source("a", "icmp", "anchor", "a"), span_s=40)
    track.took(1.0, 900.0, 10.0)
    delay = Delay((track,), (), Baseline(), SETTINGS, now=0.0)
    delay.measure(now=1.5)
    assert delay.rise_ms is None
    assert not delay.doubtful
