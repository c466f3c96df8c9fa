"""The points at which the crash tests cut the power."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import edge
from edge.step import POINTS


def run(kill_at: str, passes: int) -> int:
    code = f"from edge.step import passed\nfor _ in range({passes}): passed('outbox.claimed')"
    return subprocess.run([sys.executable, "-c", code], env={"KAMPUNG_EDGE_KILL_AT": kill_at}, check=False).returncode


@pytest.mark.parametrize(
    ("kill_at", "passes", "wanted"),
    [
        ("outbox.claimed", 1, -signal.SIGKILL),
        ("outbox.claimed:2", 2, -signal.SIGKILL),
        ("outbox.claimed:3", 2, 0),
        ("outbox.sent", 1, 0),
        ("", 1, 0),
    ],
)
def test_a_process_ends_at_its_point_and_nowhere_else(kill_at: str, passes: int, wanted: int) -> None:
    """A point that does not fire makes every crash test pass for nothing."""
    assert run(kill_at, passes) == wanted


def test_every_point_stands_somewhere_in_the_code() -> None:
    """A point that nothing passes any more would be waited for in vain, or left out of the crash tests unseen."""
    code = "\n".join(file.read_text(encoding="utf-8") for file in Path(edge.__file__).parent.rglob("*.py"))
    assert set(re.findall(r'step\.passed\(\s*"([^"]+)"', code)) == set(POINTS)


def test_points_are_unique() -> None:
    """Two places of one name could not be told apart."""
    assert len(set(POINTS)) == len(POINTS)
