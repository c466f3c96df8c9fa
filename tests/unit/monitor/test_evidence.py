"""The sentences behind a verdict: every cause that is told has facts."""

from __future__ import annotations

from typing import get_args

from edge.config import Monitor
from edge.monitor.baseline import Baseline
from edge.monitor.delay import Delay
from edge.monitor.evidence import sentences
from edge.monitor.ledger import Ledger
from edge.monitor.load import Load
from edge.monitor.sources import sources
from edge.monitor.track import Track
from edge.monitor.verdict import Cause
from tests.unit.monitor.line import GATEWAY, SETTINGS, uplink

PLAIN = {"", "starting", "no-device", "carrier", "no-targets", "no-privilege"}  # the cause says it all


def test_every_cause_has_its_facts() -> None:
    """An officer who asks why would get an empty answer."""
    tracks = tuple(Track(source, span_s=40) for source in sources(uplink(), SETTINGS, GATEWAY))
    ledger = Ledger(tracks, timeout_s=1.0, now=0.0)
    delay = Delay(tracks[1:5], (), Baseline(), Monitor(), now=0.0)
    delay.rise_ms = 321.0
    load = Load((10, 10), Monitor())
    load.received_mbit = 0.7
    for track in tracks:
        track.losses, track.answers, track.usual_ms = 3, 7, 20.0
        track.turn()
        track.took(99.0, 340.0, 1.0)
    tracks[1].trusted = False
    for cause in get_args(Cause):
        facts = sentences(cause, tracks, ledger, delay, load, now=100.0)
        assert bool(facts) is (cause not in PLAIN), cause
        assert all(fact == fact.strip() and len(fact) < 120 for fact in facts)
    assert "321 ms" in sentences("delayed", tracks, ledger, delay, load, now=100.0)[0]
    assert "0.7 of 10 Mbit/s" in sentences("slow", tracks, ledger, delay, load, now=100.0)[0]
    assert any("lost 3 of 10" in fact for fact in sentences("lossy", tracks, ledger, delay, load, now=100.0))
