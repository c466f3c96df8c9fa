"""The fuzzer's own process: ``python -m bench.fuzzing.child TARGET [libFuzzer's options and folders]``.

Coverage of the modem's room guides it; an exception that a target lets through ends it with its input in a file.
"""

from __future__ import annotations

import os
import sys

import atheris

from bench.fuzzing.corpus import SELF

with atheris.instrument_imports(include=["edge.modem"]):
    from bench.fuzzing.targets import LONGEST, TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    sys.argv[0] = os.environ.get(SELF, sys.argv[0])
    atheris.Setup([*sys.argv, f"-max_len={LONGEST[name]}", "-rss_limit_mb=1024"], TARGETS[name])
    atheris.Fuzz()
