"""Pure: what is known of a modem now, for the page, the metrics and the engineer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["missing", "starting", "sim", "searching", "denied", "silent", "ready"]


@dataclass(frozen=True, slots=True)
class ModemStatus:
    """The modem now; what is not known is "" or None.

    `signal` is 0 to 100; `rung` the step of the reset ladder being tried ("" when none is), `reason` why. `balance_rp`
    is in rupiah and `expires` a date YYYY-MM-DD, both as the network last told them. `clock_skew_s` is the network's
    time minus ours, a hint. `paused_until` (Unix seconds) is when notifications and digests are sent again. `held` says
    why nothing at all is sent though the modem is ready: credit, barred, network, modem or budget.
    """

    state: State = "missing"
    operator: str = ""
    signal: int | None = None
    registered: bool = False
    technology: str = ""
    rung: str = ""
    reason: str = ""
    device: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    imei: str = ""
    smsc: str = ""
    balance_rp: int | None = None
    expires: str | None = None
    sim_used: int | None = None
    sim_capacity: int | None = None
    clock_skew_s: float | None = None
    calls_rejected: int = 0
    paused_until: float | None = None
    held: str = ""
