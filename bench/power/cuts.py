"""The cuts: one box, one continuing pair of disks for each kind of drive, one portal for all of its lives.

======== =========================================================================================================
plain    qemu is killed under load: the guest's memory is gone, with every page that it had not written yet
flakey   dm-flakey lies under the file system. The disk is suspended, so that no answer can come any more; then it goes
         on and throws every write away while it says yes. Soon after qemu is killed. A 202 given by then is a lie of
         the drive's, and void; one given before counts.
volatile the drive has a cache that it loses: nbdkit keeps every write to itself until the guest flushes, and is killed
         with qemu. Whoever trusts a write that was not flushed loses it.
======== =========================================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bench.power import until
from bench.power.asleep import Asleep
from bench.power.desk import Desks
from bench.power.image import Image
from bench.power.machine import Machine, make_disks
from bench.power.project import PORTAL_PORT, VILLAGE, Project
from bench.power.reader import Reader
from edge.simulator.portal import Portal

KINDS = ("plain", "flakey", "volatile")
DESKS = 12
PROMISED_LEAST = 20
# The load lasts so long before the power fails, at random between the two, once so much has been promised.
_UNDER_LOAD_S = (3.0, 12.0)
_LYING_S = (0.3, 3.0)
_SILENT_S = 1.0
_DRAINED_S = 900.0


@dataclass
class Found:
    """What all cuts of one kind came to; `lost` and its like name each case."""

    kind: str
    cuts: int = 0
    promised: int = 0
    forwarded_before: int = 0
    in_doubt: int = 0
    void: int = 0
    void_gone: int = 0
    recovered: int = 0
    rows: int = 0
    lost: list[str] = field(default_factory=list)
    differ: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    boots_s: list[float] = field(default_factory=list)


class Trial:
    """One kind of drive and its cuts, in `directory`. `given` goes to the guest's agent at each boot.

    `quick`: what the last cut leaves is read on this machine, without another boot. `asleep`: a machine of the plain
    kind that wakes with this project instead of booting.
    """

    def __init__(
        self,
        kind: str,
        image: Image,
        project: Project,
        directory: Path,
        given: dict[str, str],
        *,
        quick: bool = False,
        asleep: Asleep | None = None,
    ) -> None:
        self.found = Found(kind)
        self._project = project
        self._given = {"state": "flakey" if kind == "flakey" else "plain"} | given
        disks = asleep.disks(directory) if asleep else make_disks(directory, image, project.disk)
        said = directory / "console.log"
        memory = asleep.memory if asleep else None
        self._boots = asleep is None
        self._machine: Machine | Reader = Machine(image, disks, said, volatile=kind == "volatile", memory=memory)
        self._reader = Reader(disks.state, project, directory / "read", said) if quick else None
        self._desks = Desks(f"http://127.0.0.1:{self._machine.desk}", project.desk_key)
        self._portal = Portal(key=project.portal_key, village=VILLAGE)

    async def run(self, cuts: int, chance: random.Random) -> Found:
        """Cut the power so many times, then let everything reach the portal and ask for all of it."""
        sock = socket.create_server(("127.0.0.1", PORTAL_PORT))
        await self._portal.start(sock, self._project.tls.server_context())
        try:
            await self._boot()
            for number in range(cuts):
                await self._cut(chance)
                if self._reader is not None and number == cuts - 1:
                    self._machine, self._boots = self._reader, False
                    self._desks.url = f"http://127.0.0.1:{self._reader.desk}"
                await self._boot()
                await self._look(everything=False)
            await self._drained()
            await self._look(everything=True)
        except BaseException:
            said = await self._machine.tell("journal", fails=False)
            print(said.get("journal") or self._machine.console(), file=sys.stderr)
            raise
        finally:
            await self._machine.cut()
            await self._portal.stop()
        self._settle()
        return self.found

    async def _boot(self) -> None:
        begun = time.monotonic()
        await self._machine.boot(**self._given)
        self.found.unsound += await self._desks.ready()
        if self._boots:
            self.found.boots_s.append(round(time.monotonic() - begun, 1))

    async def _cut(self, chance: random.Random) -> None:
        """The desks at work, and in the midst of it the power fails."""
        self._desks.lied_to = False
        self._portal.mode = "ok"
        async with self._desks.open(DESKS):
            await self._desks.until_promised(PROMISED_LEAST)
            await asyncio.sleep(chance.uniform(*_UNDER_LOAD_S))
            if self.found.kind == "flakey":
                await self._lie(chance)
            self.found.forwarded_before += len(self._portal.requests)
            await self._machine.cut()
        self.found.cuts += 1
        self._portal.mode = "ok"
        self.found.in_doubt += len(self._desks.doubtful)
        self.found.void += len(self._desks.void)
        self._say(
            f"cut {self.found.cuts}: {len(self._desks.promised)} promised so far, {len(self._portal.requests)} "
            f"at the portal, {len(self._desks.doubtful)} in doubt, {len(self._desks.void)} void"
        )

    async def _lie(self, chance: random.Random) -> None:
        """From the moment nothing is written any more the portal is out of reach too: it would keep what the drive
        did not, which no power cut does."""
        await self._machine.tell("suspend")
        self._portal.mode = "503"
        await self._desks.until_silent(_SILENT_S)
        self._desks.lied_to = True
        await self._machine.tell("drop")
        await asyncio.sleep(chance.uniform(*_LYING_S))

    async def _look(self, *, everything: bool) -> None:
        """Everything promised is there as it was promised, and the file is sound."""
        if not everything:
            self.found.void_gone += await self._desks.gone(self._desks.void)
            self._desks.lied_to = False
        broken = await self._desks.broken(everything=everything)
        self.found.lost += [line for line in broken["lost"] if line not in self.found.lost]
        self.found.differ += broken["differ"]
        if not everything:
            await self._desks.file_again()
        said = await self._machine.tell("check")
        self.found.rows = said["rows"]
        self.found.recovered += not everything and any("recovering journal" in line for line in said["fsck"])
        problems = [line for line in said["integrity"] if line != "ok"] + said["aside"]
        problems += [f"{said['wrong']} rows with a wrong sum"] * bool(said["wrong"])
        problems += [f"{said['restarts']} restarts of the daemon"] * bool(said["restarts"])
        self.found.unsound += problems
        for line in (*broken["lost"], *broken["differ"], *problems):
            self._say(line)

    async def _drained(self) -> None:
        """Wait until the portal has all that was promised; what is missing after a long time is said to be.

        What the box has lost will never come.
        """
        awaited = self._desks.promised.keys() - self._desks.lost
        with contextlib.suppress(TimeoutError):
            await until(lambda: awaited <= self._portal.requests.keys(), within_s=_DRAINED_S, every_s=0.5)

    def _settle(self) -> None:
        """Each request is at the portal once, with what was filed, under the id that was promised."""
        filed = {identifier: one.content for identifier, one in self._portal.requests.items()}
        phones = Counter(content["applicant"]["phone"] for content in filed.values())
        self.found.twice = [f"{phone}: {times} requests" for phone, times in phones.items() if times > 1]
        self.found.twice += [f"{name}: {times} effects" for name, times in self._portal.effects.items() if times > 1]
        self.found.promised = len(self._desks.promised)
        for identifier, promise in self._desks.promised.items():
            content = filed.get(identifier)
            if content is None:
                self.found.missing.append(f"{identifier} ({promise.key})")
            elif (wrong := _wrong(content, promise.body)) is not None:
                self.found.differ.append(f"{identifier} ({promise.key}) at the portal: {wrong}")

    def _say(self, line: str) -> None:
        print(f"{self.found.kind}: {line}", file=sys.stderr, flush=True)


def _wrong(content: dict[str, object], body: dict[str, object]) -> str | None:
    """The first field of a request at the portal that is not what the desk filed."""
    applicant = content["applicant"]
    assert isinstance(applicant, dict)
    shown = content | applicant
    return next((name for name, value in body.items() if shown.get(name) != value), None)
