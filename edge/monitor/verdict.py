"""Is an uplink up, degraded or down, and why: what is told of it. `edge.monitor.judge` decides it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.events import Level

Cause = Literal[
    "",
    "starting",
    "no-device",
    "carrier",
    "no-reply",
    "gateway",
    "beyond-gateway",
    "lossy",
    "delayed",
    "no-targets",
    "no-privilege",
    "dns",
    "captive-portal",
    "target-fault",
    "slow",
]
Obstacle = Literal["", "no-device", "carrier", "no-privilege"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is believed of an uplink. `loss` 0 to 1, `rtt_ms` the median or None, `since` (monotonic s) of the level.

    Down with cause "starting" means not known yet. Degraded with cause "no-privilege" means that only the carrier
    can be seen; up with cause "no-targets" that only the gateway is judged.
    """

    uplink: str
    level: Level
    cause: Cause
    loss: float
    rtt_ms: float | None
    since: float
    jitter_ms: float | None = None
    evidence: tuple[str, ...] = ()
