"""What is kept of the decisions, and for how long."""

from __future__ import annotations

from edge.decisions import KEPT, Decisions
from edge.events import ClassMoved, ProbeAnswered, UplinkJudged


def test_many_verdicts_do_not_push_out_a_switch() -> None:
    """The one switch that somebody asks about would be lost among the verdicts of a restless uplink, or memory grow."""
    decisions = Decisions()
    decisions.observe(ClassMoved("service", "pde", "telkom", "pde is down; telkom is up"), 1.0)
    for number in range(5 * KEPT):
        decisions.observe(UplinkJudged("pde", "up" if number % 2 else "degraded", "", 0.0, 1.0), 2.0 + number)
        decisions.observe(ProbeAnswered("pde", "1.1.1.1", 1.0), 2.0)
    kept = decisions.last(2 * KEPT)
    assert len(kept) == KEPT + 1
    assert kept[0]["event"] == "switch"
    assert [entry["at"] for entry in decisions.last(2)] == [500.0, 501.0]


def test_nothing_is_told_before_anything_was_decided() -> None:
    """The first look after a start would fail."""
    assert Decisions().last(20) == []
    assert Decisions().last(0) == []


def test_decisions_of_both_kinds_stand_in_their_order() -> None:
    """A switch would stand before the verdict that caused it."""
    decisions = Decisions()
    decisions.observe(UplinkJudged("pde", "down", "carrier", 1.0, None, evidence=("no carrier",)), 5.0)
    decisions.observe(ClassMoved("service", "pde", "telkom", "pde is down (carrier); telkom is up"), 4.0)
    decisions.chosen(("service",), None, 0.0, "siti", 6.0)
    assert [entry["event"] for entry in decisions.last(9)] == ["verdict", "switch", "choice"]
    assert decisions.last(9)[0]["evidence"] == ("no carrier",)


def test_what_was_decided_before_the_start_comes_first() -> None:
    """After a restart nobody could ask why traffic went where it is; and nothing may be told twice."""
    decisions = Decisions()
    decisions.observe(ClassMoved("service", "pde", "telkom", "pde is down (carrier)"), 100.0)
    row = {
        "event": "switch",
        "class": "service",
        "from": "telkom",
        "to": "pde",
        "because": "back to pde",
        "evidence": [],
    }
    decisions.load([row | {"at": 50.0}, row | {"at": None}, row | {"at": 60.0}, row | {"at": 99.99999}])
    assert [decision["at"] for decision in decisions.last(9)] == [50.0, 60.0, 100.0]


def test_a_choice_before_the_start_is_remembered() -> None:
    """After a restart nobody could say who had the office go by the other line, and until when."""
    decisions = Decisions()
    decisions.chosen(("service",), None, 0.0, "siti", 100.0)
    choice = {"event": "choice", "classes": ["service"], "uplink": "telkom", "for_s": 7_200.0, "by": "budi"}
    decisions.load([choice | {"at": 50.0}, choice | {"at": 99.999}])
    assert [(entry["at"], entry["by"]) for entry in decisions.last(9)] == [(50.0, "budi"), (100.0, "siti")]


def test_a_full_ring_takes_no_older_decision() -> None:
    """A long history would push out what was decided since the start."""
    decisions = Decisions()
    for second in range(KEPT):
        decisions.observe(ClassMoved("service", "pde", "telkom", "pde is down (carrier)"), 1_000.0 + second)
    decisions.load([{"event": "switch", "at": 1.0}])
    assert decisions.last(2 * KEPT)[0]["at"] == 1_000.0
