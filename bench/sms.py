"""SMS beside Debian's gammu-smsd and smstools: each at a simulated modem of its own, and the modem's own limit.

The modem has 115200 baud, 10 ms a command and room for 50 messages. Its limit is what a bare script reaches that keeps
no queue and no journal. Whoever is measured has sent a message before and is at rest. Short queues are sent one
contender after another, by turns with the limit; those of 3 s a message side by side.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from bench import Figure, Figures, Result, at_least, at_most
from bench.sms_peers import contenders
from bench.sms_peers.contenders import Bare, Contender, Edge, Gammu, Smstools
from bench.sms_peers.measure import Bench, Sent, at_work

_FAST_S, _SLOW_S = 0.05, 3.0
_PEERS: dict[str, Callable[[Path, Path], Contender]] = {"gammu": Gammu, "smstools": Smstools}
Sends = dict[str, list[Sent]]
Arrivals = dict[str, list[float]]
_EVERY: dict[str, Callable[[Path, Path], Contender]] = {"limit": Bare, "edge": Edge, **_PEERS}


def run(*, quick: bool) -> Result:
    """All of it takes six minutes; `quick`, 45 s, leaves the peers out, and sends fewer messages of 3 s."""
    if not quick and contenders.missing():
        raise RuntimeError(f"not installed: {', '.join(contenders.missing())} (apt-get install gammu-smsd smstools)")
    with tempfile.TemporaryDirectory(prefix="kampung-edge-bench-", dir=Path.cwd()) as directory:
        return asyncio.run(_quick(Path(directory)) if quick else _full(Path(directory)))


async def _quick(home: Path) -> Result:
    ours = ("limit", "edge")
    async with _at_work(home, ours) as every:
        _print_settings(every)
        figures = judge_bursts(*await _bursts(every, rounds=1))
        resting = asyncio.create_task(_rest(home, 10.0))
        figures |= await _slow(every, count=4)
        figures |= await resting
    return figures, [
        "gammu-smsd and smstools beside it",
        "20 messages of 3 s: 4",
        "five rounds of 50 messages: one",
        "50 arriving while 20 are sent",
        "two minutes at rest: 10 s",
    ]


async def _full(home: Path) -> Result:
    # A matter of milliseconds, so those who are not measured must not run: one of the peers is never at rest.
    async with _at_work(home, ("limit", "edge")) as every:
        sent, kept = await _bursts(every, rounds=5)
    for name in _PEERS:
        async with _at_work(home / "alone", (name,)) as every:
            once = await _bursts(every, rounds=1)
        sent |= once[0]
        kept |= once[1]
    figures = judge_bursts(sent, kept)
    async with _at_work(home / "together", tuple(_EVERY)) as every:
        _print_settings(every)
        resting = asyncio.create_task(_rest(home, 125.0))
        figures |= await _slow(every, count=20)
        figures |= await _both(every, count=20)
        figures |= await resting
    return figures, []


@asynccontextmanager
async def _at_work(home: Path, names: tuple[str, ...]) -> AsyncIterator[dict[str, Bench]]:
    """Contenders by name, each in a directory below `home`."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(at_work(_EVERY[name], home / name)) for name in names}


def _print_settings(every: dict[str, Bench]) -> None:
    for name, bench in every.items():
        if bench.contender.settings:
            print(f"{name} is set up so:\n{bench.contender.settings}\n", file=sys.stderr)


async def _bursts(every: dict[str, Bench], *, rounds: int) -> tuple[Sends, Arrivals]:
    """50 messages out and 50 in, by turns."""
    sent: Sends = {name: [] for name in every}
    kept: Arrivals = {name: [] for name in every}
    for _ in range(rounds):
        for name, bench in every.items():
            sent[name].append(await bench.send(50, _FAST_S))
            kept[name].append(await bench.arrive())
    return sent, kept


