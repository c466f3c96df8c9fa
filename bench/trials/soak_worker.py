"""Ten minutes of mischief in one village, as `_main` takes them: python -m bench.trials.soak_worker SEED SECONDS ...

Prints one JSON object of what was left of the daemon. Runs in namespaces of its own (unshare(1)).
"""

from __future__ import annotations

import asyncio
import difflib
import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path

from bench.trials.mischief import Mischief
from bench.trials.traces import state, switches
from bench.trials.worker import say
from edge.simulator import netns, observer, scene, settings, village_main
from edge.simulator.scene import Scene
from edge.simulator.village import BOX_IN_OFFICE, GUESTS, OFFICE, PAGE_PORT

_SETTLE_S = 60.0
_FAILURES = re.compile(r"^kampung_edge_part_failures_total\{[^}]*\} (\S+)$", re.MULTILINE)


class Soak:
    """One daemon through everything, then compared with a fresh one in the same village."""

    def __init__(self, scene: Scene, seed: int, rest_s: float) -> None:
        self._scene = scene
        self._rest_s = rest_s
        self._rng = random.Random(seed)
        self._mischief = Mischief(self._rng)
        self._log = scene.files.home / "daemon.log"

    async def run(self, seconds: float, warm_up_s: float, pause: tuple[float, float]) -> dict[str, object]:
        """What was found; memory in MB."""
        await self._begin()
        begun, faults, warm = time.monotonic(), 0, None
        while (passed := time.monotonic() - begun) < seconds:
            if warm is None and passed >= warm_up_s:
                warm = self._scene.appliance.rss_mbyte()
            await self._one_fault(pause)
            faults += 1
        await self._settled()
        end = self._scene.appliance.rss_mbyte()
        moves, unexplained = switches(self._log.read_text().splitlines())
        facts: dict[str, object] = {
            "faults": faults,
            "switches": moves,
            "unexplained": unexplained,
            "part_failures": await self._failures(),
            "grown_mb": round(end - warm, 2) if warm is not None else None,
            "rss_mb": round(end, 1),
        }
        return facts | {"differences": await self._differences()}

    async def _begin(self) -> None:
        await self._scene.appliance.guard()
        await self._scene.appliance.start()
        await self._scene.appliance.serve_names()
        await self._settled()

    async def _one_fault(self, pause: tuple[float, float]) -> None:
        """A fault after a while, for a while; from one to the next the time is as `pause` says."""
        whole = self._rng.uniform(*pause)
        lasts = whole * self._rng.uniform(0.2, 0.8)
        what, fault = self._mischief.next()
        say(f"{what}, for {lasts:.1f} s")
        async with fault:
            await asyncio.sleep(lasts)
        await asyncio.sleep(whole - lasts)

    async def _settled(self) -> None:
        """Wait until office and guests are where they belong and nothing in the box has changed for a while."""
        moves = await asyncio.gather(
            observer.moved(OFFICE, "pde", within_s=_SETTLE_S), observer.moved(GUESTS[0], "telkom", within_s=_SETTLE_S)
        )
        if None in moves:
            raise netns.VillageError(f"healed, but office and guests came back after {moves} s")
        deadline = time.monotonic() + _SETTLE_S
        before, since = await asyncio.to_thread(state), time.monotonic()
        while time.monotonic() < since + self._rest_s:
            await asyncio.sleep(0.5)
            now = await asyncio.to_thread(state)
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() > deadline:
                raise netns.VillageError(f"the box's network state does not come to rest in {_SETTLE_S:g} s")

    async def _failures(self) -> float | None:
        """How often a part of the daemon crashed, by its own metrics; None when they do not tell."""
        status, body = await observer.get(OFFICE, BOX_IN_OFFICE, "/metrics", port=PAGE_PORT)
        text = body.decode()
        if status != 200 or "kampung_edge_part_failures" not in text:
            return None
        return sum(float(value) for value in _FAILURES.findall(text))

    async def _differences(self) -> list[str]:
        """How the box differs from what a fresh daemon makes of it."""
        soaked = await asyncio.to_thread(state)
        await self._scene.appliance.stop()
        await self._scene.appliance.teardown()
        await self._begin()
        deadline = time.monotonic() + _SETTLE_S
        while True:
            fresh = await asyncio.to_thread(state)
            if fresh == soaked or time.monotonic() > deadline:
                return [line for line in difflib.ndiff(fresh, soaked) if line[0] in "+-"]
            await asyncio.sleep(0.5)  # the guests' ceiling follows how long ago somebody worked in the office


async def _main(seed: int, seconds: float, warm_up_s: float, least_s: float, most_s: float, rest_s: float) -> None:
    """Faults for `seconds`, one every `least_s` to `most_s`; at the end nothing must change for `rest_s`."""
    with tempfile.TemporaryDirectory(prefix="kampung-edge-soak-") as home:
        async with scene.opened(Path(home), settings.SHORT) as village:
            try:
                facts = await Soak(village, seed, rest_s).run(seconds, warm_up_s, (least_s, most_s))
            except netns.VillageError:
                say(f"the daemon said last:\n{village.appliance.last_words(60)}")
                raise
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    village_main.seclude()
    asyncio.run(_main(int(sys.argv[1]), *map(float, sys.argv[2:7])))
