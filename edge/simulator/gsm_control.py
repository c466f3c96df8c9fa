"""The simulated modem as a process of its own, ruled over a unix socket: one JSON object a line, one answer a line.

    {"do": "deliver", "sender": "+628...", "text": "..."}   {"do": "mms", "sender": "+628..."}
    {"do": "state"}   {"do": "sent"}: messages   {"do": "taken"}: each SUBMIT   {"do": "refused"}   {"do": "deleted"}
    {"do": "unplug"}   {"do": "replug"}   {"do": "replug", "link": "/dev/..."}   {"do": "restart"}
    {"do": "line", "kind": "noisy"}   {"do": "pace", "network_s": 3}   {"do": "hang", "seconds": 60}
    {"do": "fault", "name": "silent", "value": true}
    {"do": "register", "on": false}   {"do": "sim", "in": false}   {"do": "time", "offset_s": 0}
    {"do": "ring", "number": "+628...", "rings": 5}: answered when the call has ended
    {"do": "ussd"}: what was asked   {"do": "ussd", "code": "*888#", "kind": 0, "text": "..."}: what shall be answered

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
from edge.simulator.gsm_models import MODELS

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
            "deleted": self._deleted,
            "restart": self._restart,
            "sim": self._sim,
            "ring": self._ring,
            "time": self._time,
            "mms": self._mms,
            "pace": self._pace,
            "ussd": self._ussd,
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

    async def _deleted(self, _order: Order) -> Order:
        return {"deleted": self._modem.deleted}

    async def _restart(self, _order: Order) -> Order:
        self._modem.restart()
        return {}

    async def _sim(self, order: Order) -> Order:
        if order["in"]:
            self._modem.insert_sim()
        else:
            self._modem.remove_sim()
        return {}

    async def _ring(self, order: Order) -> Order:
        return {"rejected": await self._modem.ring(str(order["number"]), int(order.get("rings", 5)))}

    async def _time(self, order: Order) -> Order:
        self._modem.tell_time(float(order["offset_s"]))
        return {}

    async def _mms(self, order: Order) -> Order:
        self._modem.deliver_mms(str(order["sender"]))
        return {}

    async def _pace(self, order: Order) -> Order:
        self._modem.pace(float(order["network_s"]))
        return {}

    async def _ussd(self, order: Order) -> Order:
        ussd = self._modem.ussd
        if "text" in order:
            ussd.answers[str(order["code"])] = (int(order["kind"]), str(order["text"]))
        return {"asked": ussd.asked, "answered": ussd.answered, "open": ussd.open}

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
        model=arguments.model,
        imei=arguments.imei,
        link_s=arguments.link_s,
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
    parser.add_argument("--model", choices=list(MODELS), default="generic")
    parser.add_argument("--imei", default="861234567890123")
    parser.add_argument("--link-s", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    asyncio.run(_serve(parser.parse_args()))
    return 0
