"""The contenders' processes, on this disk or on one that is made slower, and the library that does that."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any, Literal

Card = Literal["fast", "slow"]
SLOWER_MS = 10
_SOURCE = Path(__file__).with_name("slow_sync.c")


def build(directory: Path) -> Path:
    """Compile the library that makes flushes slower."""
    made = directory / "slow_sync.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(made), str(_SOURCE)], check=True)
    return made


class Child:
    """A worker process; asked one thing at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.queue_peers.worker"],
            stdin=PIPE,
            stdout=PIPE,
            text=True,
            env=os.environ | environment,
        )

    def ask(self, do: str, **order: object) -> dict[str, Any]:
        """Its answer to an order. RuntimeError when it died of it; it has told why on standard error."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a worker without pipes")
        self._process.stdin.write(json.dumps({"do": do, **order}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker died of {do} {order}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@contextlib.contextmanager
def child(library: Path | None = None) -> Iterator[Child]:
    """A worker until the block ends; with `library` its flushes are slower."""
    environment = {} if library is None else {"LD_PRELOAD": str(library), "SLOW_SYNC_MS": str(SLOWER_MS)}
    worker = Child(environment)
    try:
        yield worker
    finally:
        worker.close()
