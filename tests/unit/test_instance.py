"""One daemon a box, and crashes counted in a row."""

from pathlib import Path

import pytest

from edge.instance import CRASHES_TO_SAFE, AlreadyRunning, Instance


def test_a_second_holder_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    """Two daemons on one modem and one set of routes would fight."""
    first = Instance(tmp_path)
    with pytest.raises(AlreadyRunning, match=r"process \d+ already runs"):
        Instance(tmp_path)
    first.close()
    Instance(tmp_path).close()


def test_the_start_after_three_unclean_ones_is_safe(tmp_path: Path) -> None:
    """A box that crashes at every start must come up with its last good routes instead of looping."""
    instance = Instance(tmp_path)
    assert [instance.begin() for _ in range(CRASHES_TO_SAFE + 1)] == [False, False, False, True]
    instance.settled()
    assert instance.begin() is False
    instance.close()


def test_a_torn_crash_count_counts_as_none(tmp_path: Path) -> None:
    """A power cut while the count is written must not stop the daemon."""
    (tmp_path / "unclean-starts").write_text("\0\0")
    instance = Instance(tmp_path)
    assert instance.begin() is False
    instance.close()


def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """Root's teardown would overwrite, or tell, whatever file the daemon's own user had linked there."""
    victim, run_dir = tmp_path / "victim", tmp_path / "run"
    victim.write_text("root's own\n")
    run_dir.mkdir()
    (run_dir / "lock").symlink_to(victim)
    first = Instance(run_dir)
    assert victim.read_text() == "root's own\n"
    (run_dir / "lock").unlink()
    (run_dir / "lock").symlink_to(victim)
    with pytest.raises(AlreadyRunning, match="process unknown already runs"):
        Instance(run_dir)
    first.close()
