"""When a kernel setting may stay as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge.kernel.sysctl import Changed, Setting, put, remember, restore


@pytest.mark.parametrize(
    ("keep", "value", "present", "stays"),
    [
        ("equal", 1, 1, True),
        ("equal", 1, 0, False),
        ("higher", 65_536, 262_144, True),
        ("higher", 65_536, 4_096, False),
        ("lower", 7_200, 432_000, False),
        ("lower", 7_200, 600, True),
        ("unless-strict", 2, 0, True),
        ("unless-strict", 2, 1, False),
        ("unless-strict", 2, 2, True),
    ],
)
def test_what_satisfies_a_setting(keep: str, value: int, present: int, stays: bool) -> None:
    """A box set up better than needed must not be made worse."""
    assert Setting("net/x", value, keep=keep).satisfied(present) is stays


def test_an_absent_key_is_skipped_unless_required(tmp_path: Path) -> None:
    """A kernel without a key must not stop the guard, but one that cannot forward must."""
    assert put([Setting("net/no/such/key", 1)], tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        put([Setting("net/no/such/key", 1, required=True)], tmp_path)


def test_a_damaged_memory_is_survived(tmp_path: Path) -> None:
    """A half-written file must not keep teardown from its other work."""
    (tmp_path / "sysctl.json").write_text("{")
    assert restore(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_only_network_settings_are_given_back(tmp_path: Path) -> None:
    """The daemon's own user could have root write a number anywhere by a line in its run_dir."""
    victim = tmp_path / "victim"
    victim.write_text("1\n")
    change = {"before": 0, "after": 1}
    memory = {str(victim): change, f"net/../../..{victim}": change}
    (tmp_path / "sysctl.json").write_text(json.dumps(memory))
    assert restore(tmp_path) == 0
    assert victim.read_text() == "1\n"


def test_a_link_in_the_way_of_the_memory_is_not_followed(tmp_path: Path) -> None:
    """The daemon's own user could have root's guard overwrite any file by a link in its run_dir."""
    victim, run_dir = tmp_path / "victim", tmp_path / "run"
    victim.write_text("root's own\n")
    run_dir.mkdir()
    for name in ("sysctl.new", "sysctl.json.new"):
        (run_dir / name).symlink_to(victim)
    remember(run_dir, {"net/x": Changed(0, 1)})
    assert victim.read_text() == "root's own\n"
    assert json.loads((run_dir / "sysctl.json").read_text()) == {"net/x": {"before": 0, "after": 1}}


@pytest.mark.parametrize("name", ["net/ipv4/tcp_rmem", "net/ipv4/\0", "net/core"])
def test_a_memory_of_what_was_never_changed_is_survived(tmp_path: Path, name: str) -> None:
    """A line in the file that is none of ours would keep teardown from its other work."""
    (tmp_path / "sysctl.json").write_text(json.dumps({name: {"before": 0, "after": 1}}))
    assert restore(tmp_path) == 0


def test_a_fifo_in_the_place_of_the_memory_holds_nobody_up(tmp_path: Path) -> None:
    """The guard would wait at boot for somebody to write, and guests not be denied."""
    os.mkfifo(tmp_path / "sysctl.json")
    assert restore(tmp_path) == 0
