"""The village's configuration file and keys, as an installer would leave them.

Written as text on purpose: the daemon reads it like any other village's file, and the simulator knows none of its code.
"""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.simulator import village
from edge.simulator.links import Line

CODE = "3510052001"
HEAD_PHONE = "+6281234500031"
HEAD_RT, HEAD_RW = 3, 1


@dataclass(frozen=True, slots=True)
class Holds:
    """How long a change must last before the box believes it, in seconds."""

    rise: float
    failback: float


SHORT = Holds(rise=2, failback=1)
LONG = Holds(rise=5, failback=10)


@dataclass(frozen=True, slots=True)
class Files:
    """Where one village keeps its files, and the secrets that the office and the portal know as well."""

    home: Path
    desk_key: str
    portal_key: str

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "kampung-edge.toml"

    @property
    def credentials(self) -> Path:
        """What systemd would give as $CREDENTIALS_DIRECTORY."""
        return self.home / "credentials"


def write(home: Path, *, modem: Path, ca_file: Path, portal_port: int, holds: Holds) -> Files:
    """Write the configuration and the credentials below `home`."""
    files = Files(home, secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    (home / "state").mkdir(mode=0o700)
    files.credentials.mkdir(mode=0o700)
    store_key = base64.b64encode(os.urandom(32)).decode()
    for name, value in (("desk-key", files.desk_key), ("portal-key", files.portal_key), ("store-key", store_key)):
        path = files.credentials / name
        path.touch(mode=0o600)
        path.write_text(value)
    files.config.write_text(_toml(home, modem, ca_file, portal_port, holds))
    return files


def _toml(home: Path, modem: Path, ca_file: Path, portal_port: int, holds: Holds) -> str:
    quiet_from, quiet_until = _quiet_hours(datetime.now(ZoneInfo("Asia/Jakarta")))
    return f"""\
mode = "router"
state_dir = "{home}/state"
run_dir = "{home}/run"

[village]
code = "{CODE}"
name = "Sumberberas"
district = "Muncar"
{"".join(_uplink(line) for line in village.LINES.values())}
[classes.service]
uplinks = ["pde", "telkom"]
guaranteed_percent = 70
devices = ["office0"]
networks = ["{village.OFFICE_NETWORK}"]

[classes.wifi]
uplinks = ["telkom", "pde"]
guaranteed_percent = 20
devices = ["wifi0"]
networks = ["{village.GUEST_NETWORK}"]
cap_mbit = {{ pde = 2 }}

[classes.control]
uplinks = ["pde", "telkom"]
guaranteed_percent = 5

[monitor]
rise_s = {holds.rise}
dns_name = "web.example"
check_url = "http://{village.WEB_HOST}{village.CHECK_PATH}"

[policy]
failback_hold_s = {holds.failback}
failback_most_s = {holds.failback}
failback_in_service_hours = "allowed"
brownout_moves = "always"
management = ["{village.OFFICE_NETWORK}"]

[modem]
device = "{modem}"

[sms]
send_gap_s = 0
quiet_from = "{quiet_from}"
quiet_until = "{quiet_until}"

[[sms.heads]]
rt = {HEAD_RT}
rw = {HEAD_RW}
phone = "{HEAD_PHONE}"

[upstream]
url = "https://{village.PORTAL_HOST}:{portal_port}"
ca_file = "{ca_file}"

[web]
listen = ["127.0.0.1:{village.PAGE_PORT}", "{village.BOX_IN_OFFICE}:{village.PAGE_PORT}"]
"""


def _uplink(line: Line) -> str:
    pinned = f'pinned = ["{village.GOV_PREFIX}"]\n' if line is village.PDE else ""
    return f"""
[[uplink]]
name = "{line.name}"
device = "{line.device}"
gateway = "{village.GATEWAY[line.name]}"
download_mbit = {line.download_mbit}
upload_mbit = {line.upload_mbit}
targets = [{", ".join(f'"{target}"' for target in village.TARGETS)}]
resolvers = ["{village.NAME_HOST}"]
{pinned}"""


def _quiet_hours(now: datetime) -> tuple[str, str]:
    """An hour of quiet that is far from now: whoever tries the village at midnight sees its messages too."""
    return f"{now + timedelta(hours=11):%H:%M}", f"{now + timedelta(hours=12):%H:%M}"
