"""Reading a device's link; its changes are shown in tests/lab/test_monitor_carrier.py."""

from __future__ import annotations

from edge.monitor.carrier import Link, LinkReader


def test_device_there_and_absent_are_told_apart() -> None:
    """Loopback exists everywhere, a made-up name nowhere."""
    reader = LinkReader()
    try:
        assert reader.read("lo").index == 1
        assert reader.read("nosuchdev0") == Link("absent", 0)
    finally:
        reader.close()
