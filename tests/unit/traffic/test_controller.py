"""The controller against a host in memory: what it does in which state, whatever the host refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from edge import config
from edge.clock import SystemClock
from edge.config import Config
from edge.events import ClassMoved, Event, Level, TrafficSwitched
from edge.health import Health
from edge.kernel.conntrack import ConntrackFailed
from edge.kernel.door import Applied, Door
from edge.kernel.errors import HostError, PrivilegeMissing, Refused, Unreadable
from edge.kernel.state import SCOPES, Facts, HostState, Item, Rule, Scope, Stale, applied, diff, only
from edge.marks import MASK
from edge.monitor.verdict import Cause, Verdict
from edge.traffic.controller import Controller
from edge.traffic.plan import class_priority, uplink_table
from edge.traffic.policy import Assignment
from tests.unit.traffic.village import FACTS, settings

POLICY = config.Policy(failback_hold_s=0.0, reconcile_s=0.2, failback_in_service_hours="allowed")


@dataclass
class MemoryDoor(Door):
    """A door to a host in memory, which refuses what it is told to."""

    state: HostState = frozenset()
    facts: Facts = FACTS
    forgotten: list[Stale] = field(default_factory=list)
    trouble: HostError | ConntrackFailed | None = None
    refusing: Callable[[Item], bool] = lambda _: False

    def __post_init__(self) -> None:
        super().__init__()

    async def observe(self, scopes: Iterable[Scope] = SCOPES) -> tuple[Facts, HostState]:
        return self.facts, only(self.state, scopes)

    async def apply(self, desired: Callable[[Facts], HostState], scopes: Iterable[Scope] = SCOPES) -> Applied:
        if isinstance(self.trouble, HostError):
            raise self.trouble
        changes = diff(desired(self.facts), only(self.state, scopes))
        made = [change for change in changes if not self.refusing(change.item)]
        self.state = applied(self.state, made)
        return Applied(
            self.facts, tuple(made), tuple(Refused(change, "no") for change in changes if change not in made)
        )

    async def shaped(self, classes: Iterable[tuple[str, int]]) -> bool:
        del classes
        return True

    async def forget(self, stale: Iterable[Stale]) -> None:
        if isinstance(self.trouble, PrivilegeMissing | ConntrackFailed):
            raise self.trouble
        self.forgotten += stale


@dataclass
class Scene:
    controller: Controller
    door: MemoryDoor
    health: Health
    events: list[Event]

    def judge(self, uplink: str, level: Level, cause: Cause = "") -> None:
        facts = ("4 of 4 targets silent for 2.6 s",) if level == "down" else ()
        self.controller.judged(Verdict(uplink, level, cause, 0.0, None, time.monotonic(), evidence=facts))

    def first_table(self, name: str) -> set[int]:
        """Where the rules in memory send a class first."""
        rules = [item for item in self.door.state if isinstance(item, Rule)]
        return {rule.table for rule in rules if rule.priority == class_priority(name)}

    def raised(self) -> set[str]:
        return {raised.condition.code for raised in self.health.current()} - {"device-missing"}

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, (self.raised(), self.events[-3:])
            await asyncio.sleep(0.005)


@asynccontextmanager
async def scene(
    wanted: Config | None = None,
    *,
    door: MemoryDoor | None = None,
    preferred: Callable[[], dict[str, str]] = dict,
    resolved: list[Assignment] | None = None,
) -> AsyncIterator[Scene]:
    health, events, host = Health(time.time), list[Event](), door or MemoryDoor()

    async def resolve(assignment: Assignment) -> None:
        if resolved is not None:
            resolved.append(assignment)

    controller = Controller(
        wanted or settings(policy=POLICY),
        clock=SystemClock(),
        announce=events.append,
        health=health,
        preferred=preferred,
        resolve=resolve,
        door=lambda: host,
    )
    task = asyncio.create_task(controller.run())
    here = Scene(controller, host, health, events)
    try:
        async with asyncio.timeout(60):
            await controller.guarding.wait()
        for uplink in ("pde", "telkom"):
            here.judge(uplink, "up")
        yield here
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_switch_moves_the_rules_forgets_the_class_and_tells_why() -> None:
    """Rules, connections, name servers and the reason: what of it is left out is an outage or a riddle."""
    resolved: list[Assignment] = []
    async with scene(resolved=resolved) as here:
        await here.until(lambda: resolved)
        here.judge("pde", "down", "no-reply")
        await here.until(lambda: here.first_table("service") == {uplink_table(2)})
        await here.until(lambda: [assignment.service.uplink for assignment in resolved] == ["pde", "telkom"])
        assert {stale.mark for stale in here.door.forgotten} == {0x110000, 0x130000}
        assert {stale.mask for stale in here.door.forgotten} == {MASK}
        (moved,) = [
            e for e in here.events if isinstance(e, ClassMoved) and e.traffic_class == "service" and e.from_uplink
        ]
        assert "pde is down (no-reply)" in moved.because
        assert any("4 of 4 targets silent for 2.6 s" in fact for fact in moved.evidence)
        assert [e.traffic_classes for e in here.events if isinstance(e, TrafficSwitched)][-1] == ("service", "control")


async def test_the_wish_of_a_person_is_asked_for_when_told() -> None:
    """A choice by hand would wait for the next verdict."""
    wish: dict[str, str] = {}
    async with scene(preferred=lambda: wish) as here:
        wish["service"] = "telkom"
        here.controller.reconsider()
        await here.until(lambda: here.first_table("service") == {uplink_table(2)})
        wish.clear()
        here.controller.reconsider()
        await here.until(lambda: here.first_table("service") == {uplink_table(1)})


@pytest.mark.parametrize(
    ("trouble", "condition"),
    [
        (PrivilegeMissing("netlink: Operation not permitted"), "network-privilege"),
        (Unreadable("netlink: no memory"), "network-apply"),
        (ConntrackFailed("no memory"), "network-apply"),
    ],
)
async def test_trouble_is_told_and_tried_again(trouble: HostError | ConntrackFailed, condition: str) -> None:
    """A host that refuses for a moment must be steered as soon as it does not, and people know meanwhile."""
    async with scene() as here:
        await here.until(lambda: here.first_table("service") == {uplink_table(1)})
        here.door.trouble = trouble
        here.judge("pde", "down", "no-reply")
        await here.until(lambda: here.raised() == {condition})
        assert here.controller.assignment.service.uplink == "telkom"
        here.door.trouble = None
        await here.until(lambda: here.raised() == set())
        assert here.first_table("service") == {uplink_table(2)}
        assert {stale.mark for stale in here.door.forgotten} == {0x110000, 0x130000}


async def test_what_one_item_is_refused_the_others_get() -> None:
    """A single rule that the kernel does not take must not keep the rest from the host."""
    refused = MemoryDoor(refusing=lambda item: isinstance(item, Rule) and item.iif == "wifi0")
    async with scene(door=refused) as here:
        await here.until(lambda: here.first_table("service") == {uplink_table(1)})
        assert here.raised() == {"network-apply"}
        refused.refusing = lambda _: False
        await here.until(lambda: here.raised() == set())


async def test_the_state_after_any_history_is_that_of_a_fresh_start() -> None:
    """What a switch or a lost device leaves behind would add up over the years."""
    async with scene() as here:
        await here.until(lambda: here.controller.settled.is_set())
        fresh = here.door.state
        for _ in range(3):
            here.judge("pde", "down", "no-reply")
            await here.until(lambda: here.first_table("service") == {uplink_table(2)})
            here.judge("telkom", "down", "no-reply")
            here.judge("pde", "up")
            await here.until(lambda: here.first_table("service") == {uplink_table(1)})
            here.judge("telkom", "up")
        assert here.door.state == fresh
        adopted = MemoryDoor(state=here.door.state)
    async with scene(door=adopted) as here:
        await here.until(lambda: here.controller.settled.is_set())
        assert adopted.state == fresh
        assert [event for event in here.events if isinstance(event, ClassMoved)] == []
