"""A simulated modem in a process of its own, at 115200 baud and 10 ms a command."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

BAUD, COMMAND_S, CAPACITY = 115_200, 0.01, 50
_LOOK_S = 0.05


async def until(holds: Callable[[], Awaitable[bool]], within_s: float, every_s: float = _LOOK_S) -> None:
    """Wait for a condition of another process; TimeoutError when it does not come true in time."""
    async with asyncio.timeout(within_s):
        while True:
            if await holds():
                return
            await asyncio.sleep(every_s)


class Emulator:
    """One modem with its SIM and its network."""

    def __init__(self, directory: Path) -> None:
        self.device, self._control = directory / "modem", directory / "control"
        self.network_s = 0.05
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Plug it in."""
        # The model counts its places from 1, as one of the daemons knows no place 0.
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.simulator.gsm", "--link", str(self.device), "--control", str(self._control)),
            *("--baud", str(BAUD), "--command-s", str(COMMAND_S), "--capacity", str(CAPACITY)),
            *("--network-s", str(self.network_s), "--model", "sim800"),
        )
        await until(lambda: asyncio.to_thread(self._control.exists), 20)

    async def stop(self) -> None:
        """Unplug it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def pace(self, network_s: float) -> None:
        """Let a send take so long from now on."""
        self.network_s = network_s
        await self._orders([{"do": "pace", "network_s": network_s}])

    async def deliver(self, texts: list[str]) -> None:
        """Messages for the SIM, all at once."""
        await self._orders([{"do": "deliver", "sender": "+6281234567001", "text": text} for text in texts])

    async def stored(self) -> int:
        """How many are on the SIM or wait for it."""
        (state,) = await self._orders([{"do": "state"}])
        return int(state["stored"]) + int(state["waiting"])

    async def sent(self) -> list[float]:
        """When each message was taken by the network, in Unix seconds."""
        (answer,) = await self._orders([{"do": "sent"}])
        return [sms["time"] for sms in answer["sent"]]

    async def wait_sent(self, count: int, within_s: float) -> list[float]:
        """The times of the sent messages once there are `count`; TimeoutError after `within_s`."""

        async def enough() -> bool:
            return len(await self.sent()) >= count

        await until(enough, within_s)
        return await self.sent()

    async def _orders(self, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
        reader, writer = await asyncio.open_unix_connection(self._control, limit=16 << 20)
        try:
            writer.write(b"".join(json.dumps(order).encode() + b"\n" for order in orders))
            answers = [json.loads(await reader.readline()) for _ in orders]
        finally:
            writer.close()
        for answer in answers:
            if not answer["ok"]:
                raise RuntimeError(f"the simulated modem: {answer['error']}")
        return answers
