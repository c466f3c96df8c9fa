"""What is told of an uplink, and that it is told once."""

from __future__ import annotations

import pytest

from edge.events import Event, UplinkJudged
from edge.health import Health
from edge.monitor.herald import Herald
from edge.monitor.verdict import Verdict


class Ears:
    """Hears everything a herald says."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.verdicts: list[Verdict] = []
        self.health = Health(lambda: 0.0)
        self.herald = Herald("pde", announce=self.events.append, health=self.health, judged=self.verdicts.append)

    def raised(self) -> list[tuple[str, str, str]]:
        return [(one.condition.code, one.subject, one.detail) for one in self.health.current()]


@pytest.fixture
def ears() -> Ears:
    return Ears()


UP = Verdict("pde", "up", "", 0.0, 20.0, 1.0, 2.0)
DOWN = Verdict("pde", "down", "gateway", 1.0, None, 2.0, evidence=("4 of 4 silent for 2.5 s",))
LOSSY = Verdict("pde", "degraded", "lossy", 0.3, 20.0, 3.0)
BLIND = Verdict("pde", "degraded", "no-privilege", 0.0, None, 3.0)


def test_first_starting_is_not_told(ears: Ears) -> None:
    """Every start would look like an outage."""
    ears.herald.tell(Verdict("pde", "down", "starting", 0.0, None, 0.0), frozenset())
    assert (ears.events, ears.verdicts, ears.raised()) == ([], [], [])


def test_change_is_told_once_with_its_evidence(ears: Ears) -> None:
    """Traffic would move on every figure, or an engineer not learn on what a verdict rested."""
    for verdict in (UP, UP, DOWN, DOWN):
        ears.herald.tell(verdict, frozenset())
    assert ears.verdicts == [UP, DOWN]
    assert ears.events == [
        UplinkJudged("pde", "up", "", 0.0, 20.0, 2.0),
        UplinkJudged("pde", "down", "gateway", 1.0, None, None, ("4 of 4 silent for 2.5 s",)),
    ]
    assert ears.raised() == [("uplink-down", "pde", "gateway; 4 of 4 silent for 2.5 s")]


def test_conditions_follow_the_level(ears: Ears) -> None:
    """A fault would stand on the page after it has healed."""
    ears.herald.tell(LOSSY, frozenset())
    assert ears.raised() == [("uplink-degraded", "pde", "lossy")]
    ears.herald.tell(BLIND, frozenset())
    assert ears.raised() == []
    ears.herald.tell(DOWN, frozenset())
    ears.herald.tell(UP, frozenset())
    assert ears.raised() == []


def test_source_set_aside_is_named_until_it_is_trusted_again(ears: Ears) -> None:
    """Nobody would know which host to replace, or that it answers again."""
    ears.herald.tell(UP, frozenset({"9.9.9.9", "http"}))
    ears.herald.tell(UP, frozenset({"http"}))
    assert ears.raised() == [("uplink-target-fault", "pde http", "http is set aside until it answers well again")]
    ears.herald.tell(UP, frozenset())
    assert ears.raised() == []


def test_device_and_privilege_are_conditions(ears: Ears) -> None:
    """A pulled adapter or a missing right would go unnoticed."""
    ears.herald.device("eth1", missing=True)
    ears.herald.privilege("needs CAP_NET_RAW")
    assert ears.raised() == [
        ("device-missing", "pde", "network device eth1 does not exist"),
        ("probe-privilege", "pde", "needs CAP_NET_RAW"),
    ]
    ears.herald.device("eth1", missing=False)
    ears.herald.privilege("")
    assert ears.raised() == []
