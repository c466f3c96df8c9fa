"""The secrets' files: durable, private, never written over."""

from pathlib import Path

import pytest

from edge import credentials
from edge.keys import BadSecret, clean, make


def test_the_daemon_reads_what_is_made(tmp_path: Path) -> None:
    """A box set up by the book would not start."""
    made = make(tmp_path, {"portal-key": "p", "sim-pin": "1234"})
    assert set(made.values()) == {"made"}
    read = credentials.read(tmp_path)
    assert len(read.store_key) == 32
    assert len(read.desk_key) >= 32
    assert (read.portal_key, read.sim_pin) == ("p", "1234")


def test_every_box_has_keys_of_its_own(tmp_path: Path) -> None:
    """One village's desk key would open every other village's desk."""
    make(tmp_path / "one", {})
    make(tmp_path / "two", {})
    for name in ("desk-key", "store-key"):
        assert (tmp_path / "one" / name).read_text() != (tmp_path / "two" / name).read_text()


def test_nothing_but_the_keys_is_left(tmp_path: Path) -> None:
    """A half-written draft would keep a copy of a secret."""
    make(tmp_path, {"portal-key": ""})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk-key", "store-key"]


@pytest.mark.parametrize("text", ["a\nb", "é", "a\0b", "x" * 4097])
def test_what_no_header_can_carry_is_no_key(text: str) -> None:
    """A key with a line's end inside could smuggle a header into a request."""
    with pytest.raises(BadSecret):
        clean(text)
