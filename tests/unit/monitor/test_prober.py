"""The probes of one uplink, opened and closed together."""

from __future__ import annotations

import asyncio

import pytest

from edge import config
from edge.clock import SystemClock
from edge.monitor.probe import KINDS, NoDevice, NoPrivilege, ProbeResult, Way
from edge.monitor.prober import Prober


def test_none_is_open_when_one_cannot_be() -> None:
    """A device that vanishes between two kinds would leave some of them probing the dead one."""
    results: list[ProbeResult] = []
    prober = Prober(KINDS, Way("nosuchdev0", 1), config.Monitor(), clock=SystemClock(), report=results.append)

    async def attempt() -> None:
        with pytest.raises((NoDevice, NoPrivilege)):
            prober.open()
        for serial, kind in enumerate(KINDS):
            prober.send(serial, kind, "192.0.2.1")
        prober.close()

    asyncio.run(attempt())
    assert [(result.serial, result.reason) for result in results] == [(n, "no-device") for n in range(len(KINDS))]
