"""Forget connections by their mark (conntrack(8)): after a switch the moved class's, and nobody else's.

Without this an established connection keeps the address translation of the uplink it began on, and dies with it.
"""

from __future__ import annotations

import asyncio

_TIMEOUT_S = 5.0
_NONE = "0 flow entries"
_GONE = "such conntrack doesn't exist"  # one ended by itself between listing and deleting: conntrack stops short there
_TRIES = 20


class ConntrackFailed(Exception):
    """The connections could not be forgotten; they end by their own time-outs."""


async def forget(mark: int, mask: int, *, ipv6: bool = False) -> None:
    """Delete the connections whose mark is `mark` under `mask`; finding none is no error."""
    for family in ("ipv4", "ipv6") if ipv6 else ("ipv4",):
        for _ in range(_TRIES):
            words = await _delete(family, f"{mark:#x}/{mask:#x}")
            if _GONE not in words:
                break
        if words and _NONE not in words:
            raise ConntrackFailed(words)


async def _delete(family: str, mark: str) -> str:
    """What conntrack complained of; "" where it did all."""
    try:
        process = await asyncio.create_subprocess_exec(
            "conntrack",
            "-D",
            "-f",
            family,
            "--mark",
            mark,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise ConntrackFailed(f"the command conntrack is missing: install the package conntrack ({error})") from error
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, complaint = await process.communicate()
    except TimeoutError as error:
        raise ConntrackFailed(f"conntrack did not end within {_TIMEOUT_S:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if not process.returncode:
        return ""
    return complaint.decode(errors="replace").strip() or f"conntrack ended with {process.returncode}"
