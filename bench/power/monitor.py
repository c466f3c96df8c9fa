"""Orders to a running qemu in its own protocol (QMP, docs/interop/qmp-spec.txt there): JSON lines on a Unix socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

_PATIENCE_S = 60.0


async def order(sock: Path, execute: str, **arguments: object) -> dict[str, Any]:
    """Give one order and return its answer. RuntimeError when qemu refuses it, OSError when it does not listen."""
    async with asyncio.timeout(_PATIENCE_S):
        reader, writer = await asyncio.open_unix_connection(sock)
        try:
            for line in ({"execute": "qmp_capabilities"}, {"execute": execute, "arguments": arguments}):
                writer.write(json.dumps(line).encode() + b"\n")
                answer = await _answer(reader)
        finally:
            writer.close()
    if "error" in answer:
        raise RuntimeError(f"qemu refuses {execute}: {answer['error']['desc']}")
    returned: dict[str, Any] = answer["return"]
    return returned


async def _answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next answer; the greeting and events that come in between are passed over."""
    while line := await reader.readline():
        said: dict[str, Any] = json.loads(line)
        if "return" in said or "error" in said:
            return said
    raise ConnectionResetError("qemu hung up")
