"""A real controller in the lab's box: fed with verdicts, watched by its events and conditions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from edge.clock import SystemClock
from edge.config import Config
from edge.events import ClassMoved, Event, HostReconciled, Level
from edge.health import Health
from edge.monitor.verdict import Cause, Verdict
from edge.traffic.controller import Controller
from tests.lab.town import settings


@dataclass
class Steering:
    """The running controller and what it told."""

    controller: Controller
    health: Health
    events: list[Event] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def judge(self, uplink: str, level: Level, cause: Cause = "") -> None:
        self.controller.judged(Verdict(uplink, level, cause, 0.0, None, time.monotonic()))

    async def crash(self) -> None:
        """End the controller in mid-air."""
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    def all_up(self) -> None:
        for uplink in ("pde", "telkom"):
            self.judge(uplink, "up")

    def moves(self) -> list[tuple[str, str | None, str | None]]:
        return [(e.traffic_class, e.from_uplink, e.to_uplink) for e in self.events if isinstance(e, ClassMoved)]

    def reconciled(self) -> int:
        return sum(isinstance(event, HostReconciled) for event in self.events)

    def raised(self) -> set[tuple[str, str]]:
        return {(raised.condition.code, raised.subject) for raised in self.health.current()}

    async def until(self, condition: Callable[[], object], within_s: float = 30.0) -> float:
        """Seconds until `condition` held; TimeoutError with what was told when it does not in time."""
        started = time.monotonic()
        while not condition():
            if time.monotonic() - started > within_s:
                raise TimeoutError(f"moves {self.moves()}, raised {self.raised()}")
            await asyncio.sleep(0.005)
        return time.monotonic() - started


@asynccontextmanager
async def steering(config: Config | None = None, *, safe: bool = False, **more: Any) -> AsyncIterator[Steering]:
    """Run a controller, with `more` of its keywords, until the context is left."""
    health = Health(time.time)
    events: list[Event] = []
    controller = Controller(
        config or settings(), clock=SystemClock(), announce=events.append, health=health, safe=safe, **more
    )
    task = asyncio.create_task(controller.run())
    scene = Steering(controller, health, events, task)
    try:
        await scene.until(lambda: controller.settled.is_set() or task.done())
        if task.done():
            task.result()
        yield scene
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
