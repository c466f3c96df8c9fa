"""Pure: an assignment to the desired state of the host.

Rules are asked in the order of their priority (ip-rule(8)); everything not decided by one falls to the next:

======== =====================================================================================================
20000+N  what insists on uplink or tunnel N by its mark, 20020+N a socket that does by its device: that one's table
20040+N  what insists on N by its mark, where N has no way: unreachable
20060    pinned prefixes, before anybody's routes in the main table: their ways in order, then unreachable
20070    destinations on our own networks: the main table, but none of its routes that are shorter than /8: a provider's
         DHCP may send two halves of a default route (RFC 3442), and would take everybody's traffic
20100+   per class: the assigned uplink's table, then the other allowed ones (the kernel falls through by itself when a
         carrier is lost), then unreachable
20200    whatever enters by a LAN device without a class (its mark is missing): unreachable
======== =====================================================================================================
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator

from edge.config import Config, Uplink
from edge.kernel.state import RULES, SCOPES, TABLES, Facts, Family, HostState, Item, Route, Rule, Ruleset, Scope
from edge.marks import CLASS_MASK, CLASSES, UPLINK_MASK, class_mark, tunnel_number, uplink_mark
from edge.traffic import firewall, shaping
from edge.traffic.policy import Assignment

MAIN_TABLE = 254
PINNED_TABLE = TABLES.start
UNREACHABLE_METRIC = 4096
_BY_DEVICE = RULES.start + 20
_INSISTENT = RULES.start + 40
_PINNED = RULES.start + 60
_CONNECTED = RULES.start + 70
_UNCLASSED = RULES.start + 200
_METRIC, _TUNNEL_METRIC, _LAST_METRIC = 10, 40, 70


def uplink_table(number: int) -> int:
    """The routing table of the uplink, or tunnel, of this number."""
    return TABLES.start + number


def class_priority(name: str, place: int = 0) -> int:
    """The priority of the rule for the `place`-th choice of class `name`."""
    return RULES.start + 100 + 10 * CLASSES.index(name) + place


def desired(
    config: Config,
    assignment: Assignment,
    facts: Facts,
    *,
    guests_denied: bool = False,
    service_active: bool = False,
    down: Collection[str] = (),
    scopes: Collection[Scope] = SCOPES,
) -> HostState:
    """The wanted state of `scopes`: routing, the nftables table, the shaping trees.

    `down` names the uplinks that are judged to be down: pinned prefixes go by a tunnel meanwhile.
    """
    wanted: list[Item] = []
    if "routing" in scopes:
        wanted += routing(config, assignment, facts, down=down)
    if "table" in scopes:
        text = firewall.ruleset(config, facts, guests_denied=guests_denied, shaped=True)
        wanted.append(Ruleset(firewall.digest(text), text, why="forwarding policy, NAT, marks and MSS clamping"))
    if "shaping" in scopes:
        wanted += shaping.trees(config, facts, service_active=service_active)
    return frozenset(wanted)


def routing(config: Config, assignment: Assignment, facts: Facts, *, down: Collection[str] = ()) -> Iterator[Item]:
    """Rules and routes, for IPv4 and, where an uplink has a gateway6, for IPv6."""
    yield from _family(config, assignment, facts, 4, down)
    if any(uplink.gateway6 for uplink in config.uplink):
        yield from _family(config, assignment, facts, 6, down)


def _family(
    config: Config, assignment: Assignment, facts: Facts, family: Family, down: Collection[str]
) -> Iterator[Item]:
    uplinks = [(n, uplink) for n, uplink in enumerate(config.uplink, 1) if family == 4 or uplink.gateway6]
    for number, uplink in uplinks:
        yield from _own_way(number, uplink.name, uplink.device, _gateway(uplink, facts, family), family)
    if family == 4:
        for place, tunnel in enumerate(config.tunnel, 1):
            usable = "" if _usable(facts, tunnel.device) else None
            yield from _own_way(tunnel_number(place), tunnel.name, tunnel.device, usable, family)
        yield from _pinned(config, facts, down)
    yield Rule(family, _CONNECTED, MAIN_TABLE, connected_only=True, why="our own networks come before any uplink")
    numbers = {uplink.name: number for number, uplink in uplinks}
    for name in CLASSES:
        yield from _class_rules(config, assignment, name, numbers, family)
    for name in ("service", "wifi"):
        for device in getattr(config.classes, name).devices:
            yield Rule(family, _UNCLASSED, 0, iif=device, why=f"without a class nothing leaves from {device}")


def _own_way(number: int, name: str, device: str, gateway: str | None, family: Family) -> Iterator[Item]:
    """The table of one uplink or tunnel, and the rules for whatever insists on it."""
    table, mark = uplink_table(number), uplink_mark(number)
    if gateway is not None:
        yield Route(family, table, "default", _METRIC, gateway, device, why=f"the way out by {name}")
    why = f"what insists on {name} leaves by it"
    yield Rule(family, RULES.start + number, table, mark=mark, mask=UPLINK_MASK, why=why)
    yield Rule(family, _BY_DEVICE + number, table, oif=device, why=why)
    yield Rule(family, _INSISTENT + number, 0, mark=mark, mask=UPLINK_MASK, why=f"{why}, or not at all")


def ways(config: Config, facts: Facts, down: Collection[str] = ()) -> dict[str, list[Route]]:
    """The ways of every pinned prefix, the best first.

    First the uplinks that pin it, then the tunnels that carry it. An uplink that is judged to be down comes last: with
    no tunnel it is still the only one that may have the prefix, and judged by other targets than these.
    """
    holders = [(_METRIC, n, u.name, u.device, _gateway(u, facts, 4), u.pinned) for n, u in enumerate(config.uplink, 1)]
    for place, t in enumerate(config.tunnel, 1):
        gateway = "" if _usable(facts, t.device) else None
        holders.append((_TUNNEL_METRIC, tunnel_number(place), t.name, t.device, gateway, t.pinned))
    found: dict[str, list[Route]] = {}
    for prefix in sorted({prefix for *_, pinned in holders for prefix in pinned}):
        network = ipaddress.IPv4Network(prefix)
        routes = [
            Route(
                4,
                PINNED_TABLE,
                prefix,
                (_LAST_METRIC if name in down else first) + number,
                gateway,
                device,
                why=f"{prefix} goes by {name}",
            )
            for first, number, name, device, gateway, pinned in holders
            if gateway is not None and any(network.subnet_of(ipaddress.IPv4Network(other)) for other in pinned)
        ]
        found[prefix] = sorted(routes, key=lambda route: route.metric)
    return found


def standing_ways(config: Config, facts: Facts, observed: HostState) -> dict[str, list[Route]]:
    """The ways of the pinned prefixes as the kernel has them now: the first of each is in use."""
    found: dict[str, list[Route]] = {prefix: [] for prefix in ways(config, facts)}
    for item in observed:
        if isinstance(item, Route) and item.table == PINNED_TABLE and item.device and item.destination in found:
            found[item.destination].append(item)
    return {prefix: sorted(routes, key=lambda route: route.metric) for prefix, routes in found.items()}


def _pinned(config: Config, facts: Facts, down: Collection[str]) -> Iterator[Item]:
    found = ways(config, facts, down)
    for prefix, routes in found.items():
        yield from routes
        yield Route(4, PINNED_TABLE, prefix, UNREACHABLE_METRIC, why=f"{prefix} fails closed")
    if found:
        yield Rule(4, _PINNED, PINNED_TABLE, why="pinned prefixes leave by their own ways or not at all")


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


def _gateway(uplink: Uplink, facts: Facts, family: Family) -> str | None:
    """The uplink's gateway now, "" for the other end of a point-to-point device; None while there is no way."""
    if not _usable(facts, uplink.device):
        return None
    if family == 6:
        return uplink.gateway6 or None
    return facts.gateways.get(uplink.device) if uplink.gateway == "auto" else uplink.gateway


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
