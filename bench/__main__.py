"""python -m bench NAME: runs one benchmark and says whether its figures are good enough.

A benchmark is a module here with ``run(*, quick: bool) -> Result``: its figures by name, and what it had to leave out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from bench import Figures, Result

_SHAPE = {"__main__"}


def names() -> list[str]:
    """Every benchmark there is; a package here is what one of them is made of."""
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    return sorted(module.name for module in modules if not module.ispkg and module.name not in _SHAPE)


def measure(name: str, *, quick: bool) -> tuple[Result, bool]:
    """Run one benchmark; a crash is shown on standard error and is a failure. True where every figure is good."""
    run: Callable[..., Result] = importlib.import_module(f"bench.{name}").run
    try:
        figures, skipped = run(quick=quick)
    except Exception:
        traceback.print_exc()
        return ({}, []), False
    return (figures, skipped), bool(figures) and all(figure["ok"] for figure in figures.values())


def main(arguments: list[str] | None = None) -> int:
    """The command line of ``script/bench``; returns the exit code."""
    parser = argparse.ArgumentParser(prog="script/bench", description="Runs one benchmark.")
    parser.add_argument("name", nargs="?", choices=names(), help="which one; without it they are named")
    parser.add_argument("--quick", action="store_true", help="shorter, less exact")
    parser.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    options = parser.parse_args(arguments)
    if options.name is None:
        print("\n".join(names()))
        return 0
    with os.fdopen(os.dup(1), "w") as out:
        os.dup2(2, 1)  # whatever the benchmark and its children print goes to standard error
        (figures, skipped), good = measure(options.name, quick=options.quick)
        if options.json:
            result = {"bench": options.name, "figures": figures, "skipped": skipped, "ok": good}
            print(json.dumps(result), file=out)
        else:
            _print(figures, skipped, out)
    return 0 if good else 1


def _print(figures: Figures, skipped: list[str], out: TextIO) -> None:
    for name, figure in figures.items():
        mark = "ok " if figure["ok"] else "BAD"
        print(f"{mark} {name:28} {figure['value']!s:>12}  wanted {figure['wanted']}", file=out)
    for what in skipped:
        print(f"--- {what}: left out", file=out)


if __name__ == "__main__":
    sys.exit(main())
