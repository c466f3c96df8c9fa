"""Addresses and networks of a configuration, one mistake a file."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config_networks import listen_address
from tests.unit.config_mistakes import DATA, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "address": [
        ("uplink[2].gateway", '"192.168.1.256" is no IPv4 address', 'Write such as 192.168.1.1 or "auto".'),
    ],
    "address6": [
        ("uplink[2].gateway6", '"192.168.1.1" is no IPv6 address', "Write such as fe80::1."),
    ],
    "gateway-inside": [
        (
            "uplink[2].gateway",
            "192.168.10.254 lies in classes.service.networks[1], 192.168.10.0/24",
            "Give the class other addresses.",
        ),
    ],
    "listen-everywhere": [
        (
            "web.listen[1]",
            '"0.0.0.0:8480" listens everywhere, also where guests are',
            "Write the box's own address in the office network, or 127.0.0.1.",
        ),
    ],
    "listen-form": [
        ("web.listen[1]", '"localhost:http" is not ADDRESS:PORT', "Write such as 127.0.0.1:8480 or [::1]:8480."),
        ("web.listen[2]", '"127.0.0.1:0" is not ADDRESS:PORT', "Write such as 127.0.0.1:8480 or [::1]:8480."),
    ],
    "listen-guests": [
        (
            "web.listen[1]",
            '"192.168.20.1:8480" lies in the guests\' network',
            "Write the box's own address in the office network, or 127.0.0.1.",
        ),
    ],
    "listen-twice": [
        ("web.listen[2]", '"127.0.0.1:8480" stands in the list twice', "Remove one."),
    ],
    "network": [
        ("classes.service.networks[1]", '"192.168.10.0/33" is no IPv4 network', "Write such as 10.20.0.0/16."),
    ],
    "network-host-bits": [
        ("classes.service.networks[1]", '"192.168.10.1/24" is a host in a network', "Write 192.168.10.0/24."),
    ],
    "overlap-classes": [
        (
            "classes.wifi.networks[1]",
            "192.168.0.0/16 overlaps classes.service.networks[1], 192.168.10.0/24",
            "Give each its own addresses.",
        ),
    ],
    "overlap-management": [
        (
            "policy.management[1]",
            "192.168.21.0/24 overlaps classes.wifi.networks[1], 192.168.20.0/23",
            "Give each its own addresses.",
        ),
    ],
    "overlap-pinned": [
        (
            "uplink[1].pinned[1]",
            "192.168.0.0/18 overlaps classes.service.networks[1], 192.168.10.0/24",
            "Give each its own addresses.",
        ),
        (
            "uplink[1].pinned[1]",
            "192.168.0.0/18 overlaps classes.wifi.networks[1], 192.168.20.0/23",
            "Give each its own addresses.",
        ),
    ],
    "overlap-two-pinned": [
        (
            "uplink[2].pinned[1]",
            "10.35.8.0/24 overlaps uplink[1].pinned[1], 10.35.0.0/18",
            "Give each its own addresses.",
        ),
    ],
    "tunnel-overlap": [
        (
            "tunnel[1].pinned[2]",
            "10.35.0.0/18 overlaps tunnel[1].pinned[1], 10.35.0.0/18",
            "Give each its own addresses.",
        ),
        (
            "tunnel[1].pinned[3]",
            "192.168.10.0/25 overlaps classes.service.networks[1], 192.168.10.0/24",
            "Give each its own addresses.",
        ),
        ("tunnel[1].pinned[4]", '"10.51.0.1/16" is a host in a network', "Write 10.51.0.0/16."),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an operator would search a village's file for a mistake the program has already found."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("127.0.0.1:8480", (ipaddress.ip_address("127.0.0.1"), 8480)),
        ("[::1]:80", (ipaddress.ip_address("::1"), 80)),
        ("::1:80", None),
        ("[127.0.0.1]:80", None),
        ("127.0.0.1", None),
        ("127.0.0.1:", None),
        ("127.0.0.1:0", (ipaddress.ip_address("127.0.0.1"), 0)),
        ("127.0.0.1:65536", None),
        ("127.0.0.1:٨٠", None),
        ("localhost:80", None),
    ],
)
def test_listen_address(text: str, wanted: object) -> None:
    """The server would fail at bind, hours after the file was found good."""
    assert listen_address(text) == wanted


@given(st.ip_addresses(), st.integers(1, 65535))
def test_every_address_and_port_is_read(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    """Some office addresses could not be listened on."""
    host = f"[{address}]" if address.version == 6 else str(address)
    assert listen_address(f"{host}:{port}") == (address, port)
