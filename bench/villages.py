"""217 villages that come back at the same second, each with 2,000 unsent rows, a hundred of them new requests.

Every village has its own store, sink and forwarder with the default settings; four processes hold them all. They meet
the reference portal over TLS, and then nats-server with a consumer that lands and confirms. Stores are built before.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

from bench import Figure, Figures, Result, at_most, exactly
from bench.regency import stores
from bench.regency.servers import KEY, Arrived, NatsServer, PortalServer, codes, serving

_PROCESSES = 4
_WITHIN_S = 600.0
_GIVEN_UP_S = 900.0
_MEMORY_MB = 256.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How many villages, rows a village, and of these new requests."""

    villages: int
    events: int
    requests: int


FULL = Plan(217, 2_000, 100)
QUICK = Plan(16, 300, 15)


def run(*, quick: bool) -> Result:
    """All of it takes some fifteen minutes; `quick`, 45 s, has 16 villages of 300 rows."""
    if shutil.which("nats-server") is None:
        raise RuntimeError("not installed: nats-server (apt-get install nats-server)")
    plan = QUICK if quick else FULL
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="kampung-edge-bench-", dir=Path.cwd()) as directory:
        home = Path(directory)
        template = home / "empty.db"
        stores.make_empty(template)
        for kind in (PortalServer, NatsServer):
            place = home / kind.sink
            with serving(kind, place, plan.villages) as server:
                done = _reconnect(server, place / "boxes", template, plan)
                memory = server.memory_mb()  # of serving them; what it takes to count them afterwards is no load
                figures |= judge(server.sink, plan, done, server.arrived(), memory)
            shutil.rmtree(place)
    return figures, [f"217 villages: {plan.villages}", f"2,000 rows each: {plan.events}"] if quick else []


def _reconnect(server: PortalServer | NatsServer, place: Path, template: Path, plan: Plan) -> list[dict[str, Any]]:
    """Build the villages, let all begin at once; what each process says in the end."""
    place.mkdir()
    order = {"sink": server.sink, "url": server.url, "ca": server.ca, "user": server.user, "key": f"{KEY}-CODE"}
    order |= {"template": str(template), "home": str(place), "requests": plan.requests, "events": plan.events}
    order |= {"within_s": _GIVEN_UP_S}
    villages = codes(plan.villages)
    children = [_child(order | {"villages": villages[number::_PROCESSES]}) for number in range(_PROCESSES)]
    try:
        for child in children:
            _said(child)
        print(f"{server.sink}: {plan.villages} villages begin", file=sys.stderr)
        begun = time.monotonic()
        for child in children:
            _tell(child, "go")
        done: list[dict[str, Any]] = [json.loads(_said(child)) for child in children]
        print(f"{server.sink}: all is delivered after {time.monotonic() - begun:.0f} s", file=sys.stderr)
        return done
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _child(order: dict[str, Any]) -> subprocess.Popen[str]:
    child = subprocess.Popen([sys.executable, "-m", "bench.regency.boxes"], stdin=PIPE, stdout=PIPE, text=True)
    _tell(child, json.dumps(order))
    return child


def _tell(child: subprocess.Popen[str], line: str) -> None:
    if child.stdin is None:
        raise RuntimeError("a child without a pipe")
    child.stdin.write(line + "\n")
    child.stdin.flush()


def _said(child: subprocess.Popen[str]) -> str:
    line = child.stdout.readline() if child.stdout else ""
    if not line:
        raise RuntimeError("a process with villages died; it has told why above")
    return line


def judge(sink: str, plan: Plan, done: list[dict[str, Any]], arrived: Arrived, memory_mb: float) -> Figures:
    """All delivered, once in effect, in order, in time, and the server within its bounds."""
    took = sorted(seconds for each in done for seconds in each["took_s"])
    results = sum((Counter(each["results"]) for each in done), Counter[str]())
    figures: Figures = {
        f"{sink}_villages": _noted(len(took)),
        f"{sink}_events_arrived": exactly(arrived.events, plan.villages * plan.events),
        f"{sink}_two_effects": exactly(arrived.twice, 0),
        f"{sink}_out_of_order": exactly(arrived.disorder, 0),
        f"{sink}_given_up": exactly(results["given_up"], 0),
        f"{sink}_last_village_s": at_most(took[-1], _WITHIN_S),
        f"{sink}_median_village_s": _noted(round(statistics.median(took), 1)),
        f"{sink}_events_per_s": _noted(round(plan.villages * plan.events / took[-1])),
        f"{sink}_server_memory_mb": at_most(memory_mb, _MEMORY_MB),
        f"{sink}_memory_a_village_mb": _noted(round(sum(each["most_kib"] for each in done) / len(took) / 976.6, 1)),
    }
    tries = {f"{sink}_tries_{name}": _noted(count) for name, count in sorted(results.items()) if name != "given_up"}
    return figures | tries | {f"{sink}_{name}": _noted(value) for name, value in arrived.more.items()}


def _noted(value: object) -> Figure:
    return Figure(value=value, wanted="for the record", ok=True)
