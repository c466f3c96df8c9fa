"""What the page and a scrape show, gathered from the parts. Looks only; everything personal is masked here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from edge import __version__
from edge.clock import Clock
from edge.config import Config
from edge.control import Answer, Handler
from edge.health import Health
from edge.metrics import Snapshot
from edge.modem.status import ModemStatus
from edge.monitor.host import Host, HostFigures
from edge.monitor.snmp.figures import DeviceFigures
from edge.monitor.watcher import Watcher
from edge.queue.forwarder import Forwarder
from edge.queue.store import staff
from edge.queue.store.database import Store
from edge.queue.store.mail import Figures, Mail
from edge.queue.store.outbox_view import dead_requests
from edge.queue.store.requests import Requests
from edge.queue.store.wear import Written
from edge.sms.identity import mask_name
from edge.sms.standing import Standing, of_modem
from edge.traffic.controller import Controller
from edge.web.overview import (
    ClassView,
    HostView,
    Overview,
    QueueView,
    RequestView,
    UplinkView,
    device_view,
    modem_view,
)

LATEST = 10
_CODES_MOST = 20


class Modem(Protocol):
    """A modem at work."""

    @property
    def name(self) -> str:
        """As configured."""
        ...

    @property
    def status(self) -> ModemStatus:
        """What is known of it now."""
        ...


class Views:
    """The present state of every part, as the page's and the metrics' own values."""

    def __init__(
        self,
        config: Config,
        store: Store,
        requests: Requests,
        *,
        clock: Clock,
        health: Health,
        watchers: tuple[Watcher, ...],
        controller: Controller,
        modems: tuple[Modem, ...],
        forwarder: Forwarder | None,
        devices: Callable[[], tuple[DeviceFigures, ...]] = tuple,
        written: Callable[[], Written | None] = lambda: None,
    ) -> None:
        self._village = config.village
        self._store = store
        self._requests = requests
        self._sms = config.sms
        self._mail = Mail(requests.seal)
        self._clock = clock
        self._health = health
        self._watchers = watchers
        self._controller = controller
        self._modems = modems
        self._forwarder = forwarder
        self._figures: Mapping[str, Figures] = {}
        self._unread: int | None = None
        self._devices, self._written = devices, written
        classes = config.classes
        lan = (*classes.service.devices, *classes.wifi.devices)
        self._host = Host(config.state_dir, (*(uplink.device for uplink in config.uplink), *lan))

    async def overview(self) -> Overview:
        """Everything on the page."""
        requests, unread = await self._store.read(lambda conn: (self._latest(conn), staff.waiting(conn)))
        return Overview(
            village=self._village.name,
            kind=self._village.kind,
            version=__version__,
            uplinks=self._uplinks(),
            classes=tuple(ClassView(*row) for row in self._controller.assignment.rows()),
            modems=tuple(map(modem_view, await self.standings())),
            queue=self._queue(),
            requests=requests,
            host=_shown(self._host.figures()),
            devices=tuple(device_view(figures) for figures in self._devices()),
            health=self._health.current(),
            unread=unread,
        )

    def _latest(self, conn: sqlite3.Connection) -> tuple[RequestView, ...]:
        latest = self._requests.recent(conn, LATEST)
        stuck = set(dead_requests(conn, [request.id for request in latest]))
        return tuple(
            RequestView(r.ticket, r.letter, r.state, r.source, mask_name(r.name), r.created_at, r.id in stuck)
            for r in latest
        )

    async def refresh(self) -> None:
        """Read from the store what a scrape shows; call it before `snapshot`."""
        if self._modems:
            names, now = [modem.name for modem in self._modems], self._clock.wall()
            self._figures, self._unread = await self._store.read(
                lambda conn: (self._mail.figures(conn, names, now=now), staff.waiting(conn))
            )

    def snapshot(self) -> Snapshot:
        """Everything a scrape reads."""
        figures = self._host.figures()
        host = _shown(figures)
        queue = self._queue()
        written = self._written()
        status = self._forwarder.status if self._forwarder else None
        return Snapshot(
            version=__version__,
            clock_trusted=self._clock.trusted(),
            wall=self._clock.wall(),
            health=self._health.current(),
            classes=tuple((name, uplink) for name, uplink, _ in self._controller.assignment.rows()),
            queue_waiting=queue.waiting if queue else None,
            queue_oldest_s=queue.oldest_s if queue else None,
            queue_dead=queue.dead if queue else None,
            last_contact_s=queue.last_contact_s if queue else None,
            queue_depths=status.depths if status else {},
            breaker=status.breaker if status else None,
            certificates=status.certificates if status else (),
            epoch=status.epoch if status else None,
            written_bytes=written.total if written else None,
            written_day_bytes=written.day if written else None,
            modems=self._standings(),
            sms_unassigned=self._figures[""].waiting if "" in self._figures else {},
            staff_unread=self._unread,
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

    async def standings(self) -> tuple[Standing, ...]:
        """How each modem stands now, with what the store knows of it."""
        await self.refresh()
        return self._standings()

    def _standings(self) -> tuple[Standing, ...]:
        raised = self._health.current()
        return tuple(
            Standing(
                name=modem.name,
                status=modem.status,
                figures=self._figures.get(modem.name, Figures()),
                hour_limit=self._sms.sends_per_hour,
                day_limit=self._sms.sends_per_day,
                raised=of_modem(modem.name, raised),
            )
            for modem in self._modems
        )

    def hindered(self) -> tuple[str, ...]:
        """For each modem that cannot send now a sentence why; one as well where there is no modem at all."""
        if not self._modems:
            return ("no [modem] is configured, so nothing is sent until there is one",)
        now = self._clock.wall()
        return tuple(f"{one.name}: {one.conclusion(now=now)}" for one in self._standings() if not one.able)

    def village_state(self) -> dict[str, Any]:
        """What a heartbeat tells of the village: a few hundred bytes, nothing personal."""
        host, queue = _shown(self._host.figures()), self._queue()
        return {
            "version": __version__,
            "uptime_s": host.uptime_s and round(host.uptime_s),
            "clock_trusted": self._clock.trusted(),
            "uplinks": {w.verdict.uplink: [w.verdict.level, w.verdict.cause] for w in self._watchers},
            "classes": {name: uplink for name, uplink, _ in self._controller.assignment.rows()},
            "queue": queue and {"waiting": queue.waiting, "oldest_s": queue.oldest_s, "dead": queue.dead},
            "modems": {modem.name: modem.status.state for modem in self._modems},
            "disk_percent": host.disk_percent and round(host.disk_percent),
            "memory_percent": round(host.memory_percent),
            "health": sorted({raised.condition.code for raised in self._health.current()})[:_CODES_MOST],
        }

    def handlers(self) -> dict[str, Handler]:
        """What the control socket may ask."""
        return {"modem": self._tell_modems}

    async def _tell_modems(self, _question: Answer) -> Answer:
        now = self._clock.wall()
        return {"modems": [standing.told(now=now) for standing in await self.standings()]}

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
