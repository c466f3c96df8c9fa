"""The six things one can do to the village, each a key of the menu: do it, watch from outside, say what happened."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from edge.simulator import links, observer
from edge.simulator.netns import VillageError
from edge.simulator.scene import Asked, Scene
from edge.simulator.village import BOX, GUESTS, INTERNET, LINES, OFFICE, PDE

_FILLED = 0.45  # of the line: a little under the guests' ceiling while the service is active
_MOVE_S = 60.0
_SLOW_MBIT = 4.0
_CROWD_MBIT = 5.0
_SECONDS = 4.0
_SETTLE_S = 1.5
_FLOOD_MBIT = 1.0


@dataclass(frozen=True, slots=True)
class Move:
    """Where the office's new requests went; `seconds` is None when they did not get there."""

    line: str
    seconds: float | None

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        if self.seconds is None:
            return f"service did not move to {self.line} within {_MOVE_S:.0f} s"
        return f"service is on {self.line} after {self.seconds:.1f} s (first new request answered through it)"


@dataclass(frozen=True, slots=True)
class Share:
    """What the office got of a line that the guests flooded: `share` of its rate from 0 to 1."""

    office: observer.Use
    guests_mbit: float
    share: float

    @property
    def sentence(self) -> str:
        """What happened, for people."""
        return (
            f"office {self.office.mbit:.1f} Mbit/s, guests {self.guests_mbit:.1f} Mbit/s by 16 flows; both on "
            f"{self.office.line}: service has {self.share:.0%} of the line; "
            f"page p50/p90 {self.office.page_p50_ms:.0f}/{self.office.page_p90_ms:.0f} ms"
        )


class FloodFailed(VillageError):
    """The flood did not flow on the line it was to flow on, so that its figure would say nothing."""


async def cut(line: links.Line = PDE, to: str = "telkom") -> Move:
    """Blackhole `line` silently and watch the office's requests arrive by the line named `to`."""
    line.blackhole()
    return Move(to, await observer.moved(OFFICE, to, within_s=_MOVE_S))


async def heal(scene: Scene, line: links.Line = PDE) -> Move:
    """Take every fault off `line` and watch the office's requests come back to it."""
    await scene.faults.aclose()
    line.heal()
    return Move(line.name, await observer.moved(OFFICE, line.name, within_s=_MOVE_S))


async def slow(scene: Scene, line: links.Line = PDE, to: str = "telkom") -> Move:
    """Let `line` carry less and a neighbour on it take more than is left: real queues, real loss."""
    line.set_rate(_SLOW_MBIT, _SLOW_MBIT)
    await scene.faults.enter_async_context(links.crowd(line, INTERNET, _CROWD_MBIT))
    return Move(to, await observer.moved(OFFICE, to, within_s=_MOVE_S))


async def share(line: str, flood: observer.Flood, seconds: float = _SECONDS) -> Share:
    """Let the office start on `line` once `flood` has filled it, and measure both.

    The flood comes first, as guests do: whoever opens a page in the evening finds them there. Raises `FloodFailed`
    when the figure would say nothing.
    """
    await _filled(LINES[line].download_mbit)
    office, (guests, carried) = await asyncio.gather(
        observer.use(OFFICE, seconds=seconds, settle_s=_SETTLE_S),
        _received(seconds, (GUESTS[0], "wlan0"), (BOX, LINES[line].device)),
    )
    if not flood.running or guests < _FLOOD_MBIT:
        raise FloodFailed(f"the guests took only {guests:.1f} Mbit/s, so nothing was contested")
    if office.line != line or carried < 0.95 * (office.mbit + guests):
        found = f"the office is on {office.line or 'none'} and {line} carried {carried:.1f} Mbit/s"
        raise FloodFailed(f"office and guests were to share {line}, but {found}")
    return Share(office, guests, office.mbit / LINES[line].download_mbit)


async def _filled(rate_mbit: float, within_s: float = 10) -> None:
    """Wait until guests take what they may, twice in a row: all, or the most they get while the office is at work."""
    deadline, full = time.monotonic() + within_s, 0
    while full < 2:
        before = observer.received_mbyte(GUESTS[0], "wlan0")
        await asyncio.sleep(0.5)
        mbit = (observer.received_mbyte(GUESTS[0], "wlan0") - before) * 8 / 0.5
        full = full + 1 if mbit > _FILLED * rate_mbit else 0
        if time.monotonic() > deadline:
            raise FloodFailed(f"the guests alone take only {mbit:.1f} of {rate_mbit} Mbit/s")


async def _received(seconds: float, *devices: tuple[str, str]) -> list[float]:
    """What each device of a namespace receives in the time that the office is measured, in Mbit/s."""
    await asyncio.sleep(_SETTLE_S)
    before = [observer.received_mbyte(*device) for device in devices]
    await asyncio.sleep(seconds)
    after = [observer.received_mbyte(*device) for device in devices]
    return [(end - begin) * 8 / seconds for begin, end in zip(before, after, strict=True)]


async def flood(scene: Scene) -> Share:
    """Flood the WiFi while the office works on the same line; PDE is cut for that, so that both are on Telkom."""
    cut_here = await observer.line_used(OFFICE) != "telkom"
    if cut_here:
        await cut()
    try:
        async with observer.Flood() as flowing:
            return await share("telkom", flowing)
    finally:
        if cut_here:
            await heal(scene)


async def unplug(scene: Scene) -> float | None:
    """Pull the modem out; seconds until the box says so on its health page, or None."""
    await scene.modem.unplug()
    return await scene.condition("modem-missing", holds=True, within_s=_MOVE_S)


async def replug(scene: Scene) -> Asked:
    """Put the modem back and let a citizen write at once."""
    await scene.modem.replug()
    return await scene.citizen(within_s=_MOVE_S)