def judge_bursts(sent: Sends, kept: Arrivals) -> Figures:
    """The figures of who sent and kept 50: medians of rounds; of ours the slowest first message counts."""
    rates = {name: statistics.median(each.per_minute for each in rounds) for name, rounds in sent.items()}
    firsts = {name: max(each.first_s for each in rounds) for name, rounds in sent.items()}
    arrived = {name: statistics.median(rounds) for name, rounds in kept.items()}
    pairs = zip(sent["edge"], sent["limit"], strict=True)
    figures: Figures = {
        "50_sent_of_limit": at_least(
            statistics.median(ours.per_minute / most.per_minute for ours, most in pairs), 0.95
        ),
        "first_send_edge_s": at_most(firsts["edge"], 0.3),
        "50_arrived_edge_s": at_most(arrived["edge"], 1.0),
    }
    figures |= {f"50_sent_{name}_per_min": _noted(rate) for name, rate in rates.items()}
    for name in rates:
        if name != "edge":
            figures[f"first_send_{name}_s"] = _noted(firsts[name])
            figures[f"50_arrived_{name}_s"] = _noted(arrived[name])
        if name in _PEERS:
            figures[f"50_sent_over_{name}"] = at_least(rates["edge"] / rates[name], 1.0)
            figures[f"50_arrived_over_{name}"] = at_least(arrived[name] / arrived["edge"], 1.0)
    return figures


async def _slow(every: dict[str, Bench], *, count: int) -> Figures:
    """Messages that take the network 3 s, all contenders side by side."""
    names = list(every)
    sent = await asyncio.gather(*(every[name].send(count, _SLOW_S) for name in names))
    rates = {name: each.per_minute for name, each in zip(names, sent, strict=True)}
    return {
        f"{count}_slow_of_limit": at_least(rates["edge"] / rates["limit"], 0.99),
        **{f"{count}_slow_{name}_per_min": _noted(rate) for name, rate in rates.items()},
        **{f"{count}_slow_over_{name}": at_least(rates["edge"] / rates[name], 1.0) for name in _PEERS if name in rates},
    }


async def _both(every: dict[str, Bench], *, count: int) -> Figures:
    """50 arrive while messages of 3 s are queued; the limit sends alone."""
    names = [name for name in every if name != "limit"]
    alone = asyncio.create_task(every["limit"].send(count, _SLOW_S))
    measured = dict(
        zip(names, await asyncio.gather(*(every[name].both(count, _SLOW_S) for name in names)), strict=True)
    )
    limit = (await alone).per_minute
    figures: Figures = {
        "50_arrived_while_sending_edge_s": at_most(measured["edge"][1], 4.0),
        "20_slow_while_receiving_of_limit": at_least(measured["edge"][0].per_minute / limit, 0.95),
    }
    for name in _PEERS:
        figures[f"50_arrived_while_sending_{name}_s"] = _noted(measured[name][1])
        figures[f"20_slow_while_receiving_{name}_per_min"] = _noted(measured[name][0].per_minute)
    return figures


async def _rest(home: Path, seconds: float) -> Figures:
    """Processor time of our part at rest, less that of a process in which only the store is open."""
    async with at_work(Edge, home / "rest") as bench:
        await asyncio.to_thread((home / "idle").mkdir)
        idle = Edge(home / "idle", "-")
        await idle.start()
        try:
            spent = await asyncio.gather(_spent(bench.contender, seconds), _spent(idle, seconds))
        finally:
            await idle.stop()
    busy, nothing = (share * 100 for share in spent)
    return {
        "rest_percent_of_a_core": at_most(busy - nothing, 0.2),
        "rest_idle_process_percent": _noted(nothing),
    }


async def _spent(contender: Contender, seconds: float) -> float:
    """Processor time over time."""
    if not isinstance(contender, Edge):
        raise TypeError("only our own part is asked for its processor time")
    before, begun = contender.processor_s(), time.monotonic()
    await asyncio.sleep(seconds)
    return (contender.processor_s() - before) / (time.monotonic() - begun)


def _noted(value: float) -> Figure:
    return Figure(value=round(value, 3), wanted="for the record", ok=True)
