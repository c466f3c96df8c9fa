"""A person's choice of uplink for some hours, kept in a file so that it outlives a crash, a restart and a reboot.

It ends by itself. Within one boot the monotonic clock says when. After a reboot wall time does, where it is trusted;
where it is not, the time that was left at the last writing runs on, corrected once the clock is set. A wall clock that
was set back never makes it last longer than that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.durable import read_json, write_json
from edge.marks import CLASSES

log = logging.getLogger("edge.traffic.preference")

FILE = "preference.json"
REWRITE_S = 300.0
MOST_S = 7 * 86_400.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Preference:
    """One class's forced uplink. `ends` is monotonic in the boot `boot`, `left_s` what was left when it was written.

    `ends_wall` is Unix time, None where wall time was never trusted; `unsure` when a reboot came between and wall time
    has not told yet how long it took.
    """

    uplink: str
    boot: str
    ends: float
    left_s: float
    ends_wall: float | None = None
    unsure: bool = False


class Preferences:
    """What persons have chosen, by traffic class, in the file `path`.

    Rubbish in the file is passed over with one line in the log.
    """

    def __init__(self, path: Path, clock: Clock, *, boot: str | None = None) -> None:
        self._path = path
        self._clock = clock
        self._boot = boot or _BOOT_ID.read_text().strip()
        self._held: dict[str, Preference] = {}
        self._writing = asyncio.Lock()
        self._altered = asyncio.Event()
        self._unwritten = False
        self._load()

    def current(self) -> Mapping[str, str]:
        """Traffic class -> uplink, of the choices that have not ended."""
        return {name: kept.uplink for name, kept in self._living().items()}

    def ends(self) -> Mapping[str, float]:
        """Traffic class -> the monotonic time at which its choice ends."""
        return {name: kept.ends for name, kept in self._living().items()}

    async def set(self, classes: Iterable[str], uplink: str, seconds: float) -> None:
        """Choose `uplink` for `classes` for `seconds` (at most seven days). OSError: it holds, but until a restart."""
        left_s = min(seconds, MOST_S)
        ends = self._clock.monotonic() + left_s
        for name in classes:
            self._held[name] = Preference(uplink, self._boot, ends, left_s)
        self._altered.set()
        await self._write()

    async def clear(self, classes: Iterable[str] = CLASSES) -> None:
        """Take the choices for `classes` back. OSError: they are gone, but only until a restart."""
        for name in classes:
            self._held.pop(name, None)
        self._altered.set()
        await self._write()

    async def run(self, ended: Callable[[], None]) -> None:
        """Call `ended` when a choice has ended, and keep the file fresh while one holds, until cancelled."""
        while True:
            if await self._altered_meanwhile():
                continue
            before, self._held = self._held, self._living()
            await self._refresh()
            if before.keys() != self._held.keys():
                ended()

    async def _altered_meanwhile(self) -> bool:
        """Wait for a new choice (True), or until one ends or the file is to be written again (False)."""
        self._altered.clear()
        self._living()
        first = min((kept.ends for kept in self._held.values()), default=None)
        wait_s = None if first is None else min(max(0.0, first - self._clock.monotonic()), REWRITE_S)
        try:
            async with asyncio.timeout(wait_s):
                return await self._altered.wait()
        except TimeoutError:
            return False

    def _living(self) -> dict[str, Preference]:
        """The choices that have not ended; one that was unsure is settled once wall time is trusted."""
        now = self._clock.monotonic()
        for name, kept in self._held.items():
            if kept.unsure and kept.ends_wall is not None and self._clock.trusted():
                left_s = min(kept.ends_wall - self._clock.wall(), kept.ends - now)
                self._held[name] = replace(kept, ends=now + left_s, unsure=False)
        return {name: kept for name, kept in self._held.items() if kept.ends > now}

    async def _refresh(self) -> None:
        try:
            await self._write()
        except OSError as error:
            if not self._unwritten:
                log.warning("%s: not written (%s); a choice by hand may last longer", self._path, error.strerror)
            self._unwritten = True
        else:
            if self._unwritten:
                log.info("%s: written again", self._path)
            self._unwritten = False

    async def _write(self) -> None:
        """Make the choices durable; the lock keeps an older state from being written over a newer one."""
        async with self._writing:
            now = self._clock.monotonic()
            wall = self._clock.wall() if self._clock.trusted() else None
            for name, kept in self._living().items():
                left_s = kept.ends - now
                ends_wall = kept.ends_wall if wall is None else wall + left_s
                self._held[name] = replace(kept, left_s=left_s, ends_wall=ends_wall)
            await asyncio.to_thread(write_json, self._path, {name: asdict(kept) for name, kept in self._held.items()})

    def _load(self) -> None:
        try:
            kept = read_json(self._path)
            if kept is not None and not isinstance(kept, dict):
                raise ValueError("not a table")
            if kept is not None:
                self._held = {name: self._read(kept[name]) for name in CLASSES if name in kept}
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            log.warning("%s: not readable (%r); no uplink is chosen by hand", self._path, error)

    def _read(self, given: dict[str, Any]) -> Preference:
        """A kept choice in terms of this boot's clock."""
        now = self._clock.monotonic()
        left_s = min(max(0.0, float(given["left_s"])), MOST_S)
        wall = None if given["ends_wall"] is None else float(given["ends_wall"])
        same = given["boot"] == self._boot
        ends = min(float(given["ends"]), now + MOST_S) if same else now + left_s
        unsure = not same or bool(given["unsure"])
        return Preference(str(given["uplink"]), self._boot, ends, left_s, wall, unsure)
