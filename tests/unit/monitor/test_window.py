"""The rolling record: losses, late replies, faulty targets, silence, and what can never be true of a summary."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.window import FAULT_MISSES, MOST_RECORDS, Summary, Window

TARGETS = ("a", "b", "c", "d")
GATEWAY = "gw"
EVERY = 0.25
Answers = Callable[[float, str], float | None]


def make(*, targets: tuple[str, ...] = TARGETS, gateway: str = GATEWAY) -> Window:
    return Window(targets=targets, gateway=gateway, span_s=10, timeout_s=1, outage_s=2, started_at=0.0)


class Play:
    """Probes in turn, in virtual time; `answers(sent_at, target)` gives the round trip in seconds or None."""

    def __init__(self, window: Window, answers: Answers) -> None:
        self.window, self.answers, self.now, self.serial = window, answers, 0.0, 0
        self.turns = (*window.targets, *((window.gateway,) if window.gateway else ()))
        self.coming: list[tuple[float, int, float]] = []
        self.lost: list[str] = []

    def until(self, end: float) -> Summary:
        while self.now < end:
            target = self.turns[self.serial % len(self.turns)]
            self.serial += 1
            self.window.sent(self.serial, target, now=self.now)
            trip = self.answers(self.now, target)
            if trip is not None:
                self.coming.append((self.now + trip, self.serial, trip))
            self.now += EVERY
            for due in sorted(self.coming):
                if due[0] <= self.now:
                    self.coming.remove(due)
                    self.window.answered(due[1], due[2] * 1_000, now=due[0])
            self.lost += self.window.expire(now=self.now)
        return self.window.summary(now=self.now)


def well(_at: float, _target: str) -> float | None:
    return 0.02


def dead(*targets: str, since: float = 0.0, until: float = 1e9) -> Answers:
    return lambda at, target: None if target in targets and since <= at < until else 0.02


def test_all_answered_is_no_loss() -> None:
    """A healthy record must show its median round trip and nothing lost."""
    summary = Play(make(), well).until(20)
    assert summary == Summary(summary.decided, 0.0, 20.0, False, summary.answering_s, True)
    assert 30 <= summary.decided <= 36
    assert summary.answering_s == pytest.approx(20)


def test_unanswered_is_lost_only_after_its_timeout() -> None:
    """A probe still in time must not count as lost, one out of time must, exactly once."""
    window = make()
    window.sent(1, "a", now=0.0)
    assert window.expire(now=0.999) == []
    assert window.summary(now=0.999).decided == 0
    assert window.expire(now=1.0) == ["a"]
    assert window.expire(now=5.0) == []
    assert window.summary(now=5.0).loss == 1.0


def test_late_reply_corrects_the_loss() -> None:
    """A reply after the time-out must turn the loss into a slow answer."""
    window = make()
    window.sent(1, "a", now=0.0)
    window.expire(now=1.0)
    assert window.answered(1, 1500.0, now=1.5)
    summary = window.summary(now=1.5)
    assert (summary.loss, summary.answering_s) == (0.0, 0.0)


def test_reply_counts_once_and_only_for_a_known_probe() -> None:
    """A duplicate, an unknown and a too late reply must change nothing."""
    window = make()
    window.sent(1, "a", now=0.0)
    assert window.answered(1, 5.0, now=0.1)
    before = window.summary(now=0.1)
    assert not window.answered(1, 900.0, now=0.2)
    assert not window.answered(2, 900.0, now=0.2)
    assert window.summary(now=0.1) == before
    window.sent(3, "a", now=30.0)
    assert not window.answered(1, 5.0, now=30.0)


def test_probe_that_could_not_leave_is_lost_at_once() -> None:
    """A refused probe must not wait for its time-out, and must not be lost twice."""
    window = make()
    window.sent(1, "a", now=0.0)
    assert window.failed(1)
    assert not window.failed(1)
    assert not window.failed(9)
    assert window.expire(now=2.0) == []
    assert (window.summary(now=0.0).decided, window.summary(now=0.0).loss) == (1, 1.0)


def test_old_probes_leave_the_window() -> None:
    """Losses older than the window must be forgotten."""
    assert Play(make(targets=("a",)), dead("a", since=5, until=6)).until(9).loss > 0
    assert Play(make(targets=("a",)), dead("a", since=5, until=6)).until(18).loss == 0


def test_silence_needs_time_and_tries() -> None:
    """Silence must be called only after the outage time with three probes that had their chance."""
    play = Play(make(), dead(*TARGETS, since=10))
    assert not play.until(11.5).silent
    assert play.until(12.5).silent
    stalled = make()
    stalled.sent(1, "a", now=0.0)
    stalled.answered(1, 20.0, now=0.02)
    for serial in (2, 3, 4, 5):
        stalled.sent(serial, "a", now=6 + serial * 0.05)
    assert not stalled.summary(now=6.3).silent, "three fresh probes after a stall of our own prove nothing"


def test_silence_before_any_answer_counts_from_the_start() -> None:
    """An uplink that never answered must be called silent too."""
    play = Play(make(), dead(*TARGETS, GATEWAY))
    assert not play.until(1.75).silent
    summary = play.until(3)
    assert (summary.silent, summary.answering_s, summary.gateway) == (True, None, None)


@pytest.mark.parametrize(
    ("answers", "wanted"),
    [
        (dead(*TARGETS, since=10), True),
        (dead(*TARGETS, GATEWAY, since=10), False),
        (dead(*TARGETS, GATEWAY), None),
    ],
)
def test_gateway_is_told_apart(answers: Answers, wanted: bool | None) -> None:
    """A silent uplink must say whether its gateway answers, is silent too, or was never heard."""
    summary = Play(make(), answers).until(16)
    assert (summary.silent, summary.gateway) == (True, wanted)


def test_gateway_that_filters_icmp_costs_nothing() -> None:
    """A gateway that never answers must not add a loss."""
    summary = Play(make(), dead(GATEWAY)).until(20)
    assert (summary.loss, summary.silent) == (0.0, False)


def test_loss_is_counted_afresh_after_an_outage() -> None:
    """The losses of an outage must not make the healed uplink look lossy."""
    play = Play(make(), dead(*TARGETS, since=10, until=15))
    assert play.until(14).silent
    summary = play.until(16.5)
    assert (summary.silent, summary.loss) == (False, 0.0)
    assert summary.answering_s is not None
    assert 1 <= summary.answering_s <= 1.75


def test_dead_target_is_set_aside_and_refunded() -> None:
    """One dead target of four must stop counting, with the misses it caused."""
    play = Play(make(), dead("b", since=5))
    summary = play.until(5 + FAULT_MISSES * 1.25 + 2)
    assert play.window.faulty == {"b"}
    assert (summary.loss, summary.silent) == (0.0, False)


def test_faulty_target_is_trusted_again() -> None:
    """A target that answers again for a while must count again, without its old misses."""
    play = Play(make(), dead("b", since=5, until=20))
    play.until(19)
    assert play.window.faulty == {"b"}
    summary = play.until(29)
    assert (play.window.faulty, summary.loss) == (frozenset(), 0.0)


def test_common_silence_faults_nobody() -> None:
    """When all targets fall silent the uplink is at fault, and no target may be set aside."""
    play = Play(make(), dead(*TARGETS, since=10))
    assert play.until(40).silent
    assert play.window.faulty == frozenset()


def test_answer_of_a_faulty_target_is_still_life() -> None:
    """With the healthy targets gone, the answers of the faulty one must end the silence."""
    window = make(targets=("a", "b"))
    play = Play(window, dead("b", until=20))
    play.until(19)
    assert window.faulty == {"b"}
    play.answers = dead("a", since=19)
    assert not play.until(30).silent


def test_targets_die_one_after_another() -> None:
    """With three of four targets dead, one lost probe to the last must neither be an outage nor fault the last."""
    ends = {"b": 5.0, "c": 30.0, "d": 60.0}
    play = Play(make(), lambda at, target: 0.02 if target == GATEWAY or at < ends.get(target, 1e9) else None)
    summary = play.until(90)
    assert play.window.faulty == {"b", "c", "d"}
    assert (summary.loss, summary.silent) == (0.0, False)
    hole = play.now
    play.answers = lambda at, target: 0.02 if target == "a" and at >= hole + 1.25 else None
    while play.now < hole + 2.5:
        assert not play.until(play.now + EVERY).silent


def test_losses_before_the_last_answer_are_no_silence() -> None:
    """Losses that an answer has followed must not count as tries of a later silence in which nothing was sent."""
    window = make()
    for serial in (1, 2, 3):
        window.sent(serial, "a", now=0.0)
    window.sent(4, "b", now=1.0)
    window.expire(now=5.0)
    window.answered(4, 20.0, now=5.0)
    assert not window.summary(now=9.0).silent


def test_answers_from_before_a_common_silence_excuse_nobody() -> None:
    """A target must be judged by what the others did in the same time, not by their answers of before."""
    window = make(targets=("a", "b"))
    for serial in range(100):
        window.sent(serial, "b", now=serial * 0.01)
        window.answered(serial, 1.0, now=serial * 0.01)
    for serial in range(100, 100 + 2 * FAULT_MISSES):
        window.sent(serial, "ab"[serial % 2], now=2.0)
        window.failed(serial)
    assert window.faulty == frozenset()


def test_scattered_misses_fault_nobody() -> None:
    """A target that misses every other probe must count as lossy, not be set aside."""
    turn = iter(range(10_000))
    play = Play(make(), lambda _, target: None if target == "b" and next(turn) % 2 else 0.02)
    summary = play.until(60)
    assert play.window.faulty == frozenset()
    assert 0.05 < summary.loss < 0.2


def test_faulty_target_must_answer_steadily() -> None:
    """A target that limits its answers must stay aside as long as it drops some."""
    play = Play(make(), dead("b"))
    play.until(20)
    turn = iter(range(10_000))
    play.answers = lambda _, target: None if target == "b" and next(turn) % 4 == 3 else 0.02
    for _ in range(40):
        assert play.until(play.now + 1).loss == 0
        assert play.window.faulty == {"b"}


def test_gateway_probe_on_its_way_is_not_held_against_it() -> None:
    """The gateway must be blamed only once its answer is overdue, and then before the probe's own time-out."""
    window = make()
    window.sent(1, GATEWAY, now=0.0)
    window.answered(1, 1.0, now=0.001)
    window.sent(2, GATEWAY, now=5.0)
    assert window.summary(now=5.1).gateway is True
    assert window.summary(now=5.3).gateway is False


