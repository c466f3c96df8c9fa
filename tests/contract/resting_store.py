"""Stores at rest, or as a kill leaves them, for the tests of what is done about damage."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from edge.queue.store import audit, files, outbox
from edge.queue.store.migrate import migrate
from edge.queue.store.seal import Seal

NOW = 1_795_000_000.0
SEAL = Seal(bytes(32))
ROWS = 40
_WRITER = """
import os, sys
from pathlib import Path
from edge.queue.store import audit, files
conn = files.connect(Path(sys.argv[1]))
for n in range(int(sys.argv[2])):
    audit.record(conn, 'late', 's', 'd', now=0.0)
os.kill(os.getpid(), 9)
"""


def filled(path: Path, rows: int = ROWS) -> None:
    """A store at rest."""
    files.check(path)
    migrate(path)
    with closing(files.connect(path)) as conn:
        conn.execute("BEGIN")
        for number in range(rows):
            audit.record(conn, "t", "s", f"the mark of row {number:04}" + " " * 300, now=NOW)
        for _ in range(3):
            outbox.put(conn, SEAL, None, "uplink_hour", "{}", now=NOW, stream="one")
        conn.execute("COMMIT")


def killed(path: Path, commits: int = 5) -> Path:
    """Commit rows of the kind `late` and die; the log that is left."""
    subprocess.run([sys.executable, "-c", _WRITER, str(path), str(commits)], check=False)
    return path.with_name(f"{path.name}-wal")


def details(path: Path) -> list[str]:
    with closing(files.connect(path)) as conn:
        return [row[0] for row in conn.execute("SELECT substr(detail, 1, 20) FROM audit ORDER BY seq")]


def late(path: Path) -> int:
    """How many of `killed`'s rows are there."""
    with closing(files.connect(path)) as conn:
        return int(conn.execute("SELECT count(*) FROM audit WHERE kind = 'late'").fetchone()[0])
