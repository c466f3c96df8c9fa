"""A demo's files: its own, and gone with it, however it died."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.simulator.home import HomeRefused, claim

DIE = """
import os, sys
from pathlib import Path
from edge.simulator.home import claim
with claim(Path(sys.argv[1])) as home:
    (home / "x").touch()
    os.kill(os.getpid(), 9)
"""


def homes(base: Path) -> list[Path]:
    return list(base.glob("village-*"))


def test_the_end_of_a_demo_removes_its_files(tmp_path: Path) -> None:
    """Every demo would leave a database and keys in /tmp."""
    base = tmp_path / "demos"
    with claim(base) as home:
        (home / "kept").write_text("x")
        assert homes(base) == [home]
    assert homes(base) == []


def test_the_next_demo_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """After kill -9 the village's files would stay for ever."""
    base = tmp_path / "demos"
    assert subprocess.run([sys.executable, "-c", DIE, str(base)], check=False).returncode == -9
    [dead] = homes(base)
    with claim(base) as home:
        assert homes(base) == [home]
        assert home != dead


def test_a_living_demo_keeps_its_files(tmp_path: Path) -> None:
    """A second demo would pull the files from under the first."""
    base = tmp_path / "demos"
    with claim(base) as first, claim(base) as second:
        assert {first, second} == set(homes(base))


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    """Another user of the machine could have the demo write where they please."""
    base = tmp_path / "demos"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(HomeRefused, match="remove it, or set TMPDIR"), claim(base):
        pass


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link planted in /tmp would lead the demo's files elsewhere."""
    (tmp_path / "demos").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(HomeRefused), claim(tmp_path / "demos"):
        pass
