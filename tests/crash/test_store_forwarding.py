"""The queue room killed at every named point of a request's way: one effect at the portal, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.step import POINTS

OURS = [point for point in POINTS if point.split(".")[0] in ("desk", "outbox", "changes")]


class AlonePortal:
    """The reference portal in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        control = directory / "control"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "edge.simulator.portal", "--port", "0"),
                *("--dir", str(directory), "--control", str(control)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready, port = self.process.stdout.readline().split()
        assert ready == "ready"
        self.url = f"https://127.0.0.1:{port}"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(control))
        self.lines = self.socket.makefile("rw")

    def tell(self, **order: str) -> dict[str, Any]:
        self.lines.write(json.dumps(order) + "\n")
        self.lines.flush()
        answer: dict[str, Any] = json.loads(self.lines.readline())
        return answer

    def close(self) -> None:
        self.lines.close()
        self.socket.close()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[AlonePortal]:
    alone = AlonePortal(tmp_path)
    yield alone
    alone.close()


def start(portal: AlonePortal, kill_at: str) -> subprocess.Popen[str]:
    database, ca = portal.directory / "box.db", portal.directory / "ca.pem"
    return subprocess.Popen(
        [sys.executable, "-m", "tests.crash.store_box", str(database), portal.url, str(ca), "the-key"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "KAMPUNG_EDGE_KILL_AT": kill_at},
    )


def run(portal: AlonePortal, kill_at: str = "") -> tuple[int, list[str]]:
    """One life of the box; the portal completes the request as soon as it has it."""
    child = start(portal, kill_at)
    deadline = time.monotonic() + 100
    while child.poll() is None:
        assert time.monotonic() < deadline, "the box neither finished nor died"
        for identifier, state in portal.tell(do="requests")["requests"].items():
            if state == "forwarded":
                portal.tell(do="complete", id=identifier)
        time.sleep(0.02)
    out, _ = child.communicate()
    return child.returncode, out.splitlines()


@pytest.mark.parametrize("point", OURS)
def test_killed_at_a_point(portal: AlonePortal, point: str) -> None:
    """A power cut at this point loses a request, files it twice, or sends its SMS twice."""
    died, before = run(portal, point)
    assert died == -signal.SIGKILL, f"the box never passed {point}"
    ended, after = run(portal)
    assert ended == 0
    accepted = {line for line in (*before, *after) if line.startswith("accepted")}
    assert len(accepted) == 1, "the key made two requests"
    identifier = accepted.pop().split()[1]
    assert portal.tell(do="effects") == {"effects": {identifier: 1}}
    with sqlite3.connect(portal.directory / "box.db") as connection:
        rows = connection.execute("SELECT subject, detail FROM audit WHERE kind = 'sms'").fetchall()
        assert rows == [(identifier, "completed")]
        states = connection.execute("SELECT to_state FROM transition ORDER BY seq").fetchall()
        assert states == [("received",), ("forwarded",), ("completed",)]
        assert connection.execute("SELECT state FROM outbox").fetchall() == [("delivered",)]


def test_portal_alone_refuses_nonsense_orders(portal: AlonePortal) -> None:
    """A typing error in a test's order passes for obeyed."""
    assert "error" in portal.tell(do="dance")
    assert "error" in portal.tell(do="complete", id="none")
    assert "error" in portal.tell(do="mode", mode="sleepy")
    assert portal.tell(do="mode", mode="500") == {"done": "mode"}
