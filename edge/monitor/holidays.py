"""The shell around the table of holidays: computed by a child process once a year, kept in a file of its own.

The file is no part of the store: the network is steered while the store cannot be opened. It is computed anew when
the present or the next year is missing from it, or when another version of this program made it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

from edge import __version__
from edge.clock import Clock
from edge.durable import read_json, write_json
from edge.health import Health

log = logging.getLogger("edge.monitor.holidays")

FILE = "holidays.json"
CHILD = (sys.executable, "-m", "edge.monitor.holidays_child")
CHECK_S = 600.0
RETRY_S = 6 * 3600.0
_MOST_DAYS = 1000


class ChildFailed(Exception):
    """The child process computed no table; the text says why."""


class Holidays:
    """The holidays of this year and the next, as far as they are known.

    `child` is the command that prints them, given the years; it is ended after `patience_s` seconds.
    """

    def __init__(
        self,
        state_dir: Path,
        clock: Clock,
        health: Health,
        *,
        child: Sequence[str] = CHILD,
        patience_s: float = 60.0,
    ) -> None:
        self._path = state_dir / FILE
        self._clock = clock
        self._health = health
        self._child = tuple(child)
        self._patience_s = patience_s
        self._years: tuple[int, ...] = ()
        self._days: dict[date, str] = {}
        self._load()

    def table(self) -> Mapping[date, str]:
        """Date -> name in Indonesian; the same mapping fills later, when a new table was computed."""
        return MappingProxyType(self._days)

    async def run(self) -> None:
        """Keep the table until cancelled: look now and then whether a year has begun."""
        while True:
            wait_s = CHECK_S if await self.renew() else RETRY_S
            await asyncio.sleep(wait_s)

    async def renew(self) -> bool:
        """Compute the table if it is due; False when that failed. Without a trusted clock nobody knows the year."""
        if not self._clock.trusted():
            return True
        year = datetime.fromtimestamp(self._clock.wall(), UTC).year
        if {year, year + 1} <= set(self._years):
            return True
        try:
            days = await self._compute(year, year + 1)
        except ChildFailed as error:
            self._health.raise_("holidays-unknown", str(error))
            return False
        self._take((year, year + 1), days)
        self._health.clear("holidays-unknown")
        await self._save()
        return True

    def _take(self, years: tuple[int, ...], days: Mapping[date, str]) -> None:
        self._years = years
        self._days.clear()
        self._days.update(days)

    async def _compute(self, *years: int) -> dict[date, str]:
        try:
            process = await asyncio.create_subprocess_exec(
                *(*self._child, *map(str, years)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise ChildFailed(f"{self._child[0]}: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._patience_s):
                printed, complaint = await process.communicate()
        except TimeoutError:
            raise ChildFailed(f"not done within {self._patience_s:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            lines = complaint.decode(errors="replace").strip().splitlines()
            raise ChildFailed(lines[-1][:200] if lines else f"ended with {process.returncode}")
        try:
            return _read_days(json.loads(printed))
        except ValueError as error:
            raise ChildFailed(f"printed no table of days ({error})") from error

    def _load(self) -> None:
        """Begin with the file, if it is one of ours; what it lacks is computed."""
        try:
            kept = read_json(self._path)
            if kept is None:
                return
            days = _read_days(kept["days"])
            years = tuple(int(year) for year in kept["years"])
            made_by = str(kept["made_by"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            log.warning("%s: not readable (%s); the holidays are computed anew", self._path, error)
            return
        self._take(years if made_by == __version__ else (), days)

    async def _save(self) -> None:
        days = {day.isoformat(): name for day, name in self._days.items()}
        kept = {"made_by": __version__, "years": self._years, "days": days}
        try:
            await asyncio.to_thread(write_json, self._path, kept)
        except OSError as error:
            log.warning("%s: not written (%s); the holidays hold until the next start", self._path, error.strerror)


def _read_days(given: object) -> dict[date, str]:
    if not isinstance(given, dict) or len(given) > _MOST_DAYS:
        raise ValueError("not a table of days")
    return {date.fromisoformat(day): str(name)[:100] for day, name in given.items()}
