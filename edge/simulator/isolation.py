"""Attempts to go where nobody may: each is really made, and each door is first shown to be open from a lawful place.

An attempt that fails because nobody listens proves nothing, so `knock` counts such a door as a fault of the village.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from edge.simulator import netns, village
from edge.simulator.village import BOX, BOX_ON_LINE, DOOR_PORT, GOV, INTERNET, OFFICE, PAGE_PORT, WEB_PORT

_GUEST, _OTHER = village.GUESTS[:2]
_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """`who` tries the door at `address` and `port`, which is known to open for a caller in namespace `lawful`."""

    who: str
    what: str
    address: str
    port: int
    lawful: str


ALWAYS = (
    Attempt(_GUEST, "office host", village.OFFICE_HOST, WEB_PORT, BOX),
    Attempt(_GUEST, "page and metrics", village.BOX_IN_OFFICE, PAGE_PORT, OFFICE),
    Attempt(_GUEST, "shell by the guests' address", village.BOX_FOR_GUESTS, DOOR_PORT, BOX),
    Attempt(_GUEST, "shell by the office's address", village.BOX_IN_OFFICE, DOOR_PORT, OFFICE),
    Attempt(_GUEST, "shell by PDE's address", BOX_ON_LINE["pde"], DOOR_PORT, BOX),
    Attempt(_GUEST, "shell by Telkom's address", BOX_ON_LINE["telkom"], DOOR_PORT, BOX),
    Attempt(_GUEST, "another guest by way of the box", village.GUEST_HOSTS[_OTHER], WEB_PORT, BOX),
    Attempt(_GUEST, "office host by IPv6", village.OFFICE_HOST6, DOOR_PORT, BOX),
    Attempt(_GUEST, "shell by IPv6", village.BOX_FOR_GUESTS6, DOOR_PORT, BOX),
    Attempt(INTERNET, "office host", village.OFFICE_HOST, WEB_PORT, BOX),
    Attempt(INTERNET, "a guest", village.GUEST_HOSTS[_GUEST], WEB_PORT, BOX),
    Attempt(INTERNET, "shell", BOX_ON_LINE["telkom"], DOOR_PORT, BOX),
    Attempt(GOV, "office host", village.OFFICE_HOST, WEB_PORT, BOX),
    Attempt(GOV, "shell", BOX_ON_LINE["pde"], DOOR_PORT, BOX),
)
GUEST_TO_GOVERNMENT = (
    Attempt(_GUEST, "government network", village.GOV_HOST, WEB_PORT, village.PDE.gateway),
    Attempt(_GUEST, "another private network behind PDE", village.PRIVATE_HOST, WEB_PORT, village.PDE.gateway),
    Attempt(_GUEST, "PDE's router", village.GATEWAY["pde"], DOOR_PORT, GOV),
)
GOVERNMENT_BY_TELKOM = tuple(
    Attempt(who, "government network by Telkom", village.GOV_HOST, WEB_PORT, village.TELKOM.gateway)
    for who in (OFFICE, _GUEST, BOX)
)


class DoorClosed(netns.VillageError):
    """A door does not open from where it must, so attempts at it would prove nothing."""


async def knock(attempts: Iterable[Attempt]) -> list[str]:
    """Make all `attempts` at once; returns those that got through, in words. Raises `DoorClosed`."""
    tried = tuple(attempts)
    lawful = await asyncio.gather(*(_opens(each.lawful, each) for each in tried))
    closed = [f"{each.lawful} -> {each.what}" for each, open_ in zip(tried, lawful, strict=True) if not open_]
    if closed:
        raise DoorClosed(", ".join(closed))
    through = await asyncio.gather(*(_opens(each.who, each) for each in tried))
    return [f"{each.who} -> {each.what}" for each, open_ in zip(tried, through, strict=True) if open_]


async def _opens(namespace: str, attempt: Attempt) -> bool:
    family = socket.AF_INET6 if ":" in attempt.address else socket.AF_INET
    try:
        async with asyncio.timeout(_WAIT_S):
            _, writer = await netns.connect(namespace, attempt.address, attempt.port, family=family)
    except OSError:  # TimeoutError, refusal and unreachability alike
        return False
    writer.transport.abort()
    return True
