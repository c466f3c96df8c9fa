"""A target that dies alone and lives again: `python -m tests.lab.aside`, in a sandbox of its own.

A target that was set aside is asked every 5 s until it has answered twelve times, so this is a minute of waiting.
"""

from __future__ import annotations

import asyncio

from tests.lab.monitor_lab import SETTINGS, TARGETS, Line, eventually, watching

_HEALS_S = 150.0


async def main(line: Line) -> None:
    """Set aside, told with its loss, and no longer told once it answers again."""
    async with watching(SETTINGS) as scene:
        await scene.until("up")
        line.drop(f"ip daddr {TARGETS[2]}")
        await eventually(lambda: ("uplink-target-fault", f"pde {TARGETS[2]}") in scene.raised())
        row = next(row for row in scene.watcher.table() if row.name == TARGETS[2])
        assert row.set_aside
        assert row.loss is not None
        assert row.loss > 0
        line.heal()
        await eventually(lambda: scene.raised() == set(), _HEALS_S)


if __name__ == "__main__":
    with_line = Line()
    with_line.build()
    asyncio.run(main(with_line))
    print("told and healed")
