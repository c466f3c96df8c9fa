"""One village, one contender, one fault, N trials: python -m bench.trials.worker CONTENDER FAULT N SEED.

Prints one JSON object a trial. Runs in namespaces of its own (script/sandbox), several beside each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.trials import EVERY_S, measure
from bench.trials.client import PATIENCE_S
from bench.trials.contenders import CONTENDERS, Contender
from bench.trials.faults import FAULTS, Fault
from bench.trials.measure import Seen
from edge.simulator import hosts, netns, village_main
from edge.simulator.village import BOX_IN_OFFICE, BOX_ON_LINE, GUESTS, INTERNET, OFFICE, PDE, WEB_HOST

CAP_S = 20.0
ECHO_PORT = 7
_STEADY_S = 2.5
_TALKS_S = 1.5  # for three questions and answers on the long connection
_SETTLE_S = 60.0
_AFTER_MOVE_S = 2.0
_BY_PDE, _BY_TELKOM = BOX_ON_LINE["pde"], BOX_ON_LINE["telkom"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trial in seconds. None: it did not happen within `CAP_S`, or the contender does not tell.

    `gap_s` is the longest time in which no new request was answered, `suffered_s` how long requests failed or took over
    a second, `moved_s` when the first answer came by Telkom. From the decision: `answered_s` to the first new request
    answered by Telkom, `session_s` to the next answer on a connection that is made again when it is reset.
    `guests_lost` of `guests_sent` datagrams of another class had no echo.
    """

    contender: str
    fault: str
    gap_s: float
    suffered_s: float
    moved_s: float | None
    decided_s: float | None
    answered_s: float | None
    session_s: float | None
    guests_lost: int
    guests_sent: int


