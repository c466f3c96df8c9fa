"""The project as it stands, with a village's configuration and keys, as a disk that the guest mounts read-only."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.power.image import PROJECT
from edge.simulator import portal_tls

VILLAGE = "3510052001"
HOST = "192.168.10.2"  # this machine, as qemu's own network shows it to the guest
GUEST = "192.168.10.1"
NETWORK = "192.168.10.0/24"
DESK_PORT = 8480
PORTAL_PORT = 8443  # free in namespaces of our own
_GUEST = Path(__file__).parent / "guest"
_TREE = "project"

_CONFIG = """\
mode = "beside"

[village]
code = "{village}"
name = "Sumberberas"
district = "Muncar"

[[uplink]]
name = "pde"
device = "absent0"
gateway = "192.0.2.1"
download_mbit = 10
upload_mbit = 10
targets = ["192.0.2.10"]

[classes.service]
uplinks = ["pde"]
guaranteed_percent = 70
devices = ["eth0"]
networks = ["{network}"]
[classes.wifi]
uplinks = ["pde"]
guaranteed_percent = 20
cap_mbit = {{ pde = 2 }}
[classes.control]
uplinks = ["pde"]
guaranteed_percent = 5

[upstream]
url = "https://{host}:{portal}"
ca_file = "/etc/kampung-edge/ca.pem"
retry_most_s = 5

[web]
listen = ["{guest}:{desk}"]
"""


@dataclass(frozen=True, slots=True)
class Project:
    """The disk, the folder it was made of, and what the office and the portal know as well."""

    disk: Path
    tree: Path
    desk_key: str
    portal_key: str
    tls: portal_tls.Files


def make(directory: Path) -> Project:
    """Write the disk into `directory`."""
    tree = directory / _TREE
    shutil.copytree(PROJECT / "edge", tree / "project/edge", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PROJECT / "systemd", tree / "project/systemd")
    for name in ("agent.py", "sums.py"):
        shutil.copy(_GUEST / name, tree)
    _compile(tree / "project")
    keys = tree / "etc/keys"
    keys.mkdir(parents=True)
    store_key = base64.b64encode(os.urandom(32)).decode()
    secret = {"store-key": store_key, "desk-key": secrets.token_urlsafe(24), "portal-key": secrets.token_urlsafe(24)}
    for name, value in secret.items():
        (keys / name).write_text(value)
    project = kept(directory)
    shutil.copy(project.tls.ca, tree / "etc/ca.pem")
    config = _CONFIG.format(
        village=VILLAGE, host=HOST, guest=GUEST, network=NETWORK, desk=DESK_PORT, portal=PORTAL_PORT
    )
    (tree / "etc/kampung-edge.toml").write_text(config)
    subprocess.run(("mke2fs", "-q", "-t", "ext4", "-d", tree, project.disk, "64M"), check=True)
    return project


def kept(directory: Path) -> Project:
    """What `make` has written into `directory`."""
    tree = directory / _TREE
    desk_key, portal_key = ((tree / "etc/keys" / name).read_text() for name in ("desk-key", "portal-key"))
    tls = portal_tls.made(directory / "portal", [HOST, "127.0.0.1"])
    return Project(directory / "project.img", tree, desk_key, portal_key, tls)


def _compile(tree: Path) -> None:
    """With the guest's version of Python at hand, an emulated processor need not translate the sources at each boot."""
    python = shutil.which("python3.11")
    if python is not None:
        subprocess.run((python, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", tree), check=True)
