"""The machine's clocks."""

import subprocess
import sys
from pathlib import Path

from edge.clock import SystemClock


def test_monotonic_time_never_goes_back_and_wall_time_is_this_century() -> None:
    """Deadlines are counted on one, records are dated by the other."""
    clock = SystemClock()
    first = clock.monotonic()
    assert clock.monotonic() >= first
    assert clock.wall() > 946_684_800


def test_the_mark_of_timesyncd_makes_wall_time_trusted(tmp_path: Path) -> None:
    """Under the unit's sandbox adjtimex is forbidden, and no deadline of days would ever be judged."""
    mark = tmp_path / "synchronized"
    mark.touch()
    assert SystemClock(mark).trusted()


def test_without_the_mark_the_kernel_is_asked(tmp_path: Path) -> None:
    """A box with another NTP client would never trust its clock, or always."""
    asked = subprocess.run(
        [sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert SystemClock(tmp_path / "absent").trusted() is (int(asked.stdout) not in (-1, 5))
