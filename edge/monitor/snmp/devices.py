"""The devices beside the box: one task each, their figures, and the answer for `kampung-edge devices`.

pysnmp is loaded with the first device that has a usable secret; without `[[snmp]]` nothing here runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from edge import config, marks
from edge.clock import Clock
from edge.events import Announce
from edge.health import Health
from edge.monitor.snmp.figures import DeviceFigures
from edge.monitor.snmp.secret import BadSecret, Secret, parse
from edge.supervise import keep

AGAIN_S, MOST_AGAIN_S = 60.0, 3_600.0  # after a crash


class Devices:
    """Polls every device of `settings`; `secrets` are the credentials ``snmp-NAME`` by NAME.

    A device with ``uplink`` is asked through the network device of that one of `uplinks`.
    """

    def __init__(
        self,
        settings: tuple[config.Snmp, ...],
        secrets: Mapping[str, str],
        *,
        uplinks: tuple[config.Uplink, ...] = (),
        clock: Clock,
        announce: Announce,
        health: Health,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._ways = {uplink.name: (uplink.device, marks.probe_mark(place)) for place, uplink in enumerate(uplinks, 1)}
        self._clock = clock
        self._announce = announce
        self._health = health
        now = clock.monotonic()
        self._known = {
            each.name: DeviceFigures(each.name, each.role, "starting", now, watched=each.ports) for each in settings
        }
        self._running: dict[str, Any] = {}

    async def run(self) -> None:
        """Poll until cancelled; returns at once where no device has a usable secret. May be run again."""
        usable = {each.name: secret for each in self._settings if (secret := self._secret(each))}
        if not usable:
            return
        builder = ThreadPoolExecutor(1, "snmp")  # one: each thread that builds engines keeps a heap of its own
        try:
            await asyncio.get_running_loop().run_in_executor(builder, _load)
            await self._poll(usable, builder)
        finally:
            builder.shutdown(wait=False, cancel_futures=True)

    async def _poll(self, usable: Mapping[str, Secret], builder: Executor) -> None:
        from edge.monitor.snmp.agent import Agent
        from edge.monitor.snmp.device import Device

        async with asyncio.TaskGroup() as group:
            for each in self._settings:
                if each.name in usable:
                    device, mark = self._ways.get(each.uplink, ("", 0))
                    agent = Agent(each, usable[each.name], device=device, mark=mark, builder=builder)
                    self._running[each.name] = Device(each, agent, clock=self._clock, health=self._health)
                    group.create_task(self._keep(each.name), name=f"snmp {each.name}")

    async def _keep(self, name: str) -> None:
        """Run one device; a crash of it harms no other, nor the daemon: it is started again at this pace for ever."""
        await keep(
            f"snmp {name}",
            self._running[name].run,
            announce=self._announce,
            health=self._health,
            first_s=AGAIN_S,
            most_s=MOST_AGAIN_S,
            within_s=AGAIN_S,
        )

    def figures(self) -> tuple[DeviceFigures, ...]:
        """Every configured device as it is now."""
        return tuple(
            self._running[each.name].figures if each.name in self._running else self._known[each.name]
            for each in self._settings
        )

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002  # there is one question
        """All figures as JSON, for the control door; ages in seconds."""
        now = self._clock.monotonic()
        rows = []
        for figures in self.figures():
            row = asdict(figures)
            row["since_s"] = round(now - row.pop("since"), 1)
            rows.append(row)
        return {"devices": rows}

    def _secret(self, each: config.Snmp) -> Secret | None:
        try:
            secret = parse(self._secrets.get(each.name, ""), each.version)
        except BadSecret as error:
            detail = f"credential snmp-{each.name} {error}"
            self._known[each.name] = DeviceFigures(
                each.name, each.role, "secret", self._clock.monotonic(), detail, each.ports
            )
            self._health.raise_("device-secret", detail, subject=each.name)
            return None
        return secret


def _load() -> None:
    """Import pysnmp where it does not hold the loop (65 ms and 4 MB)."""
    import edge.monitor.snmp.device  # noqa: F401  # for its effect
