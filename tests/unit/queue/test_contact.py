"""The contact with the portal: failures, pauses and hurries."""

from __future__ import annotations

import asyncio

from edge.config import Upstream
from edge.health import Health
from edge.queue.breaker import OPENS_AT
from edge.queue.contact import Contact
from edge.queue.sink import Replaced, Retry, Unauthorised

SETTINGS = Upstream(url="https://portal.example", retry_first_s=1, retry_most_s=300)


class StandingClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return True


def make() -> tuple[Contact, Health, StandingClock]:
    clock = StandingClock()
    health = Health(clock.wall)
    return Contact(SETTINGS, clock=clock, health=health), health, clock


def codes(health: Health) -> list[tuple[str, str]]:
    return [(raised.condition.code, raised.subject) for raised in health.current()]


def test_failures_wait_longer_and_an_answer_forgets_them() -> None:
    """A portal that is away is hammered, or one that came back is still avoided."""
    contact, health, _ = make()
    for attempt in range(1, 12):
        assert 0 <= contact.failed("up", Retry("away")) <= min(300, 2 ** (attempt - 1))
    assert contact.failing("up")
    assert not contact.failing("down")
    assert codes(health) == [("upstream-unreachable", "up")]
    assert contact.answered("up")
    assert not contact.answered("up")
    assert contact.failed("up", Retry("away")) <= 1


def test_health_heals_when_nothing_fails_any_more() -> None:
    """One answer in one direction hides that the other is dead."""
    contact, health, clock = make()
    for _ in range(OPENS_AT - 1):
        contact.failed("up", Retry("away"))
        contact.failed("down", Retry("away"))
    assert codes(health) == [], "a thin line has single failures"
    contact.failed("up", Retry("away"))
    contact.failed("down", Retry("away"))
    assert len(codes(health)) == 2
    contact.answered("down")
    contact.well("down")
    assert codes(health) == [("upstream-unreachable", "up")]
    assert contact.last == clock.now
    contact.answered("up")
    contact.well("up")
    assert codes(health) == []


def test_retry_after_is_the_least() -> None:
    """The portal's own wish is not honoured."""
    contact, _, _ = make()
    assert 20 <= contact.failed("up", Retry("busy", 20.0)) <= 21


async def test_a_refused_key_pauses_until_a_hurry_or_an_answer() -> None:
    """A refused key is tried again and again, or never."""
    contact, health, clock = make()
    contact.refused(Unauthorised("401"))
    assert codes(health) == [("upstream-unauthorised", "")]
    waiting = asyncio.create_task(contact.unpaused())
    await asyncio.sleep(0)
    assert not waiting.done()
    contact.hurry()
    async with asyncio.timeout(60):
        await waiting
    contact.refused(Unauthorised("401"))
    clock.now += 301
    async with asyncio.timeout(60):
        await contact.unpaused()
    contact.answered("up")
    assert codes(health) == []


async def test_only_a_heartbeat_ends_that_we_are_replaced() -> None:
    """Who asks why nothing is sent hears that all is well, because a call that was under way was answered."""
    contact, health, clock = make()
    contact.refused(Replaced("403: newer"))
    contact.answered("down")
    assert (contact.refusal, codes(health)) == ("403: newer", [("installation-replaced", "")])
    clock.now += 301
    await contact.unpaused(beat=True)
    sending = asyncio.ensure_future(contact.unpaused())
    await asyncio.sleep(0)
    assert not sending.done()
    contact.enrolled()
    await sending
    assert (contact.refusal, codes(health)) == ("", [])


async def test_hurry_ends_what_is_under_way_but_not_what_comes_after() -> None:
    """After a switch a call hangs on a dead connection, or a new one is cut."""
    contact, _, _ = make()
    ended = asyncio.Event()

    async def hang() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return "never"

    task = asyncio.create_task(contact.unless_hurried(hang()))
    await asyncio.sleep(0)
    contact.hurry()
    async with asyncio.timeout(60):
        assert await task is None
    assert ended.is_set()
    assert await contact.unless_hurried(asyncio.sleep(0, "new")) == "new"


async def test_cancelling_cancels_the_work() -> None:
    """A stopped daemon leaves a call to the portal behind."""
    contact, _, _ = make()
    work = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(contact.unless_hurried(work))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert work.cancelled()


async def test_rest_ends_at_its_event() -> None:
    """A new request waits behind the backoff of an old one."""
    contact, _, _ = make()
    event = asyncio.Event()
    rest = asyncio.create_task(contact.rest(3600, event))
    await asyncio.sleep(0)
    event.set()
    async with asyncio.timeout(60):
        await rest
    await contact.rest(0, asyncio.Event())
