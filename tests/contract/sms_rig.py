"""A box whose daemon answers `kampung-edge sms`: store, control socket and commands, all real but the modem."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.config import Sms
from edge.control import Control
from edge.queue.store.database import Store
from edge.queue.store.messages import Messages
from edge.queue.store.seal import Seal
from edge.sms.by_hand import ByHand
from edge.sms.staff import StaffByHand
from tests.unit.config_mistakes import DATA

NUMBER = "+6281234567001"
MASKED = "+62812••••001"
TEXT = "Rapat di balai desa"
SEAL = Seal(bytes(32))


@dataclass
class StillClock:
    """Wall time that stands still."""

    now: float

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return True


class SetClock(SystemClock):
    """The machine's time, set by NTP or (`sure` false) not yet."""

    sure = True

    def trusted(self) -> bool:
        return self.sure


@dataclass
class Box:
    """The daemon's side: a store and the control socket, without a modem; a test plays the modem's part."""

    store: Store
    control: Control
    file: Path
    by_hand: ByHand
    clock: SetClock
    messages: Messages = field(default_factory=lambda: Messages(SEAL))
    hindered: tuple[str, ...] = ()
    woken: int = 0

    async def ask(self, name: str, **question: Any) -> dict[str, Any]:
        return await self.by_hand.handlers()[name](question)

    async def queue(self, **more: Any) -> int:
        now = SystemClock().wall()
        queue = partial(self.messages.outgoing.queue, code="HELP", number=NUMBER, text=TEXT, now=now)
        return await self.store.write(partial(queue, **({"kind": "reply"} | more)))

    async def queue_many(self, count: int) -> None:
        def work(conn: sqlite3.Connection) -> None:
            for _ in range(count):
                self.messages.outgoing.queue(conn, kind="reply", code="HELP", number=NUMBER, text=TEXT, now=1.0)

        await self.store.write(work)

    async def become(self, message: int, state: str, **columns: Any) -> None:
        """Put a message into `state`, as the modem's part would."""
        values = {"state": state} | columns
        setting = ", ".join(f"{name} = :{name}" for name in values)
        statement = f"UPDATE outgoing SET {setting} WHERE id = :id"
        await self.store.write(lambda conn: conn.execute(statement, values | {"id": message}) and None)

    async def row(self, message: int) -> dict[str, Any]:
        statement = "SELECT state, code, attempts, modem, settle_at, error, expires_at FROM outgoing WHERE id = ?"
        names = ("state", "code", "attempts", "modem", "settle_at", "error", "expires_at")
        found = await self.store.read(lambda conn: conn.execute(statement, (message,)).fetchone())
        return dict(zip(names, found, strict=True))

    async def part(self, message: int, sequence: int, state: str, modem: str = "modem", **columns: Any) -> None:
        values = {"told": None, "taken_at": None, "delivered": None, "given_at": None} | columns
        statement = (
            "INSERT INTO outgoing_part (message, sequence, tp_mr, state, modem, told, taken_at, delivered, given_at) "
            "VALUES (:message, :sequence, 7, :state, :modem, :told, :taken_at, :delivered, :given_at)"
        )
        values |= {"message": message, "sequence": sequence, "state": state, "modem": modem}
        await self.store.write(lambda conn: conn.execute(statement, values) and None)

    async def audited(self) -> list[tuple[str, str, str]]:
        rows = await self.store.read(
            lambda conn: conn.execute("SELECT kind, subject, detail FROM audit ORDER BY seq").fetchall()
        )
        return [(row[0], row[1], row[2]) for row in rows]


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    file = tmp_path / "village.toml"
    file.write_text(f'run_dir = "{tmp_path}"\nstate_dir = "{tmp_path}"\n' + (DATA / "warning-kind.toml").read_text())
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=0)
    control, clock = Control(tmp_path), SetClock()

    def wake() -> None:
        made.woken += 1

    by_hand = ByHand(
        store,
        Messages(SEAL),
        SEAL,
        Sms(quiet_from="00:00", quiet_until="00:00"),
        clock=clock,
        wake=wake,
        hindered=lambda: made.hindered,
    )
    made = Box(store, control, file, by_hand, clock)
    control.offer(by_hand.handlers() | StaffByHand(store, SEAL, clock=clock).handlers())
    task = asyncio.create_task(control.run())
    await control.listening.wait()
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def call(
    box: Box, *arguments: str, given: bytes | None = None, command: str = "sms"
) -> subprocess.CompletedProcess[bytes]:
    """What the real command says and how it ends."""
    line = [sys.executable, "-m", "edge", command, *arguments, "--config", str(box.file)]
    return await asyncio.to_thread(
        subprocess.run,
        line,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        timeout=60,
        check=False,
        env=os.environ | {"TZ": "Asia/Jakarta"},
    )
