"""The simulated modem as a process of its own, ruled over a unix socket: one JSON object a line, one answer a line.

    {"do": "deliver", "sender": "+628...", "text": "..."}   {"do": "sent"}   {"do": "state"}
    {"do": "unplug"}   {"do": "replug"}   {"do": "replug", "link": "/dev/..."}   {"do": "line", "kind": "noisy"}
    {"do": "fault", "name": "silent", "value": true}   {"do": "hang", "seconds": 60}   {"do": "register", "on": false}
    {"do": "taken"}: every SUBMIT by itself, {"do": "refused"}: each with its +CMS code

An answer is ``{"ok": true, ...}`` or ``{"ok": false, "error": "..."}``.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from edge.simulator.gsm import Faults, GsmModem
from edge.simulator.gsm_line import LINES

Order = dict[str, Any]
_FAULTS = {field.name for field in dataclasses.fields(Faults)}


class Control:
    """Carries out orders on one modem."""

    def __init__(self, modem: GsmModem) -> None:
        self._modem = modem
        self._orders: dict[str, Callable[[Order], Awaitable[Order]]] = {
            "deliver": self._deliver,
            "sent": self._sent,
            "state": self._state,
            "unplug": self._unplug,
            "replug": self._replug,
            "fault": self._fault,
            "line": self._line,
            "hang": self._hang,
            "register": self._register,
            "taken": self._taken,
            "refused": self._refused,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's orders until it ends."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.obey(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # the peer left, or sent a line beyond the stream's limit
        finally:
            writer.close()

    async def obey(self, line: bytes) -> Order:
        """The answer to one order; a wrong order is answered, never raised."""
        try:
            order = json.loads(line)
            return {"ok": True} | await self._orders[order["do"]](order)
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    async def _deliver(self, order: Order) -> Order:
        self._modem.deliver(str(order["sender"]), str(order["text"]))
        return {}

    async def _sent(self, _order: Order) -> Order:
        return {"sent": [dataclasses.asdict(sms) for sms in self._modem.sent]}

    async def _state(self, _order: Order) -> Order:
        return {"stored": self._modem.stored, "waiting": self._modem.waiting, "sent": len(self._modem.sent)}

    async def _unplug(self, _order: Order) -> Order:
        await self._modem.unplug()
        return {}

    async def _replug(self, order: Order) -> Order:
        await self._modem.replug(Path(order["link"]) if "link" in order else None)
        return {}

    async def _line(self, order: Order) -> Order:
        self._modem.become(str(order["kind"]))
        return {}

    async def _hang(self, order: Order) -> Order:
        self._modem.hang(float(order["seconds"]))
        return {}

    async def _register(self, order: Order) -> Order:
        self._modem.register(bool(order["on"]))
        return {}

    async def _taken(self, _order: Order) -> Order:
        return {"taken": [dataclasses.asdict(part) for part in self._modem.taken]}

    async def _refused(self, _order: Order) -> Order:
        return {"refused": self._modem.network.refused}

    async def _fault(self, order: Order) -> Order:
        if order["name"] not in _FAULTS:
            raise ValueError(f"a fault is one of {', '.join(sorted(_FAULTS))}")
        value = order["value"]
        setattr(self._modem.faults, order["name"], tuple(value) if isinstance(value, list) else value)
        return {}


async def _serve(arguments: argparse.Namespace) -> None:
    modem = GsmModem(
        arguments.link,
        baud=arguments.baud,
        network_s=arguments.network_s,
        command_s=arguments.command_s,
        capacity=arguments.capacity,
        pin=arguments.pin,
        line=arguments.line,
        seed=arguments.seed,
    )
    await modem.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    arguments.control.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(Control(modem).serve, arguments.control)
    await stop.wait()
    server.close()
    arguments.control.unlink(missing_ok=True)
    await modem.stop()


def main() -> int:
    """Run a modem until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m edge.simulator.gsm", description="a simulated GSM modem on a pty")
    parser.add_argument("--link", type=Path, required=True, help="where the serial device shall appear")
    parser.add_argument("--control", type=Path, required=True, help="unix socket for orders, one JSON object a line")
    parser.add_argument("--baud", type=int, default=115_200)
    parser.add_argument("--network-s", type=float, default=0.3)
    parser.add_argument("--command-s", type=float, default=0.01)
    parser.add_argument("--capacity", type=int, default=20)
    parser.add_argument("--pin")
    parser.add_argument("--line", choices=list(LINES), default="whole")
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(_serve(parser.parse_args()))
    return 0
