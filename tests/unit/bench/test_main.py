"""The benchmarks' runner: one line of JSON, and an exit code that tells the truth."""

import json
import subprocess
import sys

from bench import at_least, at_most, exactly
from bench.__main__ import names
from bench.smoke import LIMITS, judge


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, check=False, timeout=110
    )


def test_without_a_name_the_benchmarks_are_named() -> None:
    """Nobody could find them."""
    assert bench().stdout.split() == names()
    assert {"smoke", "startup"} <= set(names())
    assert "trials" not in names(), "a package that a benchmark is made of is none"


def test_an_unknown_name_is_refused() -> None:
    """A typing error would look like a good result."""
    assert bench("no-such").returncode == 2


def test_json_is_exactly_one_line() -> None:
    """A program that reads standard output would stumble over progress lines."""
    done = bench("startup", "--quick", "--json")
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert list(result) == ["bench", "figures", "skipped", "ok"]
    assert result["bench"] == "startup"
    assert set(result["figures"]) == {"help_ms", "check_config_ms", "daemon_import_ms", "daemon_import_mb"}
    assert done.returncode == (0 if result["ok"] else 1)


def test_figures_know_their_limits() -> None:
    """A promise that is broken would be reported as kept."""
    assert at_most(2, 2)["ok"]
    assert not at_most(2.1, 2)["ok"]
    assert at_least(0.5, 0.5)["ok"]
    assert not at_least(0.4, 0.5)["ok"]
    assert at_most(float("inf"), 2) == {"value": None, "wanted": "<= 2", "ok": False}, "JSON knows no infinity"
    assert not at_least(float("nan"), 2)["ok"]
    assert exactly(True, True)["ok"]
    assert not exactly(3, 0)["ok"]


def test_a_missing_or_odd_figure_of_the_smoke_test_is_a_failure() -> None:
    """A smoke test that stopped measuring would look good."""
    good = {name: limit for name, (_, limit) in LIMITS.items()}
    assert all(figure["ok"] for figure in judge(good).values())
    assert not judge(good | {"ready_s": None})["ready_s"]["ok"]
    assert not judge({name: value for name, value in good.items() if name != "leftovers"})["leftovers"]["ok"]
    assert not judge(good | {"failover_s": 5.1})["failover_s"]["ok"]
