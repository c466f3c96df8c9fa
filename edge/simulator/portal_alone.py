"""The reference portal as a process of its own, told what to do by JSON lines over a Unix socket."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from edge.simulator import portal_tls
from edge.simulator.portal import MODES, Portal


async def main(arguments: list[str]) -> int:
    """Serve until killed; writes ``ready`` and the port to standard output once it listens."""
    options = _options(arguments)
    files = portal_tls.make(options.dir, options.name)
    sock = socket.create_server((options.host, options.port))
    portal = Portal(key=options.key, village=options.village)
    await portal.start(sock, files.server_context())
    control = await asyncio.start_unix_server(lambda r, w: _serve(portal, r, w), options.control)
    print(f"ready {sock.getsockname()[1]}", flush=True)
    async with control:
        await control.serve_forever()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m edge.simulator.portal")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where ca.pem, cert.pem and key.pem are written")
    parser.add_argument("--control", required=True, help="path of the Unix socket for orders")
    parser.add_argument("--key", default="portal-key")
    parser.add_argument("--village", default="3510052001")
    parser.add_argument("--name", action="append", default=None, help="name or address in the certificate")
    options = parser.parse_args(arguments)
    options.name = options.name or ["localhost", "127.0.0.1"]
    return options


async def _serve(portal: Portal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            writer.write(json.dumps(_obey(portal, line)).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


def _obey(portal: Portal, line: bytes) -> dict[str, Any]:
    try:
        order = json.loads(line)
        do = order["do"]
        if do == "requests":
            return {"requests": {identifier: filed.state for identifier, filed in portal.requests.items()}}
        if do == "effects":
            return {"effects": dict(portal.effects)}
        if do == "calls":
            return {"calls": dict(portal.calls)}
        if do == "mode":
            if order["mode"] not in MODES:
                return {"error": f"mode: allowed are {', '.join(MODES)}"}
            portal.mode = order["mode"]
        elif do == "complete":
            portal.complete(order["id"])
        elif do == "reject":
            portal.reject(order["id"], order.get("why", ""))
        else:
            return {"error": f"no such order: {do}"}
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"done": do}
