"""What an uplink's usual round trips are, kept through restarts: one small JSON file, replaced whole."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from edge.durable import read_json, write_json
from edge.monitor.baseline import Baseline

log = logging.getLogger("edge.monitor")

EVERY_S = 3_600.0  # flash wears out: what an hour taught may be learned again


class Memory:
    """The baseline of `uplink` in directory `directory`; every call blocks for as long as the disk takes."""

    def __init__(self, directory: Path, uplink: str) -> None:
        self._path = directory / f"baseline-{uplink}.json"
        self._uplink = uplink
        self._complained = False

    def recall(self) -> Baseline:
        """The baseline kept; an empty one where there is none, or where the file holds rubbish (told once)."""
        try:
            return Baseline.load(read_json(self._path))
        except (OSError, ValueError) as error:
            log.warning("uplink %s: its usual round trips are learned anew: %s: %s", self._uplink, self._path, error)
            return Baseline()

    def keep(self, dumped: dict[str, Any]) -> None:
        """Write what `Baseline.dump` gave, so that a power cut leaves the old file or the new one."""
        try:
            write_json(self._path, dumped)
        except OSError as error:
            if not self._complained:
                log.warning("uplink %s: its usual round trips cannot be kept: %s", self._uplink, error)
            self._complained = True
        else:
            if self._complained:
                log.info("uplink %s: its usual round trips are kept again", self._uplink)
            self._complained = False


class Keeper:
    """Keeps a baseline while the loop runs: a thread writes it once an hour and at the end; None keeps nothing."""

    def __init__(self, directory: Path | None, uplink: str, *, now: float) -> None:
        self._memory = None if directory is None else Memory(directory, uplink)
        self._due = now + EVERY_S
        self._writing: asyncio.Task[None] | None = None

    def recall(self) -> Baseline:
        """The baseline kept, or an empty one."""
        return self._memory.recall() if self._memory else Baseline()

    def step(self, baseline: Baseline, *, now: float) -> None:
        """Begin to write when that is due. Raises what writing before died of, when that was a bug."""
        if self._memory is None or now < self._due:
            return
        if self._writing is not None and self._writing.done():
            self._writing.result()
        if self._writing is None or self._writing.done():
            self._due = now + EVERY_S
            self._writing = asyncio.create_task(asyncio.to_thread(self._memory.keep, baseline.dump()))

    async def finish(self, baseline: Baseline) -> None:
        """Write once more."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        if self._memory is not None:
            await asyncio.to_thread(self._memory.keep, baseline.dump())
