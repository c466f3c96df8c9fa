"""What a real kernel tells of changes."""

from __future__ import annotations

import asyncio

import pytest

from edge.kernel.notices import Notices
from edge.kernel.state import TABLE, Scope
from tests.lab.namespaces import sh

pytestmark = pytest.mark.usefixtures("box")


@pytest.mark.parametrize(
    ("command", "scope"),
    [
        ("ip rule add priority 20500 lookup 7", "routing"),
        ("ip route add 198.51.100.0/24 dev pde0", "routing"),
        ("ip -6 rule add priority 20500 lookup 7", "routing"),
        ("tc qdisc add dev pde0 root pfifo", "shaping"),
        ("ip link set pde0 mtu 1400", "table"),
        (f"nft add table inet {TABLE}", "table"),
    ],
)
async def test_the_kernel_tells_of_changes(command: str, scope: Scope) -> None:
    """A change that nobody tells of would be healed only by the next sweep."""
    told: asyncio.Queue[frozenset[Scope]] = asyncio.Queue()
    with Notices(told.put_nowait):
        await asyncio.to_thread(sh, command)
        async with asyncio.timeout(20):
            while scope not in await told.get():
                pass
