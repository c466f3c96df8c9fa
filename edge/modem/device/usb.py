"""USB as sysfs shows it: which devices are plugged in, which ttys they have, and how one is reset.

Everything is read under `Places`, so that a tree of plain files serves as well as the machine's own. The layout is the
kernel's: ``bus/usb/devices/1-1`` is a device, ``1-1:1.0`` its first interface, and ``class/tty/ttyUSB0`` links to a
folder somewhere below that interface (Documentation/ABI/testing/sysfs-bus-usb).
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

USBDEVFS_RESET = 0x5514  # _IO('U', 20) of linux/usbdevice_fs.h
_MOST_BYTES = 256
_MOST_LINKS = 8
_NETWORK = ("02/06", "02/0d", "02/0e", "e0/01", "02/02/ff")  # Ethernet, NCM and MBIM control models; RNDIS twice
_STORAGE = "08"
_SERIAL = ("ttyUSB", "ttyACM")
_VENDOR_SPECIFIC = "ff"


class UsbRefused(Exception):
    """The device cannot be reset; the text says why and what would help."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the machine shows its devices and processes, and where programs lock serial lines."""

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    locks: Path = Path("/var/lock")


@dataclass(frozen=True, slots=True)
class UsbDevice:
    """A plugged-in device. `port` is its socket ("1-1.2"), `interfaces` hold class/subclass/protocol in hexadecimal."""

    port: str
    vendor: str
    product: str
    serial: str
    name: str
    bus: int
    number: int
    interfaces: tuple[str, ...]
    network: bool
    ttys: tuple[str, ...]

    @property
    def id(self) -> str:
        """Vendor and product as lsusb writes them."""
        return f"{self.vendor}:{self.product}"

    @property
    def is_storage_alone(self) -> bool:
        """Only a disk: a stick that nobody has switched to its other interfaces yet."""
        return bool(self.interfaces) and all(kind.startswith(_STORAGE) for kind in self.interfaces)

    @property
    def is_network_alone(self) -> bool:
        """A network card (and perhaps a disk) with nothing that could be a serial line: a stick in HiLink mode."""
        has_network = self.network or any(kind.startswith(_NETWORK) for kind in self.interfaces)
        return has_network and not self.ttys and not self.is_without_driver

    @property
    def is_without_driver(self) -> bool:
        """It has vendor-specific interfaces, where modems have their serial lines, but the kernel made no tty."""
        return not self.ttys and any(kind.startswith(_VENDOR_SPECIFIC) for kind in self.interfaces)

    def node(self, places: Places) -> Path:
        """The device file that whoever may write to it may reset it by."""
        return places.dev / "bus" / "usb" / f"{self.bus:03d}" / f"{self.number:03d}"


@dataclass(frozen=True, slots=True)
class Tty:
    """A serial line of a USB device; `kind` is its interface's class/subclass/protocol."""

    name: str
    device: str
    interface: int
    kind: str
    usb: UsbDevice


def devices(places: Places) -> tuple[UsbDevice, ...]:
    """Every USB device but the root hubs, by socket."""
    folder = places.sys / "bus" / "usb" / "devices"
    found = (_device(folder / name) for name in _names(folder) if ":" not in name and not name.startswith("usb"))
    return tuple(device for device in found if device is not None)


def names(places: Places) -> tuple[str, ...]:
    """The names of the serial lines that the kernel has made for USB devices."""
    return tuple(name for name in _names(places.sys / "class" / "tty") if name.startswith(_SERIAL))


def ttys(places: Places) -> tuple[Tty, ...]:
    """Every serial line of a USB device, by interface number within each device."""
    found = (tty for tty in (_tty(name, places) for name in names(places)) if tty is not None)
    return tuple(sorted(found, key=lambda tty: (tty.usb.port, tty.interface, tty.name)))


def behind(device: str, places: Places) -> Tty | None:
    """The USB serial line that the path `device` leads to, through links such as those of /dev/serial/by-id."""
    for name in names_on_the_way(device):
        if name.startswith(_SERIAL) and (tty := _tty(name, places)):
            return tty
    return None


def names_on_the_way(device: str) -> list[str]:
    """The last part of `device` and of every link it leads through."""
    path, names = Path(device), [Path(device).name]
    while path.is_symlink() and len(names) <= _MOST_LINKS:
        path = path.parent / path.readlink()
        names.append(path.name)
    return names


def may_reset(device: UsbDevice, places: Places) -> bool:
    """Whether this process may reset the device."""
    return os.access(device.node(places), os.W_OK)


def reset(device: UsbDevice, places: Places, *, ioctl: Callable[[int, int, int], int] = fcntl.ioctl) -> None:
    """Reset the device as if it were plugged in again; blocks up to seconds. Raises `UsbRefused`.

    The port is reset and the drivers start afresh (USBDEVFS_RESET, Documentation/driver-api/usb/usb.rst); it needs no
    root, only a node that may be written to.
    """
    node = device.node(places)
    try:
        file = os.open(node, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        denied = error.errno == errno.EACCES
        remedy = "; install 60-kampung-edge-modem.rules and plug the modem in again" if denied else ""
        raise UsbRefused(f"{node}: {os.strerror(error.errno or 0)}{remedy}") from error
    try:
        ioctl(file, USBDEVFS_RESET, 0)
    except OSError as error:
        if error.errno != errno.ENODEV:  # it re-enumerates as another: that is a reset too
            raise UsbRefused(f"{node} was not reset: {os.strerror(error.errno or 0)}") from error
    finally:
        os.close(file)


def _tty(name: str, places: Places) -> Tty | None:
    root = places.sys.resolve()
    folder = (root / "class" / "tty" / name).resolve()
    interface: Path | None = None
    for parent in folder.parents:
        if parent == root or root not in parent.parents:
            return None
        if interface is None and (parent / "bInterfaceNumber").exists():
            interface = parent
        elif interface is not None and (device := _device(parent)):
            number = int(_read(interface / "bInterfaceNumber") or "0", 16)
            return Tty(name, str(places.dev / name), number, _kind(interface), device)
    return None


def _device(folder: Path) -> UsbDevice | None:
    vendor, product = _read(folder / "idVendor"), _read(folder / "idProduct")
    if not vendor or not product:
        return None
    interfaces = [folder / name for name in _names(folder) if (folder / name / "bInterfaceClass").exists()]
    return UsbDevice(
        port=folder.name,
        vendor=vendor.lower(),
        product=product.lower(),
        serial=_read(folder / "serial"),
        name=" ".join(filter(None, (_read(folder / "manufacturer"), _read(folder / "product")))),
        bus=_number(folder / "busnum"),
        number=_number(folder / "devnum"),
        interfaces=tuple(_kind(interface) for interface in interfaces),
        network=any((interface / "net").is_dir() for interface in interfaces),
        ttys=tuple(name for interface in interfaces for name in _ttys_below(interface)),
    )


def _ttys_below(interface: Path) -> Iterable[str]:
    """ttyUSB0 is a folder of its interface (usb-serial); ttyACM0 stands in its folder tty (cdc_acm)."""
    yield from (name for name in _names(interface) if name.startswith("ttyUSB"))
    yield from _names(interface / "tty")


def _kind(interface: Path) -> str:
    return "/".join(_read(interface / f"bInterface{part}").lower() for part in ("Class", "SubClass", "Protocol"))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:  # unplugged meanwhile, or a machine without USB
        return []


def _number(file: Path) -> int:
    text = _read(file)
    return int(text) if text.isdecimal() else 0


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode(errors="replace").strip()
    except OSError:  # unplugged meanwhile, or a device without this attribute
        return ""
