"""Who is asked when: shares at rest, the burst, the spacing of the reserve."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from edge.config import Monitor
from edge.monitor.pace import Pace
from edge.monitor.sources import sources
from edge.monitor.track import Track
from tests.unit.monitor.line import ANCHORS, GATEWAY, PUBLIC, RESOLVER, SETTINGS, uplink

FOUR_PUBLIC = ("1.1.1.1", "8.8.8.8", "9.9.9.9", "208.67.222.222")


def asked(pace: Pace, seconds: float, now: float = 0.0) -> list[tuple[float, str]]:
    found, until = [], now + seconds
    while now < until:
        track, again = pace.next(now=now)
        if track is not None:
            track.asked_at = now
            found.append((now, track.name))
        assert again >= now
        now = again if again > now else now + 1e-9
    return found


def pace_of(
    settings: Monitor = SETTINGS, targets: tuple[str, ...] = (*ANCHORS, *PUBLIC)
) -> tuple[Pace, dict[str, Track]]:
    tracks = tuple(Track(source, span_s=40) for source in sources(uplink(targets), settings, GATEWAY))
    return Pace(tracks, settings, now=0.0), {track.name: track for track in tracks}


def test_shares_at_rest() -> None:
    """Anchors and gateway carry the pace; the public are asked once in ten seconds."""
    pace, _ = pace_of()
    counts = Counter(name for _, name in asked(pace, 600))
    assert 2_350 <= sum(counts.values()) - counts["http"] <= 2_410
    assert counts["gateway"] == pytest.approx(600, abs=5)
    assert counts[f"dns:{RESOLVER}"] == pytest.approx(300, abs=5)
    assert all(counts[name] == pytest.approx(60, abs=2) for name in (*PUBLIC, "http"))
    assert abs(counts[ANCHORS[0]] - counts[ANCHORS[1]]) <= 70


@pytest.mark.parametrize(("count", "least"), [(1, 100), (3, 100), (4, 55)])
def test_few_public_targets_without_anchors_are_asked_more_often_but_not_closer(count: int, least: int) -> None:
    """An uplink with public targets only would be blind, or a burden."""
    pace, _ = pace_of(targets=FOUR_PUBLIC[:count])
    found = asked(pace, 600)
    for name in FOUR_PUBLIC[:count]:
        moments = [at for at, who in found if who == name]
        assert len(moments) >= least
        assert min(after - before for before, after in pairwise(moments)) >= 5 - 1e-6


def test_a_host_that_is_target_and_resolver_is_asked_once_in_five_seconds() -> None:
    """Two sources of one public host would ask it twice as often as promised."""
    found = sources(uplink(("1.1.1.1", "10.0.0.1"), ("1.1.1.1",)), SETTINGS, GATEWAY)
    pace = Pace(tuple(Track(source, span_s=40) for source in found), SETTINGS, now=0.0)
    for begin in range(0, 300, 2):
        pace.suspect(now=float(begin))
        asked(pace, 2.0, float(begin))
    moments = [at for at, name in asked(pace, 300, 300.0) if "1.1.1.1" in name]
    assert len({name for _, name in asked(pace, 300, 600.0) if "1.1.1.1" in name}) == 2
    assert min(after - before for before, after in pairwise(moments)) >= 5 - 1e-6


def test_a_burst_is_fast_and_takes_the_reserve_at_once() -> None:
    """A lost packet would be told from a lost line too late."""
    pace, tracks = pace_of()
    asked(pace, 20)
    for name in PUBLIC:
        tracks[name].asked_at = 0.0
    pace.suspect(now=20.0)
    found = asked(pace, 1.0, 20.0)
    counts = Counter(name for _, name in found)
    assert 18 <= len(found) <= 23
    assert counts["http"] == 1
    assert [counts[name] for name in PUBLIC] == [1, 1]
    assert len(asked(pace, 1.0, 21.2)) <= 6


def test_a_source_set_aside_is_asked_every_five_seconds() -> None:
    """A dead host would keep its share of the pace."""
    pace, tracks = pace_of()
    tracks[ANCHORS[0]].trusted = False
    pace.rearrange()
    counts = Counter(name for _, name in asked(pace, 100))
    assert counts[ANCHORS[0]] == pytest.approx(20, abs=1)
    assert counts[ANCHORS[1]] > 150


@pytest.mark.parametrize("interval_ms", [50, 250, 1_000, 10_000])
def test_any_interval(interval_ms: int) -> None:
    """A village with a dear line sets a slower pace."""
    pace, _ = pace_of(Monitor(interval_ms=interval_ms))
    found = asked(pace, 200)
    assert len(found) <= 200_000 / interval_ms + 2
    assert {name for _, name in found} >= {"gateway", *ANCHORS}


def test_a_long_sleep_is_not_made_up_for() -> None:
    """After a suspended minute all its probes would leave at once."""
    pace, _ = pace_of()
    asked(pace, 10)
    assert len(asked(pace, 1.0, 300.0)) <= 8


def test_nobody_to_ask() -> None:
    """An uplink without any source would crash the monitor."""
    pace = Pace((), Monitor(), now=0.0)
    assert pace.next(now=0.0)[0] is None
    pace.suspect(now=0.0)
    assert pace.next(now=0.1)[0] is None
