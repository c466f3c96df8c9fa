"""The regency for the lab: one host that both providers reach, at the other end of a real WireGuard tunnel.

::

    box pde0 ---- pde ---- from_pde +---------+
    box tel0 -- telkom - from_telkom| regency |  198.51.100.1, and behind the tunnel 10.77.0.1 and the government
    box wg0  ==== WireGuard ===== wg0+--------+
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lab.namespaces import batch, living_in, sh
from tests.lab.town import BOX, GATEWAY, GOVERNMENT, PDE, TELKOM

REGENCY = "regency"
OUTSIDE = "198.51.100.1"
INSIDE, BOX_INSIDE = "10.77.0.1", "10.77.0.2"
WG_PORT = 51820
_CONTROL = Path("/run/wireguard")  # where wireguard-go and wg meet
_WAIT_S = 30.0


@contextmanager
def regency() -> Iterator[None]:
    """Build it, reachable by both providers; it answers for the government's address too."""
    sh(f"ip netns add {REGENCY}")
    try:
        batch(REGENCY, f"link set lo up\naddress add {OUTSIDE}/32 dev lo\naddress add {GOVERNMENT}/32 dev lo\n")
        for place, name in enumerate((PDE, TELKOM), 1):
            batch(name, f"link add behind type veth peer name from_{name} netns {REGENCY}\nlink set behind up\n")
            batch(name, f"address add 198.51.10{place}.1/24 dev behind\nroute add {OUTSIDE} via 198.51.10{place}.2\n")
            batch(REGENCY, f"link set from_{name} up\naddress add 198.51.10{place}.2/24 dev from_{name}\n")
            network = GATEWAY[name].rsplit(".", 1)[0]
            batch(REGENCY, f"route add {network}.0/24 via 198.51.10{place}.1\n")
            with living_in(name):
                sh("sysctl -qw net.ipv4.ip_forward=1")
        yield
    finally:
        sh(f"ip netns del {REGENCY}")


@contextmanager
def tunnel() -> Iterator[None]:
    """A WireGuard tunnel between box and regency by two userspace implementations; ends with the context."""
    _CONTROL.mkdir(parents=True, exist_ok=True)
    if not os.path.ismount(_CONTROL):  # in this sandbox's own mounts: another one's tunnels are not ours
        sh(f"mount -t tmpfs tmpfs {_CONTROL}")
    keys = {name: sh("wg genkey").strip() for name in (BOX, REGENCY)}
    public = {name: sh("wg pubkey", stdin=key).strip() for name, key in keys.items()}
    with ExitStack() as stack:
        for name, address, other in ((REGENCY, INSIDE, BOX), (BOX, BOX_INSIDE, REGENCY)):  # who calls comes last
            device = _socket_name(name)
            stack.enter_context(_device(name))
            endpoint = f"Endpoint = {OUTSIDE}:{WG_PORT}\nPersistentKeepalive = 1\n" if name == BOX else ""
            settings = (
                f"[Interface]\nPrivateKey = {keys[name]}\nListenPort = {WG_PORT}\n"
                f"[Peer]\nPublicKey = {public[other]}\nAllowedIPs = 10.77.0.0/24, {GOVERNMENT}/32\n{endpoint}"
            )
            with living_in(name):
                sh(f"wg setconf {device} /dev/stdin", stdin=settings)
            batch(name, f"link set {device} mtu 1400 up\naddress add {address}/24 dev {device}\n")
        yield


def _socket_name(name: str) -> str:
    """wireguard-go's control sockets lie in one directory for all namespaces, so their devices have names apart."""
    return "wg0" if name == BOX else "wg1"


@contextmanager
def _device(name: str) -> Iterator[None]:
    device = _socket_name(name)
    with living_in(name):
        process = subprocess.Popen(
            ["wireguard-go", "-f", device],
            env=os.environ | {"LOG_LEVEL": "error"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    control = _CONTROL / f"{device}.sock"
    try:
        deadline = time.monotonic() + _WAIT_S
        while not control.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("wireguard-go did not start")
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()
        control.unlink(missing_ok=True)
