"""What probes meet on a line that is well but for something."""

from __future__ import annotations

import random

from edge.monitor.sources import Source
from tests.unit.monitor.line import Line, Meets, well


def but(names: dict[str, float | str | None], rest: Meets = well) -> Meets:
    """As `rest`, but for these sources or roles."""

    def meets(source: Source) -> float | str | None:
        for key in (source.name, source.role):
            if key in names:
                return names[key]
        return rest(source)

    return meets


def losing(share: float, seed: int = 1, names: tuple[str, ...] = ()) -> Meets:
    """Every probe (to `names`, or to all) is lost by that chance."""
    draw = random.Random(seed)
    return lambda source: None if (not names or source.name in names) and draw.random() < share else well(source)


def later(more_ms: float) -> Meets:
    return lambda source: well(source) + (more_ms if source.role != "gateway" else 0.0)


def healthy(line: Line, seconds: float = 600.0) -> Line:
    line.run(seconds)
    assert line.said == "up"
    return line
