"""Pure: the configuration of the village's dnsmasq: addresses and names for the office and for the guests.

Each uplink's resolvers are asked through that uplink (``server=ADDRESS@DEVICE``, dnsmasq(8)) and all at once, so names
keep resolving while one uplink is silent, whichever way the classes go. Answers with private addresses pass: the
government's own names have them, and what a guest may reach is the nftables table's to say.
"""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network

from edge.config import Config, TrafficClass

LEASE = "2h"
CACHE_ENTRIES = 2000
CONCURRENT_QUERIES = 300

_FIXED = f"""\
# Written by `kampung-edge dnsmasq`; changes belong in kampung-edge.toml.
bind-dynamic
no-resolv
no-hosts
no-poll
domain-needed
bogus-priv
all-servers
cache-size={CACHE_ENTRIES}
dns-forward-max={CONCURRENT_QUERIES}
dhcp-authoritative
quiet-dhcp
"""


def render(config: Config) -> str:
    """dnsmasq.conf for the service and WiFi networks of `config`; only IPv4 networks are handed out."""
    lines = [_FIXED, f"dhcp-leasefile={config.state_dir}/dnsmasq.leases"]
    for name, traffic_class in (("service", config.classes.service), ("wifi", config.classes.wifi)):
        lines += _zone(name, traffic_class)
    for uplink in config.uplink:
        lines += [f"server={resolver}@{uplink.device}" for resolver in uplink.resolvers]
    return "\n".join(lines) + "\n"


def _zone(name: str, traffic_class: TrafficClass) -> list[str]:
    networks = [network for network in map(ip_network, traffic_class.networks) if isinstance(network, IPv4Network)]
    lines = [f"interface={device}" for device in traffic_class.devices]
    return lines + [f"dhcp-range=set:{name},{_range(network)},{LEASE}" for network in networks]


def _range(network: IPv4Network) -> str:
    """The upper four fifths of a network: the lower part is left to addresses set by hand."""
    first = network.network_address + max(2, network.num_addresses // 5)
    return f"{first},{network.broadcast_address - 1},{network.netmask}"
