"""The demo's menu: one key, one deed, and what it did in plain English; between keys a status line lives."""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from edge.simulator import actions, observer
from edge.simulator.netns import VillageError
from edge.simulator.scene import Asked, Scene
from edge.simulator.settings import HEAD_RT, HEAD_RW
from edge.simulator.village import GUESTS, OFFICE

_STATUS_EVERY_S = 1.0
_CLEAR = "\r\x1b[2K"

TEXT = """
[1] cut PDE (again: heal)      [4] send an SMS as a citizen
[2] slow PDE (again: heal)     [5] unplug the modem (again: plug it in)
[3] flood the WiFi             [6] approve at the portal
[q] quit
"""


class Menu:
    """What the keys do to one village, and what they have done so far."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._faulty = False
        self._unplugged = False
        self._waiting = list[Asked]()
        self.deeds: dict[str, Callable[[], Awaitable[str]]] = {
            "1": self._cut,
            "2": self._slow,
            "3": self._flood,
            "4": self._citizen,
            "5": self._modem,
            "6": self._approve,
        }

    async def _cut(self) -> str:
        if self._faulty:
            return await self._heal()
        self._faulty = True
        return f"PDE loses every packet beyond its gateway: {(await actions.cut()).sentence}"

    async def _slow(self) -> str:
        if self._faulty:
            return await self._heal()
        self._faulty = True
        moved = await actions.slow(self._scene)
        return f"PDE carries 4 of 10 Mbit/s and a neighbour wants 5: {moved.sentence}"

    async def _heal(self) -> str:
        self._faulty = False
        return f"PDE is whole again: {(await actions.heal(self._scene)).sentence}"

    async def _flood(self) -> str:
        if self._faulty:
            await self._heal()
        return f"PDE was cut for this, so that all were on one line: {(await actions.flood(self._scene)).sentence}"

    async def _citizen(self) -> str:
        asked = await self._scene.citizen()
        return self._tell(asked)

    def _tell(self, asked: Asked) -> str:
        if asked.request:
            self._waiting.append(asked)
        filed = "the portal has the request" if asked.request else "the portal has no request of it yet"
        if asked.reply_s is None:
            return f"{asked.phone} wrote: {asked.text}\n  no reply came; {filed}"
        return f"{asked.phone} wrote: {asked.text}\n  reply after {asked.reply_s:.1f} s: {asked.reply}\n  {filed}"

    async def _modem(self) -> str:
        if self._unplugged:
            self._unplugged = False
            return f"the modem is back: {self._tell(await actions.replug(self._scene))}"
        self._unplugged = True
        seconds = await actions.unplug(self._scene)
        shown = "did not show it" if seconds is None else f"shows it after {seconds:.1f} s"
        return f"the modem is out; the office's page {shown}; everything else runs on"

    async def _approve(self) -> str:
        if not self._waiting:
            return "nobody waits for a letter: press 4 first"
        asked = self._waiting.pop(0)
        applicant, head = await self._scene.approve(asked)
        lines = [f"to the applicant {asked.phone}: {text}" for text in applicant or ["nothing came"]]
        lines += [f"to the head of RT {HEAD_RT} RW {HEAD_RW}: {text}" for text in head or ["nothing came"]]
        return "\n  ".join(["the camat signed at the portal", *lines])

    async def status(self) -> str:
        """One short line of how the village is, seen from its hosts."""
        service, guests = await asyncio.gather(observer.line_used(OFFICE), observer.line_used(GUESTS[0]))
        modem = "out" if self._unplugged else "in"
        daemon = "running" if self._scene.appliance.running else "ENDED"
        filed = len(self._scene.portal.requests)
        return (
            f"service by {service or '-'} | WiFi by {guests or '-'} | modem {modem} | "
            f"requests at the portal {filed} | daemon {daemon}"
        )


async def run(scene: Scene, page: str) -> None:
    """Obey keys until ``q``."""
    menu = Menu(scene)
    print(f"The office's page: {page}   (log: {scene.files.home / 'daemon.log'})\n{TEXT}", flush=True)
    async with _keys() as keys:
        while (key := await _next_key(menu, keys)) != "q":
            deed = menu.deeds.get(key)
            if deed is None:
                continue
            print(f"{_CLEAR}[{key}] ...", end="", flush=True)
            print(f"{_CLEAR}[{key}] {await _do(deed)}", flush=True)


async def _do(deed: Callable[[], Awaitable[str]]) -> str:
    try:
        return await deed()
    except (OSError, EOFError, VillageError) as error:
        return f"that went wrong: {type(error).__name__}: {error}"


async def _next_key(menu: Menu, keys: asyncio.Queue[str]) -> str:
    while True:
        print(f"{_CLEAR}{await menu.status()}", end="", flush=True)
        try:
            async with asyncio.timeout(_STATUS_EVERY_S):
                return await keys.get()
        except TimeoutError:
            continue


@asynccontextmanager
async def _keys() -> AsyncIterator[asyncio.Queue[str]]:
    """Single keys from the terminal, which is given back as it was."""
    keys, before, terminal = asyncio.Queue[str](), termios.tcgetattr(sys.stdin), sys.stdin.fileno()

    def read() -> None:
        try:
            pressed = os.read(terminal, 64)
        except OSError:  # the terminal is gone
            pressed = b""
        for byte in pressed or b"q":
            keys.put_nowait(chr(byte))

    tty.setcbreak(terminal)
    asyncio.get_running_loop().add_reader(terminal, read)
    try:
        yield keys
    finally:
        asyncio.get_running_loop().remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
