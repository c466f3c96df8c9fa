"""Everything that may befall a village in ten minutes: a fault chosen at random, and how it is healed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

from edge.simulator import links, mishaps, netns
from edge.simulator.links import Line
from edge.simulator.village import BOX, INTERNET, LINES

MEDDLING = (
    "ip rule del priority 20100",
    "ip rule del priority 20001",
    "ip rule add priority 20100 fwmark 0x10000/0xf0000 lookup 254",
    "ip route flush table 20101",
    "ip route flush table 20102",
    "ip route flush table 20100",
    "nft delete table inet kampung_edge",
    "nft flush ruleset",
    "tc qdisc del dev pde0 root",
    "tc qdisc del dev telkom0 root",
)
_OTHER_ADDRESS = {"pde": "10.35.10.12", "telkom": "100.64.7.12"}


@contextlib.asynccontextmanager
async def _fault(begin: Callable[[Line], None], line: Line) -> AsyncIterator[None]:
    await asyncio.to_thread(begin, line)
    try:
        yield
    finally:
        await asyncio.to_thread(line.heal)


@contextlib.asynccontextmanager
async def _unplugged(line: Line) -> AsyncIterator[None]:
    await asyncio.to_thread(mishaps.unplug, line)
    try:
        yield
    finally:
        await asyncio.to_thread(mishaps.plug, line)


@contextlib.asynccontextmanager
async def _flapping(line: Line) -> AsyncIterator[None]:
    for _ in range(3):
        async with _unplugged(line):
            await asyncio.sleep(0.3)
        await asyncio.sleep(0.3)
    yield


@contextlib.asynccontextmanager
async def _removed(line: Line) -> AsyncIterator[None]:
    await asyncio.to_thread(mishaps.remove, line)
    try:
        yield
    finally:
        await asyncio.to_thread(mishaps.replace, line)


@contextlib.asynccontextmanager
async def _renumbered(line: Line) -> AsyncIterator[None]:
    own, other = mishaps.own_address(line), _OTHER_ADDRESS[line.name]
    await asyncio.to_thread(mishaps.renumber, line, own, other)
    try:
        yield
    finally:
        await asyncio.to_thread(mishaps.renumber, line, other, own)


@contextlib.asynccontextmanager
async def _crowded(line: Line) -> AsyncIterator[None]:
    """A third of the rate and a neighbour who wants all of that: delay and loss from a real queue."""
    async with _fault(lambda line: line.collapse(1 / 3), line), links.crowd(line, INTERNET, line.download_mbit / 3):
        yield


@contextlib.asynccontextmanager
async def _meddled(command: str) -> AsyncIterator[None]:
    # What is gone already, by an earlier command or because its device is away, cannot be deleted again.
    with contextlib.suppress(netns.CommandFailed):
        await asyncio.to_thread(lambda: netns.run(*command.split(), namespace=BOX))
    yield


ON_A_LINE: dict[str, Callable[[Line], contextlib.AbstractAsyncContextManager[None]]] = {
    "blackhole": lambda line: _fault(Line.silence, line),
    "dead beyond the gateway": lambda line: _fault(Line.blackhole, line),
    "gateway mute": lambda line: _fault(Line.mute, line),
    "names lost": lambda line: _fault(Line.lose_names, line),
    "captive portal": lambda line: _fault(Line.intercept, line),
    "15% loss": lambda line: _fault(lambda line: line.lose(15), line),
    "40% loss": lambda line: _fault(lambda line: line.lose(40), line),
    "rate collapsed": lambda line: _fault(lambda line: line.collapse(0.05), line),
    "narrower": lambda line: _fault(lambda line: line.narrow(1400), line),
    "crowded": _crowded,
    "cable out": _unplugged,
    "carrier flapping": _flapping,
    "device away": _removed,
    "another address": _renumbered,
}


class Mischief:
    """Does one thing after the other, in an order that `rng` decides; none twice before each was done once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._left: list[tuple[str, Line | None]] = []

    def next(self) -> tuple[str, contextlib.AbstractAsyncContextManager[None]]:
        """What happens next, in words, and the fault as a context that heals it."""
        if not self._left:
            self._left = [(what, line) for what in ON_A_LINE for line in LINES.values()]
            self._left += [(command, None) for command in MEDDLING]
            self._rng.shuffle(self._left)
        what, line = self._left.pop()
        if line is None:
            return what, _meddled(what)
        return f"{line.name}: {what}", ON_A_LINE[what](line)
