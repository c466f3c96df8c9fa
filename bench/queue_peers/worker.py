"""One contender in a process of its own, which may run below a shim that makes each flush slower.

`python -m bench.queue_peers.worker` takes orders as JSON lines on standard input and answers each with one on standard
output: ``run`` (a load in an empty directory, or on an existing file of ours), ``fill``, ``start`` and ``make``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.queue_peers.load import CONTENT, Until, resident_kib, starved_s, written_bytes


@dataclass(frozen=True, slots=True)
class Order:
    """A load: `what` is put, cycle or claim; `template` an empty store of ours to begin with."""

    who: str
    what: str
    producers: int
    seconds: float
    most: int
    home: Path
    template: Path


def threads(count: int, step: Callable[[], None], until: Until) -> float:
    """Items a second of `count` threads that call `step` over and over; raises what a thread raised."""
    failed: list[Exception] = []
    lock = threading.Lock()

    def more() -> bool:
        with lock:
            return not failed and until.more()

    def produce() -> None:
        try:
            while more():
                step()
        except Exception as error:
            failed.append(error)

    every = [threading.Thread(target=produce) for _ in range(count)]
    for thread in every:
        thread.start()
    for thread in every:
        thread.join()
    if failed:
        raise failed[0]
    return until.rate()


def run_peer(order: Order) -> dict[str, Any]:
    """A load on one of the others."""
    from bench.queue_peers.peers import PEERS

    peer = PEERS[order.who](order.home)
    step = peer.put if order.what == "put" else peer.cycle
    step()  # the first one opens the log, which costs everybody flushes once
    before = written_bytes()
    until = Until(order.seconds, order.most)
    rate = threads(order.producers, step, until)
    settings = peer.settings()
    peer.close()
    return _result(rate, until, written_bytes() - before, settings)


async def run_ours(order: Order) -> dict[str, Any]:
    """A load on ours."""
    from bench.queue_peers import ours

    path = order.home / "box.db"
    if not path.exists():
        shutil.copyfile(order.template, path)
    store = await ours.opened(path)
    load = ours.Load(store)
    await load.run(order.what, 1, Until(order.seconds, 1))
    before, starved = written_bytes(), starved_s()
    until = Until(order.seconds, order.most)
    rate = await load.run(order.what, order.producers, until)
    share = (starved_s() - starved) / (until.begun / rate)
    await store.close()
    return _result(rate, until, written_bytes() - before, "") | {"starved": share}


def _result(rate: float, until: Until, written: int, settings: str) -> dict[str, Any]:
    payload = until.begun * len(CONTENT.encode())
    return {"rate": rate, "items": until.begun, "amplification": written / payload, "settings": settings}


def start(path: Path) -> dict[str, Any]:
    """Open a store as the daemon does and say what that took. Its pages are not in memory before."""
    from bench.queue_peers import ours

    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    seconds, waiting = asyncio.run(ours.start(path))
    return {"seconds": seconds, "waiting": waiting, "resident_kib": resident_kib(), "most_kib": resident_kib(most=True)}


def make(path: Path) -> dict[str, Any]:
    """An empty store."""
    from bench.queue_peers import ours

    async def open_and_close() -> None:
        await (await ours.opened(path)).close()

    asyncio.run(open_and_close())
    return {}


def fill(path: Path, rows: int) -> dict[str, Any]:
    """Rows that wait."""
    from bench.queue_peers import ours

    ours.fill(path, rows)
    return {"bytes": path.stat().st_size}


def obey(order: dict[str, Any]) -> dict[str, Any]:
    """Do as an order says."""
    do = order.pop("do")
    if do == "fill":
        return fill(Path(order["path"]), order["rows"])
    if do in ("start", "make"):
        return (start if do == "start" else make)(Path(order["path"]))
    load = Order(**{**order, "home": Path(order["home"]), "template": Path(order["template"])})
    load.home.mkdir(exist_ok=True)
    return asyncio.run(run_ours(load)) if load.who == "edge" else run_peer(load)


def main() -> None:
    """Obey until standard input ends."""
    for line in sys.stdin:
        print(json.dumps(obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
