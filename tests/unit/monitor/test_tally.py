"""The figures of sources for people: lost when late, corrected by a late answer, bounded."""

from __future__ import annotations

import pytest

from edge.monitor.sources import Source
from edge.monitor.tally import KEPT_S, LATELY, Row, Tally

SOURCES = (Source("gateway", "icmp", "gateway", "192.0.2.1"), Source("9.9.9.9", "icmp", "public", "9.9.9.9", 5.0))


@pytest.fixture
def tally() -> Tally:
    return Tally(SOURCES, 1.0)


def test_nothing_is_claimed_before_a_probe_is_decided(tally: Tally) -> None:
    """An uplink that has just been plugged in would show no loss, or all."""
    tally.sent(1, "gateway", now=0.0)
    assert tally.rows(frozenset({"9.9.9.9"})) == [
        Row("gateway", "icmp", "gateway", None, None, set_aside=False),
        Row("9.9.9.9", "icmp", "public", None, None, set_aside=True),
    ]


def test_loss_and_median_are_of_what_was_decided(tally: Tally) -> None:
    """The table would show other figures than were measured."""
    for serial, rtt in enumerate((10.0, 30.0, 20.0)):
        tally.sent(serial, "gateway", now=0.0)
        assert tally.answered(serial, rtt) == ("gateway", False)
    tally.sent(3, "gateway", now=0.0)
    assert tally.expire(now=0.999) == []
    assert tally.expire(now=1.0) == ["gateway"]
    assert tally.expire(now=2.0) == []
    assert tally.rows(frozenset())[0] == Row("gateway", "icmp", "gateway", 0.25, 20.0, set_aside=False)


def test_late_answer_takes_the_loss_back_once(tally: Tally) -> None:
    """A slow link would look lossy; a duplicate would count twice."""
    tally.sent(1, "gateway", now=0.0)
    tally.expire(now=1.5)
    assert tally.answered(1, 1_500.0) == ("gateway", True)
    assert tally.answered(1, 1_500.0) is None
    assert tally.rows(frozenset())[0].loss == 0.0


def test_failure_is_told_once(tally: Tally) -> None:
    """A probe that failed would be told as lost a second time."""
    tally.sent(1, "gateway", now=0.0)
    assert tally.failed(1) == "gateway"
    assert tally.failed(1) is None
    assert tally.answered(1, 1.0) is None
    assert tally.expire(now=2.0) == []
    tally.sent(2, "gateway", now=2.0)
    tally.expire(now=3.0)
    assert tally.failed(2) is None


def test_memory_is_bounded(tally: Tally) -> None:
    """Months of silence would fill the memory; an answer of long ago would count."""
    for serial in range(1_000):
        now = serial * 0.25
        tally.sent(serial, "gateway", now=now)
        tally.expire(now=now)
    assert len(tally._lately["gateway"]) == LATELY
    assert len(tally._flights) <= KEPT_S / 0.25 + 1
    assert len(tally._waiting) <= 5
    assert tally.answered(0, 1.0) is None


def test_another_link_begins_anew(tally: Tally) -> None:
    """Losses of the old link would be told of the new one."""
    tally.sent(1, "gateway", now=0.0)
    tally.restart()
    assert tally.expire(now=5.0) == []
    assert tally.answered(1, 1.0) is None
