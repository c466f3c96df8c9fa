"""The nftables text: that it is decided by the configuration, and safe with every one of them."""

from __future__ import annotations

import ipaddress
import re

from edge import config
from edge.kernel.state import Facts
from edge.traffic.firewall import digest, ruleset
from tests.unit.traffic.village import FACTS, PDE, TELKOM, classes, settings, uplink


def text(*, denied: bool = False, shaped: bool = True, facts: Facts = FACTS, **changed: object) -> str:
    return ruleset(settings(**changed), facts, guests_denied=denied, shaped=shaped)


def chain(name: str, whole: str) -> list[str]:
    """The rules of one chain."""
    body = whole.split(f"chain {name} {{\n")[1].split("\n\t}")[0]
    return [line.strip() for line in body.splitlines() if "type " not in line or " hook " not in line]


def test_sets_never_overlap() -> None:
    """nft refuses a set whose intervals overlap, and the whole table with it: pinned prefixes lie in private blocks."""
    service = config.TrafficClass(
        uplinks=("pde",), guaranteed_percent=70, devices=("office0",), networks=("192.168.10.0/24", "192.168.10.128/25")
    )
    mixed = config.Classes(service=service, wifi=classes().wifi, control=classes().control)
    pinned = uplink("pde", "pde0", "10.35.10.1", pinned=("10.51.0.0/16", "10.51.3.0/24", "203.0.113.0/24"))
    whole = text(uplink=(pinned, TELKOM), classes=mixed, policy=config.Policy(management=("10.0.0.0/8", "10.1.0.0/16")))
    for listed in re.findall(r"ip s?d?addr \{ ([^}]*) \}", whole):
        networks = [ipaddress.IPv4Network(word) for word in listed.split(", ")]
        assert list(ipaddress.collapse_addresses(networks)) == sorted(networks)
    assert "203.0.113.0/24" in "".join(chain("from_guest", whole))


def test_a_guest_is_judged_before_connection_tracking() -> None:
    """A connection that began before a denial must not outlive it."""
    rules = chain("ours", text(denied=True))
    established = next(place for place, rule in enumerate(rules) if "established" in rule)
    assert rules.index('iifname { "wifi0" } jump from_guest') < established
    assert rules.index('oifname { "wifi0" } drop') < established
    assert chain("from_guest", text(denied=True)) == ["drop"]


def test_every_plain_chain_ends_in_drop() -> None:
    """What no rule allows must not fall through to somebody else's accept."""
    for name in ("ours", "from_guest", "guest_to_box", "uplink_to_box", "tunnel_to_box"):
        assert chain(name, text())[-1] == "drop"


def test_guests_leave_by_their_own_uplinks_only() -> None:
    """A guest on an uplink the village did not open costs the office its government network."""
    accepts = [rule for rule in chain("from_guest", text()) if rule.endswith("accept")]
    assert accepts == ['oifname { "tel0" } accept']
    both = text(classes=classes(uplinks=("telkom", "pde"), cap_mbit={"pde": 2.0}))
    assert 'oifname { "pde0", "tel0" } accept' in chain("from_guest", both)


def test_pinned_prefixes_leave_by_their_own_uplink_only() -> None:
    """A route of another program, or of before the daemon ran, would lead the government's network to the internet."""
    rules = chain("ours", text(denied=True, facts=Facts()))
    assert rules.index('oifname "tel0" ip daddr { 10.51.0.0/16 } drop') < rules.index(
        "ct state established,related accept"
    )
    assert not any(rule.startswith('oifname "pde0" ip daddr') for rule in rules)


def test_a_prefix_pinned_twice_may_leave_by_both() -> None:
    """A narrower prefix behind the second uplink would be cut off by the first one's wider prefix."""
    second = uplink("telkom", "tel0", "192.168.1.1", pinned=("10.51.3.0/24",))
    rules = chain("ours", text(uplink=(PDE, second)))
    assert 'oifname "tel0" ip daddr { 10.51.0.0/16 } ip daddr != { 10.51.3.0/24 } drop' in rules


def test_a_kernel_that_cannot_count_gets_a_table_without_counting() -> None:
    """One rule that the kernel does not know refuses the whole table, and with it every protection."""
    counting = Facts(FACTS.links, "hash", counts=True)
    assert "ct count over" in text(facts=counting)
    assert "ct count over" in text(denied=True, shaped=False, facts=counting)
    assert "ct count" not in text()
    assert "ct count" not in text(facts=counting, classes=classes(devices=()))


def test_a_class_without_devices_makes_no_empty_set() -> None:
    """A village without WiFi or with nothing plugged in yet must still get a table that loads."""
    whole = text(classes=classes(devices=()))
    assert "{  }" not in whole
    assert "wifi0" not in whole


