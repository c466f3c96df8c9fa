"""What an operator and the service manager wait for: the command's help, a check of the configuration, the imports."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench import Result, at_most

_CONFIG = Path(__file__).parent.parent / "config" / "kampung-edge.toml"
_RESIDENT = "import edge.daemon; print(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])"


def run(*, quick: bool) -> Result:
    """The best of some runs in milliseconds (noise only ever adds), and the memory of the daemon's imports in MB."""
    times = 3 if quick else 10
    resident = _output("-c", _RESIDENT)
    return {
        "help_ms": at_most(_best_ms(times, "-m", "edge", "--help"), 300),
        "check_config_ms": at_most(_best_ms(times, "-m", "edge", "check-config", str(_CONFIG)), 500),
        "daemon_import_ms": at_most(_best_ms(times, "-c", "import edge.daemon"), 1_200),
        "daemon_import_mb": at_most(int(resident) / 1024, 66),
    }, []


def _best_ms(times: int, *arguments: str) -> float:
    best = float("inf")
    for _ in range(times):
        begun = time.monotonic()
        _output(*arguments)
        best = min(best, time.monotonic() - begun)
    return best * 1000


def _output(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
