"""Hours and a person's choice in a real kernel: what the office's next request goes through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge import config
from edge.clock import SystemClock
from edge.events import ClassMoved
from edge.traffic.preference import FILE, Preferences
from tests.lab.steering import steering
from tests.lab.town import INTERNET, OFFICE, PDE, TELKOM, answering, ask, settings

pytestmark = pytest.mark.usefixtures("box")


class Hastened(SystemClock):
    """The machine's clock, or one that is an hour ahead of it."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s

    def wall(self) -> float:
        return super().wall() + self.ahead_s


async def asked() -> str:
    return await asyncio.to_thread(ask, OFFICE, INTERNET)


async def test_a_choice_by_hand_survives_a_crash_and_ends_by_itself(tmp_path: Path) -> None:
    """What an officer chose would be undone by a crash, or hold for ever."""
    clock = Hastened()
    path, chosen = tmp_path / FILE, Preferences(tmp_path / FILE, clock)
    with answering(PDE), answering(TELKOM):
        async with steering(preferred=chosen.current) as scene:
            scene.all_up()
            assert await asked() == PDE
            await chosen.set(("service",), "telkom", 3_602)
            scene.controller.reconsider()
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert await asked() == TELKOM
            await scene.crash()
        kept = Preferences(path, clock)
        async with steering(preferred=kept.current) as scene:
            scene.all_up()
            assert scene.controller.assignment.service.uplink == "telkom"
            assert await asked() == TELKOM
            clock.ahead_s = 3_600
            waiting = asyncio.create_task(kept.run(scene.controller.reconsider))
            await scene.until(lambda: scene.moves() == [("service", "telkom", "pde")])
            why = [event.because for event in scene.events if isinstance(event, ClassMoved)]
            assert why == ["the choice by hand has ended; pde is up"]
            assert await asked() == PDE
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)


async def test_a_brownout_waits_for_the_hours_and_failback_for_their_end() -> None:
    """At night the office's traffic would be moved for nothing, at work its connections broken for nothing."""
    serving = False
    village = settings(policy=config.Policy(failback_hold_s=0.2, failback_pause_s=3600, reconcile_s=0.2))
    with answering(PDE), answering(TELKOM):
        async with steering(village, service_hours=lambda: serving) as scene:
            scene.all_up()
            scene.judge("pde", "degraded", "slow")
            await scene.until(lambda: "only reported" in scene.controller.assignment.service.because)
            assert await asked() == PDE
            serving = True
            scene.controller.reconsider()
            await scene.until(lambda: ("service", "pde", "telkom") in scene.moves())
            assert await asked() == TELKOM
            scene.judge("pde", "up")
            await scene.until(lambda: "in a pause of the service" in scene.controller.assignment.service.because)
            assert await asked() == TELKOM
            serving = False
            scene.controller.reconsider()
            await scene.until(lambda: ("service", "telkom", "pde") in scene.moves())
            assert await asked() == PDE
