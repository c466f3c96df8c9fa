"""What the journal gets: one priority a line, also for a traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SPEAK = """
import logging
from edge import logs
logs.set_up()
log = logging.getLogger("edge.test")
log.debug("quiet")
log.warning("first\\nsecond")
log.error("third")
"""


def spoken(**environment: str) -> list[str]:
    """The lines that a process of its own writes to standard error."""
    kept = {name: value for name, value in os.environ.items() if name not in ("JOURNAL_STREAM", "KAMPUNG_EDGE_LOG")}
    line = (sys.executable, "-c", SPEAK)
    return subprocess.run(line, env=kept | environment, capture_output=True, text=True, check=True).stderr.splitlines()


def test_every_line_for_the_journal_carries_its_priority() -> None:
    """A traceback's later lines would be filed as harmless notices (sd-daemon(3))."""
    assert spoken(JOURNAL_STREAM="8:1") == ["<4>edge.test: first", "<4>second", "<3>edge.test: third"]


def test_a_terminal_gets_plain_lines_with_a_time() -> None:
    """A person at a terminal would read journald's prefixes."""
    first, second, third = spoken()
    assert first.endswith(" W edge.test: first")
    assert second == "second"
    assert third.endswith(" E edge.test: third")


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("ERROR", 1), ("no such level", 3)])
def test_the_level_comes_from_the_environment(level: str, lines: int) -> None:
    """An engineer could not ask for more, or a misspelt level would keep the daemon from starting."""
    assert len(spoken(KAMPUNG_EDGE_LOG=level)) == lines