def test_the_clamp_follows_the_uplinks_mtu() -> None:
    """A constant for the wrong MTU is either useless or slows every download; an unknown device gets none."""
    assert 'iifname "tel0" meta nfproto ipv4 tcp flags & (syn | rst) == syn tcp option maxseg size set 1452' in text()
    assert "size set 1460" in text()
    assert "size set 14" not in text(facts=Facts())
    assert "size set rt mtu" in text(facts=Facts())


def test_ipv6_is_dropped_until_an_uplink_declares_it() -> None:
    """IPv6 forwarded unawares would pass round every IPv4 rule."""
    assert chain("ours", text())[0] == "meta nfproto ipv6 drop"
    six = uplink("telkom", "tel0", "192.168.1.1", gateway6="fe80::1")
    assert "meta nfproto ipv6 drop" not in chain("ours", text(uplink=(PDE, six)))


def test_marks_of_others_are_kept() -> None:
    """Only our two nibbles may be set: other programs keep theirs in the same mark."""
    for mask, value in re.findall(r"mark set (?:ct|meta) mark & (0x[0-9a-f]+) \| (0x[0-9a-f]+)", text()):
        assert int(mask, 16) & 0xFF00FFFF == 0xFF00FFFF
        assert int(value, 16) & 0xFF00FFFF == 0


def test_members_are_known_by_their_networks_where_these_are_given() -> None:
    """A packet with a foreign source on the office's device must get no class, and so no way out."""
    service = config.TrafficClass(
        uplinks=("pde",), guaranteed_percent=70, devices=("office0",), networks=("192.168.10.0/24",)
    )
    whole = text(classes=config.Classes(service=service, wifi=classes().wifi, control=classes().control))
    assert any(
        'iifname "office0" ip saddr { 192.168.10.0/24 } meta mark set' in rule for rule in chain("classify", whole)
    )


def test_shaping_marks_follow_the_leaf() -> None:
    """With a fair qdisc as leaf, hashing into classes that do not exist would send everything to the default class."""
    assert "jhash" in text()
    fair = text(facts=Facts(FACTS.links, "fq_codel"))
    assert "jhash" not in fair
    assert "meta priority set 4b45:11" in fair
    assert "meta priority" not in text(shaped=False)


def test_the_digest_tells_texts_apart() -> None:
    """Two rulesets with one digest would never be told apart in the kernel."""
    assert digest(text()) == digest(text())
    assert digest(text()) != digest(text(denied=True))


TUNNEL = (config.Tunnel(name="dinas", device="wg0", port=51821, pinned=("10.51.0.0/16", "10.60.0.0/16")),)


def test_a_tunnel_carries_the_office_to_its_networks_alone() -> None:
    """Guests, or the office's internet, in the government's tunnel; or its packets by an uplink that leaks them."""
    whole = text(tunnel=TUNNEL)
    to_tunnel = [rule for rule in chain("ours", whole) if 'oifname "wg0"' in rule]
    assert to_tunnel == ['iifname { "office0" } oifname "wg0" ip daddr { 10.51.0.0/16, 10.60.0.0/16 } accept']
    assert 'oifname "tel0" ip daddr { 10.51.0.0/16, 10.60.0.0/16 } drop' in chain("ours", whole)
    assert 'oifname { "pde0", "tel0", "wg0" } masquerade' in whole


def test_a_tunnels_outer_packets_are_the_boxs_own() -> None:
    """They would stay on the uplink on which they began, and management with them."""
    whole = text(tunnel=TUNNEL)
    assert "udp dport { 51821 } accept" in chain("uplink_to_box", whole)
    assert any("udp sport { 51821 }" in rule and "0x00030000" in rule for rule in chain("return_path", whole))
    moved = [rule for rule in chain("classify", whole) if "udp dport { 51821 }" in rule]
    assert len(moved) == 2
    assert all("0x00130000" in rule or "0x00230000" in rule for rule in moved)
    assert "51821" not in text()


def test_what_others_began_belongs_to_no_class_that_moves() -> None:
    """An engineer's session by PDE would be forgotten when the box's own traffic leaves PDE."""
    rules = [rule for rule in chain("classify", text(tunnel=TUNNEL)) if "ct state new ct mark set" in rule]
    assert ["0x001f0000" in rules[0], "0x002f0000" in rules[1], "0x009f0000" in rules[2]] == [True, True, True]


def test_management_enters_by_a_tunnel_and_strangers_do_not() -> None:
    """Whoever holds a key of the tunnel would reach the box's services."""
    rules = chain("tunnel_to_box", text(tunnel=TUNNEL, policy=config.Policy(management=("10.77.0.0/24",))))
    assert "ip saddr { 10.77.0.0/24 } accept" in rules
    assert rules[-1] == "drop"
    assert chain("tunnel_to_box", text(tunnel=TUNNEL))[-2:] == [
        "icmp type echo-request limit rate 20/second accept",
        "drop",
    ]
