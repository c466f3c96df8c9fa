"""Pure: whom an uplink is probed by, how often each may be asked, and what its answer proves.

The gateway and the regency's own hosts (anchors) carry the pace. Public hosts serve many and are a reserve: asked
seldom, at once on suspicion, never closer than `monitor.public_every_s`. A resolver's silence is evidence, its answer
is none: providers answer port 53 themselves.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from edge.config import Monitor, Uplink

Kind = Literal["icmp", "tcp", "dns", "http"]
Role = Literal["gateway", "anchor", "public", "dns", "http"]


@dataclass(frozen=True, slots=True)
class Source:
    """One host that may give a sign of life.

    `name` is unique within the uplink: the address as in the file, "gateway", "dns:ADDRESS" or "http". `kind` names
    the probe, `target` is the text given to it. `spacing_s` is the least time between two probes, also in a burst
    (0: any pace).
    """

    name: str
    kind: Kind
    role: Role
    target: str
    spacing_s: float = 0.0


def sources(uplink: Uplink, monitor: Monitor, gateway: str | None) -> tuple[Source, ...]:
    """The sources of `uplink` in the order of the file; `gateway` is its address now, None while it has none.

    An anchor or target that is the gateway itself is not asked twice. Raises ValueError for a host that is no address
    and no tcp://ADDRESS:PORT.
    """
    found = [] if gateway is None else [Source("gateway", "icmp", "gateway", gateway)]
    known = {gateway}
    for text in (*uplink.anchors, *uplink.targets):
        address, kind = _host(text)
        if str(address) in known and kind == "icmp":
            continue
        known.add(str(address) if kind == "icmp" else text)
        if text in uplink.anchors or not address.is_global:
            found.append(Source(text, kind, "anchor", text))
        else:
            found.append(Source(text, kind, "public", text, monitor.public_every_s))
    found += [_resolver(text, monitor) for text in dict.fromkeys(uplink.resolvers)]
    if monitor.check_url:
        found.append(Source("http", "http", "http", monitor.check_url, 1.0))
    return tuple({source.name: source for source in found}.values())


def host(source: Source) -> str:
    """Whom `source` asks: the address, of a check page its URL, of a gateway whatever it was given."""
    return source.target if source.role in ("http", "gateway") else str(_host(source.target)[0])


def _resolver(text: str, monitor: Monitor) -> Source:
    spacing = monitor.public_every_s if ipaddress.ip_address(text).is_global else 0.0
    return Source(f"dns:{text}", "dns", "dns", text, spacing)


def _host(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, Kind]:
    try:
        if text.startswith("tcp://"):
            return ipaddress.ip_address(urlsplit(text).hostname or ""), "tcp"
        return ipaddress.ip_address(text.strip("[]")), "icmp"
    except ValueError:
        raise ValueError(f"{text!r} is no address and no tcp://ADDRESS:PORT") from None
