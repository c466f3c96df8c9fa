"""The shell of one device: polls it, keeps what it said, and tells health what is wrong with it.

A failed poll is looked at again soon, so that a lost packet and a device that was just swapped pass without an alarm;
the second failure in a row is one.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from edge import config
from edge.clock import Clock
from edge.health import Health
from edge.monitor.snmp.agent import Agent, NoAnswer, SecretRefused
from edge.monitor.snmp.counters import Meter
from edge.monitor.snmp.decode import Decoder, Rows
from edge.monitor.snmp.figures import DeviceFigures, Optic, Reading, State
from edge.monitor.snmp.judge import Finding, judge
from edge.monitor.snmp.oids import OLD_PORTS, PORTS, ROLES, Table, Value, oid
from edge.monitor.snmp.walk import Walk

log = logging.getLogger("edge.monitor.snmp")

POLL_MOST_S = 20.0
AGAIN_S = 10.0  # after a first failure
FAILURES = 2
_CODE_OF: dict[State, str] = {"silent": "device-silent", "secret": "device-secret"}


class Device:
    """Follows the device of `settings` by `agent`."""

    def __init__(self, settings: config.Snmp, agent: Agent, *, clock: Clock, health: Health) -> None:
        self._settings = settings
        self._agent = agent
        self._clock = clock
        self._health = health
        self._role = ROLES[settings.role]
        self._meter = Meter()
        self._uptime_s: float | None = None
        self._failures = 0
        self._malformed = 0
        self._told: set[str] = set()
        self._held: set[Finding] = set()
        self._figures = DeviceFigures(
            settings.name, settings.role, "starting", clock.monotonic(), watched=settings.ports
        )

    @property
    def figures(self) -> DeviceFigures:
        """What is known now."""
        return self._figures

    async def run(self) -> None:
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.poll()
            wait = min(self._settings.poll_s, AGAIN_S) if self._failures == 1 else self._settings.poll_s
            await asyncio.sleep(max(wait / 10, wait - (loop.time() - began)))

    async def poll(self) -> None:
        """Ask once; whatever the device does, this returns within POLL_MOST_S."""
        try:
            async with asyncio.timeout(POLL_MOST_S), self._agent.opened():
                reading = await self._ask()
        except (NoAnswer, SecretRefused) as error:
            self._fail("secret" if isinstance(error, SecretRefused) else "silent", str(error))
        except TimeoutError:
            self._fail("silent", f"its answers take over {POLL_MOST_S:g} s")
        else:
            self._answer(reading)

    async def _ask(self) -> Reading:
        decoder = Decoder()
        scalars, optic = await self._read_scalars(decoder)
        tables = await self._read_tables(decoder)
        reading = decoder.reading(scalars, tables, optic)
        before, self._uptime_s = self._uptime_s, reading.uptime_s
        restarted = before is not None and reading.uptime_s is not None and reading.uptime_s < before
        ports = self._meter.take(decoder.ports(tables), restarted=restarted, now=self._clock.monotonic())
        self._tell_flaws(decoder.flaws | self._meter.flaws)
        return replace(reading, ports=ports)

    async def _read_scalars(self, decoder: Decoder) -> tuple[dict[str, Value], Optic | None]:
        wanted, vendors = self._role.scalars, self._settings.optical_oid
        more = (oid(vendors),) if vendors else ()
        said = dict(await self._agent.get((*wanted.values(), *more)))
        scalars = {name: said.get(each) for name, each in wanted.items()}
        return scalars, decoder.optic(said.get(more[0]), self._settings.optical_per_dbm) if more else None

    async def _read_tables(self, decoder: Decoder) -> dict[str, Rows]:
        """The interfaces, without which a reading is none, and as many other tables as the device cares to answer."""
        tables: dict[str, Rows] = {"ports": await self._walk(PORTS, decoder)}
        if not any("received" in row for row in tables["ports"].values()):
            tables["old_ports"] = await self._walk(OLD_PORTS, decoder)
        try:
            for table in self._role.tables:
                tables[table.name] = await self._walk(table, decoder)
        except NoAnswer:
            decoder.flaws.add("tables: it falls silent when asked for all")
        return tables

    async def _walk(self, table: Table, decoder: Decoder) -> Rows:
        walk = Walk(table)
        while walk.wanted:
            walk.take(await self._agent.bulk(walk.wanted, walk.repetitions))
        decoder.flaws |= walk.flaws
        return walk.rows

    def _tell_flaws(self, flaws: set[str]) -> None:
        if self._agent.malformed > self._malformed:
            flaws = flaws | {"datagrams: not SNMP"}
        self._malformed = self._agent.malformed
        for flaw in sorted(flaws - self._told):
            log.warning("device %s says what cannot be, which is ignored: %s", self._settings.name, flaw)
        self._told |= flaws

    def _answer(self, reading: Reading) -> None:
        self._failures = 0
        self._become("well", "", reading)
        found = judge(reading, self._settings.ports, self._held)
        for code, part in sorted(self._held - found.keys()):
            self._health.clear(code, subject=self._subject(part))
        for (code, part), detail in found.items():
            self._health.raise_(code, detail, subject=self._subject(part))
        self._held = set(found)

    def _fail(self, state: State, detail: str) -> None:
        self._agent.forget()
        self._failures += 1
        if self._failures >= FAILURES:
            self._become(state, detail, None)

    def _become(self, state: State, detail: str, reading: Reading | None) -> None:
        before = self._figures
        since = before.since if before.state == state else self._clock.monotonic()
        self._figures = replace(before, state=state, since=since, detail=detail, reading=reading)
        for holder, code in _CODE_OF.items():
            if state == holder:
                self._health.raise_(code, self._explained(detail), subject=self._settings.name)
            else:
                self._health.clear(code, subject=self._settings.name)

    def _explained(self, detail: str) -> str:
        if self._settings.version == "2c" and detail == "no answer":
            return (
                "no answer; a version 2c device is silent also to a wrong community (credential "
                f"snmp-{self._settings.name})"
            )
        return detail

    def _subject(self, part: str) -> str:
        return f"{self._settings.name} {part}".strip()
