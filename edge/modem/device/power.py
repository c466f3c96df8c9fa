"""Cuts a modem's power and gives it back by the program that ``[modem] power_command`` names."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

LONGEST_S = 30.0
_MOST_BYTES = 2_000
_CHUNK = 4_096


class PowerRefused(Exception):
    """The program failed; the text says how, with what it printed."""


async def cycle(command: Sequence[str], *, longest_s: float = LONGEST_S) -> str:
    """Run `command` without a shell and return the beginning of what it printed; raises `PowerRefused`.

    It is a process group of its own, which is killed after `longest_s` seconds, or when the caller is cancelled.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise PowerRefused(f"power_command {command[0]} cannot be run: {error}") from error
    said = bytearray()
    try:
        async with asyncio.timeout(longest_s):
            await _read(process, said)
            code = await process.wait()
    except TimeoutError:
        raise PowerRefused(f"power_command {command[0]} did not end within {longest_s:g} s{_shown(said)}") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code:
        raise PowerRefused(f"power_command {command[0]} ended with {code}{_shown(said)}")
    return _text(said)


async def _read(process: asyncio.subprocess.Process, said: bytearray) -> None:
    """Keep the beginning of the output and let the rest go, so that the program never waits for a reader."""
    if process.stdout is not None:
        while data := await process.stdout.read(_CHUNK):
            said += data[: max(0, _MOST_BYTES - len(said))]


def _shown(said: bytearray) -> str:
    text = _text(said)
    return f": {text}" if text else ""


def _text(said: bytearray) -> str:
    return " ".join(said.decode(errors="replace").split())
