"""A demo's files: its own, and gone with it, however it died."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.simulator.home import HomeRefused, claim, is_held

DIE = """
import os, sys
from pathlib import Path
from edge.simulator.home import claim
with claim(Path(sys.argv[1])) as home:
    (home / "x").touch()
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's; pytest's own are too long."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


def homes(base: Path) -> list[Path]:
    return list(base.glob("village-*"))


def test_the_end_of_a_demo_removes_its_files(short: Path) -> None:
    """Every demo would leave a database and keys in /tmp."""
    base = short / "demos"
    with claim(base) as home:
        (home / "kept").write_text("x")
        assert homes(base) == [home]
    assert homes(base) == []


def test_the_next_demo_removes_what_a_killed_one_left(short: Path) -> None:
    """After kill -9 the village's files would stay for ever."""
    base = short / "demos"
    assert subprocess.run([sys.executable, "-c", DIE, str(base)], check=False).returncode == -9
    [dead] = homes(base)
    with claim(base) as home:
        assert homes(base) == [home]
        assert home != dead


def test_a_living_demo_keeps_its_files(short: Path) -> None:
    """A second demo would pull the files from under the first."""
    base = short / "demos"
    with claim(base) as first, claim(base) as second:
        assert {first, second} == set(homes(base))


def test_a_directory_open_to_others_is_refused(short: Path) -> None:
    """Another user of the machine could have the demo write where they please."""
    base = short / "demos"
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(HomeRefused, match="remove it, or set TMPDIR"), claim(base):
        pass


def test_a_path_too_long_for_sockets_is_refused(short: Path) -> None:
    """The demo would end in a traceback when it opens its sockets."""
    with pytest.raises(HomeRefused, match="set TMPDIR to a shorter one"), claim(short / ("x" * 80)):
        pass


def test_a_link_is_refused(short: Path) -> None:
    """A link planted in /tmp would lead the demo's files elsewhere."""
    (short / "demos").symlink_to(short / "elsewhere")
    (short / "elsewhere").mkdir()
    with pytest.raises(HomeRefused), claim(short / "demos"):
        pass


def test_a_home_is_held_until_its_demo_ends(short: Path) -> None:
    """A village whose demo was killed while it started runs on by itself."""
    with claim(short / "demos") as home:
        assert is_held(home)
        kept = home.rename(home.parent / "kept")
        assert is_held(kept)
        assert not is_held(home)
        kept.rename(home)
    assert not is_held(home)
