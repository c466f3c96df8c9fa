"""Without the daemon: what the kernel alone does when a cable is pulled, from the state that the daemon left."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge import config
from tests.lab.namespaces import inside, sh
from tests.lab.steering import steering
from tests.lab.town import (
    BOX,
    GOVERNMENT,
    GUEST,
    INTERNET,
    OFFICE,
    PDE,
    PORT,
    TELKOM,
    answering,
    ask,
    classes,
    cut_off,
    settings,
)

pytestmark = pytest.mark.usefixtures("box")
_EVERY_S = 0.01
_AT_ONCE_S = 10.0  # the kernel needs 10 ms; a busy machine may leave whoever asks waiting


class Asking:
    """Asks from a namespace every ten milliseconds, by datagrams with a new port each, who answers."""

    def __init__(self, name: str) -> None:
        self.answers: list[tuple[float, str]] = []
        self._name = name
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: inside(name, self._ask), daemon=True)

    def _ask(self) -> None:
        while not self._ending.wait(_EVERY_S):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, contextlib.suppress(OSError):
                client.settimeout(0.1)
                client.connect((INTERNET, PORT))
                client.send(b"who")
                self.answers.append((time.monotonic(), client.recv(100).decode()))

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def first(self, name: str, within_s: float = 20.0) -> float:
        """When `name` answered first; TimeoutError if it does not in time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for moment, answer in list(self.answers):
                if answer == name:
                    return moment
            time.sleep(_EVERY_S)
        raise TimeoutError(f"{self._name} heard of {name} nothing; last {self.answers[-3:]}")


@contextmanager
def naming(name: str) -> Iterator[None]:
    """At a provider, a server for datagrams that answers with its name."""
    server = inside(name, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    server.bind((INTERNET, PORT))
    server.settimeout(0.1)
    ending = threading.Event()

    def serve() -> None:
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                _, peer = server.recvfrom(100)
                server.sendto(name.encode(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        server.close()


async def left_behind(wanted: config.Config) -> None:
    """The state of a daemon that has steered and is gone, after the settings that guard makes."""
    sh("sysctl -qw net.ipv4.conf.all.ignore_routes_with_linkdown=1")
    async with steering(wanted) as scene:
        scene.all_up()
        await scene.until(lambda: scene.controller.assignment.service.uplink == "pde")


async def test_a_pulled_cable_moves_the_office_and_the_box_at_once() -> None:
    """While the daemon is stopped or hangs, the office would be cut off by a cable though another one is there."""
    await left_behind(settings())
    with naming(PDE), naming(TELKOM), Asking(OFFICE) as office, Asking(BOX) as box:
        for asker in (office, box):
            asker.first(PDE)
        pulled = time.monotonic()
        sh(f"ip -n {PDE} link set line down")
        for asker in (office, box):
            assert asker.first(TELKOM) - pulled < _AT_ONCE_S


async def test_guests_follow_only_where_they_are_allowed() -> None:
    """A pulled cable must not let guests into the government's uplink; where the village opened it, they may use it."""
    both = settings(classes=classes(uplinks=("telkom", "pde"), cap_mbit={"pde": 2.0}))
    await left_behind(both)
    with naming(PDE), naming(TELKOM), Asking(GUEST) as guest:
        guest.first(TELKOM)
        pulled = time.monotonic()
        sh(f"ip -n {TELKOM} link set line down")
        assert guest.first(PDE) - pulled < _AT_ONCE_S
    sh(f"ip -n {TELKOM} link set line up")
    sh(f"ip -n {TELKOM} route replace 172.20.0.0/24 via 100.64.7.2")
    await left_behind(settings())
    with naming(PDE), naming(TELKOM), Asking(GUEST) as guest:
        guest.first(TELKOM)
        sh(f"ip -n {TELKOM} link set line down")
        with pytest.raises(TimeoutError):
            guest.first(PDE, within_s=2)


async def test_a_pinned_prefix_stays_closed_without_the_daemon() -> None:
    """The kernel's own fallback must not carry the government's packets to the internet."""
    await left_behind(settings())
    with answering(PDE), answering(TELKOM):
        for name in (OFFICE, BOX):
            assert await asyncio.to_thread(ask, name, GOVERNMENT) == PDE
        sh(f"ip -n {PDE} link set line down")
        for name in (OFFICE, BOX):
            assert await asyncio.to_thread(cut_off, name, GOVERNMENT)
            assert await asyncio.to_thread(ask, name, INTERNET) == TELKOM
