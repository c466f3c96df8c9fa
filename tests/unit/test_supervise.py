"""A crashed part is started again; one that crashes too often ends the process."""

import asyncio

import pytest

from edge.events import Event, PartFailed
from edge.health import Health
from edge.supervise import TooManyCrashes, keep


class Part:
    """Crashes a given number of times, then returns."""

    def __init__(self, crashes: int) -> None:
        self.left = crashes

    async def run(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("boom")


async def test_a_part_that_crashes_is_started_again_and_told_of() -> None:
    """One bug in one part must not end the other parts."""
    told: list[Event] = []
    health = Health(lambda: 0.0)
    await keep("sms", Part(2).run, announce=told.append, health=health, first_s=0.001)
    assert [event.part for event in told if isinstance(event, PartFailed)] == ["sms", "sms"]
    assert [raised.subject for raised in health.current()] == ["sms"]


async def test_a_part_that_never_stops_crashing_ends_the_process() -> None:
    """A crash loop inside one process would hide from the service manager."""
    health = Health(lambda: 0.0)
    with pytest.raises(TooManyCrashes, match="sms crashed 4 times"):
        await keep("sms", Part(99).run, announce=lambda _: None, health=health, first_s=0.001, crashes=4)


async def test_a_stop_passes_through() -> None:
    """A part that swallowed its cancellation would hang the shutdown."""
    async with asyncio.timeout(60):
        task = asyncio.create_task(keep("idle", _forever, announce=lambda _: None, health=Health(lambda: 0.0)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def _forever() -> None:
    await asyncio.Event().wait()


class Told(Health):
    """Health that says when a condition was withdrawn."""

    def __init__(self) -> None:
        super().__init__(lambda: 0.0)
        self.cleared = asyncio.Event()

    def clear(self, code: str, *, subject: str = "") -> None:
        super().clear(code, subject=subject)
        self.cleared.set()


async def test_a_part_that_runs_long_enough_clears_its_condition() -> None:
    """The page would tell of a crash for ever."""
    health = Told()
    part = Part(1)

    async def crash_then_stay() -> None:
        await part.run()
        await health.cleared.wait()

    async with asyncio.timeout(60):
        await keep("sms", crash_then_stay, announce=lambda _: None, health=health, first_s=0.001, most_s=0.01)
    assert health.current() == ()
