"""One uplink in real namespaces: device `pde0` here, the provider's gateway and four targets in namespace `pde`."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge import config, marks
from edge.clock import SystemClock
from edge.events import Event
from edge.health import Health
from edge.monitor.facts import LinkFacts
from edge.monitor.probe import Way
from edge.monitor.verdict import Verdict
from edge.monitor.watcher import Watcher

DEVICE, GATEWAY, BOX = "pde0", "10.91.0.1", "10.91.0.2"
TARGETS = ("198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4")
GATEWAY6, BOX6, TARGET6 = "fd00:91::1", "fd00:91::2", "fd00:5::1"
TABLE = "1091"
WAY = Way(DEVICE, marks.probe_mark(1), (GATEWAY,))
# Long enough for a machine that does much else: who waits for a condition loses nothing by it.
PATIENCE_S = 20.0
SETTINGS = config.Monitor(window_s=5, outage_s=1.5, fall_s=1, rise_s=2)


def sh(command: str, *, check: bool = True) -> str:
    """Run `command` (no shell); its standard output."""
    done = subprocess.run(command.split(), check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise AssertionError(f"{command}: {done.stderr.strip()}")
    return done.stdout


class Line:
    """The line to a provider, whose side is namespace `name`, and what can befall it."""

    def __init__(self, name: str = "pde", device: str = DEVICE, table: str = TABLE) -> None:
        self.name, self.device, self.table = name, device, table

    def build(self) -> None:
        sh(f"ip netns add {self.name}")
        sh(f"ip -n {self.name} link set lo up")
        for target in TARGETS:
            sh(f"ip -n {self.name} addr add {target}/32 dev lo")
        sh(f"ip -n {self.name} addr add {TARGET6}/128 dev lo nodad")
        for family in ("-4", "-6"):
            sh(f"ip {family} rule add oif {self.device} lookup {self.table}")
        self.plug()

    def raze(self) -> None:
        sh(f"ip netns del {self.name}", check=False)
        sh(f"ip link del {self.device}", check=False)
        for family in ("-4", "-6"):
            sh(f"ip {family} rule del oif {self.device} lookup {self.table}", check=False)

    def plug(self) -> None:
        """Make the device (each time with another ifindex), address it and set its policy routes."""
        sh(f"ip link add {self.device} type veth peer name box netns {self.name}")
        sh(f"ip addr add {BOX}/24 dev {self.device}")
        sh(f"ip -n {self.name} addr add {GATEWAY}/24 dev box")
        sh(f"ip addr add {BOX6}/64 dev {self.device} nodad")
        sh(f"ip -n {self.name} addr add {GATEWAY6}/64 dev box nodad")
        sh(f"ip link set {self.device} up")
        sh(f"ip -n {self.name} link set box up")
        sh(f"ip route replace default via {GATEWAY} dev {self.device} table {self.table}")
        sh(f"ip -6 route replace default via {GATEWAY6} dev {self.device} table {self.table}")

    def unplug(self) -> None:
        sh(f"ip link del {self.device}")

    def carrier(self, state: str) -> None:
        sh(f"ip -n {self.name} link set box {state}")

    def drop(self, *matches: str) -> None:
        """Let the provider drop what matches any of `matches` (nft syntax)."""
        rules = "\n".join(f"add rule inet fault input {match} drop" for match in matches)
        text = f"add table inet fault\nadd chain inet fault input {{ type filter hook input priority 0; }}\n{rules}\n"
        command = ["ip", "netns", "exec", self.name, "nft", "-f", "-"]
        subprocess.run(command, input=text, text=True, check=True)

    def heal(self) -> None:
        sh(f"ip netns exec {self.name} nft flush ruleset")


class Scene:
    """A running watcher and everything it told."""

    def __init__(
        self,
        watcher: Watcher,
        health: Health,
        verdicts: list[tuple[float, Verdict]],
        events: list[Event],
        carried: list[LinkFacts],
    ):
        self.watcher, self.health, self.verdicts, self.events, self.carried = watcher, health, verdicts, events, carried

    def raised(self) -> set[tuple[str, str]]:
        return {(one.condition.code, one.subject) for one in self.health.current()}

    async def until(self, level: str, *, cause: str | None = None, within_s: float = PATIENCE_S) -> float:
        """Wait for the verdict `level` (and `cause`); the seconds it took."""
        began = time.monotonic()

        def reached() -> bool:
            verdict = self.watcher.verdict
            return verdict.level == level and verdict.cause != "starting" and cause in (None, verdict.cause)

        await eventually(reached, within_s, lambda: f"wanted {level} {cause}, told {self.verdicts}")
        return time.monotonic() - began


async def eventually(holds: Callable[[], bool], within_s: float = PATIENCE_S, told: Callable[[], str] = str) -> None:
    """Wait until `holds`, looking every 5 ms; fails after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {told()}"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def watching(
    settings: config.Monitor,
    *,
    targets: tuple[str, ...] = TARGETS,
    resolvers: tuple[str, ...] = (),
    gateway: str = GATEWAY,
    state_dir: Path | None = None,
    name: str = "pde",
    device: str = DEVICE,
    number: int = 1,
) -> AsyncIterator[Scene]:
    """Run a watcher of the line; it must still run at the end."""
    uplink = config.Uplink(
        name=name,
        device=device,
        gateway=gateway,
        download_mbit=10,
        upload_mbit=10,
        targets=targets,
        resolvers=resolvers,
    )
    clock, events, verdicts = SystemClock(), list[Event](), list[tuple[float, Verdict]]()
    health, carried = Health(clock.wall), list[LinkFacts]()
    watcher = Watcher(
        uplink,
        number,
        settings,
        clock=clock,
        announce=events.append,
        health=health,
        judged=lambda verdict: verdicts.append((clock.monotonic(), verdict)),
        carried=lambda uplink, facts: carried.append(facts) if uplink == name else None,
        hour_of_week=lambda: 10,
        state_dir=state_dir,
    )
    task = asyncio.create_task(watcher.run())
    try:
        yield Scene(watcher, health, verdicts, events, carried)
        assert not task.done(), "the watcher ended by itself"
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def line() -> Iterator[Line]:
    if "KAMPUNG_EDGE_SANDBOX" not in os.environ:
        pytest.fail("lab tests build networks: run them by script/sandbox")
    line = Line()
    line.build()
    yield line
    line.raze()
