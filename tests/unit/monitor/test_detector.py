"""The whole judgement in virtual time: what befalls the line -> what is said of it, when, and why."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from edge.config import Monitor
from edge.monitor.detector import Detector
from edge.monitor.verdict import Obstacle
from tests.unit.monitor.line import ANCHORS, PUBLIC, RESOLVER, SETTINGS, Line, Meets, dead, uplink, well
from tests.unit.monitor.meetings import but, healthy, later, losing


def test_up_at_the_first_answer_of_a_target() -> None:
    """The village would wait for a line that works already."""
    ((after, said),) = Line().run(30)
    assert (said, after <= 0.3) == ("up", True)


OUTAGES: dict[str, tuple[Meets, str]] = {
    "everything silent": (dead, "down gateway"),
    "silent beyond the gateway": (but({"gateway": 2.0}, dead), "down beyond-gateway"),
    "the provider answers port 53 itself": (but({"gateway": 2.0, "dns": 5.0}, dead), "down beyond-gateway"),
    "probes cannot leave": (lambda _: "no-route", "down gateway"),
}


@pytest.mark.parametrize(("meets", "said"), OUTAGES.values(), ids=OUTAGES)
def test_an_outage_is_told_within_three_seconds(meets: Meets, said: str) -> None:
    """The desk would wait, or be told a wrong cause."""
    line = healthy(Line())
    line.meets = meets
    ((after, told),) = line.run(60)
    assert told == said
    assert after <= 3.0
    assert "targets" in line.verdict.evidence[0]


def test_a_gateway_that_never_answers_is_not_blamed() -> None:
    """Many providers' boxes ignore ping: the technician would be sent to the wrong end."""
    line = Line()
    line.meets = but({"gateway": None})
    healthy(line, 60)
    line.meets = dead
    line.run(5)
    assert line.said == "down no-reply"


def test_hosts_that_are_gone_together_are_told_as_an_outage_once_at_most() -> None:
    """The regency's machine room loses power: its hosts and its resolver are gone, the line is well, and it was told
    down and up again every ten seconds for as long as that lasted."""
    line = healthy(Line())
    gone = (*ANCHORS, f"dns:{RESOLVER}")
    line.meets = lambda source: None if source.name in gone else well(source)
    said = [said for _, said in line.run(600)]
    assert sum(each.startswith("down") for each in said) <= 1
    assert line.said == "degraded dns"
    line.meets = dead
    assert line.run(10)[-1][1] == "down gateway", "a true outage must be seen for all that"


@pytest.mark.parametrize("third", [f"dns:{RESOLVER}", "http", PUBLIC[0]])
def test_hosts_that_are_gone_together_are_no_outage_while_another_answers(third: str) -> None:
    """A room without power in the regency, and its website or one more host with it, would take the office off a good
    line and stand as an outage in the report; now only when all the others had been asked just before."""
    gone = (*ANCHORS, third)
    told = 0
    for offset in range(20):
        line = Line()
        line.run(60 + 0.52 * offset)
        line.meets = lambda source: None if source.name in gone else well(source)
        told += any(said.startswith("down") for _, said in line.run(60))
        line.meets = dead
        line.run(8)
        assert line.verdict.level == "down", "a true outage must be seen for all that"
    assert told <= 20 * 0.35


def test_an_interruption_of_two_seconds_is_no_outage() -> None:
    """A short break of the fibre would tear every connection of the office."""
    line = healthy(Line())
    line.meets = dead
    assert line.run(2.0) == []
    line.meets = well
    assert line.run(30) == []


def test_after_an_outage_answers_must_last() -> None:
    """The first stray answer would bring the office back onto a dead line."""
    line = healthy(Line())
    line.meets = dead
    line.run(20)
    line.meets = well
    after, said = line.run(20)[-1]
    assert said == "up"
    assert SETTINGS.outage_s <= after <= SETTINGS.outage_s + 1


def test_a_lossy_return_is_degraded_at_best() -> None:
    """Service would move back onto a line that loses a third."""
    line = healthy(Line())
    line.meets = dead
    line.run(20)
    line.meets = losing(0.4)
    assert next(said for _, said in line.run(30) if not said.startswith("down")) == "degraded lossy"


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("share", "within_s"), [(0.3, 12), (0.2, 20), (0.1, 90)])
def test_loss_degrades(share: float, within_s: float, seed: int) -> None:
    """A brownout would stay unseen."""
    line = healthy(Line())
    line.meets = losing(share, seed)
    told = [said for _, said in line.run(within_s) if said != "up target-fault"]
    assert told == ["degraded lossy"]
    assert any("lost" in fact for fact in line.verdict.evidence)


@pytest.mark.parametrize("seed", range(3))
def test_background_loss_is_healthy(seed: int) -> None:
    """Two packets in a hundred would move the office all day."""
    line = Line()
    line.meets = losing(0.02, seed)
    line.run(7_200)
    assert [said for _, said in line.run(7_200) if said != "up target-fault" and said != "up"] == []


def test_a_lossy_line_is_up_again_after_good_seconds() -> None:
    """A healed line would never be used again, or at its first good second."""
    line = healthy(Line())
    line.meets = losing(0.3)
    line.run(60)
    assert line.said == "degraded lossy"
    line.meets = well
    ((after, said),) = line.run(120)
    assert said == "up"
    assert SETTINGS.rise_s <= after <= SETTINGS.window_s + SETTINGS.rise_s + 2


@pytest.mark.parametrize("name", [*ANCHORS, *PUBLIC])
def test_one_dead_target_is_its_own_fault(name: str) -> None:
    """One target that rate-limits ICMP brings the link "down": the first complaint about mwan3."""
    line = healthy(Line())
    line.meets = but({name: None})
    changes = line.run(600)
    assert {said for _, said in changes} <= {"up", "up target-fault"}
    assert line.detector.faulty == {name}
    line.meets = well
    line.run(900)
    assert line.detector.faulty == frozenset()


