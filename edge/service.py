"""The wiring of what needs the store: SMS Center, desk, forwarder and pages.

It comes to life once the store is open; the network is steered without it. Requests: modem -> mailbox -> center ->
outbox -> forwarder, and status changes back through the center. The pages and metrics only look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge.clock import Clock
from edge.config import Config, Upstream
from edge.control import Handler
from edge.credentials import Credentials
from edge.desk_keys import KeyRing
from edge.events import Announce
from edge.health import Health
from edge.modem.driver import Driver
from edge.network import Network, Running
from edge.queue.attachments import Attachments
from edge.queue.desk import Desk
from edge.queue.digests import Digests
from edge.queue.forwarder import Forwarder, Way
from edge.queue.outbox_by_hand import OutboxByHand
from edge.queue.records import Records
from edge.queue.sink import KINDS
from edge.queue.store import scan_files
from edge.queue.store.database import Store, StoreError, StoreReadOnly
from edge.queue.store.mend.alarm import Alarm
from edge.queue.store.mend.scrub import Scrub
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.queue.store.upkeep import Upkeep
from edge.queue.store.wear import Wear
from edge.sms import letters
from edge.sms.by_hand import ByHand
from edge.sms.center import Center
from edge.sms.mailbox import StoreMailbox
from edge.sms.staff import StaffByHand
from edge.views import Views
from edge.web.server import Server

log = logging.getLogger("edge")

STORE_RETRY_S = 5.0
STORE_PATIENCE_S = 5.0


class Service:
    """The parts of one generation that keep and carry requests; built around an open store."""

    def __init__(
        self,
        config: Config,
        secrets: Credentials,
        store: Store,
        network: Network,
        *,
        clock: Clock,
        health: Health,
        announce: Announce,
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._config, self._secrets, self._store, self._network = config, secrets, store, network
        self._clock, self._health, self._announce = clock, health, announce
        self._seal = Seal(secrets.store_key)
        self._requests = Requests(self._seal)
        self._messages = Messages(self._seal)
        self._alarm = Alarm(store, health=health)
        self._tell_of_the_store()
        hours = Digests(self._seal).write if config.upstream else None
        network.history.attach(store, refused=StoreError, hours=hours)
        self._scans = Attachments(
            *(store, self._seal, Path(config.state_dir) / scan_files.FOLDER),
            max_mbyte=config.store.attachments_mbyte,
            clock=clock,
            room=store.room,
        )
        self._center = Center(
            *(store, self._requests, self._messages, config.village, config.sms), clock=clock, announce=announce
        )
        self._wear = Wear(store)
        self._mailbox = self._build_mailbox()
        self._driver = self._build_driver(self._mailbox)
        self._forwarder = self._build_forwarder(config.upstream)
        self.views = Views(
            *(config, store, self._requests),
            clock=clock,
            health=health,
            watchers=network.watchers,
            controller=network.controller,
            modems=(self._driver,) if self._driver else (),
            forwarder=self._forwarder,
            devices=network.devices.figures,
            written=lambda: self._wear.written,
        )
        self.server = self._build_server(metrics)
        health.on_change(self.changed)

    def changed(self) -> None:
        """Something of importance changed in the village: the regency shall know soon."""
        if self._forwarder:
            self._forwarder.changed()

    def recovered(self) -> None:
        """A way to the upstream has come back or changed: what waits goes at once."""
        if self._forwarder:
            self._forwarder.retry_now()

    def parts(self) -> Running:
        """What runs, by name; facts flow from the first to the last."""
        parts: Running = {"sms": self._center.run}
        if self._driver:
            parts["modem"] = self._driver.run
        if self._forwarder:
            parts["forwarder"] = self._forwarder.run
        upkeep = Upkeep(self._store, keep_days=self._config.store.keep_days, clock=self._clock)
        scrub = Scrub(self._store, clock=self._clock, alarm=self._alarm)
        parts |= {"upkeep": upkeep.run, "wear": self._wear.run, "scrub": scrub.run}
        return parts | {"attachments": self._scans.run, "web": self.server.run}

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask."""
        by_hand = ByHand(
            *(self._store, self._messages, self._seal, self._config.sms),
            clock=self._clock,
            wake=self._mailbox.wake if self._mailbox else lambda: None,
            hindered=self.views.hindered,
            timezone=self._config.village.timezone,
        )
        staff = StaffByHand(self._store, self._seal, clock=self._clock)
        handlers = self.views.handlers() | by_hand.handlers() | staff.handlers() | self._alarm.handlers()
        if self._driver:
            handlers |= self._driver.handlers()
        if self._forwarder:
            forwarder = self._forwarder
            outbox = OutboxByHand(
                *(self._store, self._requests),
                clock=self._clock,
                status=lambda: forwarder.status,
                wake=forwarder.wake,
                on_change=self._center.on_change,
            )
            handlers |= outbox.handlers()
        return handlers

    def _tell_of_the_store(self) -> None:
        if self._store.set_aside:
            self._tell_damage(self._store.set_aside)
        self._store.on_damage(self._tell_damage)
        self._store.on_trouble(self._tell_trouble)

    def _tell_damage(self, aside: Path) -> None:
        self._health.raise_("store-corrupt", f"the damaged file is {aside}")

    def _tell_trouble(self, code: str, detail: str | None) -> None:
        if detail is None:
            self._health.clear(code)
        else:
            self._health.raise_(code, detail)

    def _build_mailbox(self) -> StoreMailbox | None:
        config = self._config
        if not config.modem:
            return None
        return StoreMailbox(
            *(self._store, self._messages, config.sms),
            clock=self._clock,
            announce=self._announce,
            modem=config.modem.name,
            timezone=config.village.timezone,
        )

    def _build_driver(self, mailbox: StoreMailbox | None) -> Driver | None:
        if not self._config.modem or not mailbox:
            return None
        return Driver(
            *(self._config.modem, mailbox),
            pin=self._secrets.sim_pin,
            clock=self._clock,
            announce=self._announce,
            health=self._health,
        )

    def _build_forwarder(self, upstream: Upstream | None) -> Forwarder | None:
        if not upstream:
            return None
        secrets = self._secrets
        make_sink = KINDS[upstream.sink]()
        return Forwarder(
            *(self._store, self._requests),
            make_sink(
                upstream,
                code=self._config.village.code,
                key=secrets.portal_key,
                client_key=secrets.portal_client_key,
            ),
            upstream,
            clock=self._clock,
            announce=self._announce,
            health=self._health,
            on_change=self._center.on_change,
            way=self._way,
            state=lambda: self.views.village_state(),
            attachments=self._scans,
        )

    def _way(self) -> Way:
        """How the upstream is reached: as the box's own traffic goes."""
        uplink = self._network.controller.assignment.control.uplink
        return Way(uplink, any(w.verdict.uplink == uplink and w.verdict.level == "up" for w in self._network.watchers))

    def _build_server(self, metrics: Callable[[], Awaitable[bytes]]) -> Server:
        config = self._config
        return Server(
            config.web,
            allow=(*config.classes.service.networks, *config.policy.management),
            desk=Desk(
                *(self._store, self._requests), missing=letters.missing, clock=self._clock, announce=self._announce
            ),
            records=Records(self._store, self._requests, clock=self._clock),
            scans=self._scans,
            keys=KeyRing(self._secrets.desk_key, self._secrets.desk_keys),
            overview=self.views.overview,
            metrics=metrics,
            health=self._health,
            village=config.village,
        )


async def open_store(config: Config, health: Health) -> Store:
    """The open store; while it cannot be opened (a card that went read-only), it is tried again and again."""
    while True:
        try:
            store = await _opened(config, health)
        except StoreError as error:
            code = "store-readonly" if isinstance(error, StoreReadOnly) else "store-unavailable"
            health.raise_(code, str(error))
            await asyncio.sleep(STORE_RETRY_S)
        else:
            health.clear("store-unavailable")
            health.clear("store-readonly")
            return store


async def _opened(config: Config, health: Health) -> Store:
    """One attempt; a store that is salvaged or migrated for longer than a few seconds is told as not there yet."""
    settings = config.store
    path = Path(config.state_dir) / settings.path
    told = asyncio.get_running_loop().call_later(
        STORE_PATIENCE_S, health.raise_, "store-unavailable", f"{path} is being checked, repaired or migrated"
    )
    try:
        return await Store.open(path, max_mbyte=settings.max_mbyte, group_commit_ms=settings.group_commit_ms)
    finally:
        told.cancel()
