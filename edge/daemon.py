"""The process: one instance, signals, reload, the watchdog. What runs inside it is wired in `edge.parts`.

A *generation* is the set of parts built from one configuration. SIGHUP checks the file; if it is good the generation
ends and the next one starts, else the old one goes on; a trial (`edge.apply`) begins and is undone the same way.
SIGTERM and SIGINT end it. The kernel's state always stays.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

from edge import __version__, credentials, exits, logs
from edge.apply import Apply
from edge.clock import SystemClock
from edge.config_check import ConfigError, Problem
from edge.control import Control
from edge.health import Health
from edge.instance import AlreadyRunning, Instance
from edge.notify import notify, reloading, watchdog_interval_s
from edge.parts import Generation
from edge.queue.store.database import StoreError
from edge.supervise import TooManyCrashes
from edge.trial import Source

log = logging.getLogger("edge.daemon")

SETTLED_S = 300.0
_M_ARENA_MAX = -8


def main(path: Path) -> int:
    """Run the daemon with the configuration at `path` until it is told to stop; returns the process's exit code."""
    logs.set_up()
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)  # threads share one heap: the store's, the kernel's (mallopt(3))
    try:
        file = Source.read(path)
        secrets = credentials.read()
        instance = Instance(Path(file.config.run_dir))
    except (ConfigError, credentials.CredentialError) as error:
        return _refuse(str(error), exits.CONFIGURATION)
    except AlreadyRunning as error:
        return _refuse(f"{error}; stop it first", exits.ALREADY_RUNNING)
    except OSError as error:
        return _refuse(f"{error}; give this user a run_dir and a state_dir it may write", exits.FAILED)
    gc.freeze()  # what was imported stays for good: no later collection need look at it
    daemon = Daemon(path, file, secrets, instance)
    failures: list[str] = []
    try:
        asyncio.run(daemon.run())
    except* (TooManyCrashes, StoreError, OSError) as group:
        failures += map(str, _leaves(group))
    if failures:
        return _refuse("; ".join(failures), exits.FAILED)
    instance.settled()
    return 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _refuse(sentence: str, code: int) -> int:
    for line in sentence.splitlines():
        log.error("%s", line)
    notify(f"STATUS={sentence.splitlines()[0] if sentence else 'failed'}")
    return code


class Daemon:
    """One process's life: generations one after the other until a stop is asked for."""

    def __init__(self, path: Path, file: Source, secrets: credentials.Credentials, instance: Instance) -> None:
        self._path = path
        self._secrets = secrets
        self._instance = instance
        self._clock = SystemClock()
        self._apply = Apply(path, file, clock=self._clock)
        self._control = Control(Path(file.config.run_dir))
        self._control.offer(self._apply.handlers())
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._well_again = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        safe = self._instance.begin()
        self._apply.start()
        village = self._apply.present.config.village
        log.info("kampung-edge %s for %s %s", __version__, village.kind, village.name)
        while not self._stop.is_set():
            await self._generation(safe=safe)
            safe = False
            self._well_again.clear()
        notify("STOPPING=1", "STATUS=Stopped; the kernel keeps its routes")

    async def _generation(self, *, safe: bool) -> None:
        """Run the parts of the present configuration until a stop, another configuration or the end of safe mode."""
        self._apply.changed.clear()
        health = Health(self._clock.wall)
        self._apply.tell(health)
        if safe:
            health.raise_("safe-mode")
        async with Generation(
            self._apply.present.config,
            self._secrets,
            clock=self._clock,
            health=health,
            control=self._control,
            safe=safe,
        ) as parts:
            await parts.listening()
            notify("READY=1", f"STATUS={'Safe mode' if safe else 'Running'}")
            _give_back_memory()
            beat = asyncio.create_task(self._beat(health), name="beat")
            try:
                await self._until_change(safe=safe)
            finally:
                beat.cancel()

    async def _until_change(self, *, safe: bool) -> None:
        loop = asyncio.get_running_loop()
        settle = loop.call_later(SETTLED_S, self._settle, safe)
        try:
            while True:
                await _first(self._stop, self._reload, self._well_again, self._apply.changed)
                if self._stop.is_set() or self._well_again.is_set() or self._apply.changed.is_set():
                    return
                if await self._accept_reload():
                    return
        finally:
            settle.cancel()

    def _settle(self, safe: bool) -> None:
        self._instance.settled()
        if safe:
            log.info("well for %.0f s: leaving safe mode", SETTLED_S)
            self._well_again.set()

    async def _accept_reload(self) -> bool:
        """Read the file again; True when it is good and the next generation should run with it."""
        self._reload.clear()
        reloading()
        try:
            file, secrets = Source.read(self._path), credentials.read()
            if file.config.run_dir != self._apply.present.config.run_dir:
                raise ConfigError([_run_dir_changed(self._path)])
            refused = await self._apply.reload(file)
        except (ConfigError, credentials.CredentialError) as error:
            refused = str(error)
        if refused:
            log.error("reload refused, the old configuration stays: %s", refused)
            notify("READY=1", "STATUS=Running; the last reload was refused, see the log")
            return False
        self._secrets = secrets
        log.info("reloading %s", self._path)
        return True

    async def _beat(self, health: Health) -> None:
        """Feed the watchdog and keep the status line true for as long as the loop turns."""
        interval = watchdog_interval_s() or 10.0
        while True:
            self._apply.tell(health)
            raised = health.current()
            status = "; ".join(sorted({entry.condition.code for entry in raised})) or "all is well"
            notify("WATCHDOG=1", f"STATUS={status}")
            await asyncio.sleep(interval)


def _give_back_memory() -> None:
    """Return to the kernel what the start alone needed (about 2 MB of 64; malloc_trim(3)).

    What is left lives as long as the process, so later collections need not look at it: they take 2 ms, not 50.
    """
    gc.collect()
    gc.freeze()
    ctypes.CDLL(None).malloc_trim(0)


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)


def _run_dir_changed(path: Path) -> Problem:
    return Problem("error", f"{path}: run_dir", "cannot change while the daemon runs", "Restart it instead.")
