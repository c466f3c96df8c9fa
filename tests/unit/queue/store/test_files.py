"""The files of the store before it is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.queue.store import files
from edge.queue.store.errors import StoreUnavailable


def test_a_disk_that_fails_after_the_check_is_a_trouble_of_the_store(tmp_path: Path) -> None:
    """The store would not be tried again: the part that opens it would crash, and the daemon end."""
    assert files.check(tmp_path / "box.db") is None
    (tmp_path / "box.db").unlink()
    (tmp_path / "box.db").mkdir()
    with pytest.raises(StoreUnavailable, match=r"box\.db"):
        files.pending(tmp_path / "box.db")