def test_restart_forgets_everything() -> None:
    """After the device was replaced, replies to probes of the old one must not count."""
    play = Play(make(), dead("b"))
    play.until(19)
    play.window.restart(now=19.0)
    assert play.window.faulty == frozenset()
    assert not play.window.answered(play.serial, 1.0, now=19.1)
    assert play.window.summary(now=19.1) == Summary(0, 0.0, None, False, None, None)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "answer", "late", "fail", "wait", "expire", "restart"]),
        st.integers(0, 40),
        st.floats(0, 3),
    ),
    max_size=120,
)


@given(STEPS)
def test_summary_is_always_possible(steps: list[tuple[str, int, float]]) -> None:
    """No order of events may give an impossible figure: a share outside 0..1, a median of nothing, silence untried."""
    window, now, serial = make(), 0.0, 0
    for what, number, seconds in steps:
        if what == "send":
            serial += 1
            window.sent(serial, (*TARGETS, GATEWAY)[number % 5], now=now)
        elif what in ("answer", "late"):
            window.answered(max(serial - number, 0), seconds * 1_000, now=now)
        elif what == "fail":
            window.failed(max(serial - number, 0))
        elif what == "wait":
            now += seconds
        elif what == "expire":
            window.expire(now=now)
        elif number == 0:
            window.restart(now=now)
        summary = window.summary(now=now)
        assert 0 <= summary.loss <= 1
        assert 0 <= summary.decided <= serial
        assert (summary.rtt_ms is None) == (summary.decided == 0 or summary.loss == 1)
        assert summary.answering_s is None or 0 <= summary.answering_s <= now
        assert not (summary.silent and serial < 3)
        assert len(window.faulty) < len(TARGETS)


