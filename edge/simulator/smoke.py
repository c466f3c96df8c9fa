"""The self-test of the whole: drives one of each and measures it from outside the daemon. Every figure is honest.

Phases overlap only where neither can help or hurt the other's figure: nothing else runs while the idle CPU is counted.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from edge.simulator import actions, isolation, observer
from edge.simulator.appliance import traces
from edge.simulator.scene import Scene
from edge.simulator.village import BOX_IN_OFFICE, GUESTS, OFFICE, PAGE_PORT, PDE, TELKOM

Value = float | int | bool | None
Facts = dict[str, Value]

WANTED: dict[str, Callable[[float], bool]] = {
    "ready_s": lambda value: value <= 2,
    "failover_s": lambda value: value <= 5,
    "failback": lambda value: value is True,
    "service_share": lambda value: value >= 0.5,
    "sms_reply_s": lambda value: value <= 3,
    "request_forwarded": lambda value: value is True,
    "status_sms": lambda value: value is True,
    "desk_request_forwarded": lambda value: value is True,
    "isolation_leaks": lambda value: value == 0,
    "rss_mb": lambda value: value <= 68,
    "cpu_percent_idle": lambda value: value <= 2,
    "metrics_series": lambda value: value > 0,
    "leftovers": lambda value: value == 0,
}
QUIET_S = 5.5
_MOVE_S = 20.0


def judge(facts: Facts) -> list[str]:
    """What is missing in `facts` or not as wanted, in words."""
    found = []
    for name, holds in WANTED.items():
        value = facts.get(name)
        if value is None or not holds(value):
            found.append(f"{name} is {value}")
    return found


def say(sentence: str) -> None:
    """Tell a reader on standard error what happens; standard output is for the facts alone."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


class Smoke:
    """One run through everything. `facts` fills as it goes, so that a run that breaks off shows how far it came."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.facts: Facts = dict.fromkeys(WANTED)
        self._leaks = list[str]()

    async def run(self) -> Facts:
        """Drive every phase; the facts end with ``ok``."""
        for phase in (self._begin, self._requests, self._idle, self._pde_cut, self._telkom_cut, self._end):
            begun = time.monotonic()
            await phase()
            say(f"{phase.__name__.strip('_')}: {time.monotonic() - begun:.1f} s")
        self.facts["isolation_leaks"] = len(self._leaks)
        missing = judge(self.facts)
        for sentence in (*missing, *(f"leak: {leak}" for leak in self._leaks)):
            say(sentence)
        self.facts["ok"] = not missing
        return self.facts

    async def _begin(self) -> None:
        self._before = traces()
        await self._scene.appliance.guard()
        self.facts["ready_s"] = round(await self._scene.appliance.start(), 3)
        await self._scene.appliance.serve_names()
        await self._settled()

    async def _settled(self) -> None:
        """The office on PDE and the guests on Telkom, seen from there."""
        moves = await asyncio.gather(
            observer.moved(OFFICE, "pde", within_s=_MOVE_S), observer.moved(GUESTS[0], "telkom", within_s=_MOVE_S)
        )
        if None in moves:
            raise TimeoutError("the office did not come out by PDE, or the guests not by Telkom")

    async def _requests(self) -> None:
        attempts = (*isolation.ALWAYS, *isolation.GUEST_TO_GOVERNMENT)
        sms, desk, leaks = await asyncio.gather(self._scene.citizen(), self._scene.desk(), isolation.knock(attempts))
        self._leaks += leaks
        self.facts["sms_reply_s"] = sms.reply_s
        self.facts["request_forwarded"] = bool(sms.request)
        self.facts["desk_request_forwarded"] = bool(desk)
        if sms.request:
            self.facts["status_sms"] = all(await self._scene.approve(sms))

    async def _idle(self) -> None:
        used, begun = self._scene.appliance.cpu_seconds(), time.monotonic()
        await asyncio.sleep(QUIET_S)
        used, passed = self._scene.appliance.cpu_seconds() - used, time.monotonic() - begun
        self.facts["cpu_percent_idle"] = round(100 * used / passed, 2)

    async def _pde_cut(self) -> None:
        PDE.blackhole()
        failover = await observer.moved(OFFICE, "telkom", within_s=_MOVE_S)
        self.facts["failover_s"] = failover and round(failover, 3)
        async with observer.Flood() as flood:
            leaks, share = await asyncio.gather(
                isolation.knock(isolation.GOVERNMENT_BY_TELKOM), actions.share("telkom", flood)
            )
        self._leaks += leaks
        self.facts["service_share"] = round(share.share, 3)
        say(share.sentence)
        PDE.heal()
        self.facts["failback"] = await observer.moved(OFFICE, "pde", within_s=_MOVE_S) is not None

    async def _telkom_cut(self) -> None:
        """Only now do guests use PDE, so only now can one try to reach the government by it."""
        TELKOM.blackhole()
        if await observer.moved(GUESTS[0], "pde", within_s=_MOVE_S) is None:
            raise TimeoutError("the guests did not move to PDE when Telkom was cut")
        self._leaks += await isolation.knock(isolation.GUEST_TO_GOVERNMENT)
        TELKOM.heal()

    async def _end(self) -> None:
        _, body = await observer.get(OFFICE, BOX_IN_OFFICE, "/metrics", port=PAGE_PORT)
        samples = [line for line in body.decode().splitlines() if line and not line.startswith("#")]
        self.facts["metrics_series"] = len(samples)
        self.facts["rss_mb"] = round(self._scene.appliance.rss_mbyte(), 1)
        await self._scene.appliance.stop()
        await self._scene.appliance.teardown()
        left = traces() ^ self._before
        for trace in sorted(left):
            say(f"left over: {trace}")
        self.facts["leftovers"] = len(left)
