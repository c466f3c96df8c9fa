"""The verdict as tables of steps: (time, evidence) -> level and cause."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Monitor
from edge.monitor.verdict import Cause, Judge, Obstacle
from edge.monitor.window import Summary

SETTINGS = Monitor(
    outage_s=2, rtt_degraded_ms=300, rtt_recovered_ms=150
)  # loss 15/5 %, RTT 300/150 ms, fall 3 s, rise 10 s, outage 2 s


def ev(
    loss: float = 0.0,
    rtt: float | None = 20.0,
    *,
    silent: bool = False,
    answering: float | None = 100.0,
    gateway: bool | None = True,
    decided: int = 40,
) -> Summary:
    return Summary(decided, loss, rtt, silent, answering, gateway)


WELL = ev()
NOTHING = ev(rtt=None, answering=None, decided=0, gateway=None)
SILENT = ev(1.0, None, silent=True)
LOSSY = ev(0.30)
BETWEEN = ev(0.10)
SLOW = ev(rtt=400.0)

Step = tuple[float, Summary | Obstacle, str]
TABLES: dict[str, list[Step]] = {
    "not known before the first answer, then up at once": [
        (0, NOTHING, "down starting"),
        (0.5, NOTHING, "down starting"),
        (0.6, ev(answering=0.0, decided=1), "up "),
    ],
    "never answered": [
        (0, NOTHING, "down starting"),
        (2.5, ev(1.0, None, silent=True, answering=None, gateway=None), "down no-reply"),
        (3.0, ev(1.0, None, silent=True, answering=None, gateway=False), "down gateway"),
    ],
    "silence beyond the gateway, and the return held for the outage time": [
        (0, WELL, "up "),
        (5, SILENT, "down beyond-gateway"),
        (8, ev(answering=0.1), "down beyond-gateway"),
        (9.8, ev(answering=1.9), "down beyond-gateway"),
        (9.95, ev(answering=2.05), "up "),
    ],
    "a return that falls silent again stays down": [
        (0, WELL, "up "),
        (5, SILENT, "down beyond-gateway"),
        (8, ev(answering=0.1), "down beyond-gateway"),
        (10.2, SILENT, "down beyond-gateway"),
    ],
    "a lossy return is degraded at best": [
        (0, WELL, "up "),
        (5, SILENT, "down beyond-gateway"),
        (10, ev(0.5, answering=2.5), "degraded lossy"),
        (11, WELL, "degraded lossy"),
        (20.9, WELL, "degraded lossy"),
        (21, WELL, "up "),
    ],
    "a slow return is degraded at best": [
        (0, WELL, "up "),
        (5, SILENT, "down beyond-gateway"),
        (10, ev(rtt=200.0, answering=2.5), "degraded delayed"),
    ],
    "loss must be held for the fall time": [
        (0, WELL, "up "),
        (1, LOSSY, "up "),
        (3.9, LOSSY, "up "),
        (4, LOSSY, "degraded lossy"),
    ],
    "a moment of loss is forgiven": [
        (0, WELL, "up "),
        (1, LOSSY, "up "),
        (3, WELL, "up "),
        (3.5, LOSSY, "up "),
        (6, LOSSY, "up "),
        (6.5, LOSSY, "degraded lossy"),
    ],
    "between the thresholds nothing changes, up or degraded": [
        (0, WELL, "up "),
        (10, BETWEEN, "up "),
        (60, BETWEEN, "up "),
        (61, LOSSY, "up "),
        (65, LOSSY, "degraded lossy"),
        (70, BETWEEN, "degraded lossy"),
        (700, BETWEEN, "degraded lossy"),
    ],
    "the rise starts anew at every relapse": [
        (0, WELL, "up "),
        (1, LOSSY, "up "),
        (4, LOSSY, "degraded lossy"),
        (5, WELL, "degraded lossy"),
        (14, BETWEEN, "degraded lossy"),
        (15, WELL, "degraded lossy"),
        (24.9, WELL, "degraded lossy"),
        (25, WELL, "up "),
    ],
    "delay alone degrades": [
        (0, WELL, "up "),
        (1, SLOW, "up "),
        (4, SLOW, "degraded delayed"),
        (5, ev(rtt=200.0), "degraded delayed"),
        (6, ev(rtt=100.0), "degraded delayed"),
        (16, ev(rtt=100.0), "up "),
    ],
    "two bad figures do not take turns": [
        (0, WELL, "up "),
        (1, ev(0.3, 400.0), "up "),
        (4, ev(0.3, 400.0), "degraded lossy"),
        (5, ev(0.10, 400.0), "degraded lossy"),
        (6, ev(0.0, 400.0), "degraded delayed"),
        (7, ev(0.3, 400.0), "degraded delayed"),
        (8, ev(0.3, 20.0), "degraded lossy"),
    ],
    "a few probes are no share": [
        (0, ev(decided=1), "up "),
        (1, ev(0.5, decided=4), "up "),
        (9, ev(0.5, decided=4), "up "),
    ],
    "carrier and device are told at once and end at once in a return": [
        (0, WELL, "up "),
        (1, "carrier", "down carrier"),
        (2, "no-device", "down no-device"),
        (3, NOTHING, "down no-device"),
        (3.3, ev(answering=0.1), "down no-device"),
        (5.3, ev(answering=2.1), "up "),
    ],
    "a device that returns without answers becomes silent": [
        (0, WELL, "up "),
        (1, "carrier", "down carrier"),
        (2, NOTHING, "down carrier"),
        (4.5, ev(1.0, None, silent=True, answering=None, gateway=False), "down gateway"),
    ],
    "without privilege only the carrier speaks": [
        (0, "no-privilege", "degraded no-privilege"),
        (9, "carrier", "down carrier"),
        (10, "no-privilege", "degraded no-privilege"),
        (20, NOTHING, "degraded no-privilege"),
        (40, NOTHING, "degraded no-privilege"),
        (41, WELL, "degraded no-privilege"),
        (51, WELL, "up "),
    ],
    "holds begin anew after an outage": [
        (0, WELL, "up "),
        (1, LOSSY, "up "),
        (2, "carrier", "down carrier"),
        (6, ev(answering=2.5), "up "),
        (6.5, LOSSY, "up "),
        (9.4, LOSSY, "up "),
        (9.5, LOSSY, "degraded lossy"),
        (12, WELL, "degraded lossy"),
        (13, "carrier", "down carrier"),
        (20, ev(0.5, answering=2.5), "degraded lossy"),
        (21, WELL, "degraded lossy"),
        (30.9, WELL, "degraded lossy"),
        (31, WELL, "up "),
    ],
    "outage while degraded is down at once": [
        (0, WELL, "up "),
        (1, LOSSY, "up "),
        (4, LOSSY, "degraded lossy"),
        (5, ev(1.0, None, silent=True, gateway=False), "down gateway"),
    ],
}


def play(judge: Judge, at: float, what: Summary | Obstacle) -> str:
    verdict = judge.judge(NOTHING, what, now=at) if isinstance(what, str) else judge.judge(what, now=at)
    return f"{verdict.level} {verdict.cause}"


@pytest.mark.parametrize("steps", TABLES.values(), ids=TABLES.keys())
def test_steps(steps: list[Step]) -> None:
    """The verdict must follow its evidence with the holds and hysteresis of the settings."""
    judge = Judge("pde", SETTINGS, now=0.0)
    for at, what, wanted in steps:
        assert play(judge, at, what) == wanted, f"at {at}"


@pytest.mark.parametrize("cause", [cause for cause in get_args(Cause) if cause])
def test_every_cause_is_explained(cause: str) -> None:
    """An engineer would meet a cause on the page that docs/monitoring.md does not explain."""
    assert f"`{cause}`" in (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()


def test_without_targets_the_gateway_speaks() -> None:
    """An uplink judged by its gateway alone must say so, and blame the gateway."""
    judge = Judge("pde", SETTINGS, well="no-targets", now=0.0)
    assert play(judge, 0, WELL) == "up no-targets"
    assert play(judge, 5, SILENT) == "down gateway"
    assert play(judge, 9, ev(answering=3.0)) == "up no-targets"


def test_since_is_the_time_of_the_level() -> None:
    """`since` must move with the level only, not with the cause or the figures."""
    judge = Judge("pde", SETTINGS, now=7.0)
    assert judge.verdict.since == 7.0
    assert judge.judge(WELL, now=8.0).since == 8.0
    assert judge.judge(BETWEEN, now=9.0).since == 8.0
    assert judge.judge(NOTHING, "carrier", now=10.0).since == 10.0
    assert judge.judge(NOTHING, "no-device", now=11.0).since == 10.0


def test_figures_are_fresh_and_a_dead_uplink_loses_all() -> None:
    """The verdict must carry the latest figures; down must show total loss and no round trip."""
    judge = Judge("pde", SETTINGS, now=0.0)
    up = judge.judge(ev(0.02, 33.0), now=1.0)
    assert (up.loss, up.rtt_ms) == (0.02, 33.0)
    down = judge.judge(ev(0.4, 33.0, silent=True), now=2.0)
    assert (down.loss, down.rtt_ms) == (1.0, None)


def test_thresholds_cannot_contradict() -> None:
    """A recovery threshold above the degraded one must not let the verdict take turns."""
    odd = Monitor(loss_degraded_percent=10, loss_recovered_percent=50, fall_s=0, rise_s=0)
    judge = Judge("pde", odd, now=0.0)
    assert play(judge, 0, WELL) == "up "
    told = [play(judge, at, ev(0.3)) for at in range(1, 10)]
    assert told == ["degraded lossy"] * 9


@given(
    st.lists(
        st.tuples(
            st.floats(0.01, 5),
            st.one_of(
                st.sampled_from(["carrier", "no-device", "no-privilege"]),
                st.builds(
                    ev,
                    st.floats(0, 1),
                    st.none() | st.floats(0.1, 2_000),
                    silent=st.booleans(),
                    answering=st.none() | st.floats(0, 50),
                    gateway=st.none() | st.booleans(),
                    decided=st.integers(0, 80),
                ),
            ),
        )
    )
)
def test_no_evidence_breaks_the_rules(steps: list[tuple[float, Summary | Obstacle]]) -> None:
    """Whatever comes: silence is down, up has its well cause, degraded never turns up before its rise."""
    judge, now, degraded_at = Judge("pde", SETTINGS, now=0.0), 0.0, None
    for seconds, what in steps:
        now += seconds
        before = judge.verdict.level
        play(judge, now, what)
        level, cause = judge.verdict.level, judge.verdict.cause
        if isinstance(what, Summary) and what.silent:
            assert level == "down"
        assert (level == "up") == (cause == "")
        if before != "degraded" and level == "degraded":
            degraded_at = now
        if before == "degraded" and level == "up":
            assert degraded_at is not None
            assert now - degraded_at >= SETTINGS.rise_s
