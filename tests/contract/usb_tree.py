"""A machine's USB as files: sysfs, /dev, /proc and the folder of lock files, for sticks that exist nowhere else.

The layout is the kernel's own (`edge.modem.device.usb`): links go where sysfs has links, so that what walks the real
tree walks this one. A serial line is a link to whatever plays the modem, such as the pty of the simulated one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edge.modem.device.usb import Places

SERIAL_KIND = "ff/ff/ff"
ETHERNET_KIND, STORAGE_KIND, VENDOR_KIND = "02/06/00", "08/06/50", "ff/02/16"


class UsbTree:
    """Plugs sticks in and pulls them out."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root / "sys", root / "dev", root / "proc", root / "lock")
        for folder in ("sys/bus/usb/devices", "sys/class/tty", "dev/bus/usb", "dev/serial/by-id", "proc", "lock"):
            (root / folder).mkdir(parents=True)
        self._hub = root / "sys" / "devices" / "pci0000:00" / "usb1"
        self._numbers = 0

    def plug(
        self,
        port: str,
        ids: str,
        *,
        lines: dict[int, tuple[str, Path]] | None = None,
        kinds: dict[int, str] | None = None,
        others: tuple[str, ...] = (),
        serial: str = "",
    ) -> None:
        """Plug a stick into socket `port` ("1-1"): `lines` are its ttys and what plays them, by interface number.

        `kinds` are their class/subclass/protocol; `others` are those of interfaces without a tty.
        """
        device = self._hub / port
        self._numbers += 1
        vendor, product = ids.split(":")
        wanted = {"idVendor": vendor, "idProduct": product, "busnum": "1", "devnum": str(self._numbers)}
        self._write(device, wanted | ({"serial": serial} if serial else {}))
        node = self.places.dev / "bus" / "usb" / "001" / f"{self._numbers:03d}"
        node.parent.mkdir(exist_ok=True)
        node.touch()
        self._link(self.places.sys / "bus" / "usb" / "devices" / port, device)
        for number, (name, player) in (lines or {}).items():
            interface = self._interface(device, number, (kinds or {}).get(number, SERIAL_KIND))
            folder = interface / name / "tty" / name if name.startswith("ttyUSB") else interface / "tty" / name
            folder.mkdir(parents=True)
            self._link(self.places.sys / "class" / "tty" / name, folder)
            (self.places.dev / name).symlink_to(player)
            by_id = self.places.dev / "serial" / "by-id" / f"usb-{vendor}_{product}-if{number:02d}-port0"
            by_id.unlink(missing_ok=True)  # twins without serial numbers share it: udev lets the last have it
            by_id.symlink_to(f"../../{name}")
        for place, kind in enumerate(others, 10):
            interface = self._interface(device, place, kind)
            if kind == ETHERNET_KIND:
                (interface / "net" / "eth1").mkdir(parents=True)

    def unplug(self, port: str) -> None:
        """Pull the stick out of `port`, and with it all that stood for it."""
        shutil.rmtree(self._hub / port)
        for folder in ("sys/bus/usb/devices", "sys/class/tty"):
            self._forget_dangling(self.places.sys.parent / folder)
        for entry in self.places.dev.iterdir():
            if entry.name.startswith("tty") and not (self.places.sys / "class" / "tty" / entry.name).is_symlink():
                entry.unlink()
        for entry in (self.places.dev / "serial" / "by-id").iterdir():
            if not (entry.parent / entry.readlink()).is_symlink():
                entry.unlink()

    def run(self, pid: int, name: str, *opened: str) -> None:
        """Let a process be seen, with these files open."""
        folder = self.places.proc / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        for number, file in enumerate(opened):
            (folder / "fd" / str(number)).symlink_to(os.path.realpath(file))

    def by_id(self, ids: str, interface: int = 0) -> str:
        """The path that udev would give the line of that interface."""
        return str(self.places.dev / "serial" / "by-id" / f"usb-{ids.replace(':', '_')}-if{interface:02d}-port0")

    def _interface(self, device: Path, number: int, kind: str) -> Path:
        interface = device / f"{device.name}:1.{number}"
        parts = dict(zip(("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"), kind.split("/"), strict=True))
        self._write(interface, {"bInterfaceNumber": f"{number:02x}"} | parts)
        return interface

    @staticmethod
    def _write(folder: Path, values: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in values.items():
            (folder / name).write_text(f"{value}\n")

    @staticmethod
    def _link(link: Path, target: Path) -> None:
        link.symlink_to(os.path.relpath(target, link.parent))

    @staticmethod
    def _forget_dangling(folder: Path) -> None:
        for entry in folder.iterdir():
            if not entry.exists():
                entry.unlink()
