"""Inside the guest, as root: makes the network and the state disk, starts the daemon's own units, then obeys.

Orders come as one line of JSON over TCP and are answered by one: {"do": "suspend"} stops the state disk with whatever
is on its way to it, {"do": "drop"} lets it go on with a drive that says yes to every write and keeps none of it,
{"do": "check"} reads the store as a stranger would, {"do": "wake", "now": SECONDS} sets the clock of a machine that
slept. Debian's own Python, nothing but the standard library.

The kernel's command line says what the state disk is: ``powercut.state=plain`` or ``=flakey`` (dm-flakey, see
Documentation/admin-guide/device-mapper/dm-flakey.rst), ``powercut.mount=OPTIONS``; and ``powercut.preload=LIBRARY``
puts a library before the daemon's, for the negative control.
"""

import json
import os
import shutil
import socketserver
import subprocess
import time
from pathlib import Path
from typing import Any

DISK = "/dev/vdc"
NAME = "state"
STATE = Path("/var/lib/kampung-edge")
HERE = Path("/srv/powercut")
UNITS = Path("/run/systemd/system")
# An emulated processor on a busy machine is a hundred times slower than a village's: systemd must not give up on it.
PATIENT = "[Service]\nTimeoutStartSec=900\nWatchdogSec=300\n"
PYTHON = "/opt/kampung-edge/bin/python"
PORT = 9000
FSCK: list[str] = []
Order = dict[str, Any]
_WELL, _DROPS = "flakey {disk} 0 86400 0", "flakey {disk} 0 0 86400 1 drop_writes"


def given() -> dict[str, str]:
    """What the kernel's command line says to us."""
    words = Path("/proc/cmdline").read_text().split()
    pairs = (word.removeprefix("powercut.").partition("=") for word in words if word.startswith("powercut."))
    return {name: value for name, _, value in pairs}


def call(*command: str, allowed: tuple[int, ...] = (0,)) -> str:
    """The output of a command; RuntimeError with what it said when it ends otherwise."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def begin(settings: dict[str, str]) -> None:
    """The network, the state disk as Debian would check and mount it, and the daemon by its own units."""
    call("modprobe", "-a", "virtio_net", "dm_flakey")
    for command in ("link set lo up", "link set eth0 up", "addr replace 192.168.10.1/24 dev eth0"):
        call("ip", *command.split())
    FSCK.extend(call("e2fsck", "-p", DISK, allowed=(0, 1)).splitlines())
    disk = DISK
    if settings.get("state") == "flakey":
        call("dmsetup", "create", NAME, "--table", table(_WELL))
        disk = f"/dev/mapper/{NAME}"
    call("mount", "-t", "ext4", "-o", settings.get("mount") or "defaults", disk, str(STATE))
    UNITS.mkdir(parents=True, exist_ok=True)
    for unit in (HERE / "project/systemd").glob("*.service"):
        shutil.copy(unit, UNITS)
    call("systemd-sysusers", str(HERE / "project/systemd/kampung-edge.sysusers"))
    call("systemd-tmpfiles", "--create", str(HERE / "project/systemd/kampung-edge.tmpfiles"))
    dropin = UNITS / "kampung-edge.service.d"
    dropin.mkdir(exist_ok=True)
    (dropin / "emulated.conf").write_text(PATIENT)
    if library := settings.get("preload"):
        (dropin / "preload.conf").write_text(f"[Service]\nEnvironment=LD_PRELOAD={library}\n")
    call("systemctl", "daemon-reload")
    call("systemctl", "start", "--no-block", "kampung-edge.service")


def table(kind: str) -> str:
    """One line for dmsetup: the whole disk."""
    return f"0 {call('blockdev', '--getsz', DISK).strip()} {kind.format(disk=DISK)}"


def suspend(_order: Order) -> dict[str, object]:
    """From here on no write reaches the disk, and none is completed."""
    call("dmsetup", "suspend", "--noflush", "--nolockfs", NAME)
    return {}


def drop(_order: Order) -> dict[str, object]:
    """Every write since `suspend`, and every one to come, is said to be done and is thrown away."""
    call("dmsetup", "load", NAME, "--table", table(_DROPS))
    call("dmsetup", "resume", NAME)
    return {}


def check(_order: Order) -> dict[str, object]:
    """What is wrong with the store's file, what e2fsck did before it was mounted, and how often the daemon died."""
    found: dict[str, object] = json.loads(call(PYTHON, str(HERE / "sums.py"), str(STATE / "kampung-edge.db")))
    restarts = call("systemctl", "show", "--value", "--property=NRestarts", "kampung-edge.service")
    return found | {"fsck": FSCK, "restarts": int(restarts)}


def journal(_order: Order) -> dict[str, object]:
    """What the daemon and the kernel said since this boot."""
    return {"journal": call("journalctl", "--boot", "--no-hostname", "--output=short-monotonic", "--lines=400")}


def wake(order: Order) -> dict[str, object]:
    """The time of day goes on from now."""
    time.clock_settime(time.CLOCK_REALTIME, order["now"])
    return {}


def known(_order: Order) -> dict[str, object]:
    """That the agent listens, and what it was given."""
    return {"known": given()}


ORDERS = {"known": known, "wake": wake, "suspend": suspend, "drop": drop, "check": check, "journal": journal}


class Caller(socketserver.StreamRequestHandler):
    """One connection, one order."""

    def handle(self) -> None:
        """Obey, or say why not."""
        line = self.rfile.readline(4096)
        try:
            order = json.loads(line)
            answer = ORDERS[order["do"]](order)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class Server(socketserver.ThreadingTCPServer):
    """Takes orders from the host alone: the guest has no other neighbour."""

    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    os.environ["DM_DISABLE_UDEV"] = "1"  # there is none here to wait for: dmsetup makes its own nodes (dmsetup(8))
    begin(given())
    with Server(("", PORT), Caller) as server:
        server.serve_forever()
