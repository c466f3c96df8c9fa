"""The one door to the host: what stands, and apply the desired state. Blocking work runs in one thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from edge.kernel.conntrack import forget
from edge.kernel.errors import Refused
from edge.kernel.host import Host
from edge.kernel.state import SCOPES, Change, Facts, HostState, Scope, Stale

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of bringing the host to a desired state; `facts` are those the desired state was made from."""

    facts: Facts
    changes: tuple[Change, ...]
    refused: tuple[Refused, ...]


class Door:
    """Reads and changes this network namespace; an asynchronous context. PrivilegeMissing without CAP_NET_ADMIN."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kernel")
        self._host = Host()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=False)

    async def observe(self, scopes: Iterable[Scope] = SCOPES) -> tuple[Facts, HostState]:
        """Facts of the host and what stands of ours in `scopes`."""
        return await self._run(lambda: (self._host.facts(), self._host.observe(scopes)))

    async def apply(self, desired: Callable[[Facts], HostState], scopes: Iterable[Scope] = SCOPES) -> Applied:
        """Bring `scopes` to the state that `desired` makes of the facts, and read it back."""

        def work() -> Applied:
            facts = self._host.facts()
            changes, refused = self._host.apply(desired(facts), scopes)
            return Applied(facts, tuple(changes), tuple(refused))

        return await self._run(work)

    async def shaped(self, classes: Iterable[tuple[str, int]]) -> bool:
        """Whether every (device, HTB class id) is there."""
        return await self._run(lambda: self._host.shaped(classes))

    async def forget(self, stale: Iterable[Stale]) -> None:
        """Delete these connections. ConntrackFailed where the kernel does not."""
        await self._run(lambda: forget(*stale))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
