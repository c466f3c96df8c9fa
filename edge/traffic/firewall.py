"""Pure: our nftables table (nft(8)), family inet, always written whole and loaded in one transaction.

It decides only about packets that enter or leave by a device of ours; traffic between other devices is none of our
business. Guests are judged before connection tracking is asked, so nothing that began earlier outlives a denial.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator

from edge.config import Config, Tunnel, Uplink
from edge.kernel.state import HANDLE, TABLE, Facts
from edge.marks import (
    CLASS_MASK,
    CLASSES,
    MASK,
    UPLINK_MASK,
    arrived_mark,
    class_mark,
    tunnel_number,
    uplink_mark,
)
from edge.traffic.shaping import LEAVES, allowed, class_minor, leaf_minor

# RFC 6890's special-purpose blocks a guest has no business in; documentation blocks are left alone
_PRIVATE4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/3",
)
# Guests are counted in 16 shares by the end of their address, so that all of them, with forged addresses too, take at
# most three quarters of the 65,536 connections that guard makes room for.
_SHARES = (("ip", "ipv4", "0.0.0.15"), ("ip6", "ipv6", "::f"))
_SHARE_MOST = 3_072
# Names that guests ask at the box go to the service's resolvers, which may shut out whoever asks too much; then the
# uplink's names fail, and it is left. A page asks for some dozens at once, and for none again: they are in the cache.
_ASKING = "limit rate over 20/second burst 200 packets"
_PRIVATE6 = ("::/8", "fc00::/7", "fe80::/10", "ff00::/8")


def digest(text: str) -> str:
    """A short name for a ruleset's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def ruleset(config: Config, facts: Facts, *, guests_denied: bool, shaped: bool) -> str:
    """The text for ``nft -f -`` that replaces our table.

    `guests_denied` forwards nothing for the guests (before the daemon runs, and in its safe plan); `shaped` classifies
    packets for the HTB trees.
    """
    chains = [
        ("classify", "filter hook prerouting priority mangle", [*_bounded(config, facts), *_classify(config)]),
        ("return_path", "route hook output priority mangle", _return_path(config)),
        ("clamp", "filter hook forward priority mangle", _clamp(config, facts)),
        ("forward", "filter hook forward priority filter", _forward_entry(config)),
        ("input", "filter hook input priority filter", _input_entry(config)),
        ("nat", "nat hook postrouting priority srcnat", [f"oifname {_names(_outside(config))} masquerade"]),
        (
            "track",
            "filter hook postrouting priority mangle",
            [*_track(config), *(_shape(config, facts) if shaped else ())],
        ),
    ]
    plain = [
        ("ours", list(_ours(config, guests_denied))),
        ("from_guest", list(_from_guest(config, guests_denied))),
        ("guest_to_box", list(_guest_to_box(config, facts))),
        ("uplink_to_box", list(_uplink_to_box(config))),
        ("tunnel_to_box", list(_tunnel_to_box(config))),
    ]
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    lines += [f"\tset {word}_guests {{ type {kind}_addr; size 16; flags dynamic; }}" for word, kind, _ in _SHARES]
    lines += [f"\tset {word}_asking {{ type {kind}_addr; size 16; flags dynamic; }}" for word, kind, _ in _SHARES]
    for name, rules in plain:
        lines += [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]
    for name, hook, rules in chains:
        lines += [f"\tchain {name} {{", f"\t\ttype {hook}; policy accept;", *(f"\t\t{rule}" for rule in rules), "\t}"]
    return "\n".join((*lines, "}", ""))


def _bounded(config: Config, facts: Facts) -> Iterator[str]:
    """A guest's new connection beyond its share is dropped before it takes a place (nft(8), connection limit)."""
    if config.classes.wifi.devices and facts.counts:
        new = f"iifname {_names(config.classes.wifi.devices)} ct state new"
        for word, _, mask in _SHARES:
            yield f"{new} add @{word}_guests {{ {word} saddr & {mask} ct count over {_SHARE_MOST} }} drop"


