"""One source: how long to wait for it, and what it answered lately."""

from __future__ import annotations

import pytest

from edge.monitor.sources import Source
from edge.monitor.track import LEAST_PATIENCE_S, Track


def track(span_s: float = 40) -> Track:
    return Track(Source("a", "icmp", "anchor", "10.0.0.1"), span_s=span_s)


def test_patience_follows_the_round_trips() -> None:
    """A fixed patience is too long for a near host and too short for a far one (RFC 6298)."""
    near, far = track(), track()
    for number in range(50):
        near.took(number, 5.0, 1.0)
        far.took(number, 400.0 + 40 * (number % 2), 1.0)
    assert near.patience_s == LEAST_PATIENCE_S
    assert 0.44 < far.patience_s < 0.7
    far.took(51.0, 9_000.0, 1.0)
    assert far.patience_s == 1.0


def test_the_span_forgets() -> None:
    """Losses of long ago would be told as today's."""
    a = track(3)
    for losses in (1, 0, 0, 0):
        a.losses, a.answers = losses, 4
        a.turn()
    assert (a.span_answers, a.span_losses) == (12, 0)
    assert a.lately(2) == (8, 0)
    assert a.lately(99) == (12, 0)


@pytest.mark.parametrize(("since", "wanted"), [(0.0, 20.0), (1.0, 30.0), (5.0, None)])
def test_the_median_is_of_answers_that_came_after(since: float, wanted: float | None) -> None:
    """Old round trips would hide a slow line."""
    a = track()
    for sent_at, rtt in ((0.5, 10.0), (0.6, 20.0), (2.0, 30.0)):
        a.took(sent_at, rtt, 1.0)
    assert a.rtt_ms(since) == wanted
