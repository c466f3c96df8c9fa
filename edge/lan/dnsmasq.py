"""Pure: what the village's dnsmasq reads: its configuration, and the name servers that it asks now.

dnsmasq reads the name servers from a file of their own (``servers-file``, dnsmasq(8)), which follows the uplink of the
service. A resolver is asked through its uplink (``server=ADDRESS@DEVICE``); one in a pinned network is asked by the
ways of that network instead, which lead nowhere else. Answers with private addresses pass: the government's own names
have them, and what a guest may reach is the nftables table's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, ip_address, ip_network

from edge.config import Config, TrafficClass, Uplink
from edge.monitor.verdict import Verdict

LEASE = "2h"
CACHE_ENTRIES = 2000
CONCURRENT_QUERIES = 300
CONFIGURATION = "dnsmasq.conf"
SERVERS = "dnsmasq.servers"
PID = "dnsmasq.pid"

# fast-dns-retry (ms): dnsmasq itself asks again on a line that loses packets; clients would wait for seconds.
_FIXED = f"""\
# Written by kampung-edge; changes belong in kampung-edge.toml.
bind-dynamic
no-resolv
no-hosts
no-poll
domain-needed
bogus-priv
all-servers
cache-size={CACHE_ENTRIES}
dns-forward-max={CONCURRENT_QUERIES}
fast-dns-retry=500,5000
dhcp-authoritative
quiet-dhcp
"""


def render(config: Config) -> str:
    """dnsmasq.conf for the service and WiFi networks of `config`; only IPv4 networks are handed out."""
    lines = [
        _FIXED,
        f"dhcp-leasefile={config.state_dir}/dnsmasq.leases",
        f"pid-file={config.run_dir}/{PID}",
        f"servers-file={config.run_dir}/{SERVERS}",
    ]
    for name, traffic_class in (("service", config.classes.service), ("wifi", config.classes.wifi)):
        lines += _zone(name, traffic_class)
    return "\n".join(lines) + "\n"


def asked(config: Config, order: Sequence[str], verdicts: Mapping[str, Verdict]) -> tuple[Uplink, ...]:
    """The uplinks whose resolvers are to be asked: the first of `order`, then of the file, that should answer.

    `order` are the uplinks of the classes, the service's first. An uplink that is down, or whose names are what is
    wrong with it, is passed over; when none is left all are asked, so that the first to return is found at once.
    """
    having = [uplink for uplink in config.uplink if uplink.resolvers]
    places = {name: place for place, name in reversed(list(enumerate(order)))}
    having.sort(key=lambda uplink: places.get(uplink.name, len(order)))
    first = next((uplink for uplink in having if _answers(verdicts.get(uplink.name))), None)
    return (first,) if first else tuple(having)


def servers(config: Config, uplinks: Sequence[Uplink]) -> str:
    """The servers-file that has the resolvers of `uplinks` asked, each through its own."""
    whose = ", ".join(uplink.name for uplink in uplinks) or "no uplink, since none has a resolver"
    lines = [f"# Written by kampung-edge; names are asked by {whose}."]
    for uplink in uplinks:
        lines += [f"server={resolver}{_way(config, resolver, uplink)}" for resolver in uplink.resolvers]
    return "\n".join(lines) + "\n"


def _answers(verdict: Verdict | None) -> bool:
    if verdict is None or verdict.cause in ("starting", "no-privilege"):
        return True
    return verdict.level != "down" and verdict.cause != "dns"


def _way(config: Config, resolver: str, uplink: Uplink) -> str:
    pinned = {prefix for each in config.uplink for prefix in each.pinned}
    pinned |= {prefix for tunnel in config.tunnel for prefix in tunnel.pinned}
    address = ip_address(resolver)
    return "" if any(address in ip_network(prefix) for prefix in pinned) else f"@{uplink.device}"


def _zone(name: str, traffic_class: TrafficClass) -> list[str]:
    networks = [network for network in map(ip_network, traffic_class.networks) if isinstance(network, IPv4Network)]
    lines = [f"interface={device}" for device in traffic_class.devices]
    return lines + [f"dhcp-range=set:{name},{_range(network)},{LEASE}" for network in networks]


def _range(network: IPv4Network) -> str:
    """The upper four fifths of a network: the lower part is left to addresses set by hand."""
    first = network.network_address + max(2, network.num_addresses // 5)
    return f"{first},{network.broadcast_address - 1},{network.netmask}"
