"""The table of USB modems: which line is asked first, and what a stick without one is."""

import pytest

from edge.modem.device.sticks import BRIDGES, MAKERS, preferred, wrong_mode
from edge.modem.device.usb import Tty, UsbDevice


def stick(ids: str, *interfaces: str, network: bool = False, ttys: tuple[str, ...] = ()) -> UsbDevice:
    vendor, product = ids.split(":")
    return UsbDevice("1-1", vendor, product, "", "", 1, 2, interfaces, network, ttys)


def lines(ids: str, *kinds: str) -> list[Tty]:
    device = stick(ids, *kinds)
    return [Tty(f"ttyUSB{number}", "", number, kind, device) for number, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("ids", "kinds", "first"),
    [
        ("12d1:1001", ("ff/ff/ff",) * 3, 2),  # E173: modem, diagnosis, control port
        ("12d1:1506", ("ff/02/01", "ff/02/02", "ff/02/03"), 1),  # E3372 in stick mode: the interface tells
        ("12d1:155e", ("ff/02/13", "ff/02/12", "ff/02/10"), 1),
        ("1e0e:9001", ("ff/ff/ff",) * 5, 2),  # SIM7600: diagnosis, NMEA, AT
        ("2c7c:0125", ("ff/ff/ff",) * 4, 2),  # EC25
        ("19d2:0117", ("ff/ff/ff",) * 3, 1),
        ("1bc7:0021", ("02/02/01", "ff/ff/ff"), 0),
        ("abcd:0001", ("ff/ff/ff",) * 3, 0),
    ],
)
def test_the_likeliest_line_is_asked_first(ids: str, kinds: tuple[str, ...], first: int) -> None:
    """Finding the modem would take seconds longer, or end at a line that brings no unsolicited codes."""
    assert preferred(lines(ids, *kinds))[0].interface == first


def test_every_line_is_asked_in_the_end() -> None:
    """A model that numbers its lines otherwise would never be found."""
    assert {tty.interface for tty in preferred(lines("12d1:1001", *("ff/ff/ff",) * 6))} == set(range(6))


@pytest.mark.parametrize(
    ("device", "sentence", "hilink"),
    [
        (stick("12d1:14db", "02/06/00", "08/06/50"), "Huawei stick 12d1:14db is in HiLink mode", True),
        (stick("3566:2001", "e0/01/03", network=True), "HiLink mode", True),
        (stick("12d1:1f01", "08/06/50"), "shows itself as a disk: install usb-modeswitch", False),
        (stick("19d2:0117", "ff/ff/ff"), "no serial driver in the kernel", False),
    ],
)
def test_a_stick_in_the_wrong_mode_is_explained(device: UsbDevice, sentence: str, hilink: bool) -> None:
    """The engineer would be told "no modem" with the stick in hand."""
    wrong = wrong_mode([device])
    assert wrong is not None
    assert sentence in wrong.sentence
    assert wrong.hilink is hilink


@pytest.mark.parametrize(
    "device",
    [
        stick("12d1:155e", "ff/02/12", "02/0d/00", network=True, ttys=("ttyUSB0",)),  # a network card with AT beside it
        stick("0bda:8153", "02/06/00", network=True),  # the office's own network adapter
        stick("0781:5567", "08/06/50"),  # somebody's memory stick
        stick("12d1:107e", "06/01/01"),  # a telephone that is being charged
    ],
)
def test_what_is_no_stick_in_the_wrong_mode_is_left_alone(device: UsbDevice) -> None:
    """A network adapter or a memory stick would be called a modem of the wrong kind."""
    assert wrong_mode([device]) is None


def test_serial_adapters_are_no_makers_of_modems() -> None:
    """The search by IMEI would write AT to whatever instrument hangs on an adapter."""
    assert not set(BRIDGES) & set(MAKERS)
