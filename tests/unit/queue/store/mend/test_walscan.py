"""SQLite's log, torn and damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.queue.store.mend.walscan import FRAME_HEADER, HEADER, Flip, mend, scan

FRAME = FRAME_HEADER + 4096


def _written(folder: Path) -> bytes:
    """A log of twelve commits, with an earlier turn's frames behind its end."""
    path = folder / "log.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("CREATE TABLE t (c)")
        for _ in range(40):
            conn.execute("INSERT INTO t VALUES (?)", (os.urandom(1500),))
        conn.execute("PRAGMA wal_checkpoint(RESTART)")
        for _ in range(12):
            conn.execute("INSERT INTO t VALUES (?)", (os.urandom(1500),))
        return path.with_name("log.db-wal").read_bytes()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _written(tmp_path_factory.mktemp("log"))


def test_a_whole_log_is_taken_to_its_last_commit(log: bytes) -> None:
    """Frames of an earlier turn pass for lost ones, and each start repairs a store that is well."""
    found = scan(log)
    assert len(log) // FRAME > found.committed
    assert found.taken == found.committed > 12
    assert not found.damaged
    assert mend(log) == []


def test_a_torn_tail_is_no_damage(log: bytes) -> None:
    """An ordinary power cut, which lost a commit nobody was told of, is taken for damage."""
    last = scan(log).committed
    start = HEADER + (last - 1) * FRAME
    for torn in (log[: start + 700], log[:start] + bytes(FRAME), log[: start + 8] + bytes(len(log) - start - 8)):
        assert not scan(torn).damaged


def test_commits_behind_a_bad_frame_are_damage(log: bytes) -> None:
    """Told commits that SQLite would drop are lost in silence."""
    hurt = bytearray(log)
    hurt[HEADER + 2 * FRAME + 1000 : HEADER + 2 * FRAME + 1100] = b"\xa5" * 100
    found = scan(hurt)
    assert found.damaged
    assert found.taken <= 2 < found.committed == scan(log).committed
    assert mend(bytes(hurt)) is None


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_is_put_right_or_given_up_but_never_made_worse(log: bytes, data: st.DataObject) -> None:
    """A mended log holds other pages than those that were written."""
    live = HEADER + scan(log).committed * FRAME
    at, bit = data.draw(st.integers(0, live - 1)), data.draw(st.integers(0, 7))
    hurt = bytearray(log)
    hurt[at] ^= 1 << bit
    flips = mend(bytes(hurt))
    assert flips in (None, [Flip(at, 1 << bit)]) or (flips == [] and not scan(hurt).damaged)


@pytest.mark.parametrize("at", [0, 5, 9, 17, 22, 25, 30])
def test_a_damaged_header_is_put_right(log: bytes, at: int) -> None:
    """One wrong bit in its header, and SQLite forgets a whole log."""
    hurt = bytearray(log)
    hurt[at] ^= 4
    assert mend(bytes(hurt)) == [Flip(at, 4)]
