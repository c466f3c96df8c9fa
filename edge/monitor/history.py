"""The history of the uplinks: what was measured and decided, kept through power cuts and wrong clocks.

Theory of operation. Counting knows monotonic time only: `observe` and `carried` add to each uplink's present minute,
`turn` ends it. A minute has its wall time from the moment it began; while the clock is not trusted it has none, and is
held in memory until the clock is (then its age tells when it was). Finished minutes are written every other minute in
one transaction for all uplinks, outages and decisions as they happen but at most every ten seconds. Once an hour the
minutes pass into hours, days and months, a few hundred rows a transaction.

Without a store, or while it refuses, everything waits in memory, the oldest giving way: a day of minutes for two
uplinks, a thousand outages and decisions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any
from zoneinfo import ZoneInfo

from edge.clock import Clock
from edge.events import ClassMoved, Event, ProbeAnswered, UplinkJudged
from edge.monitor import history_rows as rows
from edge.monitor.history_writer import EARLY_S, Decision, Minute, Now, Store, Writer
from edge.monitor.outages import Outages
from edge.monitor.rollup import Figures, Ledger, counted, measured

log = logging.getLogger("edge.monitor.history")

WRITE_EVERY_S = 120.0
WRITE_GAP_S = 10.0
_SENTENCE_MOST = 300
_SENTENCES_MOST = 12


def nobody(_uplink: str) -> frozenset[str]:
    """No target is set aside."""
    return frozenset()


class History:
    """The history of `uplinks`. `service_hours(wall)` says whether a moment is in them; `timezone` bounds the months.

    `faulty(uplink)` names the targets that are set aside: their losses say nothing of the uplink.
    """

    def __init__(
        self,
        uplinks: Sequence[str],
        *,
        clock: Clock,
        service_hours: Callable[[float], bool],
        timezone: str = "Asia/Jakarta",
        faulty: Callable[[str], frozenset[str]] = nobody,
    ) -> None:
        self._clock = clock
        self._faulty = faulty
        born = clock.monotonic()
        self._ledgers = {uplink: Ledger(now=born) for uplink in uplinks}
        self._outages = Outages()
        self._writer = Writer(zone=ZoneInfo(timezone), service_hours=service_hours, known=self._known, born=born)
        self._store: Store | None = None
        self._refused: type[Exception] = Exception
        self._hours: rows.OnHours | None = None
        self._complained = False
        self._writing: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()
        self._written_at = float("-inf")
        self._open_minute(born)

    # ---- what is told ------------------------------------------------------------------------------------------

    def observe(self, event: Event) -> None:
        """Take an event; only verdicts, probes and moves are looked at."""
        match event:
            case ProbeAnswered(uplink, target, rtt_ms, late):
                ledger = self._ledgers.get(uplink)
                if ledger is not None and counted(target) and target not in self._faulty(uplink):
                    ledger.probed(target, rtt_ms, late=late)
            case UplinkJudged():
                self._judged(event)
                self._decided(_verdict(event))
            case ClassMoved():
                self._decided(_switch(event))

    def carried(self, uplink: str, received_bytes: int, sent_bytes: int, seconds: float) -> None:
        """What the device of `uplink` carried in the last `seconds`, about one."""
        ledger = self._ledgers.get(uplink)
        if ledger is not None:
            ledger.carried(received_bytes, sent_bytes, seconds)

    def attach(self, store: Store, *, refused: type[Exception], hours: rows.OnHours | None = None) -> None:
        """Write to `store` from now on; `refused` is what it raises when it cannot take more (tried again later).

        `hours` is told of every hour in the transaction that writes it.
        """
        self._store, self._refused, self._hours = store, refused, hours
        self._urgent.set()

    def chosen(self, classes: Iterable[str], uplink: str | None, seconds: float, by: str) -> None:
        """Note that the account `by` chose `uplink` for `seconds`, or took such a choice back (None)."""
        self._decided({"event": "choice", "classes": list(classes), "uplink": uplink, "for_s": seconds, "by": by})

    async def recent(self, most: int) -> list[dict[str, Any]]:
        """The last decisions, the newest last: ``at`` (Unix s or None), ``event`` (verdict, switch, choice), facts."""
        waiting = [{"at": each.wall} | each.content for each in self._writer.decisions]
        if self._store is None:
            return waiting[-most:]
        kept = await self._store.read(lambda conn: rows.decisions(conn, most))
        return (kept + waiting)[-most:]

    def _judged(self, event: UplinkJudged) -> None:
        ledger = self._ledgers.get(event.uplink)
        if ledger is None:
            return
        now, level = self._clock.monotonic(), measured(event.verdict, event.cause)
        ledger.judged(level, now=now)
        changed = self._outages.judged(event.uplink, level, event.cause, now=now, wall=self._wall())
        self._writer.ended.extend(outage for outage in changed if outage.ended is not None)
        if changed:
            self._urgent.set()

    def _decided(self, content: dict[str, Any]) -> None:
        self._writer.decisions.append(Decision(self._clock.monotonic(), self._wall(), content))
        self._urgent.set()

    def _wall(self) -> float | None:
        return self._clock.wall() if self._clock.trusted() else None

    # ---- minutes -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Count and write until cancelled; may be run again. What waits stays, and is written by `close`."""
        while True:
            await self._pause()
            now = self._clock.monotonic()
            if now >= self._ends:
                self.turn()
            oldest = self._writer.minutes[0].began if self._writer.minutes else now
            urgent = self._urgent.is_set() and now >= self._written_at + WRITE_GAP_S
            if urgent or self._ends - oldest > WRITE_EVERY_S + EARLY_S:  # the next minute's end would be too late
                await self.flush()

    async def close(self) -> None:
        """Write the present minute too; for an orderly stop, while the store is still open."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self.turn()
        await self.flush()

    async def _pause(self) -> None:
        now = self._clock.monotonic()
        wait = max(0.0, self._ends - now)
        if self._urgent.is_set():
            await asyncio.sleep(min(wait, max(0.0, self._written_at + WRITE_GAP_S - now)))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._urgent.wait()

    def turn(self) -> None:
        """End the present minute of every uplink."""
        now = self._clock.monotonic()
        for uplink, ledger in self._ledgers.items():
            figures = ledger.close(now=now)
            if figures != Figures():
                self._writer.minutes.append(Minute(self._began, self._began_wall, uplink, figures.values()))
        self._open_minute(now)

    def _open_minute(self, now: float) -> None:
        wall = self._wall()
        self._began, self._began_wall = now, wall
        self._ends = now + 60 - ((wall + EARLY_S) % 60 - EARLY_S if wall is not None else 0)

    # ---- the store ---------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Write what waits, and pass ended hours on; while the clock is not trusted, keep waiting.

        What was handed to the store is seen to its end even when the caller is cancelled: it must not be written twice.
        """
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="history write")
        await asyncio.shield(self._writing)

    async def _write(self) -> None:
        self._urgent.clear()
        self._written_at = self._clock.monotonic()
        wall = self._wall()
        if self._store is None or wall is None:
            return
        now = Now(self._written_at, wall)
        try:
            await self._writer.write(self._store, self._outages.open.values(), now=now)
            await self._writer.pass_on(self._store, len(self._ledgers), now=now, hours=self._hours)
        except self._refused as error:
            if not self._complained:
                log.warning("the store takes no history (%s); it waits in memory", error)
            self._complained = True
        else:
            if self._complained:
                log.info("the store takes history again")
            self._complained = False

    def _known(self, uplink: str) -> bool:
        ledger = self._ledgers.get(uplink)
        return ledger is None or ledger.level is not None


def _verdict(event: UplinkJudged) -> dict[str, Any]:
    return {
        "event": "verdict",
        "uplink": event.uplink,
        "verdict": event.verdict,
        "cause": event.cause,
        "loss": round(event.loss, 4),
        "rtt_ms": event.rtt_ms,
        "jitter_ms": event.jitter_ms,
        "evidence": _short(event.evidence),
    }


def _switch(event: ClassMoved) -> dict[str, Any]:
    return {
        "event": "switch",
        "class": event.traffic_class,
        "from": event.from_uplink,
        "to": event.to_uplink,
        "because": event.because[:_SENTENCE_MOST],
        "evidence": _short(event.evidence),
    }


def _short(evidence: Sequence[str]) -> list[str]:
    return [sentence[:_SENTENCE_MOST] for sentence in evidence[:_SENTENCES_MOST]]
