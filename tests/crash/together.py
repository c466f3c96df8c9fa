"""Scenarios that mostly wait, run at the same time; a test of its own then tells how each ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

Scenario = Callable[[Path], Awaitable[None]]
Outcomes = Mapping[str, BaseException | None]


def run_together(directory: Path, scenarios: Mapping[str, Scenario], *, at_once: int) -> Outcomes:
    """Run each scenario in a folder of its own, so many `at_once`; what each raised, None where it went well."""
    for name in scenarios:
        (directory / name).mkdir()

    async def run_all() -> list[BaseException | None]:
        free = asyncio.Semaphore(at_once)

        async def one(name: str, scenario: Scenario) -> None:
            async with free:
                await scenario(directory / name)

        return await asyncio.gather(*(one(*scenario) for scenario in scenarios.items()), return_exceptions=True)

    return dict(zip(scenarios, asyncio.run(run_all()), strict=True))


def tell(outcome: BaseException | None) -> None:
    """Raise what a scenario raised."""
    if outcome is not None:
        raise outcome
