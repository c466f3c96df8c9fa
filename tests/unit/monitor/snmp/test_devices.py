"""All devices together: who is asked at all, and what is told of the rest."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.devices import Devices

UNLOADED = """
import asyncio, sys, time
import edge.parts, edge.views, edge.web.overview
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.snmp.devices import Devices
asyncio.run(Devices((), {}, clock=SystemClock(), announce=print, health=Health(time.time)).run())
print([name for name in sys.modules if name.split(".")[0] in ("pysnmp", "pyasn1")])
"""


def test_without_a_device_pysnmp_is_never_loaded() -> None:
    """Every box would pay nine megabytes for devices it does not have."""
    done = subprocess.run([sys.executable, "-c", UNLOADED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


async def test_a_device_without_a_usable_secret_is_told_and_not_asked() -> None:
    """A forgotten credential would look like a silent device, or keep the others from being read."""
    settings = (
        config.Snmp(name="ont", host="127.0.0.1", version="3"),
        config.Snmp(name="switch", host="127.0.0.1", ports=("lan1",)),
    )
    health = Health(time.time)
    devices = Devices(settings, {"ont": "user=edge"}, clock=SystemClock(), announce=print, health=health)
    assert [each.state for each in devices.figures()] == ["starting", "starting"]
    await devices.run()
    assert {raised.subject: raised.detail for raised in health.current()} == {
        "ont": "credential snmp-ont has no line auth=; version 3 wants user=, auth= and priv=",
        "switch": "credential snmp-switch is missing or empty; write it (docs/devices.md)",
    }
    assert [(each.name, each.state) for each in devices.figures()] == [("ont", "secret"), ("switch", "secret")]
    rows = json.loads(json.dumps(await devices.answer({"ask": "devices"})))["devices"]
    assert rows[1]["watched"] == ["lan1"]
    assert rows[1]["reading"] is None
    assert rows[1]["since_s"] >= 0
