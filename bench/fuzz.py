"""Coverage-guided fuzzing (atheris) of what a modem, a network and a sender may say: PDUs, the AT channel, the session.

Each target runs in two processes at once, from the inputs kept in tests/data/fuzz on. `KAMPUNG_EDGE_FUZZ_DIR` names a
folder where what was found stays, for `python -m bench.fuzzing.corpus`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Figure, Figures, Result, exactly
from bench.fuzzing import corpus

SECONDS = {"pdu": 240, "at": 240, "session": 120}
QUICK_S = 8
_WORKERS = 2
_GRACE_S = 120
_STATE = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)")
_RUNS = re.compile(r"Done (\d+) runs|#(\d+)\t")


def run(*, quick: bool) -> Result:
    """Executions, other exceptions than the documented one, and edges covered, of each target."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="kampung-edge-fuzz-") as temporary:
        root = Path(os.environ.get("KAMPUNG_EDGE_FUZZ_DIR", temporary))
        for target, seconds in SECONDS.items():
            figures |= _fuzz(target, QUICK_S if quick else seconds, root / target)
    return figures, [f"ten minutes ({QUICK_S * len(SECONDS)} s were run)"] if quick else []


def _fuzz(target: str, seconds: int, folder: Path) -> Figures:
    folder.mkdir(parents=True, exist_ok=True)
    corpus.unpack(target, folder)
    command = [sys.executable, "-m", "bench.fuzzing.child", target, f"-max_total_time={seconds}", "-timeout=20"]
    workers = [
        subprocess.Popen(
            [*command, f"-artifact_prefix={folder}.{number}.", str(folder)], stderr=subprocess.PIPE, text=True
        )
        for number in range(_WORKERS)
    ]
    said = [worker.communicate(timeout=seconds + _GRACE_S)[1] for worker in workers]
    failures = 0
    for worker, text in zip(workers, said, strict=True):
        if worker.returncode:
            failures += 1
            print(text[-4000:], file=sys.stderr)
    coverage = max((int(found[1]) for text in said for found in _STATE.finditer(text)), default=0)
    return {
        f"{target}_seconds": Figure(value=seconds, wanted="for the record", ok=True),
        f"{target}_executions": Figure(value=sum(map(_executions, said)), wanted="for the record", ok=True),
        f"{target}_other_exceptions": exactly(failures, 0),
        f"{target}_edges": Figure(value=coverage, wanted="> 0", ok=coverage > 0),
    }


def _executions(text: str) -> int:
    return max((int(found[1] or found[2]) for found in _RUNS.finditer(text)), default=0)