class Eye:
    """One client process and everything it told."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    @contextlib.asynccontextmanager
    async def open(self, namespace: str, *command: str) -> AsyncIterator[None]:
        """Run the client for the body."""
        program = (sys.executable, "-m", "bench.trials.client", *command)
        process = await netns.spawn(namespace, *program, output=subprocess.PIPE, errors=sys.stderr.buffer)
        listening = asyncio.create_task(self._listen(process))
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            await netns.end(process)
            await listening

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        if not process.stdout:
            raise netns.VillageError("a client without output")
        while line := await process.stdout.readline():
            self.seen.append(Seen(*json.loads(line)))


class Worker:
    """Tries `fault` on PDE again and again, with `contender` at work."""

    def __init__(self, contender: Contender, name: str, rng: random.Random) -> None:
        self._contender = contender
        self._name = name
        self._fault: Fault = FAULTS[name]
        self._rng = rng
        self._office, self._session, self._guest = Eye(), Eye(), Eye()

    async def run(self, trials: int, home: Path) -> AsyncIterator[Outcome]:
        """Each trial's outcome as it ends."""
        asked = (
            ("names", f"{EVERY_S}", BOX_IN_OFFICE, "web.example")
            if self._fault.by_name
            else ("requests", f"{EVERY_S}", WEB_HOST)
        )
        echo = (WEB_HOST, str(ECHO_PORT))
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._contender.living(home))
            await stack.enter_async_context(await hosts.serve(INTERNET, WEB_HOST, ECHO_PORT, _echo))
            stack.callback((await _echo_datagrams()).close)
            await stack.enter_async_context(self._office.open(OFFICE, *asked))
            await stack.enter_async_context(self._session.open(OFFICE, "session", "0.2", *echo))
            await stack.enter_async_context(self._guest.open(GUESTS[0], "train", "0.02", *echo))
            for _ in range(trials):
                await self._contender.begin()
                yield await self._trial()

    async def _settled(self) -> None:
        """Wait until the service goes by PDE without a flaw, and the long connection stands again."""
        deadline = time.monotonic() + _SETTLE_S
        while not self._steady():
            if time.monotonic() > deadline:
                raise netns.VillageError(f"{self._contender.name}: the service does not go by PDE in {_SETTLE_S:g} s")
            await asyncio.sleep(0.1)

    def _steady(self) -> bool:
        now = time.monotonic()
        least = int(_STEADY_S / EVERY_S * 0.9)
        recent = self._office.seen[-4 * least :]
        talks = [each for each in self._session.seen[-3:] if each.ended and each.ended > now - _TALKS_S]
        return len(talks) == 3 and measure.steady(recent, _BY_PDE, since=now - _STEADY_S, until=now, least=least - 1)

    async def _trial(self) -> Outcome:
        await self._settled()
        # Up to two seconds more, so that no contender's rhythm meets the fault's.
        await asyncio.sleep(self._contender.calm_s + self._rng.uniform(0, 2))
        begun = time.monotonic()
        deciding = asyncio.create_task(self._contender.decision(after=begun, until=begun + CAP_S))
        await asyncio.to_thread(self._fault.begin, PDE)
        ended = await self._moved_or_not(begun)
        await asyncio.to_thread(self._fault.heal, PDE)
        decided = deciding.result() if deciding.done() else None
        deciding.cancel()
        await asyncio.sleep(PATIENCE_S)  # by then the fate of every request of the trial is known
        return self._outcome(begun, ended, decided)

    async def _moved_or_not(self, begun: float) -> float:
        """Wait until requests have gone by Telkom for a while, at most `CAP_S`; returns when that was."""
        until = begun + CAP_S
        while (now := time.monotonic()) < until:
            moved = measure.first_answer(self._office.seen, {_BY_TELKOM}, after=begun)
            if moved is not None:
                until = min(until, moved + _AFTER_MOVE_S)
            await asyncio.sleep(min(0.05, max(0.0, until - now)))
        return until

    def _outcome(self, begun: float, ended: float, decided: float | None) -> Outcome:
        office, session = self._office.seen, self._session.seen
        moved = measure.first_answer(office, {_BY_TELKOM}, after=begun)
        moved = moved if moved is not None and moved <= ended else None
        answered = session_answered = None
        if decided is not None:
            answered = measure.first_answer(office, {_BY_TELKOM}, after=decided)
            session_answered = measure.first_answer(session, {"same", "again"}, after=decided)
        lost, sent = measure.lost(self._guest.seen, since=begun - 1, until=ended)
        return Outcome(
            self._contender.name,
            self._name,
            gap_s=round(measure.longest_gap(office, since=begun, until=ended), 3),
            suffered_s=round(measure.suffered(office, since=begun, until=ended), 3),
            moved_s=_after(begun, moved),
            decided_s=_after(begun, decided),
            answered_s=_after(decided, answered),
            session_s=_after(decided, session_answered),
            guests_lost=lost,
            guests_sent=sent,
        )


def _after(begun: float | None, then: float | None) -> float | None:
    return None if begun is None or then is None else round(then - begun, 3)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


class _Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]  # what asyncio gives here

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def _echo_datagrams() -> asyncio.DatagramTransport:
    sock = netns.listener(INTERNET, WEB_HOST, ECHO_PORT, kind=socket.SOCK_DGRAM)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(_Datagrams, sock=sock)
    return transport


def say(sentence: str) -> None:
    """Tell a reader on standard error how it goes."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


async def _main(contender: str, fault: str, trials: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kampung-edge-trial-") as home:
        worker = Worker(CONTENDERS[contender](), fault, random.Random(seed))
        number = 0
        async for outcome in worker.run(trials, Path(home)):
            number += 1
            print(json.dumps(asdict(outcome)), flush=True)
            moved = "stayed" if outcome.moved_s is None else f"moved after {outcome.moved_s:.2f} s"
            switch = "" if outcome.decided_s is None else f", of the switch {outcome.answered_s}, {outcome.session_s}"
            say(f"{contender} {fault} {number}/{trials}: gap {outcome.gap_s:.2f} s, {moved}{switch}")


if __name__ == "__main__":
    village_main.seclude()
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
