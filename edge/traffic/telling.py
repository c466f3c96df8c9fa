"""What the controller has people know: missing devices, missing privileges, forwarding that is off, refused changes."""

from __future__ import annotations

from edge.config import Config
from edge.health import Health
from edge.kernel.state import Facts


def tell(config: Config, facts: Facts, health: Health) -> None:
    """Conditions about the host itself. An uplink's own device is the monitor's to tell."""
    tunnels = (tunnel.device for tunnel in config.tunnel)
    for device in {*config.classes.service.devices, *config.classes.wifi.devices, *tunnels}:
        if device in facts.links:
            health.clear("device-missing", subject=device)
        else:
            health.raise_("device-missing", subject=device)
    if facts.forwarding:
        health.clear("forwarding-off")
    else:
        health.raise_("forwarding-off")


class Refusals:
    """What the kernel refuses at the moment, by part of the host, as two conditions."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._refused: dict[str, str] = {}
        self._forbidden: set[str] = set()

    def any_of(self, part: str) -> bool:
        """Whether `part` was refused, or forbidden, when it was tried last."""
        return part in self._refused or part in self._forbidden

    def refuse(self, part: str, reason: str) -> None:
        """The kernel, or one of its tools, did not do it."""
        self._refused[part] = reason
        self._health.raise_("network-apply", "; ".join(self._refused.values()))

    def accept(self, part: str) -> None:
        """Nothing of `part` is refused any more."""
        if self._refused.pop(part, None) is not None and not self._refused:
            self._health.clear("network-apply")

    def forbidden(self, part: str, reason: str) -> None:
        """The privilege for it is missing."""
        self._forbidden.add(part)
        self._health.raise_("network-privilege", reason)

    def permitted(self, part: str) -> None:
        """The privilege for it is there."""
        self._forbidden.discard(part)
        if not self._forbidden:
            self._health.clear("network-privilege")
