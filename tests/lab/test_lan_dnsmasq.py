"""The box's own dnsmasq with the configuration that is written for it, in the village."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.simulator import netns, village
from edge.simulator.scene import Scene, opened
from edge.simulator.settings import SHORT
from edge.simulator.village_main import begin
from tests.office import until

NAME, ADDRESS = next(iter(village.NAMES.items()))
WITHIN_S = 60.0


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    try:
        async with opened(tmp_path, SHORT) as scene:
            await begin(scene)
            yield scene
    finally:
        netns.remove(village.NAMESPACES)


async def resolved(namespace: str, server: str) -> bool:
    """Whether `server` tells `namespace` the address of NAME within a second (RFC 1035 section 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    question = b"\x12\x34\x01\x00\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"
    loop = asyncio.get_running_loop()
    with netns.open_socket(namespace, socket.SOCK_DGRAM, socket.AF_INET) as asked:
        try:
            async with asyncio.timeout(1):
                await loop.sock_sendto(asked, question, (server, 53))
                return (await loop.sock_recv(asked, 512)).endswith(socket.inet_aton(ADDRESS))
        except (TimeoutError, OSError):
            return False


async def asked_by(scene: Scene, line: str) -> bool:
    """Whether the name servers are those of `line`, and no other."""
    lines = (scene.files.home / "run" / "dnsmasq.servers").read_text().splitlines()
    servers = [each for each in lines if each.startswith("server=")]
    return bool(servers) and all(each.endswith(f"@{village.LINES[line].device}") for each in servers)


async def follows(scene: Scene, line: str) -> None:
    await until(lambda: asked_by(scene, line), within_s=WITHIN_S, what=f"names are asked by {line}")


async def test_names_resolve_for_all_and_follow_the_office_s_line(scene: Scene) -> None:
    """After a failover the internet would look dead although the line works."""
    assert scene.appliance.running
    await until(lambda: resolved(village.OFFICE, village.BOX_IN_OFFICE), within_s=WITHIN_S, what="dnsmasq starts")
    for cut, line in ((None, "pde"), (village.PDE, "telkom")):
        if cut:
            cut.blackhole()
        await follows(scene, line)
        await until(lambda: resolved(village.OFFICE, village.BOX_IN_OFFICE), what="office names")
        await until(lambda: resolved(village.GUESTS[0], village.BOX_FOR_GUESTS), what="guest names")
    village.PDE.heal()
    await follows(scene, "pde")
    await until(lambda: resolved(village.OFFICE, village.BOX_IN_OFFICE), what="office names")
