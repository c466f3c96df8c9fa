"""One probe of any kind on the lab's line, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge import config
from edge.clock import SystemClock
from edge.monitor.probe import KINDS, Probe, ProbeResult, Way
from tests.lab.monitor_lab import WAY, eventually

NAME = "check.go.id"
URL = f"http://{NAME}/ready"
SETTINGS = config.Monitor(dns_name=NAME, check_url=URL, check_status=200, check_body="Banyuwangi")
PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nBanyuwangi"


@contextmanager
def probing(kind: str, *, way: Way = WAY) -> Iterator[tuple[Probe, list[ProbeResult]]]:
    results: list[ProbeResult] = []
    probe = KINDS[kind]()(way, SETTINGS, clock=SystemClock(), report=results.append)
    probe.open()
    try:
        yield probe, results
    finally:
        probe.close()


async def one(kind: str, target: str, *, way: Way = WAY) -> ProbeResult:
    """The result of one probe."""
    with probing(kind, way=way) as (probe, results):
        probe.send(1, target)
        await eventually(lambda: bool(results))
        return results[0]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
