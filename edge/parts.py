"""The wiring of one generation: every part built from one configuration, each under supervision.

Facts flow one way. Uplinks: watcher -> controller -> kernel. Requests: modem -> mailbox -> center -> outbox ->
forwarder, and status changes back through the center. The pages and metrics only look.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.clock import Clock
from edge.config import Config
from edge.control import Control, Handler
from edge.credentials import Credentials
from edge.desk_keys import KeyRing
from edge.events import ClassMoved, Event, UplinkJudged
from edge.health import Health
from edge.metrics import Metrics
from edge.modem.driver import Driver
from edge.monitor.verdict import Verdict
from edge.network import Network, Running
from edge.queue.attachments import Attachments
from edge.queue.desk import Desk
from edge.queue.forwarder import Forwarder
from edge.queue.records import Records
from edge.queue.sink import KINDS
from edge.queue.store.database import Store, StoreError
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters
from edge.sms.by_hand import ByHand
from edge.sms.center import Center
from edge.sms.mailbox import StoreMailbox
from edge.supervise import keep
from edge.views import Views
from edge.web.server import Server

log = logging.getLogger("edge")

CLOCK_CHECK_S = 30.0
STORE_RETRY_S = 5.0
DECISIONS_SHOWN = 100


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
        self._driver: Driver | None = None
        self._mailbox: StoreMailbox | None = None
        self._forwarder: Forwarder | None = None
        modems = (config.modem.name,) if config.modem else ()
        self._metrics = Metrics(lambda: self._views.snapshot(), modems=modems)
        self._network = Network(
            config, secrets, clock=clock, announce=self._announce, health=health, judged=self._judged, safe=safe
        )

    async def __aenter__(self) -> Self:
        """Start the network, which needs no store, and beside it whatever keeps and carries requests."""
        await self._group.__aenter__()
        self._offer(self._network.handlers())
        rest: Running = {"control": self._control.run, "clock": self._watch_clock, "service": self._serve}
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
        store = self._store = await self._open_store()
        if store.set_aside:
            self._health.raise_("store-corrupt", f"the damaged file is {store.set_aside}")
        store.on_full(self._tell_full)
        self._network.history.attach(store, refused=StoreError)
        await self._recall_decisions()
        self._start(self._build_service(store))
        await self._server.started.wait()
        self._serving.set()

    async def _recall_decisions(self) -> None:
        """Let `uplink why` tell also what was decided before this start."""
        try:
            self._network.decisions.load(await self._network.history.recent(DECISIONS_SHOWN))
        except StoreError as error:
            log.warning("earlier decisions cannot be read: %s", error)

    async def _open_store(self) -> Store:
        """The open store; while it cannot be opened (a card that went read-only), the network is steered anyway."""
        settings = self._config.store
        path = Path(self._config.state_dir) / settings.path
        while True:
            try:
                store = await Store.open(path, max_mbyte=settings.max_mbyte, group_commit_ms=settings.group_commit_ms)
            except StoreError as error:
                self._health.raise_("store-unavailable", str(error))
                await asyncio.sleep(STORE_RETRY_S)
            else:
                self._health.clear("store-unavailable")
                return store

    def _tell_full(self, full: bool) -> None:
        if full:
            self._health.raise_("store-full")
        else:
            self._health.clear("store-full")

    def _build_service(self, store: Store) -> Running:
        """The parts that keep and carry requests, by name; facts flow from the first to the last."""
        requests = Requests(Seal(self._secrets.store_key))
        messages = Messages(requests.seal)
        self._attachments = Attachments(
            *(store, requests.seal, Path(self._config.state_dir) / "attachments"),
            max_mbyte=self._config.store.attachments_mbyte,
            clock=self._clock,
        )
        parts = self._build_sms(store, requests, messages)
        parts["attachments"] = self._attachments.run
        parts["web"] = self._build_web(store, requests).run
        self._offer(self._views.handlers() | self._by_hand(store, messages, requests.seal).handlers())
        self._offer(self._driver.handlers() if self._driver else {})
        return parts

    def _build_sms(self, store: Store, requests: Requests, messages: Messages) -> Running:
        config, clock = self._config, self._clock
        parts: Running = {}
        center = Center(store, requests, messages, config.village, config.sms, clock=clock, announce=self._announce)
        parts["sms"] = center.run
        if config.modem:
            mailbox = self._mailbox = StoreMailbox(
                store,
                messages,
                config.sms,
                clock=clock,
                announce=self._announce,
                modem=config.modem.name,
                timezone=config.village.timezone,
            )
            self._driver = Driver(
                config.modem,
                mailbox,
                pin=self._secrets.sim_pin,
                clock=clock,
                announce=self._announce,
                health=self._health,
            )
            parts["modem"] = self._driver.run
        if config.upstream:
            make_sink = KINDS[config.upstream.sink]()
            self._forwarder = Forwarder(
                store,
                requests,
                make_sink(
                    config.upstream,
                    code=config.village.code,
                    key=self._secrets.portal_key,
                    client_key=self._secrets.portal_client_key,
                ),
                config.upstream,
                clock=clock,
                announce=self._announce,
                health=self._health,
                on_change=center.on_change,
            )
            parts["forwarder"] = self._forwarder.run
        return parts

    def _build_web(self, store: Store, requests: Requests) -> Server:
        config = self._config
        self._views = views = Views(
            config,
            store,
            requests,
            clock=self._clock,
            health=self._health,
            watchers=self._network.watchers,
            controller=self._network.controller,
            modems=(self._driver,) if self._driver else (),
            forwarder=self._forwarder,
            devices=self._network.devices.figures,
        )
        self._server = Server(
            config.web,
            allow=(*config.classes.service.networks, *config.policy.management),
            desk=Desk(store, requests, missing=letters.missing, clock=self._clock, announce=self._announce),
            records=Records(store, requests, clock=self._clock),
            scans=self._attachments,
            keys=KeyRing(self._secrets.desk_key, self._secrets.desk_keys),
            overview=views.overview,
            metrics=self._scrape,
            health=self._health,
            village=config.village,
        )
        return self._server

    def _by_hand(self, store: Store, messages: Messages, seal: Seal) -> ByHand:
        return ByHand(
            store,
            messages,
            seal,
            self._config.sms,
            clock=self._clock,
            wake=self._mailbox.wake if self._mailbox else lambda: None,
            hindered=self._views.hindered,
            timezone=self._config.village.timezone,
        )

    async def _scrape(self) -> bytes:
        await self._views.refresh()
        return self._metrics.render()

    def _judged(self, verdict: Verdict) -> None:
        """An uplink's verdict changed: where one has come back, send what waits."""
        if self._forwarder and verdict.level == "up":
            self._forwarder.retry_now()

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
                if self._forwarder and event.traffic_class == "control":
                    self._forwarder.retry_now()
                before, after = event.from_uplink or "no uplink", event.to_uplink or "no uplink"
                log.info("%s: %s -> %s: %s", event.traffic_class, before, after, event.because)

    async def _watch_clock(self) -> None:
        """Say while wall time cannot be trusted."""
        while True:
            if self._clock.trusted():
                self._health.clear("clock-untrusted")
            else:
                self._health.raise_("clock-untrusted")
            await asyncio.sleep(CLOCK_CHECK_S)
