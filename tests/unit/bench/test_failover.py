"""The trials' outcomes become figures that tell the truth, also of contenders that never recover."""

from typing import Any

from bench.failover import judge


def outcome(contender: str = "edge", fault: str = "blackhole", **changed: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "contender": contender,
        "fault": fault,
        "gap_s": 2.5,
        "suffered_s": 3.0,
        "moved_s": 2.5,
        "decided_s": 2.4,
        "answered_s": 0.05,
        "session_s": 0.8,
        "guests_lost": 0,
        "guests_sent": 100,
    }
    return usual | changed


def bad(*outcomes: dict[str, Any]) -> set[str]:
    return {name for name, figure in judge(outcomes).items() if not figure["ok"]}


def test_a_good_switch_keeps_every_promise() -> None:
    """The bench could never be green."""
    assert bad(outcome(), outcome(fault="carrier", gap_s=0.1), outcome("keepalived", gap_s=6, moved_s=6)) == set()


def test_each_promise_can_be_broken() -> None:
    """A figure that is too high would be reported as kept."""
    assert bad(outcome(gap_s=3.4)) == {"blackhole_edge_gap_p95_s"}
    assert bad(outcome(fault="carrier", gap_s=0.6)) == {"carrier_edge_gap_p95_s"}
    assert bad(outcome(answered_s=0.4)) == {"decision_to_answer_p95_s"}
    assert bad(outcome(session_s=1.6)) == {"reconnecting_client_p95_s"}
    assert bad(outcome(guests_lost=1)) == {"guests_lost_datagrams"}
    assert bad(outcome(guests_sent=0)) == {"guests_sent_datagrams"}


def test_a_switch_nobody_saw_decided_is_no_quick_one() -> None:
    """A daemon that says nothing in its log would have the best figures."""
    assert bad(outcome(decided_s=None, answered_s=None, session_s=None)) == {
        "decision_to_answer_p95_s",
        "reconnecting_client_p95_s",
    }


def test_who_never_recovers_is_said_to_take_more_than_was_waited() -> None:
    """Twenty seconds of waiting would pass for twenty seconds of outage."""
    figures = judge([outcome("kernel", gap_s=20.04, moved_s=None, suffered_s=20)])
    assert figures["blackhole_kernel_gap_p95_s"]["value"] == ">= 20"
    assert figures["blackhole_kernel_never_moved"]["value"] == 1


def test_a_daemon_that_stays_on_the_dead_line_fails() -> None:
    """A trial without a switch would drop out of every figure."""
    assert "dns_edge_never_moved" in bad(outcome(fault="dns", gap_s=20, moved_s=None, answered_s=None, session_s=None))


def test_the_peers_ratio_is_of_the_medians() -> None:
    """The comparison would be of other figures than those beside it."""
    peers = [outcome("keepalived", gap_s=gap) for gap in (5, 6, 20)]
    assert judge([outcome(), *peers])["blackhole_keepalived_ratio"]["value"] == 2.4
