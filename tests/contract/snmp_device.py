"""A device of the daemon at a played agent."""

from __future__ import annotations

import time
from typing import Any

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.agent import Agent
from edge.monitor.snmp.device import Device
from edge.monitor.snmp.figures import Reading
from edge.monitor.snmp.secret import Community, Secret, parse
from tests.contract.snmp_responder import (
    Reply,
    dotted,
    responder,
)
from tests.contract.snmpd_rig import secret

COMMUNITY = Community("desa")
USER = parse(secret(), "3")
QUICK_S = 0.3  # long enough on loopback
IF_NAME = dotted("1.3.6.1.2.1.31.1.1.1.1")


def device_at(port: int, given: Secret = COMMUNITY, **more: Any) -> tuple[Device, Health]:
    keys: dict[str, Any] = {"name": "alat", "host": "127.0.0.1", "port": port, "role": "mikrotik", **more}
    keys["version"] = "2c" if isinstance(given, Community) else "3"
    settings = config.Snmp(**keys)
    health = Health(time.time)
    return Device(settings, Agent(settings, given, answer_s=QUICK_S), clock=SystemClock(), health=health), health


def state_of(device: Device) -> str:
    return device.figures.state


async def reading_of(reply: Reply, **more: Any) -> Reading:
    async with responder(reply) as agent:
        device, _ = device_at(agent.port, **more)
        await device.poll()
        assert device.figures.state == "well", device.figures.detail
        assert device.figures.reading is not None
        return device.figures.reading
