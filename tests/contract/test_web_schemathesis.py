"""schemathesis against the running daemon: what its document allows, and what not, is answered as it says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.office import DESK_KEY, Office, until

# The stream of events does not end, so no call of it would: tests/contract/test_web_office.py listens to it.
_CONFIG = """
[[operations]]
include-path = "/v1/events"
enabled = false
"""


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Office(tmp_path) as office:
        text = await asyncio.to_thread(office.config.read_text)
        assert "[web]\n" in text
        await asyncio.to_thread(office.config.write_text, text.replace("[web]\n", "[web]\ncalls_per_s = 1000\n"))
        await asyncio.to_thread((tmp_path / "schemathesis.toml").write_text, _CONFIG)
        yield office


async def finds(office: Office, *options: str) -> tuple[int, str]:
    """What schemathesis ends with, and says."""
    url = f"http://127.0.0.1:{office.web}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("--config-file", "schemathesis.toml", "run", f"{url}/v1/openapi.json", "--url", url, "--no-color"),
        *("--header", f"Authorization: Bearer {DESK_KEY}", "--seed", "20261122", *options),
        cwd=office.directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


async def checked(office: Office, *options: str) -> None:
    async with office.running() as daemon:
        await until(lambda: _answers(office), what="the document is served")
        code, said = await finds(office, *options)
        assert code == 0, said
        assert "10 selected" in said
        assert daemon.returncode is None
    log = await asyncio.to_thread(office.log.read_text)
    assert "Traceback" not in log


async def _answers(office: Office) -> bool:
    status, _ = await office.ask("GET", "/v1/openapi.json")
    return status == 200


async def test_schemathesis_finds_nothing(office: Office) -> None:
    """A program that keeps to the document would meet an answer that is not in it, or bring the daemon down."""
    await checked(office, "--max-examples", "3")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_schemathesis_finds_nothing_in_long(office: Office) -> None:
    """As above, with two hundred examples for each call."""
    await checked(office, "--max-examples", "200")
