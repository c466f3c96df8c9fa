"""``kampung-edge demo --smoke`` as its users run it: the real daemon in the village, one line, and a violent end."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge.simulator.smoke import WANTED, judge

DEMO = (sys.executable, "-m", "edge", "demo")
# What a machine that does much else may make of the figures; bench/smoke.py has them on a quiet one.
BUSY: dict[str, Callable[[float], bool]] = {
    "ready_s": lambda value: value < 20,
    "failover_s": lambda value: value < 20,
    "service_share": lambda value: value > 0.3,
    "sms_reply_s": lambda value: value < 20,
    "rss_mb": lambda value: value < 75,
    "cpu_percent_idle": lambda value: value < 15,
}


@pytest.fixture
def temporary() -> Iterator[dict[str, str]]:
    """An environment in which demos keep their files where the test can look (pytest's own paths are too long)."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        yield {**os.environ, "TMPDIR": made}


def homes(temporary: dict[str, str]) -> list[Path]:
    return list(Path(temporary["TMPDIR"]).glob("kampung-edge-demo-*/village-*"))


def eventually(holds: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.05)


def test_the_smoke_holds_and_says_so_in_one_line(temporary: dict[str, str]) -> None:
    """The whole appliance would not do on a real kernel, by real lines, what it is for."""
    done = subprocess.run((*DEMO, "--smoke"), env=temporary, capture_output=True, text=True, check=False)
    [line] = done.stdout.splitlines()
    facts = json.loads(line)
    missing = [words for words in judge(facts) if words.split()[0] not in BUSY]
    missing += [
        f"{name} is {facts[name]}" for name, holds in BUSY.items() if facts[name] is None or not holds(facts[name])
    ]
    assert missing == [], done.stderr
    assert (facts["ok"], done.returncode) == ((True, 0) if judge(facts) == [] else (False, 1))
    assert set(facts) == {*WANTED, "ok"}
    assert homes(temporary) == []


def commands(demo: subprocess.Popen[bytes]) -> set[str]:
    """What runs below the demo, by program or subcommand of ours."""
    seen = set[str]()
    for each in psutil.Process(demo.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            seen |= set(each.cmdline())
    return seen


FOLLOWED_BY = {"guard": "run"}  # what is over so soon that a busy machine may show its successor first


@pytest.mark.parametrize("running", ["edge.simulator.village_main", "iperf3", "guard", "run"])
def test_kill_9_leaves_no_process_and_the_next_demo_no_file(temporary: dict[str, str], running: str) -> None:
    """A killed demo would leave a daemon, its namespaces and its keys on the machine."""
    with start(temporary) as demo:
        eventually(lambda: commands(demo) & {running, FOLLOWED_BY.get(running, running)}, 60)
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.kill()
        demo.wait()
    eventually(lambda: not any(lives(each) for each in family), 60)
    [left] = homes(temporary)
    with start(temporary) as demo:
        eventually(lambda: homes(temporary) and left not in homes(temporary), 60)
        demo.terminate()
        demo.wait(60)
    assert homes(temporary) == []


def lives(process: psutil.Process) -> bool:
    """Whether it runs still; a zombie waits only for this sandbox's first process, which reaps nobody."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def start(temporary: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (*DEMO, "--smoke"),
        env=temporary,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
