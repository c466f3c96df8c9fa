"""What the judgement tells besides silence and loss, in virtual time: delay, names, portals, load and rates."""

from __future__ import annotations

import random

import pytest

from edge.monitor.baseline import Baseline
from tests.unit.monitor.line import ANCHORS, SETTINGS, Line, dead, well
from tests.unit.monitor.meetings import but, healthy, later


def test_a_slow_line_is_delayed_and_a_busy_afternoon_is_not() -> None:
    """Either the brownout stays unseen, or every afternoon is one."""
    line = healthy(Line())
    line.meets = later(150)
    assert line.run(600) == []
    line.meets = later(300)
    ((after, said),) = line.run(30)
    assert said == "degraded delayed"
    assert after <= 8
    line.meets = well
    ((_, said),) = line.run(60)
    assert said == "up"


def test_a_line_that_slows_soon_after_the_first_start_is_delayed() -> None:
    """For the first twenty seconds no delay would be told, and then the slow line would be the usual one."""
    line = healthy(Line(), 6.0)
    line.meets = later(500)
    ((after, said),) = line.run(30)
    assert (said, after <= 8) == ("degraded delayed", True)


def test_one_slow_host_does_not_delay_the_line() -> None:
    """A busy server would look like a busy line."""
    line = healthy(Line())
    line.meets = but({ANCHORS[0]: 900.0})
    assert [said for _, said in line.run(120) if not said.startswith("up")] == []


def test_dead_resolvers_degrade_and_are_named() -> None:
    """Pages would not open and nobody would say why."""
    line = healthy(Line())
    line.meets = but({"dns": None})
    ((after, said),) = line.run(60)
    assert said == "degraded dns"
    assert after <= 10
    line.meets = but({"dns": "dns-error"})
    assert line.run(60) == []
    line.meets = well
    assert line.run(60)[-1][1] == "up"


def test_a_captive_portal_is_down() -> None:
    """Pings pass it, pages do not: the desk would see a login page of the provider."""
    line = healthy(Line())
    line.meets = but({"http": "captive"})
    ((after, said),) = line.run(60)
    assert said == "down captive-portal"
    assert after <= SETTINGS.check_every_s + 1
    line.meets = well
    ((after, said),) = line.run(60)
    assert said == "up"
    assert after <= 10


@pytest.mark.parametrize("reason_s", [0.1, 0.3, 0.9, 3.0])
def test_a_portal_that_answers_late_is_a_portal(reason_s: float) -> None:
    """A login page by a name, a connection and a slow box takes longer than a ping: it was called the page's fault."""
    line = healthy(Line())
    line.reason_s = reason_s
    line.meets = but({"http": "captive"})
    assert [said for _, said in line.run(60)][-1] == "down captive-portal"
    assert line.run(300) == []
    assert "http" not in line.detector.faulty


def test_a_portal_is_not_believed_in_for_ever() -> None:
    """The portal goes, the check page falls silent, and a line that works stays down until somebody notices."""
    line = healthy(Line())
    line.meets = but({"http": "captive"})
    assert line.run(60)[-1][1] == "down captive-portal"
    line.meets = but({"http": None})
    assert line.run(60)[0][1].startswith("up")


def test_a_check_page_that_is_merely_gone_is_no_verdict() -> None:
    """The regency's web server goes down and with it every village."""
    line = healthy(Line())
    for met in (None, "status"):
        line.meets = but({"http": met})
        assert {said for _, said in line.run(300)} <= {"up target-fault", "up"}


def test_a_full_link_is_not_a_sick_one() -> None:
    """A download at full rate would move the office: own load looks like a failure."""
    line = healthy(Line())
    draw = random.Random(5)
    line.down_mbit = 9.5
    line.meets = lambda source: None if draw.random() < 0.2 else well(source) + 210
    assert {said for _, said in line.run(300)} <= {"up", "up target-fault"}


def test_a_rate_collapse_under_demand_is_slow() -> None:
    """The villages' first complaint; pings see a queue and losses, not the lost rate."""
    line = healthy(Line())
    draw = random.Random(5)
    line.down_mbit = 1.0
    line.meets = lambda source: None if draw.random() < 0.8 and source.role != "gateway" else later(2_000)(source)
    ((after, said),) = line.run(40)
    assert said == "degraded slow"
    assert SETTINGS.slow_s <= after <= 20
    assert "1.0 of 10 Mbit/s" in line.verdict.evidence[0]


def test_received_bytes_prove_life() -> None:
    """Where a provider drops all pings, a working line would be down."""
    line = healthy(Line())
    line.down_mbit = 3.0
    line.meets = dead
    assert [said for _, said in line.run(60) if said.startswith("down")] == []
    line.down_mbit = 0.0
    assert line.run(10)[-1][1] == "down gateway"


def test_two_poor_fetches_are_slow_and_a_good_one_heals() -> None:
    """Without demand a rate collapse would stay unseen until somebody waits for a page."""
    line = healthy(Line())
    line.detector.fetched(1.0, now=line.now)
    assert line.run(5) == []
    line.detector.fetched(1.0, now=line.now)
    assert line.run(5)[-1][1] == "degraded slow"
    assert "Mbit/s" in line.verdict.evidence[0]
    line.detector.fetched(8.0, now=line.now)
    assert line.run(20)[-1][1] == "up"


def test_a_known_baseline_is_used_from_the_first_seconds() -> None:
    """After every restart a slow line would be taken for the usual one."""
    line = healthy(Line(), 900)
    again = Line(baseline=Baseline.load(line.detector.baseline.dump()))
    again.meets = later(300)
    assert again.run(30)[-1][1] == "degraded delayed"
