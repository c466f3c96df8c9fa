"""A writer killed at any moment: whatever it acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.queue.store.database import Store

# Acknowledges each write on standard output only after `write` has returned.
WRITER = """
import asyncio, sys
from pathlib import Path
from edge.queue.store.database import Store

async def main():
    store = await Store.open(Path(sys.argv[1]), max_mbyte=64, group_commit_ms=2)
    async def produce(name):
        number = 0
        while True:
            detail = f"{name}.{number}"
            await store.write(lambda conn: conn.execute(
                "INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", (detail,)))
            print(detail, flush=True)
            number += 1
    await asyncio.gather(*(produce(f"{sys.argv[2]}.{name}") for name in range(16)))

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 10, 100, 1000])
def test_nothing_acknowledged_is_lost(tmp_path: Path, acknowledged: int) -> None:
    """A power cut loses what a villager was told is stored."""
    path = tmp_path / "box.db"
    wanted: set[str] = set()
    for start in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(start)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(acknowledged):
            wanted.add(child.stdout.readline().strip())
        child.kill()
        wanted.update(line.strip() for line in child.stdout if line.endswith("\n"))
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
    with sqlite3.connect(path) as connection:
        stored = {row[0] for row in connection.execute("SELECT detail FROM audit")}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(wanted) >= 3 * acknowledged
    assert wanted <= stored


def test_a_start_after_a_kill_sets_nothing_aside(tmp_path: Path) -> None:
    """A log left by a kill is taken for damage, and a village's requests are put away."""
    path = tmp_path / "box.db"
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "0"], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.communicate()

    async def look() -> int:
        store = await Store.open(path, max_mbyte=64, group_commit_ms=2)
        assert store.set_aside is None
        rows = await store.read(lambda conn: int(conn.execute("SELECT count(*) FROM audit").fetchone()[0]))
        await store.close()
        return rows

    assert asyncio.run(look()) >= 1


def test_migration_killed_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A power cut during an update leaves a file that neither version can use."""
    path, folder = tmp_path / "box.db", tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text("CREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n")
    program = (
        "import sys; from pathlib import Path; from edge.queue.store.migrate import migrate;"
        "print('ready', flush=True); migrate(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(path), str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO a SELECT i FROM n;"
    (folder / "0002_second.sql").write_text(f"CREATE TABLE b (x);\n{endless}\n")
    log = path.with_name("box.db-wal")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 100
    while not (log.exists() and log.stat().st_size > 1_000_000):
        assert time.monotonic() < deadline, "the migration never wrote"
        assert child.poll() is None
        os.sched_yield()
    child.kill()
    child.communicate()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)
        assert [row[0] for row in connection.execute("SELECT name FROM migration")] == ["0001_first"]
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'b'").fetchone() == (0,)
