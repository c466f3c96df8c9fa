"""The wiring of the network half of a generation; it needs no store.

watcher -> verdict -> controller -> kernel, then the resolver. The calendar and a person's choice advise the controller;
the history and the list of decisions only listen. What the disk keeps of it are small files in `state_dir`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from edge.clock import Clock
from edge.config import Config
from edge.control import Handler
from edge.credentials import Credentials
from edge.decisions import Answers, Decisions
from edge.events import Announce, Event
from edge.health import Health
from edge.lan.resolver import Resolver
from edge.monitor.calendar import Calendar
from edge.monitor.facts import LinkFacts
from edge.monitor.history import History
from edge.monitor.holidays import Holidays
from edge.monitor.meter import Meter
from edge.monitor.snmp.devices import Devices
from edge.monitor.verdict import Verdict
from edge.monitor.watcher import Watcher
from edge.traffic.controller import Controller
from edge.traffic.preference import FILE as PREFERENCES
from edge.traffic.preference import Preferences

Running = dict[str, Callable[[], Awaitable[None]]]

HOURS_CHECK_S = 15.0  # wall time may be set while one waits, so the calendar is asked again and again


class Network:
    """Everything that judges and steers the uplinks of `config`; `judged` hears every verdict that changes."""

    def __init__(
        self,
        config: Config,
        secrets: Credentials,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
        judged: Callable[[Verdict], None],
        safe: bool,
    ) -> None:
        self._config = config
        self._clock = clock
        self._judged_also = judged
        state_dir = Path(config.state_dir)
        self._holidays = Holidays(state_dir, clock, health)
        self._calendar = Calendar(config.calendar, config.village.timezone, self._holidays.table())
        self._preferences = Preferences(state_dir / PREFERENCES, clock)
        self._resolver = Resolver(config, health=health)
        self.decisions = Decisions()
        self.devices = Devices(
            config.snmp, secrets.snmp, uplinks=config.uplink, clock=clock, announce=announce, health=health
        )
        self.controller = Controller(
            config,
            clock=clock,
            announce=announce,
            health=health,
            safe=safe,
            service_hours=self.service_hours,
            preferred=self._preferences.current,
            resolve=self._resolver.follow,
        )
        meter = Meter()
        self.watchers = tuple(
            Watcher(
                uplink,
                number,
                config.monitor,
                clock=clock,
                announce=announce,
                health=health,
                judged=self._judged,
                carried=self._carried,
                hour_of_week=self._hour_of_week,
                state_dir=state_dir,
                meter=meter,
            )
            for number, uplink in enumerate(config.uplink, 1)
        )
        self._by_uplink = {watcher.verdict.uplink: watcher for watcher in self.watchers}
        self.history = History(
            [uplink.name for uplink in config.uplink],
            clock=clock,
            service_hours=lambda wall: self._calendar.service_hours(wall, trusted=True),
            timezone=config.village.timezone,
            faulty=lambda uplink: self._by_uplink[uplink].faulty,
        )

    def parts(self) -> Running:
        """What is to run, by name."""
        parts: Running = {"traffic": self.controller.run}
        for watcher in self.watchers:
            parts[f"monitor {watcher.verdict.uplink}"] = watcher.run
        parts |= {
            "resolver": self._resolver.run,
            "hours": self._watch_hours,
            "preference": lambda: self._preferences.run(self.controller.reconsider),
            "history": self.history.run,
        }
        if self._config.calendar.holidays == "closed":
            parts["holidays"] = self._holidays.run
        if self._config.snmp:
            parts["devices"] = self.devices.run
        return parts

    def handlers(self) -> dict[str, Handler]:
        """The questions that are answered here."""
        answers = Answers(
            self._config,
            self.decisions,
            self._preferences,
            clock=self._clock,
            verdicts=lambda: [watcher.verdict for watcher in self.watchers],
            sources=lambda uplink: self._by_uplink[uplink].table(),
            assignment=lambda: self.controller.assignment,
            reconsider=self.controller.reconsider,
            chosen=self.history.chosen,
        )
        return answers.handlers() | {"devices": self.devices.answer}

    def observe(self, event: Event) -> None:
        """Keep what is worth keeping of an event."""
        self.history.observe(event)
        self.decisions.observe(event, self._clock.wall())

    def service_hours(self) -> bool:
        """Whether the office is at work now; True while nobody knows the time."""
        return self._calendar.service_hours(self._clock.wall(), trusted=self._clock.trusted())

    def _hour_of_week(self) -> int | None:
        return self._calendar.hour_of_week(self._clock.wall(), trusted=self._clock.trusted())

    def _judged(self, verdict: Verdict) -> None:
        self.controller.judged(verdict)
        self._resolver.judged(verdict)
        self._judged_also(verdict)

    def _carried(self, uplink: str, facts: LinkFacts) -> None:
        self.history.carried(uplink, facts.received_bytes, facts.sent_bytes, facts.seconds)

    async def _watch_hours(self) -> None:
        """Have the controller decide again whenever service hours begin or end."""
        before = self.service_hours()
        while True:
            await asyncio.sleep(HOURS_CHECK_S)
            now = self.service_hours()
            if now != before:
                before = now
                self.controller.reconsider()
