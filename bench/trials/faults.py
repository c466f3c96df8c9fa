"""The faults that are tried, each on the line that the service uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.simulator import mishaps
from edge.simulator.links import Line


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, how it is healed, and whether its clients ask by name."""

    begin: Callable[[Line], None]
    heal: Callable[[Line], None]
    by_name: bool = False


FAULTS: dict[str, Fault] = {
    "blackhole": Fault(Line.silence, Line.heal),
    "beyond": Fault(Line.blackhole, Line.heal),
    "carrier": Fault(mishaps.unplug, mishaps.plug),
    "loss30": Fault(lambda line: line.lose(30), Line.heal),
    "dns": Fault(Line.lose_names, Line.heal, by_name=True),
    "captive": Fault(Line.intercept, Line.heal),
}
