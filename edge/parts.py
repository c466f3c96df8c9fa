"""The wiring of one generation: every part built from one configuration, each under supervision.

Facts flow one way. Uplinks: watcher -> controller -> kernel. What needs the store is wired in `edge.service`.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Self

from edge.clock import Clock
from edge.config import Config
from edge.control import Control, Handler
from edge.credentials import Credentials
from edge.events import ClassMoved, Event, UplinkJudged
from edge.health import Health
from edge.lean import give_back
from edge.metrics import Metrics, Snapshot
from edge.monitor.verdict import Verdict
from edge.network import Network, Running
from edge.queue.store.database import Store, StoreError
from edge.service import Service, open_store
from edge.supervise import keep

log = logging.getLogger("edge")

CLOCK_CHECK_S = 30.0
DECISIONS_SHOWN = 100
TIDY_EVERY_S = 600.0


class Generation:
    """The running parts of one configuration, entered and left like any context.

    Leaving it ends every part; what the kernel holds stays. A part that crashes too often ends the whole by raising
    `edge.supervise.TooManyCrashes` out of the context.
    """

    def __init__(
        self,
        config: Config,
        secrets: Credentials,
        *,
        clock: Clock,
        health: Health,
        control: Control,
        safe: bool = False,
    ) -> None:
        self._config = config
        self._secrets = secrets
        self._clock = clock
        self._health = health
        self._control = control
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []
        self._store: Store | None = None
        self._serving = asyncio.Event()
        self._offered: list[str] = []
        self._service: Service | None = None
        modems = (config.modem.name,) if config.modem else ()
        self._metrics = Metrics(self._snapshot, modems=modems)
        self._network = Network(
            config, secrets, clock=clock, announce=self._announce, health=health, judged=self._judged, safe=safe
        )

    async def __aenter__(self) -> Self:
        """Start the network, which needs no store, and beside it whatever keeps and carries requests."""
        await self._group.__aenter__()
        self._offer(self._network.handlers())
        rest: Running = {"control": self._control.run, "clock": self._watch_clock, "service": self._serve}
        rest["memory"] = self._give_memory_back
        self._start(self._network.parts() | rest)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.withdraw(self._offered)
        for task in self._tasks:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        finally:
            if self._store:
                await self._network.history.close()
                await self._store.close()

    def _offer(self, handlers: dict[str, Handler]) -> None:
        """Answer these questions as long as this generation lives."""
        self._control.offer(handlers)
        self._offered += handlers

    async def listening(self) -> None:
        """Return once traffic is steered and guests are kept in, and the pages open; or after two seconds."""
        try:
            async with asyncio.timeout(2):
                await self._network.controller.guarding.wait()
                await self._serving.wait()
        except TimeoutError:
            log.info("starting: some parts still wait for their devices or addresses")

    def _start(self, parts: Running) -> None:
        for name, part in parts.items():
            work = keep(name, part, announce=self._announce, health=self._health)
            self._tasks.append(self._group.create_task(work, name=name))

    async def _serve(self) -> None:
        """Open the store, start the parts that need it, and return once the pages can be opened."""
        store = await open_store(self._config, self._health)
        try:
            service = Service(
                *(self._config, self._secrets, store, self._network),
                clock=self._clock,
                health=self._health,
                announce=self._announce,
                metrics=self._scrape,
            )
            await self._recall_decisions()
        except BaseException:
            await store.close()
            raise
        self._store, self._service = store, service
        self._offer(service.handlers())
        self._start(service.parts())
        await service.server.started.wait()
        self._serving.set()

    async def _recall_decisions(self) -> None:
        """Let `uplink why` tell also what was decided before this start."""
        try:
            self._network.decisions.load(await self._network.history.recent(DECISIONS_SHOWN))
        except StoreError as error:
            log.warning("earlier decisions cannot be read: %s", error)

    async def _scrape(self) -> bytes:
        if self._service:
            await self._service.views.refresh()
        return self._metrics.render()

    def _snapshot(self) -> Snapshot:
        if not self._service:
            raise RuntimeError("a scrape before the pages were open")
        return self._service.views.snapshot()

    def _judged(self, verdict: Verdict) -> None:
        """An uplink's verdict changed: where one has come back, send what waits."""
        if not self._service:
            return
        if verdict.level == "up":
            self._service.recovered()
        self._service.changed()

    def _announce(self, event: Event) -> None:
        """Count every event; tell the log of those that explain why traffic went where."""
        self._metrics.observe(event)
        self._network.observe(event)
        match event:
            case UplinkJudged():
                rtt = "no reply" if event.rtt_ms is None else f"{event.rtt_ms:.0f} ms"
                why = f" ({event.cause})" if event.cause else ""
                log.info("uplink %s is %s%s: loss %.0f%%, %s", event.uplink, event.verdict, why, event.loss * 100, rtt)
            case ClassMoved():
                if self._service and event.traffic_class == "control":
                    self._service.recovered()
                before, after = event.from_uplink or "no uplink", event.to_uplink or "no uplink"
                log.info("%s: %s -> %s: %s", event.traffic_class, before, after, event.because)

    async def _give_memory_back(self) -> None:
        """Once all has started, and now and then: a peak must not stay with the box for weeks."""
        await self._serving.wait()
        while True:
            give_back()
            await asyncio.sleep(TIDY_EVERY_S)

    async def _watch_clock(self) -> None:
        """Say while wall time cannot be trusted."""
        while True:
            if self._clock.trusted():
                self._health.clear("clock-untrusted")
            else:
                self._health.raise_("clock-untrusted")
            await asyncio.sleep(CLOCK_CHECK_S)