def _classify(config: Config) -> list[str]:
    """Marks: a class for what enters from the LAN, the way back for what enters from an uplink or a tunnel.

    A tunnel's outer packets are the box's own traffic also where the other end began: they move with class control.
    """
    rules = [
        f'iifname "{device}" ct state new ct mark set {_marked("ct", MASK, arrived_mark(n))}'
        for n, device in _ways_out(config)
    ]
    if config.tunnel:
        rules += [
            f'iifname "{uplink.device}" ct state new udp dport {_ports(config)} '
            f"ct mark set {_marked('ct', MASK, _control(n))}"
            for n, uplink in _numbered(config)
        ]
    for name in ("service", "wifi"):
        traffic = getattr(config.classes, name)
        mark = f"meta mark set {_marked('meta', CLASS_MASK, class_mark(name))}"
        for device in traffic.devices:
            rules += [f'iifname "{device}" {source}{mark}' for source in _sources(traffic.networks)]
    return rules


def _sources(networks: Iterable[str]) -> Iterator[str]:
    """Matches for the class's source networks; one empty match when it has none."""
    four, six = _families(networks)
    yield from (f"{word} saddr {{ {', '.join(nets)} }} " for word, nets in (("ip", four), ("ip6", six)) if nets)
    if not four and not six:
        yield ""


def _return_path(config: Config) -> list[str]:
    """The box answers by the uplink that asked, whatever the control class uses.

    A tunnel's own outer packets go where class control goes, also where its program would keep to the device on which
    it last heard the other end: a new mark has the kernel look for the way again.
    """
    rules = [
        f"ct direction reply ct mark & {UPLINK_MASK:#010x} == {uplink_mark(n):#010x} "
        f"meta mark set {_marked('meta', MASK, _control(n))}"
        for n, _ in _ways_out(config)
    ]
    if config.tunnel:
        own = _marked("meta", MASK, class_mark("control"))
        rules.append(f"ct direction original udp sport {_ports(config)} meta mark set {own}")
    return rules


def _clamp(config: Config, facts: Facts) -> list[str]:
    """RFC 4459's remedy for filtered ICMP: MSS lowered outward to the route's MTU, inward to the uplink device's.

    Inward the route leads to the LAN, whose MTU says nothing of the uplink's, hence the constant.
    """
    syn = "tcp flags & (syn | rst) == syn tcp option maxseg size set"
    rules = [f"oifname {_names(_outside(config))} {syn} rt mtu"]
    six = {uplink.device for uplink in config.uplink if uplink.gateway6}
    for device in _outside(config):
        link = facts.links.get(device)
        if link is not None and link.mtu >= 576:
            rules.append(f'iifname "{device}" meta nfproto ipv4 {syn} {min(link.mtu, 9000) - 40}')
            if device in six:
                rules.append(f'iifname "{device}" meta nfproto ipv6 {syn} {min(link.mtu, 9000) - 60}')
    return rules


def _forward_entry(config: Config) -> list[str]:
    ours = _names((*_outside(config), *config.classes.service.devices, *config.classes.wifi.devices))
    return [f"iifname {ours} jump ours", f"oifname {ours} jump ours"]


def _ours(config: Config, guests_denied: bool) -> Iterator[str]:
    wifi, service = config.classes.wifi.devices, config.classes.service.devices
    if not any(uplink.gateway6 for uplink in config.uplink):
        yield "meta nfproto ipv6 drop"
    yield from _fail_closed(config)
    if wifi:
        yield f"iifname {_names(wifi)} jump from_guest"
        if guests_denied:
            yield f"oifname {_names(wifi)} drop"
    yield "ct state invalid drop"
    yield "ct state established,related accept"
    if service:
        ways = [uplink.device for uplink in config.uplink if uplink.name in config.classes.service.uplinks]
        yield f"iifname {_names(service)} oifname {_names((*ways, *service))} accept"
        for way in _holders(config):
            for word, prefixes in zip(("ip", "ip6"), _families(way.pinned), strict=True):
                if prefixes:
                    match = f'oifname "{way.device}" {word} daddr {{ {", ".join(prefixes)} }}'
                    yield f"iifname {_names(service)} {match} accept"
    yield "drop"


