"""Default routes as /proc/net/route prints them."""

from __future__ import annotations

from edge.kernel.links import _defaults

_HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def row(device: str, destination: str, gateway: str, flags: str, metric: int, mask: str) -> str:
    return f"{device}\t{destination}\t{gateway}\t{flags}\t0\t0\t{metric}\t{mask}\t0\t0\t0\n"


def test_only_a_default_route_with_a_gateway_that_is_up_counts() -> None:
    """A route to a part of the internet, or one that is down, would be taken for the provider's router."""
    table = _HEAD + "".join(
        (
            row("tel0", "00000000", "0107A8C0", "0003", 100, "00000000"),
            row("pde0", "00000000", "00000000", "0001", 0, "00000000"),
            row("pde0", "00000000", "010A230A", "0002", 0, "00000000"),
            row("tel0", "00000000", "0907A8C0", "0003", 50, "00000080"),
            row("tel0", "0007A8C0", "00000000", "0001", 0, "00FFFFFF"),
        )
    )
    assert list(_defaults(table)) == [(100, "tel0", "192.168.7.1")]


def test_a_truncated_table_is_survived() -> None:
    """A line that is cut must not crash the daemon."""
    assert list(_defaults(_HEAD + "tel0\t00000000\n\n")) == []
