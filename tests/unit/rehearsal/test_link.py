"""The model of a link keeps its promises: shares, lengths, delays, queue, order of rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.rehearsal import scene
from edge.rehearsal.conditions import Condition
from edge.rehearsal.link import BUFFER_KBIT, SPREAD, Link

LINE = scene.default().lines[0]
BY_NAME = {source.name: source for source in LINE.sources}
ANCHOR, GATEWAY = BY_NAME["10.35.0.10"], BY_NAME["gateway"]
ALL = Condition(0.0, "pde", "*")


def probes(link: Link, count: int, every: float = 0.05, begin: float = 0.0) -> list[float | None]:
    return [link.probe(ANCHOR, begin + number * every) for number in range(count)]


def test_healthy_before_the_first_row() -> None:
    """A file that begins with a fault would have no healthy time."""
    trips = probes(Link(LINE, [replace(ALL, start_s=100, loss=1.0)], "1"), 1_000)
    assert all(trip is not None and 20 <= trip < 35 for trip in trips)


@pytest.mark.parametrize("burst_s", [0.0, 0.5, 1.5])
def test_the_share_of_loss(burst_s: float) -> None:
    """Faults would be milder or worse than described."""
    trips = probes(Link(LINE, [replace(ALL, loss=0.2, burst_s=burst_s)], "1"), 60_000)
    assert trips.count(None) / len(trips) == pytest.approx(0.2, abs=0.02)


def test_bursts_have_their_length() -> None:
    """A burst of 1.5 s would be an outage of five."""
    trips = probes(Link(LINE, [replace(ALL, loss=0.1, burst_s=1.0)], "1"), 100_000, 0.01)
    runs, run = [], 0
    for trip in trips:
        if trip is None:
            run += 1
        elif run:
            runs.append(run * 0.01)
            run = 0
    assert SPREAD[0] - 0.02 <= min(runs[1:])
    assert max(runs) <= SPREAD[1] + 0.02
    assert sum(runs) / len(runs) == pytest.approx(1.0, abs=0.1)


def test_jitter_only_adds() -> None:
    """Round trips below the described one would teach a wrong baseline."""
    trips = [trip or 0 for trip in probes(Link(LINE, [replace(ALL, rtt_ms=50, jitter_ms=10)], "1"), 20_000)]
    assert min(trips) >= 50
    assert sum(trips) / len(trips) == pytest.approx(50 + 10 * 0.798, abs=0.4)


def test_the_row_that_began_last_holds_and_the_named_target_wins() -> None:
    """`*` dead and `gateway` alive is how a fault beyond the gateway is written."""
    rows = [replace(ALL, target="gateway", loss=0.0), replace(ALL, loss=1.0)]
    link = Link(LINE, rows, "1")
    assert link.probe(ANCHOR, 1.0) is None
    assert link.probe(GATEWAY, 1.0) is not None
    healed = Link(LINE, [replace(ALL, target=ANCHOR.name, loss=1.0), replace(ALL, start_s=10)], "1")
    assert healed.probe(ANCHOR, 9.0) is None
    assert healed.probe(ANCHOR, 10.0) is not None


def test_the_queue() -> None:
    """Own load would neither delay nor lose."""
    link = Link(LINE, [replace(ALL, rate_mbit=1, offered_mbit=8)], "1")
    link.probe(ANCHOR, 0.0)
    trips = probes(link, 1_000, begin=5.0)
    answered = [trip for trip in trips if trip is not None]
    assert min(answered) >= BUFFER_KBIT / 1.0
    assert trips.count(None) / len(trips) == pytest.approx(7 / 8, abs=0.05)
    assert (link.probe(GATEWAY, 60.0) or 1e9) < 60


def test_what_is_carried() -> None:
    """The verdict would rest on bytes that no such link carries."""
    link = Link(LINE, [replace(ALL, offered_mbit=4), replace(ALL, start_s=10, offered_mbit=4, rate_mbit=1)], "1")
    assert [link.received(float(second)) for second in (1, 2)] == [500_000, 500_000]
    for second in range(3, 12):
        link.received(float(second))
    assert link.received(12.0) == 125_000
    dead = Link(LINE, [replace(ALL, offered_mbit=4, loss=1.0)], "1")
    assert dead.received(1.0) == 0


def test_the_same_seed_gives_the_same() -> None:
    """A finding could not be shown twice."""
    rows = [replace(ALL, loss=0.3, burst_s=0.4, jitter_ms=9)]
    assert probes(Link(LINE, rows, "7"), 500) == probes(Link(LINE, rows, "7"), 500)
    assert probes(Link(LINE, rows, "7"), 500) != probes(Link(LINE, rows, "8"), 500)
