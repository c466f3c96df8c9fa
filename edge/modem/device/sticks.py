"""Pure: what is known of USB modems by their ids: makers, the order of their serial lines, modes without an AT port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge.modem.device.usb import Tty, UsbDevice

MAKERS: Mapping[str, str] = MappingProxyType(
    {
        "12d1": "Huawei",
        "3566": "Huawei (Brovi)",
        "19d2": "ZTE",
        "1e0e": "SIMCom",
        "2c7c": "Quectel",
        "05c6": "Qualcomm",
        "1199": "Sierra Wireless",
        "114f": "Wavecom",
        "1bc7": "Telit",
        "1e2d": "Cinterion",
        "0681": "Siemens",
        "1546": "u-blox",
        "1bbb": "Alcatel",
        "1c9e": "Longcheer",
        "2001": "D-Link",
        "2cb7": "Fibocom",
        "2dee": "MeiG",
        "0af0": "Option",
    }
)
"""Makers by USB vendor id; the udev rules name the same."""

BRIDGES: Mapping[str, str] = MappingProxyType(
    {"0403": "FTDI", "067b": "Prolific", "10c4": "Silicon Labs CP210x", "1a86": "WCH CH34x"}
)
"""Serial adapters before a modem with an RS-232 or UART port; they are never asked unless [modem] device names them."""

_AT_KINDS = {"ff/02/12": 0, "ff/01/12": 0, "ff/02/02": 0, "ff/01/02": 0, "ff/03/12": 0}
_MODEM_KINDS = {"ff/02/01": 1, "ff/01/01": 1, "ff/02/10": 1, "ff/01/10": 1, "ff/03/10": 1, "02/02/01": 1}
"""Newer Huawei sticks tell by the interface: the control port first (it alone brings unsolicited codes), then the
modem's; 02/02/01 is CDC-ACM with AT commands (USB CDC PSTN 1.2, table 13)."""
_AT_INTERFACES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "12d1": (2, 3, 1, 0),  # modem, diagnosis, control port: the last of the three
        "1e0e": (2, 3),  # diagnosis, NMEA, AT, modem
        "2c7c": (2, 3),
        "19d2": (1, 2, 3),
        "1199": (3, 2, 0),
        "1bc7": (4, 5, 2, 3, 0),
    }
)


@dataclass(frozen=True, slots=True)
class WrongMode:
    """A stick that is plugged in but has no serial line, and why; `hilink` where it can have none as it is."""

    sentence: str
    hilink: bool


def preferred(lines: Iterable[Tty]) -> tuple[Tty, ...]:
    """The lines of each stick, the likeliest to speak AT first."""
    return tuple(sorted(lines, key=_rank))


def wrong_mode(plugged: Iterable[UsbDevice]) -> WrongMode | None:
    """The first stick of a known maker that has no serial line, None where there is none."""
    for device in plugged:
        if device.vendor in MAKERS and not device.ttys and (wrong := _explain(device)) is not None:
            return wrong
    return None


def _rank(tty: Tty) -> tuple[str, int, int]:
    by_kind = _AT_KINDS.get(tty.kind, _MODEM_KINDS.get(tty.kind))
    order = _AT_INTERFACES.get(tty.usb.vendor, ())
    place = order.index(tty.interface) if tty.interface in order else len(order) + tty.interface
    return tty.usb.port, by_kind if by_kind is not None else 2 + place, tty.interface


def _explain(device: UsbDevice) -> WrongMode | None:
    what = f"the {MAKERS[device.vendor]} stick {device.id}"
    if device.is_network_alone:
        return WrongMode(
            f"{what} is in HiLink mode: a router with a web page and no AT port; switch it to its serial mode "
            "or use another modem",
            True,
        )
    if device.is_storage_alone:
        return WrongMode(f"{what} still shows itself as a disk: install usb-modeswitch and plug it in again", False)
    if device.is_without_driver:
        return WrongMode(f"{what} has no serial driver in the kernel: modprobe option, or use a newer kernel", False)
    return None
