"""What the watcher refuses before it starts; its work is shown in tests/lab/test_monitor_watcher.py."""

from __future__ import annotations

import pytest

from edge import config
from edge.clock import SystemClock
from edge.health import Health
from edge.monitor.verdict import Verdict
from edge.monitor.watcher import Watcher

CLOCK = SystemClock()


def make(*, gateway: str = "192.0.2.1", targets: tuple[str, ...] = ("198.51.100.1",)) -> Watcher:
    uplink = config.Uplink(name="pde", device="pde0", gateway=gateway, download_mbit=1, upload_mbit=1, targets=targets)
    health = Health(CLOCK.wall)
    return Watcher(
        uplink, 1, config.Monitor(), clock=CLOCK, announce=lambda _: None, health=health, judged=lambda _: None
    )


@pytest.mark.parametrize(
    ("gateway", "targets", "message"),
    [
        ("pde.example", ("198.51.100.1",), "'pde.example' is no IPv4 or IPv6 address"),
        ("192.0.2.1", ("one.one.one.one",), "'one.one.one.one' is no address and no tcp://ADDRESS:PORT"),
        ("192.0.2.1", ("tcp://one.example:80",), "'tcp://one.example:80' is no address and no tcp://ADDRESS:PORT"),
    ],
)
def test_names_are_refused(gateway: str, targets: tuple[str, ...], message: str) -> None:
    """A name among the targets would be resolved on the loop, through whatever uplink: it must be refused."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        make(gateway=gateway, targets=targets)


def test_nothing_is_known_before_the_first_probe() -> None:
    """A new watcher must claim nothing."""
    verdict = make().verdict
    assert verdict == Verdict("pde", "down", "starting", 0.0, None, verdict.since)
