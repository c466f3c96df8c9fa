"""The inputs that are kept: one file a target, one input a line in base64, and none that adds nothing.

``python -m bench.fuzzing.corpus TARGET FOLDER`` keeps what FOLDER holds beside what was kept.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from hashlib import blake2b
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "tests/data/fuzz"
MOST, MOST_BYTES = 600, 90_000
SELF = "KAMPUNG_EDGE_FUZZ_SELF"


def kept(target: str) -> list[bytes]:
    """The inputs of one target, smallest first."""
    path = FOLDER / f"{target}.txt"
    lines = path.read_text().split() if path.exists() else []
    return [base64.b64decode(line, validate=True) for line in lines]


def unpack(target: str, folder: Path) -> None:
    """Write each kept input into a file of its own, as the fuzzer wants them."""
    for octets in kept(target):
        (folder / blake2b(octets, digest_size=12).hexdigest()).write_bytes(octets)


def keep(target: str, folder: Path) -> int:
    """Keep the smallest set that covers what `folder` and the kept inputs cover; how many they are."""
    unpack(target, folder)
    with tempfile.TemporaryDirectory(prefix="kampung-edge-fuzz-") as merged:
        # libFuzzer starts itself anew after inputs that crash it, as a program without a first argument.
        itself = Path(f"{merged}.sh")
        itself.write_text(f'#!/bin/sh\nexec {sys.executable} -m bench.fuzzing.child {target} "$@"\n')
        itself.chmod(0o700)
        subprocess.run(
            [itself, "-merge=1", merged, str(folder)],
            check=True,
            capture_output=True,
            env=os.environ | {SELF: str(itself)},
        )
        itself.unlink()
        inputs = sorted(
            (path.read_bytes() for path in Path(merged).iterdir()), key=lambda octets: (len(octets), octets)
        )
    lines: list[str] = []
    for octets in inputs[:MOST]:
        line = base64.b64encode(octets).decode()
        if sum(map(len, lines)) + len(line) < MOST_BYTES:
            lines.append(line)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{target}.txt").write_text("\n".join(lines) + "\n")
    return len(lines)


if __name__ == "__main__":
    print(keep(sys.argv[1], Path(sys.argv[2])))
