"""When a kernel setting may stay as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.kernel.sysctl import Setting, put, restore


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
