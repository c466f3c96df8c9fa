"""The queue beside persist-queue, litequeue and huey, raw SQLite and the disk's own limit, in one run on one disk.

Each contender is a process of its own and puts items of some 450 bytes (ours seals them too): 1 and 64 producers that
wait until each item is durable (put), and that put, lease and acknowledge one (cycle). Then again with each flush 10 ms
slower, as on a memory card. What the peers permit and how they are set up: `bench/queue_peers/peers.py`.
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bench import Figure, Figures, Result, at_least, at_most
from bench.queue_peers import children
from bench.queue_peers.children import Card, Child, child
from bench.queue_peers.load import CONTENT

# huey takes an item by deleting it: it knows no lease, and what is taken is lost with the process.
LEASING = ("persist_queue", "litequeue")
PEERS = (*LEASING, "huey")
EVERY = ("edge", *PEERS, "raw", "limit")
LOADS = (("put", 1), ("put", 64), ("cycle", 1), ("cycle", 64))
Key = tuple[Card, str, int, str]
Rounds = dict[Key, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: rounds and seconds a load on either card, rows that wait, and whom.

    With rows that wait: rounds, items of a round by 64 producers and by one, and starts. `within_s`: no round is begun
    that long after the first one of its kind; one there is always.
    """

    fast_rounds: int
    slow_rounds: int
    fast_s: float
    slow_s: float
    rows: int
    waiting_rounds: int
    items: int
    alone: int
    starts: int
    within_s: float
    who: Mapping[tuple[Card, str, int], tuple[str, ...]]

    def rounds(self, count: int) -> Iterator[int]:
        """The numbers of the rounds, as long as there is time."""
        over = time.monotonic() + self.within_s
        for number in range(count):
            if number and time.monotonic() > over:
                print(f"{number} rounds of {count}: the machine is too busy for more", file=sys.stderr)
                return
            yield number

    def loads(self, card: Card) -> list[tuple[str, int, str]]:
        """What is measured on a card in each round, in its order: what, producers, who."""
        return [
            (what, producers, who) for what, producers in LOADS for who in self.who.get((card, what, producers), ())
        ]


FULL = Plan(
    fast_rounds=5,
    slow_rounds=3,
    fast_s=0.7,
    slow_s=1.0,
    rows=1_000_000,
    waiting_rounds=5,
    items=3_000,
    alone=400,
    starts=5,
    within_s=math.inf,
    who={(card, *load): EVERY for card in get_args(Card) for load in LOADS},
)
# Of each figure that is judged, those who can be the best; the disk alone decides between the peers on the slow card.
_FAST, _SLOW = ("edge", "litequeue", "huey"), ("edge", "litequeue")
QUICK = Plan(
    fast_rounds=3,
    slow_rounds=3,
    fast_s=0.25,
    slow_s=0.4,
    rows=10_000,
    waiting_rounds=7,
    items=500,
    alone=60,
    starts=1,
    within_s=8.0,
    who={
        ("fast", "put", 1): ("edge", "raw"),
        ("fast", "put", 64): _FAST,
        ("fast", "cycle", 64): _FAST,
        ("slow", "put", 1): ("edge", "raw"),
        ("slow", "put", 64): _SLOW,
        ("slow", "cycle", 64): _SLOW,
    },
)
_STARVED = {
    0.2: ("put_64_over_best_peer_slow", "cycle_64_over_best_leasing_slow"),
    0.3: (
        *("put_64_over_best_peer", "cycle_64_over_best_peer", "put_1_of_raw", "put_1_of_raw_slow"),
        *("put_64_slower_with_many", "put_1_slower_with_many", "claim_1_slower_with_many"),
    ),
}
_FEW = 1_000


