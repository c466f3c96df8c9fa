"""For how long bytes that come in speak for an uplink whose probes nobody answers."""

from __future__ import annotations

import pytest

from edge.monitor.detector import BYTES_MOST_S
from edge.monitor.sources import Source
from tests.unit.monitor.line import Line, well


def only_the_gateway(source: Source) -> float | None:
    return well(source) if source.role == "gateway" else None


@pytest.mark.parametrize("junk_mbit", [0.3, 1.0, 5.0, 9.5])
def test_a_stream_that_comes_in_does_not_hide_an_outage_for_ever(junk_mbit: float) -> None:
    """Whoever sends to the uplink's address, unasked, would keep the office on a way that leads nowhere."""
    line = Line()
    line.run(300)
    assert line.said == "up"
    line.meets, line.down_mbit = only_the_gateway, junk_mbit
    line.run(BYTES_MOST_S + 30)
    assert line.said == "down beyond-gateway"


def test_a_short_silence_under_load_is_no_outage() -> None:
    """A download that fills the queue for seconds would move the office."""
    line = Line()
    line.run(300)
    line.meets, line.down_mbit = only_the_gateway, 9.5
    line.run(BYTES_MOST_S / 2)
    assert line.verdict.level == "up"
