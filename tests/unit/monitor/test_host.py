"""The box's figures, read from this very machine."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from pathlib import Path

import pytest

from edge.monitor.host import Host, NicFigures


def test_figures_are_possible(tmp_path: Path) -> None:
    """Every figure must be there and within its range."""
    figures = Host(str(tmp_path)).figures()
    assert 0 <= figures.cpu_percent <= 100
    assert 0 < figures.memory_available_bytes < figures.memory_total_bytes
    assert figures.disk_total_bytes is not None
    assert figures.disk_free_bytes is not None
    assert 0 < figures.disk_free_bytes <= figures.disk_total_bytes
    assert figures.uptime_s > 0


def test_work_shows_in_the_processor_figure(tmp_path: Path) -> None:
    """The percentage must be that of the time since the last reading, not of the time since boot."""
    host = Host(str(tmp_path))
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        pass
    assert host.figures().cpu_percent > 50 / (os.cpu_count() or 1)


def test_unreadable_state_directory_is_data(tmp_path: Path) -> None:
    """A state directory that is gone must leave the other figures standing."""
    figures = Host(str(tmp_path / "gone")).figures()
    assert (figures.disk_total_bytes, figures.disk_free_bytes) == (None, None)
    assert figures.memory_total_bytes > 0


def test_network_devices_are_read_in_the_order_given(tmp_path: Path) -> None:
    """A configured device would be missing, or its bytes stand under another's name; one that is gone must be data."""
    host = Host(str(tmp_path), ("lo", "edge-gone0", "lo"))
    loopback, gone = host.nics()
    before = loopback.received_bytes
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.sendto(bytes(1_000), sock.getsockname())
    assert (loopback.device, loopback.present, loopback.up, loopback.speed_mbit) == ("lo", True, True, None)
    assert host.nics()[0].received_bytes >= before + 1_000
    assert gone == NicFigures("edge-gone0", present=False)


def test_a_sensor_that_lies_is_left_out(tmp_path: Path) -> None:
    """A box without a sensor, or with one that says 0 or 65535, would look frozen or on fire."""
    celsius = Host(str(tmp_path)).figures().temperature_c
    assert celsius is None or -40 <= celsius <= 150


def test_figures_are_frozen(tmp_path: Path) -> None:
    """A snapshot that its reader can change would lie to the next reader."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Host(str(tmp_path)).figures().cpu_percent = 0.0  # type: ignore[misc]  # frozen: that is the point


def test_reading_is_cheap(tmp_path: Path) -> None:
    """A scrape on the loop must not be held up: the best of a few readings takes milliseconds."""
    host = Host(str(tmp_path), ("lo",))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        host.figures()
        host.nics()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05
