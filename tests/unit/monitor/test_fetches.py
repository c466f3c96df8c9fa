"""When an uplink is fetched from; what a fetch finds is shown in tests/lab/test_monitor_watcher.py."""

from __future__ import annotations

import pytest

from edge import config
from edge.clock import SystemClock
from edge.monitor.facts import LinkFacts
from edge.monitor.fetches import FIRST_WITHIN_S, Fetches
from edge.monitor.probe import Way

IDLE = LinkFacts(1.0, 1_000, 1_000)
WAY = Way("nosuchdev0", 1)


@pytest.mark.parametrize(
    ("url", "facts", "well", "begun"),
    [
        ("http://192.0.2.1/", IDLE, True, True),
        ("", IDLE, True, False),
        ("http://192.0.2.1/", IDLE, False, False),
        ("http://192.0.2.1/", None, True, False),
        ("http://192.0.2.1/", LinkFacts(1.0, 63_000, 0), True, False),
        ("http://192.0.2.1/", LinkFacts(2.0, 0, 126_000), True, False),
        ("http://192.0.2.1/", LinkFacts(2.0, 124_000, 0), True, True),
    ],
    ids=["idle", "no file", "down", "unknown", "busy down", "busy up", "half as busy"],
)
async def test_only_an_idle_uplink_is_fetched_from(url: str, facts: LinkFacts | None, well: bool, begun: bool) -> None:
    """A fetch would compete with the office's own traffic, and tell a rate that is none."""
    clock = SystemClock()
    fetches = Fetches(WAY, config.Monitor(fetch_url=url), (10.0, 10.0), clock=clock)
    now = clock.monotonic() + FIRST_WITHIN_S
    for second in range(10):
        assert fetches.step(facts, well=well, now=now + second) is None
        if fetches.running:
            break
    assert fetches.running == begun
    fetches.stop()
