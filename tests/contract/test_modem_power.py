"""The power switch's program: run without a shell, bounded in time and output."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from edge.modem.device import power
from edge.modem.device.power import PowerRefused
from tests.contract.modem_rig import until


async def test_its_arguments_reach_it_unchanged() -> None:
    """A shell would read an engineer's path as commands."""
    said = await power.cycle((sys.executable, "-c", "import sys; print(sys.argv[1:])", "; rm -r x", "$HOME"))
    assert said == "['; rm -r x', '$HOME']"


async def test_a_failure_is_told_with_what_it_printed() -> None:
    """A switch that does not switch would look like a modem that does not heal."""
    with pytest.raises(PowerRefused, match="ended with 3: no such port"):
        await power.cycle((sys.executable, "-c", "import sys; print('no such port', file=sys.stderr); sys.exit(3)"))


@pytest.mark.parametrize("program", ["/absent/program", "/etc/passwd"])
async def test_a_program_that_cannot_be_run_is_refused(program: str) -> None:
    """The daemon's modem part would crash over a wrong path."""
    with pytest.raises(PowerRefused, match=f"{program} cannot be run"):
        await power.cycle((program,))


async def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    """The modem would never be tried again, and its program stay for ever."""
    pid = tmp_path / "pid"
    with pytest.raises(PowerRefused, match=r"did not end within 3 s"):
        await power.cycle(("/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait"), longest_s=3)
    child = int(pid.read_text())
    await until(lambda: not _lives(child))


async def test_a_flood_of_output_is_read_and_cut() -> None:
    """A talkative program would wait for a reader for ever, or fill the log."""
    said = await power.cycle((sys.executable, "-c", "print('x' * 1_000_000)"))
    assert said == "x" * 2_000


async def test_a_cancelled_switch_leaves_nothing_behind(tmp_path: Path) -> None:
    """At every stop of the daemon a program of it would stay."""
    pid = tmp_path / "pid"
    task = asyncio.create_task(power.cycle(("/bin/sh", "-c", f"echo $$ > {pid}; exec sleep 60")))
    await until(lambda: pid.exists() and bool(pid.read_text()))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not _lives(int(pid.read_text()))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
