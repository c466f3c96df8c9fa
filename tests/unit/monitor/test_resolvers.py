"""When resolvers are dead, and when they only limit their answers."""

from __future__ import annotations

import pytest

from edge.monitor.resolvers import dead, failed_in_row
from edge.monitor.sources import Source
from edge.monitor.track import Track


def resolver(misses: int, *, usual_loss: float = 0.1, for_s: float = 6.0) -> Track:
    track = Track(Source(f"dns:{misses}", "dns", "dns", "10.0.0.53"), span_s=40)
    track.misses, track.usual_loss = misses, usual_loss
    track.missed_from, track.asked_at = 100.0, 100.0 + for_s
    return track


def target(answers: int, losses: int) -> Track:
    track = Track(Source("a", "icmp", "anchor", "a"), span_s=40)
    track.answers, track.losses = answers, losses
    track.turn()
    return track


WELL = (target(5, 0),)


@pytest.mark.parametrize(
    ("resolvers", "beyond", "wanted"),
    [
        ((resolver(6),), WELL, True),
        ((resolver(5),), WELL, False),
        ((resolver(6, for_s=3.0),), WELL, False),
        ((resolver(15, usual_loss=0.5),), WELL, False),
        ((resolver(20, usual_loss=0.5),), WELL, True),
        ((resolver(9), resolver(0)), WELL, False),
        ((resolver(6),), (target(1, 4),), False),
        ((), WELL, False),
    ],
)
def test_dead(resolvers: tuple[Track, ...], beyond: tuple[Track, ...], wanted: bool) -> None:
    """A resolver that drops half would move the office, or a dead one would not."""
    assert dead(resolvers, beyond) is wanted


def test_the_best_resolver_counts() -> None:
    """One dead resolver of two would be called a dead DNS."""
    assert failed_in_row((resolver(9), resolver(2))) == 2
    assert failed_in_row(()) == 0