def run(*, quick: bool) -> Result:
    """All of it takes five minutes; `quick`, half a minute, has fewer rounds, contenders and rows that wait."""
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="kampung-edge-bench-", dir=Path.cwd()) as directory:
        home = Path(directory)
        template = home / "empty.db"
        with child() as maker:
            maker.ask("make", path=str(template))
        figures = judge_waiting(*_waiting(home, template, plan))
        rounds = _loads(home, template, "fast", plan)
        rounds |= _loads(home, template, "slow", plan)
        figures = judge_loads(rounds) | figures
    figures |= {f"rounds_{card}": _noted(len(rounds[card, "put", 64, "edge"])) for card in get_args(Card)}
    if not quick:
        return figures, []
    del figures["written_over_payload_64"]
    return figures, [
        *spare(figures, _median([*rounds["slow", "put", 64, "edge"], *rounds["slow", "cycle", 64, "edge"]], "starved")),
        *("a million rows that wait: 10,000", "five rounds: up to three", "0.7 and 1 s a load: 0.25 and 0.4 s"),
        *("persist-queue and the disk's own limit", "a cycle of one producer", "huey on the slow card"),
        "bytes written over payload: the log's own room is not spread over so few items",
    ]


# ---- loads -----------------------------------------------------------------------------------------------------------


def _loads(home: Path, template: Path, card: Card, plan: Plan) -> Rounds:
    """Every load of every contender, by turns."""
    count, seconds = (plan.fast_rounds, plan.fast_s) if card == "fast" else (plan.slow_rounds, plan.slow_s)
    rounds: Rounds = defaultdict(list)
    library = children.build(home) if card == "slow" else None
    with ExitStack() as stack:
        loads = plan.loads(card)
        workers = {who: stack.enter_context(child(library)) for who in {who: None for *_, who in loads}}
        for number in plan.rounds(count):
            for what, producers, who in loads:
                place = home / f"{card}-{number}-{what}-{producers}-{who}"
                answer = _load(workers[who], who, what, producers, place, template, seconds=seconds)
                rounds[card, what, producers, who].append(answer)
                shutil.rmtree(place)
    settings = {who: answers[0]["settings"] for (*_, who), answers in rounds.items()}
    for who, said in settings.items():
        print(f"{card} {who}: {said or 'as configured'}", file=sys.stderr)
    return rounds


def _load(
    worker: Child,
    who: str,
    what: str,
    producers: int,
    place: Path,
    template: Path,
    *,
    seconds: float = 600.0,
    most: int = 1 << 60,
) -> dict[str, Any]:
    load = {"who": who, "what": what, "producers": producers, "seconds": seconds, "most": most}
    return worker.ask("run", **load, home=str(place), template=str(template))


def judge_loads(rounds: Rounds) -> Figures:
    """Medians of rounds; a ratio is the median of what each round's neighbours came to."""
    figures: Figures = {
        "put_64_over_best_peer": at_least(_over(rounds, "fast", "put", PEERS), 3.0),
        "put_64_over_best_peer_slow": at_least(_over(rounds, "slow", "put", PEERS), 40.0),
        "cycle_64_over_best_peer": at_least(_over(rounds, "fast", "cycle", PEERS), 3.0),
        "cycle_64_over_best_leasing_slow": at_least(_over(rounds, "slow", "cycle", LEASING), 40.0),
        "put_1_of_raw": at_least(_over(rounds, "fast", "put", ("raw",), producers=1), 0.4),
        "put_1_of_raw_slow": at_least(_over(rounds, "slow", "put", ("raw",), producers=1), 0.95),
        "written_over_payload_64": at_most(_median(rounds["fast", "put", 64, "edge"], "amplification"), 6.0),
    }
    if ("slow", "cycle", 64, "huey") in rounds:
        figures["cycle_64_over_huey_slow"] = _noted(_over(rounds, "slow", "cycle", ("huey",)))
    if ("fast", "cycle", 1, "edge") in rounds:
        figures["cycle_1_of_raw"] = _noted(_over(rounds, "fast", "cycle", ("raw",), producers=1))
        figures["cycle_1_of_raw_slow"] = _noted(_over(rounds, "slow", "cycle", ("raw",), producers=1))
    for (card, what, producers, who), answers in rounds.items():
        figures[f"{what}_{producers}_{who}_{card}_per_s"] = _noted(_median(answers, "rate"))
        if what == "put" and who != "limit" and card == "fast" and (producers, who) != (64, "edge"):
            figures[f"written_over_payload_{producers}_{who}"] = _noted(_median(answers, "amplification"))
    return figures


