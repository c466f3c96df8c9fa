"""A configuration that undoes itself: which one the daemon runs, and the questions of `apply` and `confirm`.

A plain start or reload with a changed file takes that file for good. `apply` runs it on trial: the configuration before
it comes back when it is not confirmed in time, when that is asked for, and at the next start of the daemon whenever
that is (`edge.trial`). The file then stays set aside until it is changed or applied again.

======== ===================== ==========================================================================
settled  no record             the file is in force
on trial record, with `before` the file is in force; `before` comes back by itself
undone   record, no `before`   the kept copy is in force; a plain reload of the same file is refused
======== ===================== ==========================================================================
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from edge.clock import Clock
from edge.config_check import ConfigError
from edge.control import Answer, Handler, Refused
from edge.health import Health
from edge.trial import Record, Source, Trial, boot_id

log = logging.getLogger("edge.apply")

LEAST_S, MOST_S = 1.0, 86_400.0  # the command allows no less than a minute


class Apply:
    """Knows which configuration is `present`ly in force; sets `changed` when that is another one without a reload.

    Going back needs no disk: a record that is still there says at any start that the trial was not confirmed.
    """

    def __init__(self, path: Path, file: Source, *, clock: Clock) -> None:
        self.changed = asyncio.Event()
        self.present = file
        self._path = path
        self._clock = clock
        self._trial = Trial(path, Path(file.config.state_dir))
        self._health: Health | None = None
        self._record: Record | None = None
        self._before: Source | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._one_at_a_time = asyncio.Lock()

    def start(self) -> None:
        """Choose what to run: the file, or what was in force before it was tried. Blocks on the disk."""
        file, record = self.present, self._trial.record()
        kept = self._trial.kept() if record and record.digest == file.digest else None
        if record is None or kept is None or kept.digest == file.digest:  # equal: the power went while it was confirmed
            self._keep(file)
            return
        self.present, self._record = kept, record
        left = record.left_s(self._clock, boot_id())
        why = f"ended with {left:.0f} s to go" if left is not None and left > 0 else "was not confirmed in time"
        log.warning("the trial of %s %s: the configuration before it is in force", self._path, why)

    async def reload(self, file: Source) -> str:
        """Take `file` for good, which ends the trial of any other; returns why not, or ""."""
        async with self._one_at_a_time:
            if self._record and file.digest == self._record.digest:
                if self._before:
                    return "this file is on trial, which goes on: `kampung-edge confirm` keeps it"
                return "this file was tried and undone: change it, or try it again with `kampung-edge apply`"
            if self._before:
                log.info("the trial is over: %s was changed and is taken for good", self._path)
            self._settle()
            self.present = file
            await asyncio.to_thread(self._keep, file)
            return ""

    def tell(self, health: Health) -> None:
        """Raise or clear the conditions of a trial, here and at a confirmation; the time left is as of now."""
        self._health = health
        if self._record and self._before:
            left = max(0.0, self._record.until_monotonic - self._clock.monotonic())
            health.raise_("config-trial", f"undone in {left // 60:.0f} min {left % 60:.0f} s unless confirmed")
        else:
            health.clear("config-trial")
        if self._record and not self._before:
            health.raise_("config-undone", f"change {self._path}, or try it again with `kampung-edge apply`")
        else:
            health.clear("config-undone")

    def handlers(self) -> dict[str, Handler]:
        """The questions answered here: ``apply``, ``confirm`` and ``undo``."""
        return {"apply": self._on_apply, "confirm": self._on_confirm, "undo": self._on_undo}

    async def _on_apply(self, question: dict[str, Any]) -> Answer:
        confirm_s = _seconds(question.get("confirm_s"))
        async with self._one_at_a_time:
            if self._record and self._before:
                left = self._record.until_monotonic - self._clock.monotonic()
                raise Refused(
                    f"a trial runs for {max(0.0, left):.0f} s more: `kampung-edge confirm` keeps it, "
                    "`kampung-edge apply --undo` ends it"
                )
            tried = await asyncio.to_thread(self._read, question.get("config"))
            if tried.digest == self.present.digest:
                if self._record:  # what was tried is undone and the file put back by hand: all is as it was
                    self._settle()
                    await asyncio.to_thread(self._keep, tried)
                    if self._health:
                        self.tell(self._health)
                return {"changed": False}
            self._record = await asyncio.to_thread(self._begin, tried, confirm_s)
            self._before, self.present = self.present, tried
            self._arm()
        log.warning("%s is on trial for %.0f s", self._path, confirm_s)
        self.changed.set()
        return {"changed": True, "until": self._record.until_wall}

    async def _on_confirm(self, question: dict[str, Any]) -> Answer:
        del question
        async with self._one_at_a_time:
            self._on_trial()
            self._disarm()  # what is being confirmed must not be undone meanwhile
            try:
                await asyncio.to_thread(self._trial.confirm, self.present)
            except OSError as error:
                self._arm()
                raise Refused(f"the confirmation cannot be written, so the trial goes on: {error}") from error
            self._settle()
        if self._health:
            self.tell(self._health)
        log.info("%s is confirmed", self._path)
        return {"confirmed": True}

    async def _on_undo(self, question: dict[str, Any]) -> Answer:
        del question
        async with self._one_at_a_time:
            self._on_trial()
            self._undo("it was asked for")
        return {"undone": True}

    def _on_trial(self) -> None:
        if self._before is None:
            state = "the last one was undone" if self._record else "the file is in force for good"
            raise Refused(f"nothing is on trial: {state}")

    def _undo(self, why: str) -> None:
        if self._before is None:
            return
        log.warning("the trial of %s is undone: %s", self._path, why)
        self.present, self._before = self._before, None
        self._disarm()
        self.changed.set()

    def _settle(self) -> None:
        self._record = self._before = None
        self._disarm()

    def _arm(self) -> None:
        if self._record:
            left = max(0.0, self._record.until_monotonic - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(left, self._undo, "it was not confirmed in time")

    def _disarm(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _keep(self, file: Source) -> None:
        """Keep a copy of what is in force for good; without one (a full disk) only a later `apply` is refused."""
        self._trial = Trial(self._path, Path(file.config.state_dir))
        try:
            self._trial.confirm(file)
        except OSError as error:
            log.error("no copy of the configuration can be kept: %s", error)

    def _begin(self, tried: Source, confirm_s: float) -> Record:
        try:
            return self._trial.begin(self.present, tried, confirm_s=confirm_s, clock=self._clock)
        except OSError as error:
            raise Refused(f"no copy of the present configuration can be kept: {error}; nothing was changed") from error

    def _read(self, asked: object) -> Source:
        """The file to be tried, if it is the daemon's own and may be tried."""
        if not isinstance(asked, str) or Path(asked).resolve() != self._path.resolve():
            raise Refused(f"the daemon runs with {self._path.resolve()}: write the change there and apply that")
        try:
            tried = Source.read(self._path)
        except ConfigError as error:
            raise Refused(str(error)) from error
        for key in ("run_dir", "state_dir"):
            if getattr(tried.config, key) != getattr(self.present.config, key):
                raise Refused(f"{key} cannot change on trial: leave it as it was, or change it by a restart")
        return tried


def _seconds(asked: object) -> float:
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not LEAST_S <= asked <= MOST_S:
        raise Refused(f"a trial lasts from {LEAST_S:.0f} to {MOST_S:.0f} s")
    return float(asked)
