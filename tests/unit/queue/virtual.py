"""Time that passes only while nobody works: a loop whose clock jumps to the next timer, with a real store beside it.

The store's own threads are waited for in real time, and no virtual time passes meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from edge.queue.store.database import Store

T = TypeVar("T")
BEGIN = 1_795_323_600.0
_THREADS_MOST_S = 30.0


class _Selector(selectors.DefaultSelector):
    """Waits for real only while threads are at work; else lets time pass."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready or timeout == 0:
            return ready
        if self._time.working or timeout is None:
            ready = super().select(_THREADS_MOST_S)
            assert ready, "everybody waits for a thread that does not come back, or for something that nobody does"
            return ready
        self._time.now += timeout
        return []


class Time:
    """Virtual monotonic seconds; `working` counts what threads do."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.working = 0


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop by virtual time."""

    def __init__(self) -> None:
        self.passing = Time()
        super().__init__(_Selector(self.passing))

    def time(self) -> float:
        return self.passing.now


class VirtualClock:
    """The running loop's time as both clocks, for every thread; a test may let the wall clock jump."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._time = loop.passing
        self.jump_s = 0.0
        self.sure = True

    def monotonic(self) -> float:
        return self._time.now

    def wall(self) -> float:
        return BEGIN + self.monotonic() - 1_000.0 + self.jump_s

    def trusted(self) -> bool:
        return self.sure


class VirtualStore(Store):
    """The real store; while it works, virtual time stands still."""

    async def write(self, work: Callable[[Any], T], *, draining: bool = False) -> T:
        with _Standing():
            return await super().write(work, draining=draining)

    async def read(self, work: Callable[[Any], T]) -> T:
        with _Standing():
            return await super().read(work)


class _Standing:
    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self._time = loop.passing
        self._time.working += 1

    def __exit__(self, *_: object) -> None:
        self._time.working -= 1


async def open_store(path: Path, max_mbyte: int = 64, kind: type[VirtualStore] = VirtualStore) -> VirtualStore:
    with _Standing():
        store = await kind.open(path, max_mbyte=max_mbyte, group_commit_ms=0)
    assert isinstance(store, VirtualStore)
    return store


async def close_store(store: VirtualStore) -> None:
    with _Standing():
        await store.close()


@contextmanager
def ram() -> Iterator[Path]:
    """A folder in memory, where the fsyncs of virtual weeks cost nothing; on the disk where there is none."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(prefix="kampung-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


async def until(condition: Callable[[], bool], what: str, within_s: float = 3_600.0) -> None:
    """Wait for a condition, with a deadline in virtual time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline, f"never: {what}"
        await asyncio.sleep(0.2)
