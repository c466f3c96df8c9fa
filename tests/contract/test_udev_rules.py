"""The modem's udev rules as udev itself applies them, to devices of a sysfs made of files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from edge.modem.device.sticks import BRIDGES, MAKERS

RULES = Path(__file__).parents[2] / "systemd" / "60-kampung-edge-modem.rules"
GROUP = "root"  # the daemon's own is made when it is installed
LATER = 'ENV{PRODUCT}=="10c4/ea60/*", ENV{BRLTTY_BRAILLE_DRIVER}="sk"\n'  # as brltty's rules do it
UDEV = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/udev/rules.d
cp "$1" /run/udev/rules.d/60-kampung-edge-modem.rules
cp "$2" /run/udev/rules.d/90-brltty.rules
mount -t tmpfs tmpfs /sys
mount -t tmpfs tmpfs /dev
: >/dev/null
mkdir -p /sys/bus/usb/devices /sys/class/tty "/sys$3/power"
ln -s "$4" "/sys$3/subsystem"
printf '%s\\n' "$5" >"/sys$3/uevent"
printf '%s\\n' "$6" >"/sys$3/idVendor"
: >"/sys$3/power/control"
SYSTEMD_DEVICE_VERIFY_SYSFS=0 SYSTEMD_LOG_LEVEL=debug udevadm test --action=add "/sys$3" 2>&1
printf 'POWER=%s\\n' "$(cat "/sys$3/power/control")"
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "60.rules"
    file.write_text(RULES.read_text().replace('GROUP="kampung-edge"', f'GROUP="{GROUP}"'))
    (tmp_path / "90.rules").write_text(LATER)
    return file


def applied(rules: Path, path: str, subsystem: str, uevent: str, vendor: str = "") -> str:
    """What udev says while it applies the rules to one device."""
    arguments = (str(rules), str(rules.with_name("90.rules")), path, subsystem, uevent, vendor)
    command = ["unshare", "--mount", "bash", "-c", UDEV, "udev", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def usb(rules: Path, vendor: str, product: str = "ea60") -> str:
    uevent = f"DEVTYPE=usb_device\nPRODUCT={vendor}/{product}/100\nMAJOR=189\nMINOR=1\nDEVNAME=bus/usb/001/002"
    return applied(rules, "/devices/usb1/1-1", "../../../bus/usb", uevent, vendor)


def test_udev_understands_every_line(rules: Path) -> None:
    """udev skips a line with a mistake, and says so only in a log nobody reads."""
    assert complaints(usb(rules, "12d1")) == []
    rules.write_text(rules.read_text() + 'BAD=="x", FOO\n')
    assert complaints(usb(rules, "12d1")) != []


def complaints(said: str) -> list[str]:
    return re.findall(r"^/run/udev/rules\.d/60-\S+:\d+ .*", said, re.MULTILINE)


@pytest.mark.parametrize("vendor", ["12d1", "2c7c", "1a86"])
def test_a_modem_is_ours_awake_and_may_be_reset(rules: Path, vendor: str) -> None:
    """ModemManager would read the SMS away, autosuspend hang the stick, and nobody could reset it."""
    said = usb(rules, vendor)
    assert "ID_MM_DEVICE_IGNORE=1" in said
    assert "POWER=on" in said
    assert re.search(r"60-kampung-edge-modem\.rules:\d+ MODE 0660", said)
    assert re.search(r"60-kampung-edge-modem\.rules:\d+ GROUP 0", said)


def test_a_device_of_another_kind_is_left_alone(rules: Path) -> None:
    """The daemon could reset the office's printer, and it would never sleep."""
    said = usb(rules, "03f0")
    assert "KAMPUNG_EDGE_MODEM" not in said
    assert "POWER=on" not in said
    assert not re.search(r"60-kampung-edge-modem\.rules:\d+ (MODE|GROUP)", said)


def test_brltty_does_not_take_a_serial_adapter(rules: Path) -> None:
    """An adapter would be given away as a braille display the moment it is plugged in."""
    assert "BRLTTY_BRAILLE_DRIVER=sk" not in usb(rules, "10c4")
    rules.write_text("")
    assert "BRLTTY_BRAILLE_DRIVER=sk" in usb(rules, "10c4")


@pytest.mark.parametrize("name", ["ttyUSB0", "ttyACM1"])
def test_modem_manager_is_kept_off_each_port(rules: Path, name: str) -> None:
    """Versions of ModemManager that look at the port alone would probe it."""
    said = applied(rules, f"/devices/{name}", "../../class/tty", f"DEVNAME={name}")
    assert "ID_MM_PORT_IGNORE=1" in said


def test_the_rules_know_the_makers_that_the_daemon_knows() -> None:
    """A stick that the search finds could not be reset, or one that is reset not be found."""
    listed = re.findall(r'ATTR\{idVendor\}=="([^"]+)"', RULES.read_text())
    assert {vendor for line in listed for vendor in line.split("|")} == set(MAKERS) | set(BRIDGES)
