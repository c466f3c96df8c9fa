"""The whole appliance in the virtual village: each figure of ``kampung-edge demo --smoke`` against what is promised."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench import Figure, Figures, Result, at_least, at_most, exactly

LIMITS: dict[str, tuple[str, object]] = {
    "ready_s": ("most", 2.0),
    "failover_s": ("most", 5.0),
    "failback": ("is", True),
    "service_share": ("least", 0.5),
    "sms_reply_s": ("most", 3.0),
    "request_forwarded": ("is", True),
    "status_sms": ("is", True),
    "desk_request_forwarded": ("is", True),
    "isolation_leaks": ("is", 0),
    "rss_mb": ("most", 68.0),
    "cpu_percent_idle": ("most", 2.0),
    "metrics_series": ("least", 1),
    "leftovers": ("is", 0),
    "ok": ("is", True),
}
_MOST_S = 150


def run(*, quick: bool) -> Result:
    """Run the smoke test once; `quick` changes nothing, it is one run already."""
    del quick
    done = subprocess.run(
        [sys.executable, "-m", "edge", "demo", "--smoke"], stdout=subprocess.PIPE, timeout=_MOST_S, check=False
    )
    lines = done.stdout.decode().splitlines()
    if len(lines) != 1:
        raise RuntimeError(f"the smoke test ended with {done.returncode} and printed {len(lines)} lines, wanted one")
    figures = judge(json.loads(lines[0]))
    figures["exit"] = exactly(done.returncode, 0)
    return figures, []


def judge(said: dict[str, Any]) -> Figures:
    """The smoke test's line against its limits; a figure that is not there, or not a number, is a failure."""
    return {name: _figure(said.get(name), kind, limit) for name, (kind, limit) in LIMITS.items()}


def _figure(value: Any, kind: str, limit: Any) -> Figure:
    if kind == "is":
        return exactly(value, limit)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return Figure(value=value, wanted=f"a number, at {kind} {limit:g}", ok=False)
    return at_most(value, limit) if kind == "most" else at_least(value, limit)
