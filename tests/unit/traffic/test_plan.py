"""The desired state: what each packet's way must be, read from the rules as the kernel reads them."""

from __future__ import annotations

from dataclasses import replace

from edge import config
from edge.kernel.state import Facts, HostState, Route, Rule, Ruleset, diff, only
from edge.marks import class_mark, probe_mark
from edge.traffic.plan import (
    MAIN_TABLE,
    PINNED_TABLE,
    assigned_uplinks,
    desired,
    standing_ways,
    uplink_table,
    ways,
)
from edge.traffic.policy import Assignment, Choice, Policy
from tests.unit.traffic.village import FACTS, LINKS, PDE, settings, uplink

FIRST = Policy(settings().classes, settings().policy).decide({}, service_hours=True, now=0.0)
MOVED = Assignment(Choice("telkom", "x"), Choice("telkom", "x"), Choice("telkom", "x"))


def way(state: HostState, *, mark: int = 0, iif: str = "lo", oif: str = "", pinned: bool = False) -> str:
    """Where a packet to the internet (or a pinned prefix) goes by the IPv4 rules: an uplink or "unreachable"."""
    rules = sorted((r for r in state if isinstance(r, Rule) and r.family == 4), key=lambda rule: rule.priority)
    routes = [r for r in state if isinstance(r, Route) and r.family == 4]
    for rule in rules:
        if (rule.mask and mark & rule.mask != rule.mark) or rule.iif not in ("", iif) or rule.oif not in ("", oif):
            continue
        if rule.table == 0:
            return "unreachable"
        if rule.table == PINNED_TABLE and not pinned:
            continue
        found = sorted((r for r in routes if r.table == rule.table), key=lambda route: route.metric)
        if found and not rule.connected_only:
            return {"pde0": "pde", "tel0": "telkom", "": "unreachable"}[found[0].device]
    return "main table"


def test_every_class_goes_its_way() -> None:
    """The rules must send each class by its assigned uplink and a bound socket by its own."""
    state = desired(settings(), FIRST, FACTS)
    assert way(state, mark=class_mark("service"), iif="office0") == "pde"
    assert way(state, mark=class_mark("wifi"), iif="wifi0") == "telkom"
    assert way(state) == "pde"
    assert way(state, mark=probe_mark(2)) == "telkom"
    assert way(state, oif="tel0") == "telkom"
    moved = desired(settings(), MOVED, FACTS)
    assert way(moved, mark=class_mark("service"), iif="office0") == "telkom"
    assert way(moved, mark=probe_mark(1)) == "pde"


def test_a_lost_device_leaves_the_fallback_and_never_the_main_table() -> None:
    """With a device gone the service falls back, unmarked packets go nowhere, and pinned prefixes fail closed."""
    without = Facts({name: link for name, link in LINKS.items() if name != "pde0"})
    state = desired(settings(), FIRST, without)
    assert way(state, mark=class_mark("service"), iif="office0") == "telkom"
    assert way(state, mark=class_mark("service"), iif="office0", pinned=True) == "unreachable"
    assert way(state, iif="office0") == "unreachable"
    without = Facts({name: link for name, link in LINKS.items() if name != "tel0"})
    state = desired(settings(), FIRST, without)
    assert way(state, mark=class_mark("wifi"), iif="wifi0") == "unreachable"
    assert way(state, iif="wifi0") == "unreachable"


def test_a_device_that_is_down_gets_no_route() -> None:
    """The kernel refuses a route by a device that is down: asking for it would be an error for ever."""
    down = Facts(LINKS | {"pde0": replace(LINKS["pde0"], up=False)})
    routes = [item for item in desired(settings(), FIRST, down) if isinstance(item, Route)]
    assert {route.device for route in routes} == {"tel0", ""}


def test_a_switch_touches_routing_alone_and_adds_before_it_removes() -> None:
    """A switch must not reload the table or the trees, and must never leave a class without a rule."""
    changes = diff(desired(settings(), MOVED, FACTS), desired(settings(), FIRST, FACTS))
    assert {type(change.item) for change in changes} == {Rule}
    actions = [change.action for change in changes]
    assert actions == sorted(actions), "every add comes before every remove"
    assert set(actions) == {"add", "remove"}


TUNNELLED = settings(
    tunnel=(
        config.Tunnel(name="dinas", device="wg0", pinned=("10.51.0.0/16", "10.60.0.0/16")),
        config.Tunnel(name="spare", device="wg1", pinned=("10.51.7.0/24",)),
    )
)
WITH_WG = Facts(LINKS | {name: replace(LINKS["lo"], name=name) for name in ("wg0", "wg1")})


