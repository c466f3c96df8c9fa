"""The village without a daemon: an open router that forwards everything, so that each fault of the lines shows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from edge.simulator import hosts, netns, village


@pytest.fixture
def built() -> Iterator[None]:
    """Namespaces and links; the box forwards, masquerades and clamps, by PDE alone."""
    if "KAMPUNG_EDGE_SANDBOX" not in os.environ:
        pytest.fail("run this by script/test: it builds network namespaces and must not do so on the host")
    try:
        village.build()
        netns.sysctl(village.BOX, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        netns.nft(
            village.BOX,
            "table ip plain {",
            "  chain nat { type nat hook postrouting priority 100; oifname { pde0, telkom0 } masquerade; }",
            "}",
        )
        yield
    finally:
        netns.remove(village.NAMESPACES)


@asynccontextmanager
async def lived_in() -> AsyncIterator[None]:
    """Everybody at home, and somebody behind the door where the daemon's page would be."""
    page = await hosts.serve(village.BOX, village.BOX_IN_OFFICE, village.PAGE_PORT, hosts.door)
    async with village.inhabited(), page:
        yield


def route(line: str) -> None:
    """Send the box's traffic by `line`, as a daemon would."""
    netns.ip(village.BOX, f"route replace default via {village.GATEWAY[line]} metric 100")


def clamp() -> None:
    """Lower the MSS to what the Telkom line carries."""
    netns.nft(
        village.BOX,
        "table ip clamp {",
        "  chain both { type filter hook forward priority 0; tcp flags syn tcp option maxseg size set 1452; }",
        "}",
    )
