"""The daemon's parts run inside the unit's sandbox, and what the sandbox forbids is forbidden."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.confined import command, system_calls

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "kampung-edge.service"
CONFIG = ROOT / "tests" / "data" / "config" / "warning-interface.toml"


def confined(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(UNIT, *arguments), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return confined(sys.executable, "-c", code)


NEEDED = {
    "daemon": "import edge.daemon",
    "sealing": """
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
AESGCM(bytes(32)).encrypt(bytes(12), b"", b"")""",
    "netlink": """
from pyroute2.iproute import IPRoute
with IPRoute() as route:
    assert route.get_links()""",
    "figures": "import psutil; psutil.cpu_times(); psutil.virtual_memory(); psutil.net_io_counters(pernic=True)",
    "tls": "import ssl; ssl.create_default_context()",
    "pages": "import jinja2, prometheus_client; jinja2.Template('{{ 1 }}').render()",
    "clock": "from edge.clock import SystemClock; SystemClock().trusted()",
    "store": """
import sqlite3, tempfile
with tempfile.TemporaryDirectory() as directory:
    store = sqlite3.connect(directory + "/store")
    store.execute("pragma journal_mode = wal")
    store.execute("create table t (x)")
    store.commit()
    store.close()""",
    "ping": """
import socket
ping = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
ping.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
ping.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")""",
    "serial": "import os, serial; here, there = os.openpty(); serial.Serial(os.ttyname(there), 115200).close()",
    "modem": """
import asyncio, os
from edge.modem.device import lock, power, usb
from edge.modem.port import Port
async def work():
    here, there = os.openpty()
    port = await Port.open(os.ttyname(there), 115200, print, print)
    port.write(b"AT")
    assert os.read(here, 2) == b"AT"
    usb.ttys(usb.Places()), usb.devices(usb.Places()), lock.holders(os.ttyname(there), usb.Places())
    port.close()
    await port.closed()
    await power.cycle(("/bin/true",))
asyncio.run(work())""",
    "children": "import asyncio, sys; asyncio.run(asyncio.create_subprocess_exec(sys.executable, '-V'))",
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_the_daemon_needs_is_allowed(name: str) -> None:
    """The daemon would start in the village as it never started on a desk."""
    done = python(NEEDED[name])
    assert done.returncode == 0, done.stderr


def test_its_children_may_change_the_network() -> None:
    """Neither the guests' rules nor a switch of uplinks would reach the kernel."""
    for arguments in (
        ("nft", "add", "table", "inet", "confined_test"),
        ("nft", "delete", "table", "inet", "confined_test"),
        ("conntrack", "-L"),
        ("tc", "qdisc", "show"),
    ):
        done = confined(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)


def test_the_plan_is_made_inside() -> None:
    """A room may need something that none of its imports shows."""
    done = confined(sys.executable, "-m", "edge", "plan", "--json", "--config", str(CONFIG))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.clock_settime(time.CLOCK_REALTIME, time.time())",
        "import os; os.setuid(1)",
        "import os; os.chown('/tmp', 1, 1)",
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "import socket; socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
        "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); assert not c.unshare(0x10000000), os.strerror(1)",
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
        "import ctypes; assert ctypes.CDLL(None).mount(b'none', b'/mnt', b'tmpfs', 0, None) == 0, 'not permitted'",
    ],
)
def test_what_an_intruder_would_want_is_not(code: str) -> None:
    """The filters of this test, and with them the unit's, would confine nothing."""
    done = python(code)
    assert done.returncode != 0
    assert "not permitted" in done.stderr or "PermissionError" in done.stderr


def test_the_clock_cannot_be_set_nor_modules_loaded() -> None:
    """A wrong set name in the unit would let dangerous calls through."""
    assert not {"clock_settime", "init_module", "kexec_load", "ptrace", "mount", "reboot", "swapon"} & system_calls(
        UNIT
    )
    assert {"execve", "openat", "sendmmsg", "epoll_wait"} <= system_calls(UNIT)