def test_pinned_prefixes_go_by_their_ways_in_order() -> None:
    """Steps: all well; PDE judged down; its device gone; a tunnel gone; nothing there. Never by Telkom."""
    no_pde = Facts({name: link for name, link in WITH_WG.links.items() if name != "pde0"})
    bare = Facts({name: LINKS[name] for name in ("lo", "tel0", "office0")})
    steps: list[tuple[Facts, tuple[str, ...], list[str], list[str], list[str]]] = [
        (WITH_WG, (), ["pde0", "wg0"], ["pde0", "wg0", "wg1"], ["wg0"]),
        (WITH_WG, ("pde",), ["wg0", "pde0"], ["wg0", "wg1", "pde0"], ["wg0"]),
        (no_pde, (), ["wg0"], ["wg0", "wg1"], ["wg0"]),
        (FACTS, (), ["pde0"], ["pde0"], []),
        (FACTS, ("pde",), ["pde0"], ["pde0"], []),  # a verdict from other targets must not cut the only way there is
        (bare, ("pde",), [], [], []),
    ]
    for facts, down, *wanted in steps:
        found = ways(TUNNELLED, facts, down)
        for prefix, devices in zip(("10.51.0.0/16", "10.51.7.0/24", "10.60.0.0/16"), wanted, strict=True):
            assert [route.device for route in found[prefix]] == devices, (prefix, down)
        state = desired(TUNNELLED, FIRST, facts, down=down)
        closed = {r.destination for r in state if isinstance(r, Route) and r.table == PINNED_TABLE and not r.device}
        assert closed == set(found), "every prefix ends in unreachable"


def test_pinned_prefixes_are_asked_before_anybodys_routes() -> None:
    """A foreign, more specific route in the main table would lead the box's own packets to the internet."""
    rules = {r.table: r.priority for r in desired(TUNNELLED, FIRST, WITH_WG) if isinstance(r, Rule) and not r.mask}
    assert rules[PINNED_TABLE] < rules[MAIN_TABLE]


def test_what_insists_on_a_way_leaves_by_no_other() -> None:
    """An answer to a session that came in by an uplink would leave by another, with the wrong address."""
    no_pde = Facts({name: link for name, link in LINKS.items() if name != "pde0"})
    state = desired(settings(), FIRST, no_pde)
    assert way(state, mark=probe_mark(1)) == "unreachable"
    assert way(state, mark=probe_mark(2)) == "telkom"


def test_an_automatic_gateway_is_the_one_that_is_found() -> None:
    """Steps: none yet, one found, a point-to-point device: only the uplink's own table may differ."""
    auto = settings(uplink=(PDE, uplink("telkom", "tel0", "auto")))
    steps: list[tuple[dict[str, str], set[Route]]] = [
        ({}, set()),
        ({"tel0": "192.168.1.9"}, {Route(4, uplink_table(2), "default", 10, "192.168.1.9", "tel0")}),
        ({"tel0": ""}, {Route(4, uplink_table(2), "default", 10, "", "tel0")}),
    ]
    for found, wanted in steps:
        facts = replace(FACTS, gateways=found)
        routes = {r for r in desired(auto, FIRST, facts) if isinstance(r, Route) and r.table == uplink_table(2)}
        assert routes == wanted
    one, other = (
        desired(auto, FIRST, replace(FACTS, gateways={"tel0": gateway})) for gateway in ("10.0.0.1", "10.0.0.2")
    )
    assert [(change.action, type(change.item)) for change in diff(other, one)] == [("replace", Route)]


def test_the_ways_that_stand_are_read_back() -> None:
    """A restarted daemon would forget connections that never moved, or keep those that did."""
    state = desired(TUNNELLED, FIRST, WITH_WG, down=("pde",))
    found = standing_ways(TUNNELLED, WITH_WG, state)
    assert {prefix: routes[0].device for prefix, routes in found.items()} == {
        "10.51.0.0/16": "wg0",
        "10.51.7.0/24": "wg0",
        "10.60.0.0/16": "wg0",
    }
    assert standing_ways(TUNNELLED, WITH_WG, frozenset()) == {prefix: [] for prefix in found}


def test_the_assignment_is_read_back() -> None:
    """What a restarted daemon adopts must be what was applied."""
    assert assigned_uplinks(settings(), desired(settings(), FIRST, FACTS)) == {
        "service": "pde",
        "wifi": "telkom",
        "control": "pde",
    }
    assert assigned_uplinks(settings(), frozenset()) == {}


def test_ipv6_is_routed_only_where_an_uplink_has_it() -> None:
    """Without a declared IPv6 uplink nothing of IPv6 is written; with one, only that uplink is used."""
    assert all(item.family == 4 for item in desired(settings(), FIRST, FACTS) if isinstance(item, Rule | Route))
    six = settings(uplink=(PDE, uplink("telkom", "tel0", "192.168.1.1", gateway6="fe80::1")))
    state = only(desired(six, FIRST, FACTS), ("routing",))
    routes = {item for item in state if isinstance(item, Route) and item.family == 6}
    assert routes == {Route(6, uplink_table(2), "default", 10, "fe80::1", "tel0")}


def test_safe_plan_changes_the_table_alone() -> None:
    """Denying the guests must not move anyone's routes."""
    safe = desired(settings(), FIRST, FACTS, guests_denied=True)
    changes = diff(safe, desired(settings(), FIRST, FACTS))
    assert [type(change.item) for change in changes] == [Ruleset]
