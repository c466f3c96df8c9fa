from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.modem.conversation.ladder import LONGEST_REST_S, STABLE_S, Climb, Ladder, Rung

ALL: frozenset[Rung] = frozenset({"cfun", "model-reset", "usb-reset", "power"})


def rungs(ladder: Ladder, count: int) -> list[Rung]:
    return [ladder.failed("silent", now=float(step)).rung for step in range(count)]


@pytest.mark.parametrize(
    ("abilities", "wanted"),
    [
        (ALL, ["resync", "reopen", "reopen", "cfun", "model-reset", "usb-reset", "power", "resync"]),
        (frozenset[Rung](), ["resync", "reopen", "reopen", "resync", "reopen"]),
        (frozenset[Rung]({"usb-reset"}), ["resync", "reopen", "reopen", "usb-reset", "resync"]),
    ],
)
def test_the_ladder_is_climbed_from_the_mildest_rung(abilities: frozenset[Rung], wanted: list[Rung]) -> None:
    """A modem that only hiccuped would be reset, or a rung be tried that this box does not have."""
    assert rungs(Ladder(abilities, now=0), len(wanted)) == wanted


def test_the_rest_between_rounds_grows_to_its_limit() -> None:
    """A dead modem would be reset every few minutes for years, or a living one wait for hours."""
    ladder = Ladder(now=0)
    rests = [climb.budget_s for step in range(40) if (climb := ladder.failed("x", now=step)).rung == "resync"]
    assert rests[:4] == [10.0, 60.0, 120.0, 240.0]
    assert rests[-1] == LONGEST_REST_S
    assert rests == sorted(rests)


def test_a_modem_that_works_starts_over_only_once_it_is_stable() -> None:
    """A modem that hangs every minute would never get the reset that cures it."""
    ladder = Ladder(now=0)
    assert rungs(ladder, 2) == ["resync", "reopen"]
    ladder.worked(now=10)
    assert ladder.rung == ""
    assert ladder.failed("again", now=10 + STABLE_S - 1).rung == "reopen"
    ladder.worked(now=400)
    ladder.worked(now=500)
    assert ladder.failed("again", now=400 + STABLE_S).rung == "resync"


def test_rung_reason_and_since_tell_what_goes_on() -> None:
    """Health would not say which remedy is being tried, nor for how long."""
    ladder = Ladder(now=5)
    assert (ladder.rung, ladder.reason, ladder.since) == ("", "", 5)
    ladder.failed("silent at AT", now=20)
    ladder.failed("silent at AT+CSQ", now=30)
    assert (ladder.rung, ladder.reason, ladder.since) == ("reopen", "silent at AT+CSQ", 20)
    ladder.worked(now=50)
    assert (ladder.rung, ladder.reason, ladder.since) == ("", "", 50)


def test_an_absent_device_is_only_waited_for_or_powered() -> None:
    """A box whose modem was taken away would reset USB ports for ever."""
    ladder = Ladder(ALL, now=0)
    assert [ladder.failed("gone", now=step, gone=True).rung for step in range(4)] == [
        "resync",
        "power",
        "resync",
        "power",
    ]


@given(
    st.frozensets(st.sampled_from(sorted(ALL))),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 2_000)), max_size=60),
)
def test_every_step_is_bounded(abilities: frozenset[Rung], steps: list[tuple[bool, bool, float]]) -> None:
    """The ladder would give up, or rest for ever, after some history."""
    ladder, now = Ladder(abilities, now=0), 0.0
    for fails, gone, pause in steps:
        now += pause
        if not fails:
            ladder.worked(now=now)
            continue
        climb = ladder.failed("x", now=now, gone=gone)
        assert isinstance(climb, Climb)
        assert climb.rung in abilities | {"resync", "reopen"}
        assert 0 <= climb.wait_s <= 1
        assert 0 < climb.budget_s <= LONGEST_REST_S
        assert climb.wait_s + climb.budget_s <= ladder.round_s()
