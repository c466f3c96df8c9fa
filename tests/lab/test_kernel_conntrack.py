"""Connections are forgotten by mark, network and address, by a real kernel; nobody else's."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc

import pytest

from edge.kernel.conntrack import ConntrackFailed, forget
from edge.kernel.state import Stale
from edge.kernel.wire import CREATE, NETFILTER, Wire, attribute
from tests.lab.namespaces import sh

pytestmark = pytest.mark.usefixtures("box")
_MASK = 0xFF0000
_MINE, _OTHERS = 0x110000, 0x120000


def entry(source: str, destination: str, mark: int, *, back: str = "") -> None:
    """Put a connection into the kernel's table; `back` is the address its answers come to, if it is translated."""
    reply = f"--reply-src {destination} --reply-dst {back or source}"
    sh(
        f"conntrack -I -p udp -t 300 --src {source} --dst {destination} --sport 4000 --dport 53 {reply} "
        f"--reply-port-src 53 --reply-port-dst 4000 --mark {mark}"
    )


def left(family: str = "ipv4") -> set[str]:
    """The destinations of the connections that are still known."""
    lines = sh(f"conntrack -L -f {family} -p udp").splitlines()
    return {word.removeprefix("dst=") for line in lines for word in line.split()[:7] if word.startswith("dst=")}


def test_a_mark_is_forgotten_in_both_ip_versions_and_no_other() -> None:
    """At a switch the guests' connections, and everyone's on other uplinks, must live on."""
    entry("192.168.10.20", "203.0.113.1", _MINE)
    entry("192.168.10.20", "203.0.113.2", _OTHERS)
    entry("192.168.10.20", "203.0.113.3", _MINE | 0x7)  # bits outside the mask belong to others
    entry("fd10::20", "2001:db8::1", _MINE)
    entry("fd10::20", "2001:db8::2", _OTHERS)
    forget(Stale(_MINE, _MASK))
    assert left() == {"203.0.113.2"}
    assert left("ipv6") == {"2001:db8::2"}


def test_networks_choose_and_spare() -> None:
    """A pinned network goes its own way: its connections must not be torn with the others, nor the others with them."""
    for destination in ("10.51.0.80", "10.52.0.80", "203.0.113.1"):
        entry("192.168.10.20", destination, _MINE)
    entry("192.168.10.20", "10.51.0.81", _OTHERS)
    entry("fd10::20", "2001:db8::1", _MINE)
    forget(Stale(_MINE, _MASK, within=("10.52.0.0/16",)))
    assert left() == {"10.51.0.80", "203.0.113.1", "10.51.0.81"}
    assert left("ipv6") == {"2001:db8::1"}
    forget(Stale(_MINE, _MASK, sparing=("10.51.0.0/16",)))
    assert left() == {"10.51.0.80", "10.51.0.81"}
    assert left("ipv6") == set()


def test_several_are_chosen_in_one_look() -> None:
    """Service and control move together, and a pinned network with them: each of them by its own rule."""
    for number, mark in enumerate((_MINE, 0x130000, _OTHERS, 0x210000), 1):
        for network in ("10.51.0", "10.52.0", "203.0.113"):
            entry(f"192.168.10.{number}", f"{network}.{number}", mark)
    forget(
        Stale(_MINE, _MASK, sparing=("10.51.0.0/16",)),
        Stale(0x130000, _MASK),
        Stale(0x200000, 0xF00000, within=("10.52.0.0/16",)),
        Stale(0x100000, 0xF00000, within=("10.52.0.0/16",)),
    )
    assert left() == {"10.51.0.1", "10.51.0.3", "203.0.113.3", "10.51.0.4", "203.0.113.4"}


def test_an_address_that_is_gone_takes_its_connections_along() -> None:
    """Answers to an address that the provider took away come back no more; those to the others do."""
    entry("192.168.10.20", "203.0.113.1", _MINE, back="100.64.7.2")
    entry("192.168.10.20", "203.0.113.2", _MINE, back="100.64.8.2")
    entry("203.0.113.3", "100.64.7.2", _MINE)
    entry("192.168.10.20", "203.0.113.4", _OTHERS, back="100.64.7.2")
    forget(Stale(_MINE, _MASK, address="100.64.7.2"))
    assert left() == {"203.0.113.2", "203.0.113.4"}


def test_forgetting_nothing_is_no_error() -> None:
    """Most switches happen on an idle box."""
    for stale in (Stale(_MINE, _MASK), Stale(_MINE, _MASK, sparing=("10.0.0.0/8",)), Stale(_MINE, _MASK, address="x")):
        forget(stale)


def test_connections_that_end_meanwhile_are_no_error() -> None:
    """A connection may end between listing and deleting; those behind it must be forgotten all the same."""
    rounds = 20
    for number in range(60):
        entry("192.168.10.20", f"203.0.113.{number + 1}", _MINE)
    with subprocess.Popen(["conntrack", "-D", "-m", f"{_MINE:#x}/{_MASK:#x}"], stdout=-3, stderr=-3) as other:
        for _ in range(rounds):
            forget(Stale(_MINE, _MASK, sparing=("10.0.0.0/8",)))
        other.wait()
    assert left() == set()


def test_without_the_privilege_it_says_so() -> None:
    """The operator must read what is missing, not that a deletion failed."""
    script = (
        "from edge.kernel.conntrack import forget\nfrom edge.kernel.errors import PrivilegeMissing\n"
        "from edge.kernel.state import Stale\n"
        "try: forget(Stale(1, 1))\nexcept PrivilegeMissing as error: print(error)"
    )
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    done = subprocess.run([*drop, sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "netlink: Operation not permitted"


def test_a_network_that_is_none_is_a_bug_and_no_flush() -> None:
    """A wrong filter must never delete everything."""
    entry("192.168.10.20", "203.0.113.1", _OTHERS)
    with pytest.raises((ValueError, ConntrackFailed)):
        forget(Stale(_MINE, _MASK, within=("10.51.0.1/16",)))
    assert left() == {"203.0.113.1"}


def _crowd(count: int) -> None:
    """Put connections of guests into the kernel's table: 10.9.0.0/16 to 203.0.113.9, one source each."""

    def tuple_(kind: int, source: bytes, destination: bytes, ports: tuple[int, int]) -> bytes:
        addresses = attribute(1, attribute(1, source) + attribute(2, destination), nested=True)
        numbers = [attribute(place, struct.pack(">H", port)) for place, port in enumerate(ports, 2)]
        return attribute(
            kind, addresses + attribute(2, attribute(1, b"\x11") + b"".join(numbers), nested=True), nested=True
        )

    there = bytes((203, 0, 113, 9))
    with Wire(NETFILTER) as wire:
        for number in range(count):
            guest = bytes((10, 9, *number.to_bytes(2, "big")))
            body = (
                struct.pack("=BBH", 2, 0, 0) + tuple_(1, guest, there, (4000, 53)) + tuple_(2, there, guest, (53, 4000))
            )
            wire.request(
                0x100, body + attribute(7, struct.pack(">I", 300)) + attribute(8, struct.pack(">I", _MINE)), CREATE
            )


def test_a_full_table_costs_no_memory() -> None:
    """Guests who fill the table would have the daemon take 40 MB at a switch, on a box that has 512."""
    _crowd(4_000)
    entry("192.168.10.20", "10.52.0.80", _MINE)
    tracemalloc.start()
    try:
        forget(Stale(_MINE, _MASK, within=("10.52.0.0/16",)))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "10.52.0.80" not in left()
    assert most < 1_000_000
