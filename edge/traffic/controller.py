"""The shell around policy and plan: decide, diff, apply, read back; at every verdict, and whenever the host changed.

A verdict changes only rules and routes, milliseconds after it; the nftables table and the shaping trees hold for every
assignment. The kernel's own notices say when anything of ours may have been altered; it is then read, at most once
every `policy.reconcile_s`, and healed. A sweep now and then finds what a lost notice would hide. So a quiet host
costs nothing, and a restart, a crash or another program's meddling heals itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from edge.clock import Clock
from edge.config import Config
from edge.events import Announce, ClassMoved, HostReconciled
from edge.health import Health
from edge.kernel import counters
from edge.kernel.conntrack import ConntrackFailed, forget
from edge.kernel.door import Applied, Door
from edge.kernel.errors import HostError, PrivilegeMissing
from edge.kernel.notices import Notices
from edge.kernel.state import SCOPES, Facts, HostState, Scope
from edge.marks import CLASSES, MASK, class_mark, uplink_mark
from edge.monitor.verdict import Verdict
from edge.traffic.capacity import Activity
from edge.traffic.plan import assigned_uplinks, desired
from edge.traffic.policy import NOTHING, Assignment, adopt, again_at, decide, standing

log = logging.getLogger("edge.traffic")

SWEEP_S = 30.0
RETRY_S = 5.0
SAMPLE_S = 0.5
_IN_ORDER: tuple[Scope, ...] = ("routing", "table", "shaping")


class Controller:
    """Steers the classes of traffic over the uplinks of `config` and keeps the host in the wanted state.

    With `safe` it decides nothing: the assignment that stands is kept, and guests are denied. In mode beside it
    decides and announces but writes nothing. `guarding` is set once routes and the nftables table were brought to
    their state the first time, or could not be, and `settled` when the shaping trees were too.
    """

    def __init__(self, config: Config, *, clock: Clock, announce: Announce, health: Health, safe: bool = False) -> None:
        self.assignment: Assignment = NOTHING
        self.leaf = ""
        self.guarding = asyncio.Event()
        self.settled = asyncio.Event()
        self._config = config
        self._clock = clock
        self._announce = announce
        self._health = health
        self._safe = safe
        self._verdicts: dict[str, Verdict] = {}
        self._wake = asyncio.Event()
        self._altered: set[Scope] = set()
        self._check_at = 0.0
        self._sweep_at = 0.0
        self._activity = Activity()
        self._service_active = False
        self._sample_at = 0.0
        self._refused: dict[str, str] = {}
        self._left: set[tuple[str, str]] = set()
        self._forbidden: set[Scope] = set()

    def judged(self, verdict: Verdict) -> None:
        """Note an uplink's new verdict; `run` acts on it at once."""
        self._verdicts[verdict.uplink] = verdict
        self._wake.set()

    async def run(self) -> None:
        """Steer until cancelled; what the kernel holds then stays."""
        if self._config.mode == "beside":
            await self._advise()
            return
        async with Door() as door:
            with Notices(self._noticed):
                await self._adopt(door)
                while True:
                    await self._turn(door)
                    if self._altered <= {"shaping"}:
                        self.guarding.set()
                    if not self._altered:
                        self.settled.set()
                    await self._until_needed()

    async def _advise(self) -> None:
        self.guarding.set()
        self.settled.set()
        while True:
            before, moved = self._take(self._decide())
            self._say(moved, before)
            await self._until_needed()

    async def _adopt(self, door: Door) -> None:
        """Fail static: begin with what the kernel's rules already say, then look at everything."""
        _, observed = await door.observe(("routing",))
        self.assignment = adopt(assigned_uplinks(self._config, observed))
        self._altered = set(SCOPES)
        self._check_at = self._sweep_at = self._clock.monotonic()

    def _noticed(self, scopes: frozenset[Scope]) -> None:
        self._altered |= scopes
        self._wake.set()

    async def _turn(self, door: Door) -> None:
        """Act on verdicts first; else look at one altered part of the host, so that a verdict never waits for two."""
        before, moved = self._take(self._decide())
        now = self._clock.monotonic()
        if now >= self._sweep_at:
            self._altered |= SCOPES
            self._sweep_at = now + SWEEP_S
            self._check_at = now
            if self._left:
                await self._forget()
        if now >= self._sample_at:
            self._sample(now)
        if moved:
            await self._apply(door, "routing")
            self._left |= {(name, left) for name in moved if (left := before[name].uplink) is not None}
            await self._forget()
            self._say(moved, before)
        elif self._altered and now >= self._check_at:
            scope = next(scope for scope in _IN_ORDER if scope in self._altered)
            self._altered.discard(scope)
            await self._apply(door, scope)
            if not self._altered:
                self._check_at = self._clock.monotonic() + self._config.policy.reconcile_s

    def _sample(self, now: float) -> None:
        """See whether the service is active; when that changes, the guests' ceiling does."""
        self._sample_at = now + SAMPLE_S
        carried = counters.carried(self._config.classes.service.devices)
        active = self._activity.active(carried, now=now)
        if active != self._service_active:
            self._service_active = active
            self._altered.add("shaping")
            self._check_at = now

    def _decide(self) -> Assignment:
        verdicts = {} if self._safe else self._verdicts
        return decide(
            self._config.classes,
            verdicts,
            self.assignment,
            hold_s=self._config.policy.failback_hold_s,
            now=self._clock.monotonic(),
        )

    def _take(self, after: Assignment) -> tuple[Assignment, list[str]]:
        """Take `after` as the assignment; returns the one before and the classes that have another uplink now."""
        before, self.assignment = self.assignment, after
        uplink = after.service.uplink
        if uplink is not None and standing(self._verdicts.get(uplink)) == "down":
            self._health.raise_("no-uplink", after.service.because)
        else:
            self._health.clear("no-uplink")
        return before, [name for name in CLASSES if before[name].uplink != after[name].uplink]

    def _say(self, moved: list[str], before: Assignment) -> None:
        for name in moved:
            after = self.assignment[name]
            self._announce(ClassMoved(name, before[name].uplink, after.uplink, after.because))

    async def _apply(self, door: Door, scope: Scope) -> None:
        """Bring one part of the host to its wanted state and say what came of it."""
        started = self._clock.monotonic()
        try:
            applied = await door.apply(self._desired, (scope,))
        except PrivilegeMissing as error:
            self._forbidden.add(scope)
            self._health.raise_("network-privilege", str(error))
            self._try_again()
        except HostError as error:
            self._refuse(scope, str(error))
        else:
            self._forbidden.discard(scope)
            if not self._forbidden:
                self._health.clear("network-privilege")
            self._tell(applied, scope)
            if applied.changes:
                self._announce(HostReconciled(len(applied.changes), self._clock.monotonic() - started))

    def _desired(self, facts: Facts) -> HostState:
        return desired(
            self._config, self.assignment, facts, guests_denied=self._safe, service_active=self._service_active
        )

    def _tell(self, applied: Applied, scope: Scope) -> None:
        """Conditions and reasons from what was seen and refused."""
        if applied.facts.leaf != self.leaf:
            self.leaf = applied.facts.leaf
            log.info("leaf queues: %s", self.leaf)
        for change in applied.changes:
            log.debug("%s %s: %s", change.action, change.what, change.why)
        classes = self._config.classes
        for device in {*classes.service.devices, *classes.wifi.devices}:  # an uplink's own is the monitor's to tell
            if device in applied.facts.links:
                self._health.clear("device-missing", subject=device)
            else:
                self._health.raise_("device-missing", subject=device)
        if applied.facts.forwarding:
            self._health.clear("forwarding-off")
        else:
            self._health.raise_("forwarding-off")
        if applied.refused:
            more = f" (and {len(applied.refused) - 1} more)" if len(applied.refused) > 1 else ""
            self._refuse(scope, f"{applied.refused[0]}{more}")
        else:
            self._accept(scope)

    def _refuse(self, part: str, reason: str) -> None:
        self._refused[part] = reason
        self._health.raise_("network-apply", "; ".join(self._refused.values()))
        self._try_again()

    def _accept(self, part: str) -> None:
        if self._refused.pop(part, None) is not None and not self._refused:
            self._health.clear("network-apply")

    def _try_again(self) -> None:
        self._sweep_at = min(self._sweep_at, self._clock.monotonic() + RETRY_S)

    async def _forget(self) -> None:
        """Forget the moved classes' connections, which would stay on the old uplink's address for ever."""
        numbers = {uplink.name: number for number, uplink in enumerate(self._config.uplink, 1)}
        six = any(uplink.gateway6 for uplink in self._config.uplink)
        self._left -= {(name, uplink) for name in CLASSES if (uplink := self.assignment[name].uplink) is not None}
        try:
            for name, uplink in sorted(self._left):
                await forget(uplink_mark(numbers[uplink]) | class_mark(name), MASK, ipv6=six)
                self._left.discard((name, uplink))
            self._accept("connections")
        except ConntrackFailed as error:
            self._refuse("connections", str(error))

    async def _until_needed(self) -> None:
        """Wait for a verdict or a notice, or until something is due."""
        now = self._clock.monotonic()
        policy = self._config.policy
        due = [self._sweep_at, self._sample_at] if self._config.mode == "router" else []
        due += [self._check_at] if self._altered else []
        failback = again_at(self._config.classes, self._verdicts, self.assignment, hold_s=policy.failback_hold_s)
        due += [failback] if failback is not None and not self._safe else []
        timeout = max(0.0, min(due) - now) if due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()
