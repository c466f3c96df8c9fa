"""The shell around policy and plan: decide, diff, apply, read back; at every verdict, and whenever the host changed.

A verdict changes only rules and routes, milliseconds after it; the nftables table and the shaping trees hold for every
assignment. Then the connections that the change left behind are forgotten, then the resolver follows. The kernel's own
notices say when anything of ours may have been altered; it is then read, at most once every `policy.reconcile_s`, and
healed. A sweep now and then finds what a lost notice would hide. So a quiet host costs nothing, and a restart, a crash
or another program's meddling heals itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from edge.clock import Clock
from edge.config import Config
from edge.events import Announce, ClassMoved, HostReconciled, TrafficSwitched
from edge.health import Health
from edge.kernel import counters
from edge.kernel.conntrack import ConntrackFailed
from edge.kernel.door import Applied, Door
from edge.kernel.errors import HostError, PrivilegeMissing
from edge.kernel.notices import Notices
from edge.kernel.state import SCOPES, Facts, HostState, Scope
from edge.marks import CLASSES
from edge.monitor.verdict import Verdict
from edge.traffic.capacity import Activity
from edge.traffic.leftovers import Leftovers
from edge.traffic.plan import assigned_uplinks, desired, standing_ways, ways
from edge.traffic.policy import Assignment, Policy, standing
from edge.traffic.shaping import classes_of
from edge.traffic.telling import Refusals, tell

log = logging.getLogger("edge.traffic")

SWEEP_S = 30.0
RETRY_S = 5.0
SAMPLE_S = 0.5
RESOLVE_S = 5.0
_IN_ORDER: tuple[Scope, ...] = ("routing", "table", "shaping")
_NOBODY: Mapping[str, str] = MappingProxyType({})


async def _unresolved(_: Assignment) -> None:
    """No resolver follows."""


class Controller:
    """Steers the classes of traffic over the uplinks of `config` and keeps the host in the wanted state.

    With `safe` it decides nothing: the assignment that stands is kept, and guests are denied. In mode beside it
    decides and announces but writes nothing. `guarding` is set once routes and the nftables table were brought to
    their state the first time, or could not be, and `settled` when the shaping trees were too.

    `service_hours` says whether the office is at work, `preferred` which uplink a person chose for which class;
    `reconsider` when either changed. `resolve` has the name servers follow an assignment, at the start and after a
    switch.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        announce: Announce,
        health: Health,
        safe: bool = False,
        service_hours: Callable[[], bool] = lambda: True,
        preferred: Callable[[], Mapping[str, str]] = lambda: _NOBODY,
        resolve: Callable[[Assignment], Awaitable[None]] = _unresolved,
        door: Callable[[], Door] = Door,
    ) -> None:
        self.leaf = ""
        self.guarding = asyncio.Event()
        self.settled = asyncio.Event()
        self._config = config
        self._clock = clock
        self._announce = announce
        self._health = health
        self._safe = safe
        self._service_hours = service_hours
        self._preferred = preferred
        self._resolve = resolve
        self._open = door
        self._policy = Policy(config.classes, config.policy)
        self._verdicts: dict[str, Verdict] = {}
        self._down: frozenset[str] = frozenset()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._altered: set[Scope] = set()
        self._check_at = 0.0
        self._sweep_at = 0.0
        self._activity = Activity()
        self._service_active = False
        self._sample_at = 0.0
        self._left = Leftovers(config)
        self._refusals = Refusals(health)

    @property
    def assignment(self) -> Assignment:
        """Which class uses which uplink now, and why."""
        return self._policy.assignment

    def judged(self, verdict: Verdict) -> None:
        """Note an uplink's new verdict; `run` acts on it at once."""
        self._verdicts[verdict.uplink] = verdict
        self._wake.set()

    def reconsider(self) -> None:
        """Decide again: service hours began or ended, or a person chose."""
        self._wake.set()

    async def run(self) -> None:
        """Steer until cancelled; what the kernel holds then stays."""
        if self._config.mode == "beside":
            await self._advise()
            return
        async with asyncio.TaskGroup() as group, self._open() as door:
            follower = group.create_task(self._follow(), name="resolver")
            try:
                await self._steer(door)
            finally:
                follower.cancel()

    async def _steer(self, door: Door) -> None:
        with Notices(self._noticed) as notices:
            await self._adopt(door)
            self._moved.set()
            while True:
                notices.revive()
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
            before, moved = self._decide()
            self._say(moved, before)
            await self._until_needed()

    async def _adopt(self, door: Door) -> None:
        """Fail static: begin with what the kernel's rules already say, then look at everything."""
        facts, observed = await door.observe(("routing",))
        adopted = assigned_uplinks(self._config, observed)
        self._policy = Policy(self._config.classes, self._config.policy, adopted=adopted)
        self._left.seen(standing_ways(self._config, facts, observed), facts)
        self._altered = set(SCOPES)
        self._check_at = self._sweep_at = self._clock.monotonic()

    def _noticed(self, scopes: frozenset[Scope]) -> None:
        self._altered |= scopes
        self._wake.set()

    async def _turn(self, door: Door) -> None:
        """Act on verdicts first; else look at one altered part of the host, so that a verdict never waits for two."""
        now = self._clock.monotonic()
        swept = now >= self._sweep_at
        down, self._down = self._down, self._judged_down()
        before, moved = self._decide()
        if swept:
            self._altered |= SCOPES
            self._sweep_at = now + SWEEP_S
            self._check_at = now
        if now >= self._sample_at:
            self._sample(now)
        if moved or self._down != down:
            await self._switch(door, before, moved, now)
        elif self._altered and now >= self._check_at:
            scope = next(scope for scope in _IN_ORDER if scope in self._altered)
            self._altered.discard(scope)
            await self._apply(door, scope)
            if not self._altered:
                self._check_at = self._clock.monotonic() + self._config.policy.reconcile_s
        if self._left and (swept or not self._refusals.any_of("connections")):
            await self._forget(door)

    async def _switch(self, door: Door, before: Assignment, moved: list[str], began: float) -> None:
        """Shaper of the destination, rules and routes, the connections left behind, the name servers; in this order."""
        await self._prepare(door, before, moved)
        await self._apply(door, "routing")
        routed = self._clock.monotonic()
        for name in moved:
            if (left := before[name].uplink) is not None:
                self._left.moved(name, left)
        if self._left:
            await self._forget(door)
        if moved:
            self._moved.set()
            self._say(moved, before)
            self._announce(TrafficSwitched(tuple(moved), routed - began, self._clock.monotonic() - began))

    async def _prepare(self, door: Door, before: Assignment, moved: list[str]) -> None:
        """Have the shaper in place where a class goes: an unshaped link answers nobody fast."""
        goes = [(name, to) for name in moved if before[name].uplink and (to := self.assignment[name].uplink)]
        wanted = [place for name, to in goes for place in classes_of(self._config, name, to)]
        try:
            if not wanted or await door.shaped(wanted):
                return
        except HostError as error:
            log.debug("the shaper is not known: %s", error)
        self._altered.discard("shaping")
        await self._apply(door, "shaping")

    def _sample(self, now: float) -> None:
        """See whether the service is active; when that changes, the guests' ceiling does."""
        self._sample_at = now + SAMPLE_S
        carried = counters.carried(self._config.classes.service.devices)
        active = self._activity.active(carried, now=now)
        if active != self._service_active:
            self._service_active = active
            self._altered.add("shaping")
            self._check_at = now

    def _decide(self) -> tuple[Assignment, list[str]]:
        """Decide; returns the assignment before and the classes that have another uplink now."""
        before = self.assignment
        after = self._policy.decide(
            {} if self._safe else self._verdicts,
            service_hours=self._service_hours(),
            service_idle=not self._service_active,
            preferred=_NOBODY if self._safe else self._preferred(),
            now=self._clock.monotonic(),
        )
        uplink = after.service.uplink
        if uplink is not None and standing(self._verdicts.get(uplink)) == "down":
            self._health.raise_("no-uplink", after.service.because)
        else:
            self._health.clear("no-uplink")
        return before, [name for name in CLASSES if before[name].uplink != after[name].uplink]

    def _judged_down(self) -> frozenset[str]:
        """The uplinks by which no pinned prefix goes while a tunnel carries it."""
        if self._safe or not self._config.tunnel:
            return frozenset()
        return frozenset(name for name, verdict in self._verdicts.items() if standing(verdict) == "down")

    def _say(self, moved: list[str], before: Assignment) -> None:
        for name in moved:
            after = self.assignment[name]
            self._announce(ClassMoved(name, before[name].uplink, after.uplink, after.because, after.evidence))

    async def _apply(self, door: Door, scope: Scope) -> None:
        """Bring one part of the host to its wanted state and say what came of it."""
        started = self._clock.monotonic()
        try:
            applied = await door.apply(lambda facts: self._desired(facts, scope), (scope,))
        except PrivilegeMissing as error:
            self._refusals.forbidden(scope, str(error))
            self._try_again()
        except HostError as error:
            self._refuse(scope, str(error))
        else:
            self._refusals.permitted(scope)
            self._learn(applied, scope)
            if applied.changes:
                self._announce(HostReconciled(len(applied.changes), self._clock.monotonic() - started))

    def _desired(self, facts: Facts, scope: Scope) -> HostState:
        return desired(
            self._config,
            self.assignment,
            facts,
            guests_denied=self._safe,
            service_active=self._service_active,
            down=self._down,
            scopes=(scope,),
        )

    def _learn(self, applied: Applied, scope: Scope) -> None:
        """Conditions, and what has changed under the connections, from what was seen and refused."""
        if applied.facts.leaf != self.leaf:
            self.leaf = applied.facts.leaf
            log.info("leaf queues: %s", self.leaf)
        for change in applied.changes:
            log.debug("%s %s: %s", change.action, change.what, change.why)
        tell(self._config, applied.facts, self._health)
        if scope == "routing":
            self._left.seen(ways(self._config, applied.facts, self._down), applied.facts)
        if applied.refused:
            more = f" (and {len(applied.refused) - 1} more)" if len(applied.refused) > 1 else ""
            self._refuse(scope, f"{applied.refused[0]}{more}")
        else:
            self._refusals.accept(scope)

    def _refuse(self, part: str, reason: str) -> None:
        self._refusals.refuse(part, reason)
        self._try_again()

    def _try_again(self) -> None:
        self._sweep_at = min(self._sweep_at, self._clock.monotonic() + RETRY_S)

    async def _forget(self, door: Door) -> None:
        """Forget the connections left behind, which would stay on the old uplink's address for ever."""
        try:
            await door.forget(self._left.stale(self.assignment))
        except PrivilegeMissing as error:
            self._refusals.forbidden("connections", str(error))
            self._try_again()
        except ConntrackFailed as error:
            self._refuse("connections", str(error))
        else:
            self._left.done()
            self._refusals.permitted("connections")
            self._refusals.accept("connections")

    async def _follow(self) -> None:
        """Have the name servers follow every switch; the next one does not wait for them."""
        while True:
            await self._moved.wait()
            await self.guarding.wait()
            self._moved.clear()
            try:
                async with asyncio.timeout(RESOLVE_S):
                    await self._resolve(self.assignment)
            except TimeoutError:
                log.warning("the name servers did not follow within %g s", RESOLVE_S)

    async def _until_needed(self) -> None:
        """Wait for a verdict or a notice, or until something is due."""
        now = self._clock.monotonic()
        due = [self._sweep_at, self._sample_at] if self._config.mode == "router" else []
        due += [self._check_at] if self._altered else []
        again = self._policy.again_at(now=now)
        due += [again] if again is not None and not self._safe else []
        timeout = max(0.0, min(due) - now) if due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()
