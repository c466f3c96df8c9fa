"""Pull the plug of a whole machine: what the box said it has must be there after it, and reach the portal once.

Debian in qemu runs the daemon by its own units while desks file requests; see bench/power/cuts.py for the kinds of cut
and docs/powercut.md for what they prove. KAMPUNG_EDGE_POWERCUT=KIND[,KIND] chooses among them, and
KAMPUNG_EDGE_POWERCUT_CONTROL spoils one thing, so that the benchmark must fail: ``no-fsync`` puts Debian's eatmydata
before the daemon, ``no-barrier`` mounts the state disk so that ext4 flushes nothing.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from pathlib import Path

from bench import Figure, Figures, Result, at_least, exactly
from bench.power import asleep
from bench.power.cuts import KINDS, PROMISED_LEAST, Found, Trial
from bench.power.image import image
from bench.power.project import make

_SEED = 20261122
_CUTS = 5
_CONTROLS = {"": {}, "no-fsync": {"preload": "libeatmydata.so"}, "no-barrier": {"mount": "nobarrier"}}


def run(*, quick: bool) -> Result:
    """Five cuts of each kind. `quick`: one cut, without a boot after it; a plain one without a boot before it."""
    kinds = os.environ.get("KAMPUNG_EDGE_POWERCUT", "plain" if quick else ",".join(KINDS)).split(",")
    control = os.environ.get("KAMPUNG_EDGE_POWERCUT_CONTROL", "")
    if not set(kinds) <= set(KINDS) or control not in _CONTROLS:
        raise ValueError(f"KAMPUNG_EDGE_POWERCUT: of {', '.join(KINDS)}; its _CONTROL: one of {', '.join(_CONTROLS)}")
    made = image()
    if not made.kernel.exists():
        raise FileNotFoundError(f"{made.directory}: no image; script/bench powercut builds it, as root")
    saved = asleep.ready() if quick and kinds == ["plain"] and not control else None
    cuts = 1 if quick else _CUTS
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="kampung-edge-bench-", dir="/var/tmp") as text:
        directory = Path(text)
        project = saved.project() if saved else make(directory)
        for kind in kinds:
            here = directory / kind
            here.mkdir()
            trial = Trial(kind, made, project, here, _CONTROLS[control], quick=quick, asleep=saved)
            figures |= judge(asyncio.run(trial.run(cuts, random.Random(f"{_SEED} {kind}"))), cuts=cuts)
    skipped = ["five cuts: one", "the boot after the cut: its disk is read on this machine"] if quick else []
    skipped += ["the boot before it: a machine that had booted is woken"] if saved else []
    skipped += [f"the {kind} drive" for kind in KINDS if kind not in kinds]
    return figures, skipped


def judge(found: Found, *, cuts: int) -> Figures:
    """What the cuts of one kind came to against what is promised."""
    figures: Figures = {
        "cuts": exactly(found.cuts, cuts),
        "journals_recovered": exactly(found.recovered, cuts),
        "acknowledged": at_least(found.promised, PROMISED_LEAST * cuts),
        "acknowledged_lost": exactly(len(found.lost), 0),
        "differing": exactly(len(found.differ), 0),
        "unsound": exactly(len(found.unsound), 0),
        "not_at_portal": exactly(len(found.missing), 0),
        "twice_at_portal": exactly(len(found.twice), 0),
        "in_doubt_filed_again": Figure(value=found.in_doubt, wanted="for the record", ok=True),
        "rows_with_sums": Figure(value=found.rows, wanted="for the record", ok=True),
    }
    if found.boots_s:
        figures["boot_to_ready_s"] = Figure(value=found.boots_s[0], wanted="for the record", ok=True)
    if found.kind == "flakey":
        # Were none of the lies lost, the switch would not have dropped anything.
        figures["void_lost"] = at_least(found.void_gone, 1)
    return {f"{found.kind}_{name}": figure for name, figure in figures.items()}
