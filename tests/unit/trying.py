"""A village's file to try changes on, and a clock that is moved by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.unit.config_mistakes import DATA

_VILLAGE = (DATA / "warning-interface.toml").read_text()


@dataclass
class MovedClock:
    """Implements `edge.clock.Clock`; wall time is right only when `sure`."""

    now: float = 1_000.0
    unix: float = 1_800_000_000.0
    sure: bool = True

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.unix

    def trusted(self) -> bool:
        return self.sure


def write(path: Path, *, name: str = "Sumberberas", more: str = "") -> None:
    """Write a file that calls the village `name`; it keeps its state beside itself."""
    assert 'name = "Sumberberas"' in _VILLAGE
    folders = more or f'state_dir = "{path.parent}/state"\nrun_dir = "{path.parent}/run"\n'
    path.write_text(folders + _VILLAGE.replace('name = "Sumberberas"', f'name = "{name}"'))
