"""USB devices read from a tree as sysfs has it, and their reset."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edge.modem.device import usb
from edge.modem.device.usb import Places, UsbRefused
from tests.contract.usb_tree import ETHERNET_KIND, STORAGE_KIND, VENDOR_KIND, UsbTree


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path)


def player(tmp_path: Path) -> Path:
    file = tmp_path / "player"
    file.touch()
    return file


def test_a_stick_is_read_with_all_its_lines(tree: UsbTree, tmp_path: Path) -> None:
    """The line that speaks AT could not be told from the others."""
    at = player(tmp_path)
    tree.plug("1-1.2", "12D1:1001", lines={2: ("ttyUSB5", at), 0: ("ttyUSB3", at)}, serial="S1")
    found = usb.ttys(tree.places)
    assert [(tty.name, tty.interface, tty.kind) for tty in found] == [
        ("ttyUSB3", 0, "ff/ff/ff"),
        ("ttyUSB5", 2, "ff/ff/ff"),
    ]
    device = found[0].usb
    assert (device.port, device.id, device.serial, device.bus, device.number) == ("1-1.2", "12d1:1001", "S1", 1, 1)
    assert device.ttys == ("ttyUSB3", "ttyUSB5")


def test_a_communications_device_has_its_lines_too(tree: UsbTree, tmp_path: Path) -> None:
    """cdc_acm puts its ttys elsewhere than usb-serial does: such a modem would look like one without a line."""
    tree.plug("1-1", "1bc7:0021", lines={0: ("ttyACM0", player(tmp_path))}, kinds={0: "02/02/01"})
    (tty,) = usb.ttys(tree.places)
    assert (tty.name, tty.usb.ttys, tty.usb.is_network_alone) == ("ttyACM0", ("ttyACM0",), False)


def test_the_device_behind_a_name_is_found_through_links(tree: UsbTree, tmp_path: Path) -> None:
    """A device given by its by-id name could never be reset."""
    tree.plug("1-1", "12d1:1001", lines={0: ("ttyUSB3", player(tmp_path))})
    for name in (tree.by_id("12d1:1001"), str(tree.places.dev / "ttyUSB3")):
        tty = usb.behind(name, tree.places)
        assert tty is not None
        assert tty.name == "ttyUSB3"
    assert usb.behind(str(tmp_path / "player"), tree.places) is None


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((ETHERNET_KIND, STORAGE_KIND), "network"),
        (("e0/01/03",), "network"),
        ((STORAGE_KIND,), "storage"),
        ((VENDOR_KIND, STORAGE_KIND), "driver"),
        (("03/01/01",), ""),
    ],
)
def test_what_a_stick_without_a_line_is(tree: UsbTree, others: tuple[str, ...], told: str) -> None:
    """An engineer would look for a broken cable where the stick is in the wrong mode."""
    tree.plug("1-1", "12d1:14db", others=others)
    (device,) = usb.devices(tree.places)
    said = {"network": device.is_network_alone, "storage": device.is_storage_alone, "driver": device.is_without_driver}
    assert [name for name, holds in said.items() if holds] == ([told] if told else [])


def test_a_machine_without_usb_has_nothing(tmp_path: Path) -> None:
    """A box without USB, or a container, would crash the search."""
    places = Places(tmp_path, tmp_path, tmp_path, tmp_path)
    assert (usb.devices(places), usb.ttys(places), usb.names(places)) == ((), (), ())


def test_a_reset_goes_to_the_device_s_own_node(tree: UsbTree) -> None:
    """Another device, perhaps the uplink's, would be reset."""
    tree.plug("1-1", "0403:6001")
    tree.plug("1-2", "12d1:1001")
    device = usb.devices(tree.places)[1]
    asked: list[tuple[str, int]] = []

    def ioctl(file: int, request: int, _argument: int) -> int:
        asked.append((str(Path(f"/proc/self/fd/{file}").readlink()), request))
        return 0

    usb.reset(device, tree.places, ioctl=ioctl)
    assert asked == [(str(tree.places.dev / "bus/usb/001/002"), 0x5514)]


def test_a_reset_that_makes_the_device_another_is_one(tree: UsbTree) -> None:
    """A modem that re-enumerates at once would count as refused, and the next rung would cut its power."""
    tree.plug("1-1", "12d1:1001")

    def ioctl(_file: int, _request: int, _argument: int) -> int:
        raise OSError(errno.ENODEV, "No such device")

    usb.reset(usb.devices(tree.places)[0], tree.places, ioctl=ioctl)


def test_a_reset_that_is_refused_says_why(tree: UsbTree) -> None:
    """The ladder would wait for a reset that never was."""
    tree.plug("1-1", "12d1:1001")
    device = usb.devices(tree.places)[0]
    with pytest.raises(UsbRefused, match="001/001 was not reset: Inappropriate ioctl"):
        usb.reset(device, tree.places)  # a file in the tree is no USB device
    device.node(tree.places).unlink()
    assert not usb.may_reset(device, tree.places)
    with pytest.raises(UsbRefused, match="No such file"):
        usb.reset(device, tree.places)
