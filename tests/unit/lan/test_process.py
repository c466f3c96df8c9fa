"""Which process is the village's dnsmasq, and that nobody else is ever signalled."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.lan.process import NotRunning, Running, find, tell

# A script's process is called after the script; it writes down every SIGHUP.
PROGRAM = f"""#!{sys.executable}
import signal, sys
signal.signal(signal.SIGHUP, lambda *_: print("told", flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""


@asynccontextmanager
async def running(folder: Path, name: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process called `name`, whose number stands in the pid-file."""
    program = folder / name
    program.write_text(PROGRAM)
    program.chmod(0o755)
    process = await asyncio.create_subprocess_exec(str(program), *arguments, stdout=asyncio.subprocess.PIPE)
    assert await said(process) == "ready"
    (folder / "dnsmasq.pid").write_text(f"{process.pid}\n")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def test_ours_is_found_and_told(tmp_path: Path) -> None:
    """Names would not follow the uplink."""
    async with running(tmp_path, "dnsmasq", f"--conf-file={tmp_path}/dnsmasq.conf") as process:
        found = find(tmp_path)
        assert found.pid == process.pid
        assert find(tmp_path) == found
        tell(found, signal.SIGHUP, tmp_path)
        assert await said(process) == "told"


@pytest.mark.parametrize(
    ("name", "argument", "why"),
    [
        ("sshd", "--conf-file={}/dnsmasq.conf", "is no dnsmasq"),
        ("dnsmasq", "--conf-file=/var/lib/libvirt/dnsmasq/default.conf", "does not run with"),
    ],
)
async def test_others_are_left_alone(tmp_path: Path, name: str, argument: str, why: str) -> None:
    """SIGHUP ends most programs; the number in the pid-file may be anybody's after a crash."""
    async with running(tmp_path, name, argument.format(tmp_path)):
        with pytest.raises(NotRunning, match=why):
            find(tmp_path)


async def test_a_later_process_of_the_same_number_is_not_the_one_that_was_looked_at(tmp_path: Path) -> None:
    """Between the look and the signal the number may have changed hands."""
    async with running(tmp_path, "dnsmasq", f"--conf-file={tmp_path}/dnsmasq.conf") as process:
        found = find(tmp_path)
        earlier = Running(found.pid, found.started - 1)
        with pytest.raises(NotRunning, match="another has its number"):
            tell(earlier, signal.SIGHUP, tmp_path)
        tell(found, signal.SIGHUP, tmp_path)
        assert await said(process) == "told"


async def test_what_has_ended_is_not_running(tmp_path: Path) -> None:
    """A kill leaves the pid-file behind."""
    async with running(tmp_path, "dnsmasq", f"--conf-file={tmp_path}/dnsmasq.conf") as process:
        found = find(tmp_path)
        process.kill()
        await process.wait()
        with pytest.raises(NotRunning, match="is gone"):
            find(tmp_path)
        with pytest.raises(NotRunning, match="is gone"):
            tell(found, signal.SIGHUP, tmp_path)


@pytest.mark.parametrize("text", ["", "twelve", "-1", "99999999999999999999", "\0", "1 2"])
def test_rubbish_in_the_pid_file_is_no_process(tmp_path: Path, text: str) -> None:
    """A half-written file would crash the part that steers names."""
    (tmp_path / "dnsmasq.pid").write_text(text)
    with pytest.raises(NotRunning):
        find(tmp_path)


def test_without_a_pid_file_nothing_runs(tmp_path: Path) -> None:
    """An office whose MikroTik serves names would be told of a broken file."""
    with pytest.raises(NotRunning, match="no dnsmasq runs with our configuration"):
        find(tmp_path)


def test_this_very_process_is_no_dnsmasq(tmp_path: Path) -> None:
    """The daemon would signal itself."""
    (tmp_path / "dnsmasq.pid").write_text(str(os.getpid()))
    with pytest.raises(NotRunning, match="is no dnsmasq"):
        find(tmp_path)
