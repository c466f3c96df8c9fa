"""Pure: an assignment to the desired state of the host.

Rules are asked in the order of their priority (ip-rule(8)); everything not decided by one falls to the next:

======== =====================================================================================================
20000+N  a socket that insists on uplink N by its mark, 20010+N by its device: that uplink's table
20030    destinations on our own networks: the main table, but never its default route
20040    pinned prefixes: their uplink, or unreachable; they never leave by another one
20100+   per class: the assigned uplink's table, then the other allowed ones (the kernel falls through by itself when a
         carrier is lost), then unreachable
20200    whatever enters by a LAN device without a class (its mark is missing): unreachable
======== =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator

from edge.config import Config, Uplink
from edge.kernel.state import RULES, TABLES, Facts, Family, HostState, Item, Route, Rule, Ruleset
from edge.marks import CLASS_MASK, CLASSES, UPLINK_MASK, class_mark, uplink_mark
from edge.traffic import firewall, shaping
from edge.traffic.policy import Assignment

MAIN_TABLE = 254
PINNED_TABLE = TABLES.start
UNREACHABLE_METRIC = 4096
_CONNECTED = RULES.start + 30
_PINNED = RULES.start + 40
_UNCLASSED = RULES.start + 200


def uplink_table(number: int) -> int:
    """The routing table of the uplink at place `number` (1-based)."""
    return TABLES.start + number


def class_priority(name: str, place: int = 0) -> int:
    """The priority of the rule for the `place`-th choice of class `name`."""
    return RULES.start + 100 + 10 * CLASSES.index(name) + place


def desired(
    config: Config, assignment: Assignment, facts: Facts, *, guests_denied: bool = False, service_active: bool = False
) -> HostState:
    """The whole wanted state: routing, the nftables table and the shaping trees."""
    text = firewall.ruleset(config, facts, guests_denied=guests_denied, shaped=True)
    table = Ruleset(firewall.digest(text), text, why="forwarding policy, NAT, marks and MSS clamping")
    return frozenset(
        (*routing(config, assignment, facts), table, *shaping.trees(config, facts, service_active=service_active))
    )


def routing(config: Config, assignment: Assignment, facts: Facts) -> Iterator[Item]:
    """Rules and routes, for IPv4 and, where an uplink has a gateway6, for IPv6."""
    yield from _family(config, assignment, facts, 4)
    if any(uplink.gateway6 for uplink in config.uplink):
        yield from _family(config, assignment, facts, 6)


def _family(config: Config, assignment: Assignment, facts: Facts, family: Family) -> Iterator[Item]:
    uplinks = [(n, uplink) for n, uplink in enumerate(config.uplink, 1) if _gateway(uplink, family)]
    for number, uplink in uplinks:
        table = uplink_table(number)
        if _usable(facts, uplink.device):
            yield Route(
                family,
                table,
                "default",
                10,
                _gateway(uplink, family),
                uplink.device,
                why=f"the way out by {uplink.name}",
            )
        why = f"sockets that insist on {uplink.name} leave by it"
        yield Rule(family, RULES.start + number, table, mark=uplink_mark(number), mask=UPLINK_MASK, why=why)
        yield Rule(family, RULES.start + 10 + number, table, oif=uplink.device, why=why)
    yield Rule(family, _CONNECTED, MAIN_TABLE, connected_only=True, why="our own networks come before any uplink")
    yield from _pinned(config, facts, family)
    numbers = {uplink.name: number for number, uplink in uplinks}
    for name in CLASSES:
        yield from _class_rules(config, assignment, name, numbers, family)
    for name in ("service", "wifi"):
        for device in getattr(config.classes, name).devices:
            yield Rule(family, _UNCLASSED, 0, iif=device, why=f"without a class nothing leaves from {device}")


def _pinned(config: Config, facts: Facts, family: Family) -> Iterator[Item]:
    prefixes: set[str] = set()
    for number, uplink in enumerate(config.uplink, 1):
        for prefix in uplink.pinned:
            if (":" in prefix) != (family == 6):
                continue
            prefixes.add(prefix)
            gateway = _gateway(uplink, family)
            if gateway and _usable(facts, uplink.device):
                why = f"{prefix} is pinned to {uplink.name}"
                yield Route(family, PINNED_TABLE, prefix, 10 + number, gateway, uplink.device, why=why)
    for prefix in sorted(prefixes):
        yield Route(family, PINNED_TABLE, prefix, UNREACHABLE_METRIC, why=f"{prefix} fails closed")
    if prefixes:
        yield Rule(family, _PINNED, PINNED_TABLE, why="pinned prefixes never leave by another uplink")


def _class_rules(
    config: Config, assignment: Assignment, name: str, numbers: dict[str, int], family: Family
) -> Iterator[Rule]:
    allowed = [uplink for uplink in getattr(config.classes, name).uplinks if uplink in numbers]
    assigned = assignment[name].uplink
    order = sorted(allowed, key=lambda uplink: uplink != assigned)
    for place, uplink in enumerate(order):
        why = f"{name} uses {uplink}" if place == 0 else f"{name} falls back to {uplink} when the carrier is lost"
        yield _for_class(family, name, place, uplink_table(numbers[uplink]), why)
    yield _for_class(family, name, 9, 0, f"{name} leaves by no uplink but {', '.join(allowed) or 'none'}")


def _for_class(family: Family, name: str, place: int, table: int, why: str) -> Rule:
    priority = class_priority(name, place)
    if name == "control":
        return Rule(family, priority, table, iif="lo", why=why)
    return Rule(family, priority, table, mark=class_mark(name), mask=CLASS_MASK, why=why)


def _gateway(uplink: Uplink, family: Family) -> str:
    return uplink.gateway if family == 4 else uplink.gateway6


def _usable(facts: Facts, device: str) -> bool:
    link = facts.links.get(device)
    return link is not None and link.up


def assigned_uplinks(config: Config, observed: HostState) -> dict[str, str]:
    """What the kernel's rules say of each class: the uplink of its first choice; a class without rules is left out."""
    names = {uplink_table(number): uplink.name for number, uplink in enumerate(config.uplink, 1)}
    first: dict[str, str] = {}
    for name in CLASSES:
        tables = [
            item.table
            for item in observed
            if isinstance(item, Rule) and item.family == 4 and item.priority == class_priority(name)
        ]
        if len(tables) == 1 and names.get(tables[0]) in getattr(config.classes, name).uplinks:
            first[name] = names[tables[0]]
    return first
