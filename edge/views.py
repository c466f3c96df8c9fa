"""What the page and a scrape show, gathered from the parts. Looks only; everything personal is masked here."""

from __future__ import annotations

from collections.abc import Callable

from edge import __version__
from edge.clock import Clock
from edge.config import Config
from edge.health import Health
from edge.metrics import Snapshot
from edge.modem.driver import Driver
from edge.monitor.host import Host, HostFigures
from edge.monitor.snmp.figures import DeviceFigures
from edge.monitor.watcher import Watcher
from edge.queue.forwarder import Forwarder
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages
from edge.queue.store.requests import Requests
from edge.sms.identity import mask_name
from edge.traffic.controller import Controller
from edge.web.overview import ClassView, HostView, ModemView, Overview, QueueView, RequestView, UplinkView, device_view

LATEST = 10


class Views:
    """The present state of every part, as the page's and the metrics' own values."""

    def __init__(
        self,
        config: Config,
        store: Store,
        requests: Requests,
        messages: Messages,
        *,
        clock: Clock,
        health: Health,
        watchers: tuple[Watcher, ...],
        controller: Controller,
        driver: Driver | None,
        forwarder: Forwarder | None,
        devices: Callable[[], tuple[DeviceFigures, ...]] = tuple,
    ) -> None:
        self._village = config.village
        self._store = store
        self._requests = requests
        self._messages = messages
        self._clock = clock
        self._health = health
        self._watchers = watchers
        self._controller = controller
        self._driver = driver
        self._forwarder = forwarder
        self._sms_waiting = 0
        self._devices = devices
        classes = config.classes
        lan = (*classes.service.devices, *classes.wifi.devices)
        self._host = Host(config.state_dir, (*(uplink.device for uplink in config.uplink), *lan))

    async def overview(self) -> Overview:
        """Everything on the page."""
        requests = await self._store.read(lambda conn: self._requests.recent(conn, LATEST))
        return Overview(
            village=self._village.name,
            kind=self._village.kind,
            version=__version__,
            uplinks=self._uplinks(),
            classes=tuple(ClassView(*row) for row in self._controller.assignment.rows()),
            modem=await self._modem(),
            queue=self._queue(),
            requests=tuple(
                RequestView(r.ticket, r.letter, r.state, r.source, mask_name(r.name), r.created_at) for r in requests
            ),
            host=_shown(self._host.figures()),
            devices=tuple(device_view(figures) for figures in self._devices()),
            health=self._health.current(),
        )

    async def refresh(self) -> None:
        """Read from the store what a scrape shows; call it before `snapshot`."""
        self._sms_waiting = await self._store.read(self._messages.outgoing.pending)

    def snapshot(self) -> Snapshot:
        """Everything a scrape reads."""
        figures = self._host.figures()
        host = _shown(figures)
        queue = self._queue()
        status = self._driver.status if self._driver else None
        return Snapshot(
            version=__version__,
            clock_trusted=self._clock.trusted(),
            health=self._health.current(),
            classes=tuple((name, uplink) for name, uplink, _ in self._controller.assignment.rows()),
            queue_waiting=queue.waiting if queue else None,
            queue_oldest_s=queue.oldest_s if queue else None,
            queue_dead=queue.dead if queue else None,
            last_contact_s=queue.last_contact_s if queue else None,
            modem_registered=status.registered if status else None,
            modem_signal_percent=status.signal if status else None,
            sms_waiting=self._sms_waiting if status else None,
            cpu_percent=host.cpu_percent,
            memory_percent=host.memory_percent,
            disk_percent=host.disk_percent,
            uptime_s=host.uptime_s,
            temperature_c=figures.temperature_c,
            nics=self._host.nics(),
            devices=self._devices(),
        )

    def _uplinks(self) -> tuple[UplinkView, ...]:
        now = self._clock.monotonic()
        verdicts = (watcher.verdict for watcher in self._watchers)
        return tuple(UplinkView(v.uplink, v.level, v.cause, v.loss, v.rtt_ms, now - v.since) for v in verdicts)

    async def _modem(self) -> ModemView | None:
        if not self._driver:
            return None
        status = self._driver.status
        await self.refresh()
        return ModemView(status.state, status.operator, status.signal, status.registered, self._sms_waiting)

    def _queue(self) -> QueueView | None:
        if not self._forwarder:
            return None
        status = self._forwarder.status
        contact = None if status.last_contact is None else max(0.0, self._clock.wall() - status.last_contact)
        return QueueView(status.waiting, status.oldest_age_s or None, status.dead, contact)


def _shown(figures: HostFigures) -> HostView:
    disk = None
    if figures.disk_total_bytes and figures.disk_free_bytes is not None:
        disk = 100 * (1 - figures.disk_free_bytes / figures.disk_total_bytes)
    memory = 100 * (1 - figures.memory_available_bytes / figures.memory_total_bytes)
    return HostView(figures.cpu_percent, memory, disk, figures.uptime_s)
