"""A configuration that cuts off whoever looks after the box undoes itself, in a real kernel."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.control import NotRunning, Refused, ask
from tests.lab.namespaces import inside
from tests.lab.town import BOX, GATEWAY, INTERNET, PDE, TELKOM, answering, kernel_state
from tests.office import until

pytestmark = pytest.mark.usefixtures("engineer")
BOX_ON_PDE, SSH = "10.35.10.2", 22
NOBODY = "10.35.10.77"
SETTLED_S = 60.0

_CONFIG = """\
state_dir = "{folder}/state"
run_dir = "{folder}/run"

[village]
code = "3510052001"
name = "Sumberberas"
district = "Muncar"

[[uplink]]
name = "pde"
device = "pde0"
gateway = "{gateway}"
download_mbit = 10
upload_mbit = 10
targets = ["{internet}"]

[[uplink]]
name = "telkom"
device = "tel0"
gateway = "{telkom}"
download_mbit = 20
upload_mbit = 20
targets = ["{internet}"]

[classes.service]
uplinks = ["pde", "telkom"]
guaranteed_percent = 70
devices = ["office0"]
networks = ["192.168.10.0/24"]

[classes.wifi]
uplinks = ["telkom"]
guaranteed_percent = 20
devices = ["wifi0"]
networks = ["172.20.0.0/24"]

[classes.control]
uplinks = ["pde", "telkom"]
guaranteed_percent = 5

[monitor]
rise_s = 0.5

[policy]
failback_hold_s = 0.5
failback_in_service_hours = "allowed"
management = ["{management}"]
"""


class Box:
    """The real daemon in the box, and the regency's engineer far behind PDE, who reaches it by ssh alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "village.toml"
        self._daemon: asyncio.subprocess.Process | None = None
        for name in ("state", "keys"):
            (folder / name).mkdir()
        (folder / "keys" / "store-key").write_text(base64.b64encode(bytes(32)).decode())
        (folder / "keys" / "desk-key").write_text("desk-key-of-the-lab")
        self.write()

    def write(self, *, gateway: str = GATEWAY[PDE], management: str = "203.0.113.0/24") -> None:
        places = {"gateway": gateway, "telkom": GATEWAY[TELKOM], "internet": INTERNET, "management": management}
        self.file.write_text(_CONFIG.format(folder=self.folder, **places))

    def spoil(self) -> None:
        """The mistakes of a bad evening: a gateway that is none, and the wrong people allowed in."""
        self.write(gateway=NOBODY, management="198.51.100.0/24")

    async def start(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            self._daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "edge", "run", "--config", str(self.file)),
                stderr=log,
                env=os.environ | {"CREDENTIALS_DIRECTORY": str(self.folder / "keys")},
            )

    async def kill(self) -> None:
        assert self._daemon
        self._daemon.kill()
        await self._daemon.wait()

    async def stop(self) -> None:
        if self._daemon and self._daemon.returncode is None:
            self._daemon.terminate()
            await self._daemon.wait()

    async def say(self, question: str, **more: object) -> dict[str, object]:
        return await asyncio.to_thread(ask, self.folder / "run", {"ask": question, **more})

    async def try_(self, confirm_s: float) -> None:
        answer = await self.say("apply", config=str(self.file), confirm_s=confirm_s)
        assert answer["changed"]


async def reached() -> bool:
    """Whether the engineer's ssh is answered."""
    return await asyncio.to_thread(inside, PDE, _greeted)


def _greeted() -> bool:
    try:
        with socket.create_connection((BOX_ON_PDE, SSH), 2, source_address=(INTERNET, 0)) as client:
            return client.recv(100) == BOX.encode()
    except OSError:
        return False


async def cut_off() -> bool:
    return not await reached()


@pytest.fixture
def engineer(box: None) -> Iterator[None]:
    del box
    with answering(BOX, port=SSH):
        yield


@asynccontextmanager
async def steering(folder: Path) -> AsyncIterator[tuple[Box, dict[str, str]]]:
    """A box that runs well, and what stands in its kernel then."""
    box = Box(folder)
    await box.start()
    try:
        await until(reached, within_s=SETTLED_S, what="the engineer reaches the box")
        yield box, await settled()
    finally:
        await box.stop()


async def settled() -> dict[str, str]:
    """The kernel's state once it no longer changes: the service on PDE, the shaping trees in place."""

    async def still() -> dict[str, str] | None:
        before = await asyncio.to_thread(kernel_state)
        await asyncio.sleep(1.5)
        on_pde = "fwmark 0x10000/0xf0000 lookup 20101" in before["rules"].partition("20101:")[0]
        same = before == await asyncio.to_thread(kernel_state)
        return before if same and on_pde and "htb" in before["qdiscs"] else None

    found = await until(still, within_s=SETTLED_S, what="the kernel's state comes to rest")
    assert found
    return found


async def stands(wanted: dict[str, str]) -> bool:
    return await asyncio.to_thread(kernel_state) == wanted


async def test_who_is_cut_off_need_only_wait(tmp_path: Path) -> None:
    """A configuration that cuts the management path would cost a day's drive to the village."""
    async with steering(tmp_path) as (box, before):
        box.spoil()
        begun = time.monotonic()
        await box.try_(confirm_s=20)
        await until(cut_off, within_s=20, what="the mistake takes effect")
        await until(reached, within_s=20 + SETTLED_S, what="the engineer reaches the box again")
        assert time.monotonic() - begun >= 20, "it came back before anybody could have confirmed"
        await until(lambda: stands(before), within_s=SETTLED_S, what="the kernel's state is as it was")
        with pytest.raises(Refused, match="the last one was undone"):
            await box.say("confirm")


async def test_a_power_cut_in_mid_trial_undoes_it_too(tmp_path: Path) -> None:
    """After the reboot the mistake would be in force for good."""
    async with steering(tmp_path) as (box, before):
        box.spoil()
        await box.try_(confirm_s=3600)
        await until(cut_off, within_s=SETTLED_S, what="the mistake takes effect")
        await box.kill()
        assert await cut_off(), "the kernel keeps what the daemon had set"
        await box.start()
        await until(reached, within_s=SETTLED_S, what="the engineer reaches the box again")
        await until(lambda: stands(before), within_s=SETTLED_S, what="the kernel's state is as it was")
        await box.stop()
        await box.start()
        await until(lambda: undone(box), within_s=SETTLED_S, what="the file stays set aside over another restart")
        assert await reached()


async def undone(box: Box) -> bool:
    try:
        await box.say("confirm")
    except Refused as error:
        return "the last one was undone" in str(error)
    except NotRunning:
        return False
    raise AssertionError("there was something to confirm")
