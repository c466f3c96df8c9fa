"""Legal and illegal transitions, as a table."""

from __future__ import annotations

import pytest

from edge.queue import lifecycle
from edge.queue.lifecycle import BOX, CLOSED, PORTAL, STATES, IllegalTransition

OF_THE_DOMAIN = {
    *("draft", "received", "village_check", "needs_data", "rt_confirmation", "forwarded", "district_check"),
    *("secretary_approval", "head_approval", "signing", "completed", "collected", "rejected", "returned"),
    *("cancelled", "expired"),
}

STEPS = [
    # who, from, to, legal
    ("sms", "draft", "received", True),
    ("sms", "draft", "forwarded", False),
    ("sms", "draft", "expired", True),
    ("forwarder", "received", "forwarded", True),
    ("sms", "received", "needs_data", True),
    ("sms", "needs_data", "forwarded", True),
    ("sms", "rt_confirmation", "expired", True),
    ("sms", "received", "cancelled", True),
    ("outbox", "received", "rejected", True),
    ("outbox", "forwarded", "rejected", False),
    ("portal-change", "rejected", "forwarded", True),
    ("sms", "forwarded", "cancelled", False),
    ("sms", "district_check", "cancelled", False),
    ("sms", "received", "completed", False),
    ("desk", "completed", "collected", True),
    ("desk", "rejected", "collected", False),
    ("portal", "received", "completed", False),
    ("portal", "forwarded", "district_check", True),
    ("portal", "forwarded", "completed", True),
    ("portal", "district_check", "secretary_approval", True),
    ("portal", "head_approval", "district_check", True),
    ("portal", "forwarded", "needs_data", True),
    ("portal", "needs_data", "district_check", True),
    ("portal", "returned", "district_check", True),
    ("portal", "forwarded", "cancelled", True),
    ("portal", "district_check", "district_check", False),
    ("portal", "completed", "district_check", False),
    ("portal", "rejected", "completed", False),
    ("portal", "forwarded", "received", False),
    ("portal", "forwarded", "expired", False),
    ("portal", "forwarded", "frobnicated", False),
    ("portal", "nowhere", "completed", False),
]


@pytest.mark.parametrize(("by", "before", "after", "legal"), STEPS)
def test_transition(by: str, before: str, after: str, legal: bool) -> None:
    """A request makes a step that its owner may not make, or is stopped from a right one."""
    assert lifecycle.legal(before, after, by=by) is legal
    if legal:
        lifecycle.check(before, after, by=by)
    else:
        with pytest.raises(IllegalTransition, match=f"{by} may not move a request from {before} to {after}"):
            lifecycle.check(before, after, by=by)


def test_the_states_are_those_of_the_domain() -> None:
    """A state is missing or misspelt."""
    assert STATES == OF_THE_DOMAIN
    assert set().union(*BOX.values(), *PORTAL.values()) <= STATES


def test_what_is_closed_stays_closed() -> None:
    """A finished request comes back to life; only a letter may be collected, and one given up turn out to be there."""
    for state in CLOSED:
        assert not PORTAL.get(state)
    assert {state: BOX[state] for state in CLOSED & BOX.keys()} == {
        "completed": {"collected"},
        "rejected": {"forwarded"},
    }


def test_every_state_can_be_reached_and_left() -> None:
    """A state nobody can enter, or an open one nobody can leave."""
    entered = set().union(*BOX.values(), *PORTAL.values())
    assert STATES - entered == {"draft"}
    for state in STATES - CLOSED:
        assert BOX.get(state) or PORTAL.get(state)
