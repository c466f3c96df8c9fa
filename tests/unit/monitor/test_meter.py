"""Byte counters of devices: read as proc(5) writes them, and told as differences."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.monitor.facts import LinkFacts
from edge.monitor.meter import DeviceMeter, Meter, counters

HEAD = "Inter-|   Receive                |  Transmit\n face |bytes packets errs |bytes packets errs\n"


def written(received: int, sent: int, device: str = "eth1") -> str:
    rest = "7 0 0 0 0 0 0"
    return f"{HEAD}    lo:     100 {rest}     100 {rest}\n  {device}: {received} {rest} {sent} {rest}\n"


class Box:
    """A counter file that changes when it is told, and a clock with it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = 100.0
        self.device = DeviceMeter("eth1", Meter(file))

    def at(self, seconds: float, received: int, sent: int, device: str = "eth1") -> LinkFacts | None:
        self.file.write_text(written(received, sent, device))
        return self.device.carried(now=self.now + seconds)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path / "dev")


def test_file_is_read() -> None:
    """Some device's bytes would be another's."""
    assert counters(written(12_345, 678)) == {"lo": (100, 100), "eth1": (12_345, 678)}


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "eth1: 1 2\n", HEAD + "nonsense\n"])
def test_other_text_is_no_device(text: str) -> None:
    """A kernel that writes less must not stop the monitor."""
    assert counters(text) == {}


def test_what_passed_is_the_difference(box: Box) -> None:
    """An uplink would seem to have carried all it ever did within a second."""
    assert box.at(0, 1_000, 100) is None
    assert box.at(1, 5_000, 400) == LinkFacts(1.0, 4_000, 300)
    assert box.at(3, 5_000, 400) == LinkFacts(2.0, 0, 0)


def test_counters_that_begin_anew_tell_nothing(box: Box) -> None:
    """A device that was replaced would have carried a negative number of bytes."""
    box.at(0, 9_000, 900)
    assert box.at(1, 10, 10) is None
    assert box.at(2, 30, 20) == LinkFacts(1.0, 20, 10)


def test_absent_device_tells_nothing(box: Box) -> None:
    """A device that went and came back would be compared with itself of before."""
    box.at(0, 1_000, 100)
    assert box.at(1, 1_000, 100, device="eth9") is None
    assert box.at(2, 2_000, 200) is None
    assert box.at(3, 2_500, 200) == LinkFacts(1.0, 500, 0)
    box.device.restart()
    assert box.at(4, 9_000, 200) is None


def test_one_reading_serves_all(box: Box) -> None:
    """Every uplink would read the whole file for itself."""
    meter = Meter(box.file)
    box.file.write_text(written(1_000, 100))
    first = meter.read("eth1", now=10.0)
    box.file.write_text(written(2_000, 100))
    assert meter.read("eth1", now=10.4) == first == (10.0, (1_000, 100))
    assert meter.read("eth1", now=10.5) == (10.5, (2_000, 100))
