"""The history on the real store: what a day costs the flash, and what a power cut leaves."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.events import ProbeAnswered
from edge.monitor import history_rows as rows
from edge.monitor.history import History
from edge.queue.store.database import Store, StoreError
from tests.unit.monitor.history_box import NOON, Clock, judged

UPLINKS = ("pde", "telkom")
DAY_MOST_BYTES = 8_000_000
KILLED_AFTER = 9
_BOX = """
import asyncio, sys
from pathlib import Path
from tests.contract.test_history_store import begin, judged, minute

async def main():
    store, clock, history = await begin(Path(sys.argv[1]))
    for number in range(10_000):
        minute(history, clock)
        if number % 2:
            await history.flush()
        print(number, flush=True)
        if number == 4:
            history.observe(judged("down", "gateway"))
            await history.flush()

asyncio.run(main())
"""


async def begin(path: Path) -> tuple[Store, Clock, History]:
    store = await Store.open(path, max_mbyte=64, group_commit_ms=2)
    clock = Clock()
    history = History(UPLINKS, clock=clock, service_hours=lambda _wall: True)
    history.attach(store, refused=StoreError)
    for uplink in UPLINKS:
        history.observe(judged("up", uplink=uplink))
    return store, clock, history


def minute(history: History, clock: Clock, chance: random.Random | None = None) -> None:
    """A minute of an ordinary day."""
    chance = chance or random.Random(clock.now)
    for uplink in UPLINKS:
        for _ in range(60):
            history.observe(ProbeAnswered(uplink, "9.9.9.9", chance.lognormvariate(3, 0.3)))
        history.carried(uplink, chance.randint(10**5, 10**8), chance.randint(10**5, 10**7), 60)
    clock.pass_time(60)
    history.turn()


def handed_over() -> int:
    """Bytes this process handed to files so far (proc(5), wchar)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def run_and_cut(path: Path) -> None:
    """Run a box of its own and take its power away in the tenth minute."""
    box = subprocess.Popen(
        [sys.executable, "-c", _BOX, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert box.stdout is not None
    for line in box.stdout:
        if int(line) == KILLED_AFTER:
            break
    box.kill()
    box.wait()
    box.stdout.close()


async def test_a_day_costs_the_flash_a_few_megabytes(tmp_path: Path) -> None:
    """Flash of the cheap kind would be worn out by its own history."""
    store, clock, history = await begin(tmp_path / "box.db")
    before = handed_over()
    for number in range(1_440):
        minute(history, clock)
        if number % 2:
            await history.flush()
    cost = handed_over() - before
    print(f"a day of two uplinks: {cost:,} bytes handed to the kernel")
    await store.close()
    assert cost < DAY_MOST_BYTES


async def test_a_power_cut_costs_two_minutes_and_ends_the_outage_honestly(tmp_path: Path) -> None:
    """Hours before the cut would be gone, or the time after it charged to the provider."""
    path = tmp_path / "box.db"
    await asyncio.to_thread(run_and_cut, path)
    store = await Store.open(path, max_mbyte=64, group_commit_ms=2)
    clock = Clock()
    clock.pass_time(86_400)
    history = History(UPLINKS, clock=clock, service_hours=lambda _wall: True)
    history.attach(store, refused=StoreError)
    await history.flush()
    minutes = await store.read(lambda conn: rows.span(conn, "minute", NOON, NOON + 86_400, ZoneInfo("Asia/Jakarta")))
    (outage,) = await store.read(lambda conn: rows.outages(conn, NOON, NOON + 86_400))
    await store.close()
    begun = [row.start for row in minutes if row.uplink == "telkom"]
    assert begun == [NOON + 60 * number for number in range(len(begun))]
    assert len(begun) >= KILLED_AFTER - 1
    assert (outage.began, outage.cause, outage.ended_by) == (NOON + 300, "gateway", "box-off")
    assert outage.ended is not None
    assert NOON + 60 * (KILLED_AFTER - 1) <= outage.ended <= NOON + 60 * (len(begun) + 1)


async def test_a_reader_beside_the_writer_sees_whole_transactions(tmp_path: Path) -> None:
    """A report of a running box would fail, or hold up the desk."""
    store, clock, history = await begin(tmp_path / "box.db")
    reader = sqlite3.connect(f"{(tmp_path / 'box.db').as_uri()}?mode=ro", uri=True)
    seen = []
    for _ in range(30):
        minute(history, clock)
        writing = asyncio.create_task(history.flush())
        seen.append(reader.execute("SELECT count(*) FROM rollup").fetchone()[0])
        await writing
    reader.close()
    await store.close()
    assert all(count % len(UPLINKS) == 0 for count in seen)
    assert seen[-1] > 0
