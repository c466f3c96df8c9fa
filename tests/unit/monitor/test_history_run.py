"""The history's own pace, in virtual time: when minutes end, when they are written, how often at most."""

from __future__ import annotations

import asyncio
import itertools
import selectors
from collections.abc import Awaitable, Callable
from typing import Any

from edge.monitor.history import History
from tests.unit.monitor.history_box import NOON, Clock, Refusal, Store, judged


class VirtualSelector(selectors.DefaultSelector):
    """Never waits: says instead how long it would have."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.passed += timeout or 0.0
        return super().select(0)


class LoopClock(Clock):
    """The loop's virtual time, and a wall clock `ahead` of it."""

    ahead = NOON + 17.25

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return self.ahead + self.monotonic()


def virtually(play: Callable[[], Awaitable[None]]) -> None:
    selector = VirtualSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.passed  # type: ignore[method-assign]  # a loop whose time is virtual

    async def whole() -> None:
        await play()

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(whole())


class NotingStore(Store):
    """Notes when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    async def write(self, work: Callable[[Any], Any]) -> Any:
        self.times.append(asyncio.get_running_loop().time())
        return await super().write(work)


async def running(store: NotingStore, clock: Clock) -> tuple[History, asyncio.Task[None]]:
    history = History(("telkom",), clock=clock, service_hours=lambda _wall: True)
    history.attach(store, refused=Refusal)
    return history, asyncio.create_task(history.run())


def test_minutes_are_those_of_the_wall_and_written_two_at_a_time() -> None:
    """The flash would be worn twice as fast, or a power cut cost more than two minutes."""

    async def play() -> None:
        store = NotingStore()
        history, task = await running(store, LoopClock())
        history.observe(judged("up"))
        await asyncio.sleep(1_000)
        task.cancel()
        kept = store.connection.execute("SELECT start, up_ms FROM rollup WHERE grain = 'minute' ORDER BY id").fetchall()
        assert [start for start, _ in kept] == [NOON + 60 * number for number in range(len(kept))]
        assert kept[0][1] == 42_750
        assert {up for _, up in kept[1:]} == {60_000}
        assert len(kept) >= 14
        written = sorted(set(store.times))
        assert len(written) <= 10
        assert max(after - before for before, after in itertools.pairwise(written)) <= 120

    virtually(play)


def test_a_line_that_flaps_is_written_every_ten_seconds_at_most() -> None:
    """It would wear the flash out in a week."""

    async def play() -> None:
        store = NotingStore()
        history, task = await running(store, LoopClock())
        for number in range(600):
            history.observe(judged("down" if number % 2 else "up", "gateway"))
            await asyncio.sleep(1)
        task.cancel()
        assert len(set(store.times)) <= 72
        (count,) = store.connection.execute("SELECT count(*) FROM outage").fetchone()
        assert count >= 290

    virtually(play)


def test_it_waits_for_a_store_and_for_a_trusted_clock() -> None:
    """A late store would find the history's first minutes gone, or its loop spinning."""

    async def play() -> None:
        store, clock = NotingStore(), LoopClock()
        clock.sure = False
        history = History(("telkom",), clock=clock, service_hours=lambda _wall: True)
        task = asyncio.create_task(history.run())
        history.observe(judged("up"))
        await asyncio.sleep(300)
        history.attach(store, refused=Refusal)
        await asyncio.sleep(300)
        assert store.times == []
        clock.sure = True
        await asyncio.sleep(200)
        task.cancel()
        (total,) = store.connection.execute("SELECT sum(up_ms) FROM rollup WHERE passed = 0").fetchone()
        assert 660_000 <= total <= 800_000

    virtually(play)
