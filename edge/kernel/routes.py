"""Links, policy rules and routes by rtnetlink (rtnetlink(7)); only what carries our protocol number is ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

from edge.kernel.netlink import IPRoute
from edge.kernel.state import PROTOCOL, RULES, TABLES, Change, Family, Link, Route, Rule

_AF: dict[Family, int] = {4: 2, 6: 10}
_LOOKUP, _UNREACHABLE = 1, 7  # FR_ACT_*, linux/fib_rules.h
_RTN_UNREACHABLE = 7
_ONLINK = 4  # RTNH_F_ONLINK: two providers may use one and the same network, so the device decides, not the address
_IFF_UP = 1


def links(ip: IPRoute) -> dict[str, Link]:
    """Every network device by name."""
    found = (
        Link(
            message.get_attr("IFLA_IFNAME"),
            message["index"],
            message.get_attr("IFLA_MTU") or 1500,
            bool(message["flags"] & _IFF_UP),
            bool(message.get_attr("IFLA_CARRIER")),
        )
        for message in ip.get_links()
    )
    return {link.name: link for link in found}


def observe(ip: IPRoute, names: dict[int, str]) -> Iterator[Rule | Route]:
    """Our rules and routes as they stand; `names` maps device indexes to names."""
    for family in _AF:
        for message in ip.get_rules(family=_AF[family]):
            if message.get_attr("FRA_PROTOCOL") == PROTOCOL and message.get_attr("FRA_PRIORITY") in RULES:
                yield _rule(family, message)
        for message in ip.get_routes(family=_AF[family]):
            if message["proto"] == PROTOCOL and message.get_attr("RTA_TABLE") in TABLES:
                yield _route(family, message, names)


def _rule(family: Family, message: Any) -> Rule:
    table = message.get_attr("FRA_TABLE") if message["action"] == _LOOKUP else 0
    return Rule(
        family,
        message.get_attr("FRA_PRIORITY"),
        table or 0,
        message.get_attr("FRA_FWMARK") or 0,
        message.get_attr("FRA_FWMASK") or 0,
        message.get_attr("FRA_IIFNAME") or "",
        message.get_attr("FRA_OIFNAME") or "",
        message.get_attr("FRA_SUPPRESS_PREFIXLEN") == 0,
    )


def _route(family: Family, message: Any, names: dict[int, str]) -> Route:
    prefix = message.get_attr("RTA_DST")
    destination = f"{prefix}/{message['dst_len']}" if message["dst_len"] else "default"
    unreachable = message["type"] == _RTN_UNREACHABLE
    return Route(
        family,
        message.get_attr("RTA_TABLE"),
        destination,
        message.get_attr("RTA_PRIORITY") or 0,
        message.get_attr("RTA_GATEWAY") or "",
        "" if unreachable else names.get(message.get_attr("RTA_OIF"), ""),
    )


def change(ip: IPRoute, wanted: Change, index: dict[str, int]) -> None:
    """Make one change of a rule or route. NetlinkError when the kernel refuses."""
    item = wanted.item
    if isinstance(item, Rule):
        ip.rule("del" if wanted.action == "remove" else "add", **_rule_request(item))
    elif isinstance(item, Route):
        ip.route("del" if wanted.action == "remove" else "replace", **_route_request(item, index))


def _rule_request(rule: Rule) -> dict[str, object]:
    request: dict[str, object] = {"family": _AF[rule.family], "priority": rule.priority, "protocol": PROTOCOL}
    request |= {"table": rule.table, "action": _LOOKUP} if rule.table else {"action": "unreachable"}
    request |= {"fwmark": rule.mark, "fwmask": rule.mask} if rule.mask else {}
    request |= {"iifname": rule.iif} if rule.iif else {}
    request |= {"oifname": rule.oif} if rule.oif else {}
    request |= {"FRA_SUPPRESS_PREFIXLEN": 0} if rule.connected_only else {}
    return request


def _route_request(route: Route, index: dict[str, int]) -> dict[str, object]:
    request: dict[str, object] = {
        "family": _AF[route.family],
        "dst": route.destination,
        "table": route.table,
        "priority": route.metric,
        "proto": PROTOCOL,
    }
    if not route.device:
        return request | {"type": "unreachable"}
    if route.device not in index:
        raise OSError(errno.ENODEV, f"{route.device} is gone")
    return request | {"oif": index[route.device], "gateway": route.gateway, "flags": _ONLINK}
