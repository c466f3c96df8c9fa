"""Finds the modem that ``[modem] device`` means, also after it was plugged in again under another name.

A stick has several serial lines, of which one or two speak AT; which, differs from model to model. So they are tried in
the order in which makers place them, and the line that answered is remembered with the stick, not with its number.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.config import Modem
from edge.modem.device import sticks, usb
from edge.modem.device.talk import Talk, same_imei
from edge.modem.device.usb import Places, Tty
from edge.modem.port import PortUnavailable

log = logging.getLogger("edge.modem")

Kind = Literal["missing", "hilink", "held"]


class Absent(Exception):
    """The modem cannot be used now; `kind` tells a stick in HiLink mode, and a line that others hold, from the rest."""

    def __init__(self, sentence: str, kind: Kind = "missing") -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Found:
    """The serial line to open, and what it belongs to; `tty` is None for what is not USB."""

    device: str
    tty: Tty | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    """One serial line of one stick, whatever number the kernel gives it. Without a serial number the socket counts."""

    vendor: str
    product: str
    serial: str
    interface: int
    port: str

    def is_(self, tty: Tty) -> bool:
        same = (tty.usb.vendor, tty.usb.product, tty.usb.serial, tty.interface)
        return same == (self.vendor, self.product, self.serial, self.interface)


class Finder:
    """Looks for one modem; `found` must be told which find has worked, so that it is tried first from then on."""

    def __init__(self, settings: Modem, places: Places) -> None:
        self._settings, self._places = settings, places
        self._known: _Line | None = None

    def worked(self, found: Found) -> None:
        """Remember the line that a modem has answered on."""
        tty = found.tty
        if tty is not None:
            self._known = _Line(tty.usb.vendor, tty.usb.product, tty.usb.serial, tty.interface, tty.usb.port)

    def sign(self) -> tuple[bool, tuple[str, ...]]:
        """Something that changes whenever a device comes or goes; cheap enough to be asked every second."""
        return Path(self._settings.device).exists(), usb.names(self._places)

    async def find(self) -> Found:
        """The modem's line; raises `Absent` with what is wrong and what would help."""
        form, _, rest = self._settings.device.partition(":")
        if form == "usb":
            return await self._by_ids(rest)
        if form == "imei":
            return await self._by_imei(rest)
        return await asyncio.to_thread(self._by_path)

    def _by_path(self) -> Found:
        device = self._settings.device
        tty = usb.behind(device, self._places)
        if Path(device).exists() and (self._known is None or tty is None or self._known.is_(tty)):
            return Found(device, tty)
        moved = self._recognised(usb.ttys(self._places))
        if moved is not None:
            return Found(moved.device, moved)
        if Path(device).exists():
            return Found(device, tty)  # another stick has taken its place: exchanged by hand
        raise self._absent(f"{device} does not exist")

    async def _by_ids(self, rest: str) -> Found:
        vendor, product, *serial = rest.split(":", 2)
        lines = await asyncio.to_thread(usb.ttys, self._places)
        wanted = (vendor.lower(), product.lower())
        lines = tuple(tty for tty in lines if (tty.usb.vendor, tty.usb.product) == wanted)
        lines = tuple(tty for tty in lines if not serial or tty.usb.serial == serial[0])
        if not lines:
            raise await asyncio.to_thread(self._absent, f"no modem {rest} is plugged in")
        known = self._recognised(lines)
        if known is not None:
            return Found(known.device, known)
        if len(lines) == 1:
            return Found(lines[0].device, lines[0])
        return await self._answering(sticks.preferred(lines))

    async def _answering(self, lines: tuple[Tty, ...]) -> Found:
        """The first line that answers AT; where none does, the likeliest, so that the ladder can act on the stick."""
        refusal: PortUnavailable | None = None
        for tty in lines:
            try:
                async with Talk.opened(tty.device, self._settings.baud, self._places) as talk:
                    if await talk.greet():
                        return Found(tty.device, tty)
            except PortUnavailable as error:
                refusal = refusal or error
        if refusal is not None:
            raise Absent(str(refusal), "held" if refusal.held else "missing")
        return Found(lines[0].device, lines[0])

    async def _by_imei(self, imei: str) -> Found:
        lines = await asyncio.to_thread(usb.ttys, self._places)
        known = self._recognised(lines)
        first = (known,) if known is not None else ()
        others = [tty for tty in sticks.preferred(lines) if tty not in first and _is_likely(tty)]
        mute = False
        for tty in (*first, *others):
            try:
                async with Talk.opened(tty.device, self._settings.baud, self._places) as talk:
                    told = await talk.imei() if await talk.greet() else ""
            except PortUnavailable as error:
                log.debug("%s is left out of the search by IMEI: %s", tty.device, error)
                continue
            if same_imei(told, imei):
                return Found(tty.device, tty)
            mute = mute or (tty is known and not told)
        if known is not None and mute:
            return Found(known.device, known)  # silent, but the one that was right before
        raise await asyncio.to_thread(self._absent, f"no modem with the IMEI that ends in {imei[-4:]} answers")

    def _recognised(self, lines: tuple[Tty, ...]) -> Tty | None:
        """The line that worked before; among twins without a serial number the one in the same socket."""
        if self._known is None:
            return None
        same = [tty for tty in lines if self._known.is_(tty)]
        in_place = [tty for tty in same if tty.usb.port == self._known.port]
        return next(iter(in_place or same), None)

    def _absent(self, sentence: str) -> Absent:
        """`sentence` with the likeliest cause: a stick in the wrong mode, or another name."""
        wrong = sticks.wrong_mode(usb.devices(self._places))
        if wrong is not None:
            return Absent(f"{sentence}; {wrong.sentence}", "hilink" if wrong.hilink else "missing")
        there = [tty for tty in usb.ttys(self._places) if _is_likely(tty)]
        if there:
            seen = sorted({f"usb:{tty.usb.id}" for tty in there})
            return Absent(f"{sentence}; correct [modem] device: there is {', '.join(seen)}")
        return Absent(f"{sentence}: plug the modem in, or correct [modem] device")


def _is_likely(tty: Tty) -> bool:
    return tty.usb.vendor in sticks.MAKERS
