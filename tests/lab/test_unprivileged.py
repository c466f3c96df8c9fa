"""Without the privilege to change the network."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("box")
_UNPRIVILEGED = """
import asyncio, json, time
from edge.clock import SystemClock
from edge.events import ClassMoved
from edge.health import Health
from edge.monitor.verdict import Verdict
from edge.traffic.controller import Controller
from tests.lab.town import settings

async def main():
    health, events = Health(time.time), []
    controller = Controller(settings(), clock=SystemClock(), announce=events.append, health=health)
    task = asyncio.create_task(controller.run())
    async with asyncio.timeout(30):
        await controller.settled.wait()
    controller.judged(Verdict("pde", "down", "no-reply", 1.0, None, time.monotonic()))
    async with asyncio.timeout(30):
        while controller.assignment.service.uplink != "telkom":
            await asyncio.sleep(0.01)
    print(json.dumps([[r.condition.code, r.detail] for r in health.current()] + [task.done()]))
    task.cancel()

asyncio.run(main())
"""


def test_without_privileges_the_controller_says_so_and_goes_on() -> None:
    """Without CAP_NET_ADMIN nothing can be steered; the daemon must say it in one condition and keep deciding."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    done = subprocess.run([*drop, sys.executable, "-c", _UNPRIVILEGED], capture_output=True, text=True, check=True)
    *conditions, ended = json.loads(done.stdout)
    codes = [code for code, _ in conditions]
    assert codes.count("network-privilege") == 1
    assert "Operation not permitted" in dict(conditions)["network-privilege"]
    assert "network-apply" not in codes
    assert not ended
