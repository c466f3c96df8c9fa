"""Policy rules and routes by rtnetlink (rtnetlink(7)); only what carries our protocol number is ours."""

from __future__ import annotations

import errno
import ipaddress
import struct
from collections.abc import Iterator

from edge.kernel.state import PROTOCOL, RULES, TABLES, TOO_SHORT, Change, Family, Route, Rule
from edge.kernel.wire import CREATE, EXCLUSIVE, REPLACE, Wire, attribute, attributes, number, text, u32

_AF: dict[Family, int] = {4: 2, 6: 10}
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34
# struct rtmsg and struct fib_rule_hdr: family, prefix lengths of destination and source, TOS, table, then
# protocol, scope, type or two reserved bytes and the action; flags
_MESSAGE = struct.Struct("=BBBBBBBBI")
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15
_UNICAST, _UNREACHABLE = 1, 7  # RTN_*
_UNIVERSE, _LINK = 0, 253  # RT_SCOPE_*
_ONLINK = 4  # RTNH_F_ONLINK: two providers may use one and the same network, so the device decides, not the address
_FRA_IIF, _FRA_PRIORITY, _FRA_MARK, _FRA_SUPPRESS, _FRA_TABLE, _FRA_MASK, _FRA_OIF, _FRA_PROTOCOL = (
    3,
    6,
    10,
    14,
    15,
    16,
    17,
    21,
)
_LOOKUP, _REFUSE = 1, 7  # FR_ACT_TO_TBL, FR_ACT_UNREACHABLE (linux/fib_rules.h)


def observe(wire: Wire, names: dict[int, str]) -> Iterator[Rule | Route]:
    """Our rules and routes as they stand; `names` maps device indexes to names."""
    for family, af in _AF.items():
        for message in wire.dump(_GETRULE, _MESSAGE.pack(af, 0, 0, 0, 0, 0, 0, 0, 0)):
            yield from _rule(family, message)
        for message in wire.dump(_GETROUTE, _MESSAGE.pack(af, 0, 0, 0, 0, 0, 0, 0, 0)):
            if message[5] == PROTOCOL:
                yield from _route(family, message, names)


def _rule(family: Family, message: bytes) -> Iterator[Rule]:
    found = attributes(message, _MESSAGE.size)
    priority = number(found.get(_FRA_PRIORITY))
    if found.get(_FRA_PROTOCOL) != bytes([PROTOCOL]) or priority not in RULES:
        return
    yield Rule(
        family,
        priority,
        number(found.get(_FRA_TABLE)) if message[7] == _LOOKUP else 0,
        number(found.get(_FRA_MARK)),
        number(found.get(_FRA_MASK)),
        text(found.get(_FRA_IIF)),
        text(found.get(_FRA_OIF)),
        found.get(_FRA_SUPPRESS) == u32(TOO_SHORT),
    )


def _route(family: Family, message: bytes, names: dict[int, str]) -> Iterator[Route]:
    found = attributes(message, _MESSAGE.size)
    table, length = number(found.get(_RTA_TABLE)), message[1]
    if table not in TABLES:
        return
    destination = f"{_address(found[_RTA_DST])}/{length}" if length and _RTA_DST in found else "default"
    gateway = _address(found[_RTA_GATEWAY]) if _RTA_GATEWAY in found else ""
    device = "" if message[7] == _UNREACHABLE else names.get(number(found.get(_RTA_OIF)), "a device that is gone")
    yield Route(family, table, destination, number(found.get(_RTA_PRIORITY)), gateway, device)


def _address(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed))


def change(wire: Wire, wanted: Change, index: dict[str, int]) -> None:
    """Make one change of a rule or route. OSError when the kernel refuses."""
    item, remove = wanted.item, wanted.action == "remove"
    if isinstance(item, Rule):
        wire.request(_DELRULE if remove else _NEWRULE, _rule_request(item), 0 if remove else CREATE | EXCLUSIVE)
    elif isinstance(item, Route):
        body = _route_request(item, index, remove=remove)
        wire.request(_DELROUTE if remove else _NEWROUTE, body, 0 if remove else CREATE | REPLACE)


def _rule_request(rule: Rule) -> bytes:
    action = _LOOKUP if rule.table else _REFUSE
    body = _MESSAGE.pack(_AF[rule.family], 0, 0, 0, 0, 0, 0, action, 0)
    body += attribute(_FRA_PRIORITY, u32(rule.priority)) + attribute(_FRA_PROTOCOL, bytes([PROTOCOL]))
    if rule.table:
        body += attribute(_FRA_TABLE, u32(rule.table))
    if rule.mask:
        body += attribute(_FRA_MARK, u32(rule.mark)) + attribute(_FRA_MASK, u32(rule.mask))
    for kind, name in ((_FRA_IIF, rule.iif), (_FRA_OIF, rule.oif)):
        if name:
            body += attribute(kind, name.encode() + b"\0")
    return body + (attribute(_FRA_SUPPRESS, u32(TOO_SHORT)) if rule.connected_only else b"")


def _route_request(route: Route, index: dict[str, int], *, remove: bool) -> bytes:
    """A route; one without a gateway goes to whoever is at the other end of its device."""
    network = None if route.destination == "default" else ipaddress.ip_network(route.destination)
    length = network.prefixlen if network else 0
    kind = _UNICAST if route.device else _UNREACHABLE
    scope = _LINK if route.device and not route.gateway and route.family == 4 else _UNIVERSE
    flags = _ONLINK if route.gateway else 0
    body = _MESSAGE.pack(_AF[route.family], length, 0, 0, 0, PROTOCOL, scope, kind, flags)
    body += attribute(_RTA_TABLE, u32(route.table)) + attribute(_RTA_PRIORITY, u32(route.metric))
    if network:
        body += attribute(_RTA_DST, network.network_address.packed)
    if route.device:
        if route.device not in index:
            if remove:
                raise OSError(errno.ESRCH, f"{route.device} is gone, and its routes with it")
            raise OSError(errno.ENODEV, f"{route.device} is gone")
        body += attribute(_RTA_OIF, u32(index[route.device]))
    if route.gateway:
        body += attribute(_RTA_GATEWAY, ipaddress.ip_address(route.gateway).packed)
    return body
