"""A new store built from what a damaged one holds, on files that SQLite wrote."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from edge.queue.store import audit, files, outbox
from edge.queue.store.mend import damage
from edge.queue.store.mend.salvage import main, salvage
from edge.queue.store.migrate import migrate
from edge.queue.store.seal import Seal

NOW = 1_795_000_000.0
ROWS = 60
PAGE = 4096


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Rows of three tables, one damage known already, a numbering that has gone on."""
    path = tmp_path / "box.db"
    migrate(path)
    with closing(files.connect(path)) as conn:
        conn.execute("BEGIN")
        for number in range(ROWS):
            audit.record(conn, "t", "s", f"the mark of row {number:04}" + " " * 300, now=NOW)
            outbox.put(conn, Seal(bytes(32)), None, "uplink_hour", "{}", now=NOW, stream=f"stream {number % 3}")
        damage.record(conn, damage.Damage(NOW, "box.db", "page 3", "audit 900", "known before"))
        conn.execute("DELETE FROM outbox WHERE seq > 50")
        conn.execute("COMMIT")
    return path


def page_of(path: Path, mark: str) -> int:
    return path.read_bytes().index(mark.encode()) // PAGE


def content(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(files.connect(path)) as conn:
        return [tuple(row) for row in conn.execute(f"SELECT * FROM {table}")]


def schema(path: Path) -> list[tuple[object, ...]]:
    with closing(files.connect(path)) as conn:
        asked = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name"
        return [tuple(row) for row in conn.execute(asked)]


def test_a_whole_store_comes_out_as_it_was(source: Path, tmp_path: Path) -> None:
    """What is put off for speed, indexes, triggers and depths, is lacking in the new store or wrong."""
    new = tmp_path / "new.db"
    report = salvage(source, new, now=NOW)
    assert (report.lost, report.kept["outbox"], report.kept["audit"]) == ([], 50, ROWS)
    assert schema(new) == schema(source)
    for table in ("audit", "outbox", "outbox_depth"):
        assert content(new, table) == content(source, table)
    with closing(files.connect(new)) as conn:
        outbox.put(conn, Seal(bytes(32)), None, "uplink_hour", "{}", now=NOW)
        assert conn.execute("SELECT max(seq) FROM outbox").fetchone()[0] == ROWS + 1, "a number is given twice"
        assert conn.execute("SELECT sum(rows) FROM outbox_depth").fetchone()[0] == 51
        assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize(("there", "over"), [(5, 45), (45, 5), (45, 46), (59, 20)])
def test_a_page_that_was_written_over_another_is_missed(source: Path, tmp_path: Path, there: int, over: int) -> None:
    """A write to the wrong place takes a page of rows, and nobody learns which; or earlier damage gets new numbers."""
    whole, before = bytearray(source.read_bytes()), {row[0] for row in content(source, "audit")}
    good, spoilt = (page_of(source, f"the mark of row {number:04}") for number in (there, over))
    whole[spoilt * PAGE : (spoilt + 1) * PAGE] = whole[good * PAGE : (good + 1) * PAGE]
    source.write_bytes(whole)
    new = tmp_path / "new.db"
    report = salvage(source, new, why="a page is another's", now=NOW)
    lost = before - {row[0] for row in content(new, "audit")}
    assert bool(lost) is (good != spoilt)
    assert lost <= numbers(report.lost, "audit")
    assert len(numbers(report.lost, "audit") & before) == len(lost), "what is there is told as lost"
    with closing(files.connect(new)) as conn:
        told = conn.execute("SELECT seq, place, detail FROM damage ORDER BY seq").fetchall()
    assert tuple(told[0]) == (1, "page 3", "known before")
    assert told[-1]["place"] == damage.REPLACED
    assert told[-1]["detail"].startswith("a page is another's; ")


def numbers(lost: list[str], table: str) -> set[int]:
    """The numbers of a table that are named as lost, as far as 100."""
    found: set[int] = set()
    for name in lost:
        if name.startswith(f"{table} "):
            first, _, last = name.removeprefix(f"{table} ").partition("-")
            found |= set(range(int(first), int(last or (100 if "-" in name else first)) + 1))
    return found


def test_progress_is_told_by_rows_and_share(tmp_path: Path) -> None:
    """Nobody knows whether a salvage of minutes goes on at all."""
    path, told = tmp_path / "box.db", []
    migrate(path)
    with closing(files.connect(path)) as conn:
        conn.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "INSERT INTO audit (kind, subject, detail, at) SELECT 't', 's', '', 0 FROM n"
        )
    salvage(path, tmp_path / "new.db", now=NOW, progress=lambda rows, share: told.append((rows, share())))
    assert [rows for rows, _ in told] == [10_000, 20_000]
    assert 0.1 < told[0][1] < told[1][1] <= 1
    told.clear()
    path.write_bytes(bytes(30 * PAGE))
    salvage(path, tmp_path / "new.db", now=NOW, progress=lambda rows, share: told.append((rows, share())))
    assert len(told) == 30, "a file without a row that reads is looked through in silence"
    assert told[-1] == (0, 1.0)


def test_what_cannot_be_read_or_written_is_one_sentence(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon's log shows a trace of calls where it should say which file could not be written."""
    assert main([str(source), str(tmp_path / "no" / "new.db")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{source} cannot be salvaged into {tmp_path / 'no' / 'new.db'}: ")
    assert said.count("\n") == 1
    assert main([str(source)]) == 2


def test_a_store_that_is_read_is_not_written(source: Path, tmp_path: Path) -> None:
    """A salvage that fails half-way has spoilt what another could have read."""
    before = source.read_bytes()
    salvage(source, tmp_path / "new.db", now=NOW)
    assert source.read_bytes() == before
