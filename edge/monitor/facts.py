"""What the kernel's byte counters say of a link: shared by the verdict and by capacity control, owned by neither."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """Bytes that passed an uplink's device in the last `seconds` (above 0): received from and sent to the provider."""

    seconds: float
    received_bytes: int
    sent_bytes: int