@given(st.lists(st.sampled_from(["answered", "late", "lost"]), max_size=30))
def test_loss_is_exactly_the_unanswered_share(fates: list[str]) -> None:
    """However late the replies come within the window, only the never answered may count as lost."""
    window = Window(targets=("a",), gateway="", span_s=60, timeout_s=1, outage_s=60, started_at=0.0)
    fates = ["answered", *fates]
    for serial, fate in enumerate(fates):
        window.sent(serial, "a", now=serial * 0.1)
        if fate == "answered":
            window.answered(serial, 1.0, now=serial * 0.1)
    end = len(fates) * 0.1 + 1
    window.expire(now=end)
    assert window.summary(now=end).loss == pytest.approx(1 - fates.count("answered") / len(fates))
    for serial, fate in enumerate(fates):
        if fate == "late":
            window.answered(serial, 2_000.0, now=end)
    assert window.summary(now=end).loss == pytest.approx(fates.count("lost") / len(fates))


def test_memory_is_bounded() -> None:
    """A window of ten minutes at the fastest pace must not grow without end, answered or not."""
    window = Window(targets=("a",), gateway="", span_s=600, timeout_s=1, outage_s=2, started_at=0.0)
    for serial in range(2 * MOST_RECORDS):
        window.sent(serial, "a", now=serial * 0.02)
        window.answered(serial, 1.0, now=serial * 0.02)
    assert window.summary(now=2 * MOST_RECORDS * 0.02).decided <= MOST_RECORDS
    for serial in range(2 * MOST_RECORDS, 4 * MOST_RECORDS):
        window.sent(serial, "a", now=serial * 0.02)
    window.expire(now=4 * MOST_RECORDS * 0.02)
    assert window.summary(now=4 * MOST_RECORDS * 0.02).decided <= MOST_RECORDS
