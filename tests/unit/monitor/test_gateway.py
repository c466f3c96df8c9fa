"""The gateway that a provider gave: read from the kernel's table of routes."""

from __future__ import annotations

import sys

import pytest

from edge.monitor.gateway import default_gateway

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def hexed(address: str) -> str:
    octets = bytes(map(int, address.split(".")))
    return octets[:: -1 if sys.byteorder == "little" else 1].hex().upper()


def route(
    device: str, gateway: str, *, metric: int = 0, flags: int = 3, to: str = "0.0.0.0", mask: str = "0.0.0.0"
) -> str:
    return f"{device}\t{hexed(to)}\t{hexed(gateway)}\t{flags:04X}\t0\t0\t{metric}\t{hexed(mask)}\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ([route("eth1", "192.168.1.1")], "192.168.1.1"),
        ([route("eth1", "192.168.1.1", metric=200), route("eth1", "192.168.1.254", metric=100)], "192.168.1.254"),
        ([route("eth2", "192.168.1.1")], None),
        ([route("eth1", "192.168.1.1", flags=2)], None),
        ([route("eth1", "0.0.0.0", flags=1)], None),
        ([route("eth1", "192.168.1.1", to="10.0.0.0", mask="255.0.0.0")], None),
        ([route("eth1", "192.168.1.1", mask="128.0.0.0")], None),
        (["eth1\t00000000\n", "\n"], None),
        ([], None),
    ],
    ids=["one", "best metric", "another device", "not up", "no gateway", "a network", "half of all", "cut", "none"],
)
def test_best_default_route_of_the_device_counts(lines: list[str], wanted: str | None) -> None:
    """Another uplink's gateway, or that of a single network, would be probed."""
    assert default_gateway(HEAD + "".join(lines), "eth1") == wanted