def spare(figures: Figures, starved: float) -> list[str]:
    """Of a busy machine's quick form the ratios of rates are for the record alone, and are named.

    `starved`: the share of its time in which the store was ready and others had the processor. On the slow card the
    peers wait for the disk and ours for a processor as well; of a starved machine's few rounds no two are alike.
    """
    named = [name for most, names in _STARVED.items() if starved > most for name in names]
    for name in named:
        figures[name]["wanted"], figures[name]["ok"] = "for the record", True
    return [f"{name}: {starved:.0%} of the time other programs had the processor" for name in named]


def _over(rounds: Rounds, card: Card, what: str, whom: tuple[str, ...], *, producers: int = 64) -> float:
    """How many times the best of `whom` ours is."""
    ours = rounds[card, what, producers, "edge"]
    others = zip(*(rounds[key] for who in whom if (key := (card, what, producers, who)) in rounds), strict=True)
    best = (max(float(each["rate"]) for each in theirs) for theirs in others)
    return statistics.median(float(mine["rate"]) / theirs for mine, theirs in zip(ours, best, strict=True))


def _median(answers: list[dict[str, Any]], name: str) -> float:
    return statistics.median(float(answer[name]) for answer in answers)


# ---- rows that wait --------------------------------------------------------------------------------------------------


def _waiting(home: Path, template: Path, plan: Plan) -> tuple[Rounds, dict[str, list[dict[str, Any]]]]:
    """Loads and starts with few and with many rows that wait; few ones are put back before each round."""
    many, few = home / "many", home / "few"
    many.mkdir()
    shutil.copyfile(template, many / "box.db")
    shutil.copyfile(template, home / "few.db")
    starts: dict[str, list[dict[str, Any]]] = {"many": [], "empty": []}
    rounds: Rounds = defaultdict(list)
    with child() as worker:
        worker.ask("fill", path=str(home / "few.db"), rows=_FEW)
        worker.ask("fill", path=str(many / "box.db"), rows=plan.rows)
        for number in plan.rounds(plan.waiting_rounds):
            few.mkdir()
            shutil.copyfile(home / "few.db", few / "box.db")
            for what, producers, most in (("put", 64, plan.items), ("put", 1, plan.alone), ("claim", 1, plan.alone)):
                for place in (few, many):
                    answer = _load(worker, "edge", what, producers, place, template, most=most)
                    rounds["fast", what, producers, place.name].append(answer)
            shutil.rmtree(few)
            if number >= plan.starts:
                continue
            for name, path in (("many", many / "box.db"), ("empty", template)):
                with child() as fresh:
                    starts[name].append(fresh.ask("start", path=str(path)))
    shutil.rmtree(many)
    return rounds, starts


def judge_waiting(rounds: Rounds, starts: dict[str, list[dict[str, Any]]]) -> Figures:
    """What rows that wait cost; of the starts the slowest and largest counts."""
    rows = min(answer["waiting"] for answer in starts["many"])
    figures: Figures = {}
    for what, producers in (("put", 64), ("put", 1), ("claim", 1)):
        pair = zip(rounds["fast", what, producers, "few"], rounds["fast", what, producers, "many"], strict=True)
        slower = statistics.median(few["rate"] / many["rate"] for few, many in pair)
        figures[f"{what}_{producers}_slower_with_many"] = at_most(slower, 1.5)
        for who in ("few", "many"):
            rate = _median(rounds["fast", what, producers, who], "rate")
            figures[f"{what}_{producers}_{who}_waiting_per_s"] = _noted(rate)
    grown = max(answer["most_kib"] for answer in starts["many"])
    grown -= min(answer["most_kib"] for answer in starts["empty"])
    figures["rows_waiting"] = Figure(value=rows, wanted="for the record", ok=True)
    figures["start_with_many_s"] = at_most(max(answer["seconds"] for answer in starts["many"]), 3.0)
    figures["start_empty_s"] = _noted(max(answer["seconds"] for answer in starts["empty"]))
    figures["start_with_many_more_mb"] = at_most(grown * 1024 / 1e6, 20.0)
    figures["payload_bytes"] = Figure(value=len(CONTENT.encode()), wanted="for the record", ok=True)
    return figures


def _noted(value: float) -> Figure:
    return Figure(value=round(value, 3), wanted="for the record", ok=True)
