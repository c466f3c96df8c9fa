"""What the kernel tells of network devices: their state by rtnetlink, IPv4 addresses, and where their way out leads."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path

from edge.kernel.state import Link
from edge.kernel.wire import Wire, attribute, attributes, number, text, u32

_GETLINK, _GETADDR = 18, 22
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_IFNAME, _MTU, _EXT_MASK, _CARRIER = 3, 4, 29, 33
_SKIP_STATS = 1 << 3  # RTEXT_FILTER_SKIP_STATS
_UP, _POINT_TO_POINT = 0x1, 0x10  # IFF_*
_ADDRESS, _LOCAL = 1, 2  # IFA_*
_AF_INET = 2
_ROUTES = Path("/proc/thread-self/net/route")  # proc(5): the main table of this thread's network namespace
_RTF_UP = 0x1


def links(wire: Wire) -> dict[str, Link]:
    """Every network device by name."""
    body = _IFINFO.pack(0, 0, 0, 0, 0) + attribute(_EXT_MASK, u32(_SKIP_STATS))
    found = (_link(message) for message in wire.dump(_GETLINK, body))
    return {link.name: link for link in found}


def _link(message: bytes) -> Link:
    _, _, index, flags, _ = _IFINFO.unpack_from(message)
    found = attributes(message, _IFINFO.size)
    mtu = number(found.get(_MTU)) or 1500
    carrier = found.get(_CARRIER) == b"\1"
    return Link(
        text(found.get(_IFNAME)), index, mtu, bool(flags & _UP), carrier, point_to_point=bool(flags & _POINT_TO_POINT)
    )


def addresses(wire: Wire, names: dict[int, str]) -> dict[str, tuple[str, ...]]:
    """The IPv4 addresses of every device that has some, by its name."""
    found: dict[str, tuple[str, ...]] = {}
    for message in wire.dump(_GETADDR, _IFADDR.pack(_AF_INET, 0, 0, 0, 0)):
        device = names.get(_IFADDR.unpack_from(message)[4], "")
        told = attributes(message, _IFADDR.size)
        packed = told.get(_LOCAL) or told.get(_ADDRESS)
        if packed is not None and len(packed) == 4:
            found[device] = (*found.get(device, ()), str(ipaddress.IPv4Address(packed)))
    return found


def gateways(links: dict[str, Link]) -> dict[str, str]:
    """Where the main table's default route by each device leads: an IPv4 address, the one of least metric.

    A point-to-point device (PPPoE) needs none: its other end is the way, told as "".
    """
    found = {name: "" for name, link in links.items() if link.point_to_point and link.up}
    for _, device, gateway in sorted(_defaults(_ROUTES.read_text())):
        if device not in found:
            found[device] = gateway
    return found


def _defaults(table: str) -> Iterator[tuple[int, str, str]]:
    """Metric, device and gateway of the default routes in the text of /proc/net/route, least metric to be first."""
    for row in table.splitlines()[1:]:
        columns = row.split()
        if len(columns) < 8 or columns[1] != "00000000" or columns[7] != "00000000":
            continue
        device, gateway, flags, metric = columns[0], columns[2], int(columns[3], 16), int(columns[6])
        if flags & _RTF_UP and gateway != "00000000":
            yield metric, device, str(ipaddress.IPv4Address(struct.pack("=I", int(gateway, 16))))
