"""The demo's menu on a real terminal, with the real daemon: every key does what it says and shows it."""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest


class Terminal:
    """A person at a terminal in which the demo runs."""

    def __init__(self, directory: Path) -> None:
        self.far, near = pty.openpty()
        self.before = termios.tcgetattr(self.far)
        self.demo = subprocess.Popen(
            (sys.executable, "-m", "edge", "demo"),
            env={**os.environ, "TMPDIR": str(directory)},
            stdin=near,
            stdout=near,
            stderr=near,
            start_new_session=True,
        )
        os.close(near)
        self.seen = ""

    def press(self, key: str) -> None:
        self.seen = ""
        os.write(self.far, key.encode())

    def shows(self, pattern: str, within_s: float = 100) -> re.Match[str]:
        """Wait until what was shown since the last key matches `pattern`."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self.seen, re.DOTALL)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} within {within_s} s in:\n{self.seen}"
            if select.select([self.far], [], [], left)[0]:
                self.seen += os.read(self.far, 4096).decode(errors="replace")
        return found


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's; pytest's own are too long."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def terminal(short: Path) -> Iterator[Terminal]:
    """A terminal with the demo's menu on it."""
    made = Terminal(short)
    try:
        yield made
    finally:
        made.demo.kill()
        made.demo.wait()
        os.close(made.far)


@pytest.mark.timeout(900)
def test_each_key_shows_its_effect(terminal: Terminal) -> None:
    """The demo would promise what it does not do."""
    page = terminal.shows(r"page: (http://127\.0\.0\.1:\d+/)")[1]
    terminal.shows(r"service by pde \| WiFi by telkom")
    with urlopen(page, timeout=30) as answer:
        assert "Sumberberas" in answer.read().decode()
    terminal.press("4")
    terminal.shows(r"reply after [\d.]+ s: .*tiket.*the portal has the request")
    terminal.press("6")
    terminal.shows(r"to the applicant .*selesai.*to the head of RT 3 RW 1: .*selesai")
    terminal.press("5")
    terminal.shows(r"the modem is out; the office's page shows it after")
    terminal.press("5")
    terminal.shows(r"the modem is back: .*reply after")
    terminal.press("1")
    terminal.shows(r"service is on telkom after")
    terminal.press("1")
    terminal.shows(r"PDE is whole again: service is on pde after")
    terminal.press("2")
    terminal.shows(r"a neighbour wants 5: service is on telkom after")
    terminal.press("2")
    terminal.shows(r"PDE is whole again: service is on pde after")
    terminal.press("3")
    share = terminal.shows(r"service has (\d+)% of the line")[1]
    assert 0 < int(share) <= 100
    terminal.press("q")
    assert terminal.demo.wait(60) == 0
    assert termios.tcgetattr(terminal.far) == terminal.before


def test_without_a_terminal_the_demo_is_the_smoke(short: Path) -> None:
    """`script/demo` in a pipe would wait for keys that nobody can press."""
    demo = subprocess.Popen(
        (sys.executable, "-m", "edge", "demo"),
        env={**os.environ, "TMPDIR": str(short)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(short.glob("*/village-*/kampung-edge.toml")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [written] = short.glob("*/village-*/kampung-edge.toml")
        assert "failback_hold_s = 1\n" in written.read_text()
    finally:
        demo.kill()
        demo.communicate()