def _fail_closed(config: Config) -> Iterator[str]:
    """Pinned prefixes leave by no other uplink, whatever routes others make or are there before ours."""
    for uplink in config.uplink:
        others = [other for other in _holders(config) if other != uplink]
        foreign = _families(prefix for other in others for prefix in other.pinned)
        for word, theirs, own in zip(("ip", "ip6"), foreign, _families(uplink.pinned), strict=True):
            if theirs:
                but = f" {word} daddr != {{ {', '.join(own)} }}" if own else ""
                yield f'oifname "{uplink.device}" {word} daddr {{ {", ".join(theirs)} }}{but} drop'


def _from_guest(config: Config, denied: bool) -> Iterator[str]:
    """Guests: the public internet by their own uplinks, nothing else."""
    if not denied:
        four, six = _families((*_PRIVATE4, *_PRIVATE6, *_forbidden(config)))
        yield f"ip daddr {{ {', '.join(four)} }} drop"
        yield f"ip6 daddr {{ {', '.join(six)} }} drop"
        yield "ct state invalid drop"
        ways = [uplink.device for uplink in config.uplink if uplink.name in config.classes.wifi.uplinks]
        yield f"oifname {_names(ways)} accept"
    yield "drop"


def _forbidden(config: Config) -> Iterator[str]:
    """Networks of ours that a guest must not reach, beyond the private blocks that hold most of them already."""
    yield from (*config.classes.service.networks, *config.classes.wifi.networks)
    yield from (prefix for way in _holders(config) for prefix in way.pinned)


def _input_entry(config: Config) -> list[str]:
    rules = [f"iifname {_names(_uplink_devices(config))} jump uplink_to_box"]
    if config.tunnel:
        rules.append(f"iifname {_names(tunnel.device for tunnel in config.tunnel)} jump tunnel_to_box")
    if config.classes.wifi.devices:
        rules.insert(0, f"iifname {_names(config.classes.wifi.devices)} jump guest_to_box")
    return rules


def _guest_to_box(config: Config, facts: Facts) -> Iterator[str]:
    """DHCP, DNS and a little ping; IPv6 only the neighbour discovery that costs nothing, unless an uplink has IPv6."""
    if facts.counts:
        asks = "meta l4proto { tcp, udp } th dport 53"
        for word, _, mask in _SHARES:
            yield f"{asks} add @{word}_asking {{ {word} saddr & {mask} {_ASKING} }} drop"
    yield "meta l4proto { tcp, udp } th dport 53 meta nfproto ipv4 accept"
    yield "udp sport 68 udp dport 67 accept"
    yield "meta nfproto ipv4 ct state established,related accept"
    yield "icmp type echo-request limit rate 10/second accept"
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept"
    if any(uplink.gateway6 for uplink in config.uplink):
        yield "icmpv6 type nd-router-solicit accept"
        yield "meta l4proto { tcp, udp } th dport 53 accept"
        yield "meta nfproto ipv6 ct state established,related accept"
    yield "drop"


def _uplink_to_box(config: Config) -> Iterator[str]:
    """Answers to what the box asked, the providers' own ping and DHCP, ssh from the management networks, tunnels."""
    yield "ct state established,related accept"
    yield "icmp type echo-request limit rate 20/second accept"
    yield "udp sport 67 udp dport 68 accept"
    if any(uplink.gateway6 for uplink in config.uplink):
        kinds = "nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, echo-request"
        yield f"icmpv6 type {{ {kinds} }} limit rate 50/second accept"
    for word, networks in zip(("ip", "ip6"), _families(config.policy.management), strict=True):
        if networks:
            yield f"{word} saddr {{ {', '.join(networks)} }} tcp dport 22 accept"
    if config.tunnel:
        yield f"udp dport {_ports(config)} accept"
    yield "drop"