@pytest.mark.parametrize("names", [(ANCHORS[0],), ANCHORS, ("gateway",), (ANCHORS[0], PUBLIC[0]), (f"dns:{RESOLVER}",)])
def test_hosts_that_limit_their_answers_do_not_degrade_the_line(names: tuple[str, ...]) -> None:
    """A host that leaves out half of its answers would move the office."""
    line = healthy(Line())
    line.meets = losing(0.5, 3, names)
    assert {said for _, said in line.run(3_600)} <= {"up", "up target-fault"}


OBSTACLES: list[tuple[Obstacle, str]] = [
    ("no-device", "down no-device"),
    ("carrier", "down carrier"),
    ("no-privilege", "degraded no-privilege"),
]


@pytest.mark.parametrize(("obstacle", "said"), OBSTACLES)
def test_an_obstacle_is_told_at_once(obstacle: Obstacle, said: str) -> None:
    """A pulled cable would wait for a silence."""
    line = healthy(Line())
    line.obstacle = obstacle
    line.detector.judge(obstacle, now=line.now, hour_of_week=None)
    assert line.said == said


def test_late_replies_correct_a_loss() -> None:
    """A slow line would be called lossy."""
    line = healthy(Line())
    line.meets = later(700)
    line.run(120)
    assert line.said == "degraded delayed"
    assert line.verdict.loss < 0.05


def test_figures_of_a_verdict() -> None:
    """The table would show made-up figures."""
    line = healthy(Line())
    flip = iter(range(10**9))
    line.meets = lambda source: 10.0 + 20.0 * (next(flip) % 2) if source.role != "gateway" else 1.0
    line.run(60)
    assert line.verdict.rtt_ms in (10.0, 30.0)
    assert line.verdict.jitter_ms == pytest.approx(10.0, abs=2.0)
    assert line.verdict.loss == 0


def test_public_targets_are_asked_at_most_every_five_seconds_also_in_an_outage() -> None:
    """217 boxes would be blocked by the hosts that they lean on."""
    line = healthy(Line())
    line.meets = losing(0.2)
    line.run(120)
    line.meets = dead
    line.run(60)
    for name in PUBLIC:
        assert min(line.intervals(name)) >= SETTINGS.public_every_s - 1e-6


def test_four_probes_a_second_at_rest() -> None:
    """The pace would cost the uplink or the box more than promised."""
    line = healthy(Line())
    line.asked.clear()
    line.run(600)
    assert 3.5 * 600 <= len(line.asked) <= 4.3 * 600


def test_an_uplink_without_anchors_is_judged_by_gateway_resolvers_and_reserve() -> None:
    """A commercial uplink has public targets only; its outage would be seen late, or its one loss be an outage."""
    line = healthy(Line(uplink(("1.1.1.1", "8.8.8.8", "9.9.9.9", "208.67.222.222"))))
    line.meets = dead
    ((after, said),) = line.run(30)
    assert (after <= 5, said) == (True, "down gateway")


def test_an_uplink_without_targets_is_judged_by_its_gateway() -> None:
    """The gateway alone would never be up."""
    line = Line(uplink((), ()), Monitor())
    line.run(30)
    assert line.said == "up no-targets"
    line.meets = dead
    assert line.run(10)[-1][1] == "down gateway"


def test_a_restart_forgets_the_other_device() -> None:
    """Probes of the device before would judge the new one."""
    line = healthy(Line())
    line.detector.restart(now=line.now)
    assert not line.detector.answered(1, 20.0, now=line.now)
    line.meets = dead
    assert line.run(10)[-1][1].startswith("down")


def test_forged_answers_change_nothing() -> None:
    """A stranger's packets would keep a dead line up."""
    detector = Detector("pde", Line().sources, SETTINGS, contract_mbit=(10, 10), now=0.0)
    source, _ = detector.next(now=0.0)
    assert source is not None
    detector.sent(1, source, now=0.0)
    assert not detector.answered(2, 1.0, now=0.1)
    assert detector.answered(1, 1.0, now=0.1)
    assert not detector.answered(1, 1.0, now=0.2)
    assert not detector.failed(1, "no-route", now=0.3)


_step = st.tuples(
    st.sampled_from(["next", "answer", "late", "fail", "captive", "judge", "carry", "fetch", "restart"]),
    st.floats(0, 40, allow_nan=False),
    st.floats(allow_nan=True, allow_infinity=True),
)


@hypothesis(max_examples=60, deadline=None)
@given(st.lists(_step, max_size=150))
def test_any_course_of_events_ends_in_a_verdict(steps: list[tuple[str, float, float]]) -> None:
    """An odd order of events would crash the watcher."""
    line = Line()
    detector, now, serial = line.detector, line.now, 0
    for what, seconds, number in steps:
        now += seconds
        if what == "next":
            source, again = detector.next(now=now)
            assert again >= now - 60
            if source is not None:
                serial += 1
                detector.sent(serial, source, now=now)
        elif what == "answer":
            detector.answered(serial, number, now=now)
        elif what == "late":
            detector.answered(max(0, serial - 3), abs(seconds), now=now)
        elif what in ("fail", "captive"):
            detector.failed(serial, "no-route" if what == "fail" else what, now=now)
        elif what == "fetch":
            detector.fetched(seconds, now=now)
        elif what == "restart":
            detector.restart(now=now)
        verdict = detector.judge(now=now, hour_of_week=int(seconds))
        assert 0 <= verdict.loss <= 1
        assert verdict.since <= now
