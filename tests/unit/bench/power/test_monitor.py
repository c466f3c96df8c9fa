"""Orders to qemu find their answers among whatever else it says."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.power import monitor

GREETING: dict[str, Any] = {"QMP": {"version": {}}}
EVENT: dict[str, Any] = {"event": "STOP", "timestamp": {}}


@pytest.fixture
async def qemu(tmp_path: Path) -> AsyncIterator[Path]:
    """A qemu that knows query-status, refuses the rest, and hangs up when told to quit."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = [GREETING]
        while True:
            writer.writelines(json.dumps(line).encode() + b"\r\n" for line in said)
            line = await reader.readline()
            if not line or (execute := json.loads(line)["execute"]) == "quit":
                break
            known: dict[str, Any] = {"qmp_capabilities": {}, "query-status": {"running": True}}
            refused: dict[str, Any] = {"error": {"class": "CommandNotFound", "desc": f"no {execute}"}}
            said = [EVENT, {"return": known[execute]} if execute in known else refused]
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "monitor"):
        yield tmp_path / "monitor"


async def test_the_answer_is_found_between_greeting_and_events(qemu: Path) -> None:
    """A machine that is still waking would be taken for a running one."""
    assert await monitor.order(qemu, "query-status") == {"running": True}


async def test_a_refusal_is_no_answer(qemu: Path) -> None:
    """A machine that could not be saved would be taken for a saved one."""
    with pytest.raises(RuntimeError, match="qemu refuses migrate: no migrate"):
        await monitor.order(qemu, "migrate", uri="exec:cat")


async def test_who_hangs_up_or_does_not_listen_is_an_os_error(qemu: Path, tmp_path: Path) -> None:
    """A qemu that dies while it is asked would be waited for for ever."""
    with pytest.raises(ConnectionResetError):
        await monitor.order(qemu, "quit")
    with pytest.raises(OSError, match="No such file"):
        await monitor.order(tmp_path / "none", "query-status")
