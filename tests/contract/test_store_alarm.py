"""What was damaged is told until somebody has seen it: over restarts, on real files."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from edge.commands import store_seen
from edge.control import Control, Refused
from edge.health import Health
from edge.queue.store import audit, files
from edge.queue.store.database import Store
from edge.queue.store.mend import damage
from edge.queue.store.mend.alarm import Alarm
from edge.queue.store.migrate import migrate
from tests.unit.config_mistakes import DATA

NOW = 1_795_000_000.0
ROWS = 40
VILLAGE = (DATA / "warning-interface.toml").read_text()
NOTHING = "nothing was damaged that somebody has not seen already"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store at rest."""
    file = tmp_path / "box.db"
    files.check(file)
    migrate(file)
    with closing(files.connect(file)) as conn:
        for number in range(ROWS):
            audit.record(conn, "t", "s", f"the mark of row {number:04}" + " " * 300, now=NOW)
    return file


def break_header(path: Path) -> None:
    path.write_bytes(b"?" * 100 + path.read_bytes()[100:])


def break_row(path: Path, number: int) -> None:
    content = path.read_bytes()
    mark = f"the mark of row {number:04}".encode()
    assert content.count(mark) == 1
    path.write_bytes(content.replace(mark, mark.replace(b"mark", b"work")))


@asynccontextmanager
async def started(path: Path) -> AsyncIterator[tuple[Alarm, Health]]:
    """A daemon's start, as far as it concerns this."""
    store, health = await Store.open(path, max_mbyte=8, group_commit_ms=0), Health(lambda: NOW)
    alarm = Alarm(store, health=health)
    await alarm.tell()
    yield alarm, health
    await store.close()


def codes(health: Health) -> list[str]:
    return [raised.condition.code for raised in health.current()]


def upto(path: Path) -> int:
    return damage.unread(path)[0]


async def test_a_replaced_store_is_told_until_it_was_seen(path: Path) -> None:
    """A restart hides from the engineer that the store was damaged, or nothing but a restart ends the alarm."""
    break_header(path)
    for _ in range(2):
        async with started(path) as (_, health):
            assert codes(health) == ["store-corrupt"]
            (raised,) = health.current()
            assert "its header is no store's" in raised.detail
            assert f"{ROWS} rows were taken over" in raised.detail
    async with started(path) as (alarm, health):
        await alarm.handlers()["store-seen"]({"upto": upto(path)})
        assert codes(health) == []
    async with started(path) as (_, health):
        assert codes(health) == []


async def test_what_is_lost_after_it_was_seen_is_told_again(path: Path) -> None:
    """Who once said that damage was seen never hears of the next."""
    break_row(path, 3)
    async with started(path) as (alarm, health):
        assert codes(health) == ["store-damaged"]
        await alarm.handlers()["store-seen"]({"upto": upto(path)})
        assert codes(health) == []
    break_row(path, 7)
    async with started(path) as (_, health):
        (raised,) = health.current()
        assert (raised.condition.code, raised.detail) == ("store-damaged", "losses: 1, the last: audit 8")


async def test_damage_between_the_look_and_the_word_is_not_taken_as_seen(path: Path) -> None:
    """A loss that nobody has read is struck off with those that somebody has."""
    break_row(path, 3)
    async with started(path) as (alarm, health):
        shown = upto(path)
        with closing(files.connect(path)) as conn:
            damage.record(conn, damage.Damage(NOW, "box.db", "page 9", "audit 20", ""))
        await alarm.handlers()["store-seen"]({"upto": shown})
        assert codes(health) == ["store-damaged"]


@pytest.mark.parametrize("wrong", [None, True, "3", -1, 1 << 63])
async def test_a_number_that_is_none_is_refused(path: Path, wrong: object) -> None:
    """A program's mistake at the control socket silences the alarm for ever."""
    async with started(path) as (alarm, _):
        with pytest.raises(Refused, match="upto is the number"):
            await alarm.handlers()["store-seen"]({"upto": wrong})


async def test_a_mark_of_a_lost_table_hides_nothing(path: Path) -> None:
    """The table of damage was lost itself, counts from one again, and the old mark hides the next hundred losses."""
    with closing(files.connect(path)) as conn:
        damage.mark_seen(conn, 100)
    break_row(path, 3)
    async with started(path) as (_, health):
        assert codes(health) == ["store-damaged"]


async def test_only_what_was_shown_counts_as_seen(path: Path) -> None:
    """A thousand losses fill the screen, and the hundred before them are never named to anybody."""
    rows = [(NOW, "box.db", f"audit {number}", f"audit rowid {number}", "") for number in range(1, 1_101)]
    with closing(files.connect(path)) as conn:
        conn.execute("BEGIN")
        conn.executemany("INSERT INTO damage (found_at, file, lost, place, detail) VALUES (?, ?, ?, ?, ?)", rows)
        conn.execute("COMMIT")
        named: list[str] = []
        for _ in range(2):
            last, found = damage.unread(path)
            named += [one.lost for one in found]
            damage.mark_seen(conn, last)
    assert named == [row[2] for row in rows]
    assert damage.unread(path)[1] == []


async def test_the_command_shows_it_and_ends_the_alarm(path: Path, tmp_path: Path) -> None:
    """The engineer has no words for it, or the next start of a stopped daemon tells it again."""
    break_row(path, 3)
    files.check(path)
    config = tmp_path / "village.toml"
    config.write_text(f'run_dir = "{tmp_path}/run"\nstate_dir = "{tmp_path}"\n{VILLAGE}[store]\npath = "box.db"\n')

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "edge", "store", "seen", *words, "--config", str(config)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, input="n\n")

    asked = call()
    assert "audit 4 is lost (audit rowid 4)" in asked.stdout
    assert (asked.returncode, upto(path)) == (1, 1)
    async with started(path) as (_, health):
        assert codes(health) == ["store-damaged"]
    assert (call("--yes", "--json").returncode, call("--yes").stdout) == (0, f"{path}: {NOTHING}\n")
    async with started(path) as (_, health):
        assert codes(health) == []


async def test_the_command_asks_the_daemon_that_runs(path: Path, tmp_path: Path) -> None:
    """The alarm on the office's page stays until the next restart, though somebody has said that it was seen."""
    break_row(path, 3)
    control = Control(tmp_path)
    async with started(path) as (alarm, health):
        control.offer(alarm.handlers())
        serving = asyncio.create_task(control.run())
        await control.listening.wait()
        last, found = damage.unread(path)
        assert [one.lost for one in found] == ["audit 4"]
        await asyncio.to_thread(store_seen.mark, tmp_path, path, last)
        assert codes(health) == []
        serving.cancel()
        await asyncio.wait({serving})
