"""Differences of states: they lead where they should, in an order the kernel accepts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.kernel.state import (
    HANDLE,
    IFB,
    SCOPES,
    Change,
    HostState,
    HtbClass,
    Ifb,
    Item,
    Qdisc,
    Redirect,
    Route,
    Rule,
    Ruleset,
    applied,
    diff,
    key,
    only,
    scope,
)

DEVICES = st.sampled_from(["pde0", "tel0", IFB])
ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.builds(Rule, st.sampled_from([4, 6]), st.integers(20000, 20009), st.integers(0, 2), st.integers(0, 2)),
    st.builds(Route, st.sampled_from([4, 6]), st.integers(20100, 20102), st.just("default"), st.integers(1, 2)),
    st.builds(Ifb, st.just(IFB)),
    st.builds(Qdisc, DEVICES, st.sampled_from(["htb", "pfifo"]), st.just(HANDLE), st.integers(0, 3), st.integers(0, 2)),
    st.builds(
        HtbClass,
        DEVICES,
        st.integers(HANDLE | 1, HANDLE | 3),
        st.just(HANDLE),
        st.integers(1, 3),
        st.integers(1, 3),
        st.just(0),
        st.just(1514),
    ),
    st.builds(Redirect, DEVICES, st.sampled_from([IFB, "gone"])),
    st.builds(Ruleset, st.sampled_from(["a", "b"])),
)


def unique(items: list[Item]) -> HostState:
    return frozenset({key(item): item for item in items}.values())


STATES = st.lists(ITEMS, max_size=12).map(unique)


@given(STATES)
def test_equal_states_have_no_difference(state: HostState) -> None:
    """A second apply must change nothing."""
    assert diff(state, state) == []


@given(STATES, STATES)
def test_the_difference_leads_to_the_desired_state(desired: HostState, observed: HostState) -> None:
    """Applying the changes must give the desired state, and each must be needed."""
    changes = diff(desired, observed)
    assert applied(observed, changes) == desired
    assert len({key(change.item) for change in changes}) == len(changes)


@given(STATES, STATES)
def test_order_is_one_the_kernel_accepts(desired: HostState, observed: HostState) -> None:
    """Routing first; routes before rules and new rules before old ones go; roots before classes before leaves."""
    changes = diff(desired, observed)
    scopes = [scope(change.item) for change in changes]
    assert "routing" not in scopes[scopes.count("routing") :], "routing does not wait for anything else"
    rules = [change.action for change in changes if isinstance(change.item, Rule)]
    assert "add" not in rules[rules.count("add") :]
    added = [type(change.item) for change in changes if change.action != "remove"]
    assert Route not in added[added.index(Rule) :] if Rule in added else True
    removed = [change.item for change in changes if change.action == "remove"]
    for below, above in ((HtbClass, Ifb), (Redirect, HtbClass), (Redirect, Ifb)):
        places = [[place for place, item in enumerate(removed) if isinstance(item, kind)] for kind in (below, above)]
        assert max(places[0], default=-1) < min(places[1], default=len(removed))


@given(STATES)
def test_scopes_part_a_state(state: HostState) -> None:
    """Every item belongs to exactly one part, or it would be forgotten or changed twice."""
    parts = [only(state, (part,)) for part in SCOPES]
    assert frozenset().union(*parts) == state
    assert sum(len(part) for part in parts) == len(state)


def test_the_reason_does_not_make_a_difference() -> None:
    """Reasons are for people: the kernel does not give them back."""
    assert diff(frozenset({Ifb(IFB, why="x")}), frozenset({Ifb(IFB)})) == []


def test_changes_speak_the_operators_language() -> None:
    """`plan` prints these words: an operator must be able to check them with ip, tc and nft."""
    words = {
        Change("add", Rule(4, 20100, 20101, 0x10000, 0xF0000)).what,
        Change("add", Rule(4, 20200, 0, iif="wifi0")).what,
        Change("add", Rule(4, 20030, 254, connected_only=True)).what,
        Change("add", Route(4, 20100, "10.51.0.0/16", 4096)).what,
        Change("add", Route(6, 20101, "default", 10, "fe80::1", "pde0")).what,
        Change("add", HtbClass("pde0", HANDLE | 0x11, HANDLE | 1, 125_000, 250_000, 1, 1514)).what,
        Change("add", Qdisc("pde0", "htb", HANDLE)).what,
    }
    assert words == {
        "ip -4 rule 20100: fwmark 0x10000/0xf0000 lookup 20101",
        "ip -4 rule 20200: iif wifi0 unreachable",
        "ip -4 rule 20030: lookup 254 suppress_prefixlength 7",
        "ip -4 route 10.51.0.0/16 unreachable table 20100 metric 4096",
        "ip -6 route default via fe80::1 dev pde0 table 20101 metric 10",
        "tc class htb 4b45:11 dev pde0 rate 1000kbit ceil 2000kbit prio 1",
        "tc qdisc htb 4b45:0 dev pde0 parent root",
    }
    assert "nothing wants it" in Change("remove", Ifb(IFB)).why
    assert Change("replace", Ifb(IFB, why="needed")).why.endswith("needed")
