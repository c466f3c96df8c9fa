"""The file as the writer holds it open."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from edge.queue.store import files
from edge.queue.store.opened import OpenFile


def test_the_log_is_not_lengthened_beneath_another_writer(tmp_path: Path) -> None:
    """Zeros come over what the scrubber or a command commits at the end of the log at the same moment."""
    path = tmp_path / "box.db"
    log = tmp_path / "box.db-wal"
    with closing(files.connect(path)) as other:
        other.execute("CREATE TABLE thing (id INTEGER PRIMARY KEY)")
        file = OpenFile(path, max_bytes=8_000_000, touched=lambda _table: None)
        file.connection.execute("INSERT INTO thing DEFAULT VALUES")
        assert file.fold()
        length = log.stat().st_size
        other.execute("BEGIN IMMEDIATE")
        file.lengthen()
        assert log.stat().st_size == length
        other.execute("ROLLBACK")
        file.lengthen()
        assert log.stat().st_size > length
    file.close(fold=True)


def test_a_ballast_that_a_failing_disk_does_not_take_refuses_new_work(tmp_path: Path) -> None:
    """Whoever writes would be told of a bug, and an SMS be set aside, instead of both waiting for the disk."""
    path = tmp_path / "box.db"
    files.connect(path).close()
    file = OpenFile(path, max_bytes=8_000_000, touched=lambda _table: None)
    assert file.refusal() == ""
    assert file.ballast.release()
    file.ballast.path.mkdir()
    assert "look whether its disk fails" in file.refusal()
    file.ballast.path.rmdir()
    assert file.refusal() == ""
    file.close(fold=True)
