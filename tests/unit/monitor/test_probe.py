"""The table of probe kinds: every kind keeps what the watcher relies on."""

from __future__ import annotations

import asyncio

import pytest

from edge import config
from edge.clock import SystemClock
from edge.monitor.probe import KINDS, NoDevice, NoPrivilege, Probe, ProbeResult, Report, Way

TARGETS = {"icmp": "192.0.2.1", "tcp": "tcp://192.0.2.1:80", "dns": "192.0.2.1", "http": "http://192.0.2.1/"}


def make(kind: str, report: Report) -> Probe:
    return KINDS[kind]()(Way("nosuchdev0", 0x130000), config.Monitor(), clock=SystemClock(), report=report)


@pytest.mark.parametrize("kind", KINDS)
def test_sending_while_closed_is_a_failed_probe(kind: str) -> None:
    """A probe sent before opening or after closing must be reported as failed, never raise."""
    results: list[ProbeResult] = []
    probe = make(kind, results.append)
    probe.send(1, TARGETS[kind])
    probe.close()
    probe.send(2, TARGETS[kind])
    assert [(r.serial, r.rtt_ms, r.reason) for r in results] == [(1, None, "no-device"), (2, None, "no-device")]


@pytest.mark.parametrize("kind", KINDS)
def test_device_that_does_not_exist_is_named(kind: str) -> None:
    """Opening on an absent device must say so (or that privilege lacks), so that the watcher can wait for it."""

    async def attempt() -> None:
        with pytest.raises((NoDevice, NoPrivilege), match=r"nosuchdev0 does not exist|CAP_NET"):
            make(kind, lambda _: None).open()

    asyncio.run(attempt())
