"""The reference portal as a process: what a village's open connections cost it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE

import pytest

_CONNECTIONS = 64
_EACH_KIB = 160
_CALL = b"GET /v1/requests/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer portal-key\r\n\r\n"


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, ssl.SSLContext]]:
    """A portal, its port, and who to trust."""
    command = (sys.executable, "-m", "edge.simulator.portal", "--port", "0", "--dir", str(tmp_path))
    with subprocess.Popen((*command, "--control", str(tmp_path / "control")), stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().removeprefix("ready "))
        yield process, port, ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        process.kill()


def resident_kib(process: subprocess.Popen[str]) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def call(port: int, trust: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection that has been answered once and stays."""
    wrapped = trust.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="localhost")
    wrapped.sendall(_CALL)
    assert wrapped.recv(4096).startswith(b"HTTP/1.1 404")
    return wrapped


def test_an_open_connection_is_cheap(portal: tuple[subprocess.Popen[str], int, ssl.SSLContext]) -> None:
    """217 villages with a handful of connections each would fill the regency's memory."""
    process, port, trust = portal
    with ExitStack() as stack:
        stack.enter_context(call(port, trust))
        before = resident_kib(process)
        for _ in range(_CONNECTIONS):
            stack.enter_context(call(port, trust))
        assert resident_kib(process) - before < _CONNECTIONS * _EACH_KIB