def _tunnel_to_box(config: Config) -> Iterator[str]:
    """Answers, ping, and everything from the management networks: the other end has proved who it is."""
    yield "ct state established,related accept"
    yield "icmp type echo-request limit rate 20/second accept"
    for word, networks in zip(("ip", "ip6"), _families(config.policy.management), strict=True):
        if networks:
            yield f"{word} saddr {{ {', '.join(networks)} }} accept"
    yield "drop"


def _track(config: Config) -> Iterator[str]:
    """The connection remembers its class and first uplink: for shaping the way back, and for deletion at a switch.

    Only its first packet sets them. One that slips through between the switch of the rules and the deletion would else
    take the new uplink's mark, keep the old one's address and survive, broken, for as long as it is used.
    """
    for number, device in _ways_out(config):
        for name in CLASSES:
            own = f"{class_mark(name):#010x}"
            classes = f"{{ 0x00000000, {own} }}" if name == "control" else own
            new = f'oifname "{device}" ct mark & {UPLINK_MASK:#010x} == 0x00000000'
            mark = _marked("ct", MASK, uplink_mark(number) | class_mark(name))
            yield f"{new} meta mark & {CLASS_MASK:#010x} {classes} ct mark set {mark}"


def _shape(config: Config, facts: Facts) -> Iterator[str]:
    """tc class ids by ``meta priority``: they survive the redirect into the ifb, where addresses are un-NATed.

    Guests share by guest, the office by flow; a fragment without ports stays in the first leaf.
    """
    devices = _names((*_uplink_devices(config), *config.classes.service.devices, *config.classes.wifi.devices))
    yield f"oifname != {devices} return"
    keys = {"service": "ip saddr . ip daddr . th sport . th dport", "wifi": "ct original ip saddr"}
    for number, uplink in _numbered(config):
        for name in CLASSES:
            if not allowed(config, name, uplink):
                continue
            match = f"ct mark & {MASK:#010x} == {uplink_mark(number) | class_mark(name):#010x}"
            hashed = facts.leaf == "hash" and name in LEAVES
            minor = leaf_minor(number, name) if hashed else class_minor(number, name)
            yield f"{match} meta priority set {HANDLE >> 16:x}:{minor:x}"
            if hashed:
                yield f"{match} meta priority set jhash {keys[name]} mod {LEAVES[name]} offset {HANDLE | minor}"


def _control(number: int) -> int:
    return uplink_mark(number) | class_mark("control")


def _numbered(config: Config) -> list[tuple[int, Uplink]]:
    return list(enumerate(config.uplink, 1))


def _ways_out(config: Config) -> list[tuple[int, str]]:
    """Number and device of every uplink and tunnel."""
    tunnels = [(tunnel_number(place), tunnel.device) for place, tunnel in enumerate(config.tunnel, 1)]
    return [*((number, uplink.device) for number, uplink in _numbered(config)), *tunnels]


def _holders(config: Config) -> list[Uplink | Tunnel]:
    """Whatever may pin networks."""
    return [*config.uplink, *config.tunnel]


def _uplink_devices(config: Config) -> tuple[str, ...]:
    return tuple(uplink.device for uplink in config.uplink)


def _outside(config: Config) -> tuple[str, ...]:
    return tuple(device for _, device in _ways_out(config))


def _ports(config: Config) -> str:
    """The ports of the tunnels' outer packets."""
    return "{ " + ", ".join(str(port) for port in sorted({tunnel.port for tunnel in config.tunnel})) + " }"


def _names(devices: Iterable[str]) -> str:
    return "{ " + ", ".join(f'"{device}"' for device in dict.fromkeys(devices)) + " }"


def _marked(what: str, mask: int, mark: int) -> str:
    """An expression that sets our bits and keeps everyone else's."""
    return f"{what} mark & {~mask & 0xFFFFFFFF:#010x} | {mark:#010x}"


def _families(networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """IPv4 and IPv6 prefixes apart, without overlaps: nft refuses a set whose intervals touch."""
    parsed = [ipaddress.ip_network(network, strict=False) for network in networks]
    four = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in parsed if isinstance(n, ipaddress.IPv6Network))
    return [str(n) for n in four], [str(n) for n in six]
