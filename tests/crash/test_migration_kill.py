"""A power cut in the middle of an update: the next start finds one schema or the other, with every row in it."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.migrate import migrate, statements
from tests.unit.queue.store.old_stores import SCHEMAS, build, kept, rows

COMMAND = [sys.executable, "-m", "edge.queue.store.migrate"]


def cut(path: Path, after: int) -> int:
    """Migrate in a child that dies after so many statements."""
    environment = {**os.environ, "KAMPUNG_EDGE_KILL_AT": f"migrate.statement:{after}"}
    return subprocess.run([*COMMAND, str(path)], env=environment, check=False, capture_output=True).returncode


def survive(folder: Path, number: int, *, every: bool) -> None:
    """Cut the update of a store of schema `number`, after three of its statements or after every one."""
    whole = folder / "whole.db"
    build(whole, number)
    before = rows(whole)
    assert all(content for _, content in before.values())
    later = files.known_migrations()[number:]
    total = sum(len(statements(file.read_text())) for file in later)
    for after in range(1, total + 1) if every else sorted({1, total // 2, total}):
        path = folder / f"{after}.db"
        shutil.copy(whole, path)
        assert cut(path, after) == -signal.SIGKILL
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
        assert kept(before, rows(path))
        assert files.check(path) is None
        assert migrate(path)
        assert kept(before, rows(path))
        assert not files.pending(path)
        path.unlink()


@pytest.mark.parametrize("number", SCHEMAS)
def test_a_cut_loses_no_row(tmp_path: Path, number: int) -> None:
    """An update on the day of a power cut costs a village its requests."""
    survive(tmp_path, number, every=False)


@pytest.mark.long
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("number", SCHEMAS)
def test_a_cut_after_any_statement_loses_no_row(tmp_path: Path, number: int) -> None:
    """As above, after every single statement."""
    survive(tmp_path, number, every=True)
