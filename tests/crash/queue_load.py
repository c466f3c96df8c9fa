"""A village that never rests, and a box that is killed under it: desks and citizens, a lying portal, a plan of kills.

What was promised is kept here: `Load.accepted` are the requests that a desk got 202 for, `Load.cancelled` the answers
to its orders to cancel some of them, `Load.wrote` the citizens whose SMS the modem's network took. After every kill the
box starts again on the same files.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import random
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from edge.step import POINTS
from tests.office import DESK_KEY, Office, until

_PAUSE_S = 0.25
_CANCELLED_EACH = 3
# A box that dies every second answers seldom, and a busy machine starts it slowly.
_PATIENCE_S = 600.0
_START_S = 120.0
_POINT_WAIT_S = 2.5
_SMS_WAITING_MOST = 3
# A point that is passed with every request is where the box dies at once: let it do some work before.
_OFTEN = ("desk.", "outbox.", "changes.")
# In the modem's own troubles only.
_RARE = ("sms.report.", "sms.uncertain.", "sms.send.held", "sms.send.part_taken")
_POINTS = tuple(point for point in POINTS if not point.startswith(_RARE))


@dataclass(frozen=True, slots=True)
class Kill:
    """One death: at a named point, `after_s` seconds from the start, or so long after the box first answered."""

    point: str = ""
    after_s: float = 0.0
    answering: bool = True


def plan(kills: int, seed: int) -> list[Kill]:
    """So many deaths from a seed: half of them at any moment, a few while starting, the others at named points."""
    chance = random.Random(seed)
    points = itertools.chain.from_iterable(chance.sample(_POINTS, len(_POINTS)) for _ in itertools.count())
    kills_: list[Kill] = []
    for _ in range(kills):
        dice = chance.random()
        if dice < 0.5:
            kills_.append(Kill(after_s=chance.uniform(0.0, 1.0)))
        elif dice < 0.6:
            kills_.append(Kill(after_s=chance.uniform(0.05, 0.6), answering=False))
        else:
            point = next(points)
            passes = chance.randint(1, 12) if point.startswith(_OFTEN) else 1
            kills_.append(Kill(f"{point}:{passes}"))
    return kills_


def nik(area: str, number: int) -> str:
    """Another identity number for each number: area, date of birth, serial."""
    born, serial = divmod(number, 9_999)
    months, day = divmod(born, 28)
    return f"{area}{day + 1:02d}{months % 12 + 1:02d}85{serial + 1:04d}"


@dataclass
class Load:
    """Desks that file, citizens that write, an officer who approves; all of them until `stop`."""

    office: Office
    desks: int
    accepted: dict[str, str] = field(default_factory=dict)
    cancelled: dict[str, int] = field(default_factory=dict)
    wrote: list[str] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    _stopped: bool = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The load, ended when the block ends: each desk first gets its last answer."""
        session = aiohttp.ClientSession(
            f"http://127.0.0.1:{self.office.web}",
            headers={"Authorization": f"Bearer {DESK_KEY}"},
            timeout=aiohttp.ClientTimeout(total=5),
        )
        async with session, asyncio.TaskGroup() as group:
            for number in range(self.desks):
                group.create_task(self._desk(session, number))
            group.create_task(self._citizens())
            group.create_task(self._officer())
            yield
            self._stopped = True

    async def _desk(self, session: aiohttp.ClientSession, number: int) -> None:
        for visit in itertools.count():
            if self._stopped:
                return
            body = {"letter": "SKTM", "nik": nik("351013", number * 100_000 + visit), "name": "DWI LESTARI"}
            body |= {"purpose": "beasiswa"}
            key = f"visit-{number}-{visit}"
            await until(functools.partial(self._file, session, body, key), within_s=_PATIENCE_S, what=f"202 for {key}")
            await asyncio.sleep(_PAUSE_S)
            if visit % _CANCELLED_EACH == 0:
                cancel = functools.partial(self._cancel, session, self.accepted[key])
                await until(cancel, within_s=_PATIENCE_S, what=f"an answer to the order to cancel {key}")

    async def _file(self, session: aiohttp.ClientSession, body: dict[str, str], key: str) -> bool:
        """Whether a desk's request is accepted now; the same key is used until it is, as the desk's program does."""
        try:
            async with session.post("/v1/requests", json=body, headers={"Idempotency-Key": key}) as answer:
                self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
                if answer.status not in (200, 202):
                    assert answer.status in (429, 503), f"{key}: {answer.status} {await answer.text()}"
                    await asyncio.sleep(float(answer.headers.get("Retry-After", "1")) / 4)
                    return False
                told = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.05)
            return False
        before = self.accepted.setdefault(key, told["id"])
        assert before == told["id"], f"{key} made two requests"
        return True

    async def _cancel(self, session: aiohttp.ClientSession, identifier: str) -> bool:
        """Whether an order to cancel is answered: done (200), passed on (202), or too late (409)."""
        try:
            async with session.post(f"/v1/requests/{identifier}/cancel") as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(0.05)
            return False
        if status in (429, 503):
            await asyncio.sleep(0.25)
            return False
        assert status in (200, 202, 409), f"cancel {identifier}: {status}"
        self.cancelled[identifier] = status
        return True

    async def _citizens(self) -> None:
        """A citizen writes as soon as the one before was read."""
        for number in itertools.count():
            if self._stopped:
                return
            phone = f"+6281330{number:06d}"
            text = f"DOMISILI {nik('351006', number)} SITI AMINAH RT 3 RW 1"
            await self.office.tell("gsm", "deliver", sender=phone, text=text)
            self.wrote.append(phone)
            await until(self._modem_has_room, within_s=_PATIENCE_S, what="the box reads its SMS")

    async def _modem_has_room(self) -> bool:
        state = await self.office.tell("gsm", "state")
        return self._stopped or state["stored"] + state["waiting"] < _SMS_WAITING_MOST

    async def _officer(self) -> None:
        """The portal's officer approves all that is there, so that changes come down all the time."""
        while not self._stopped:
            await self.office.tell("portal", "complete_all")
            await asyncio.sleep(0.5)


async def die(office: Office, kill: Kill) -> str:
    """Start the box, let it die as planned, and say how it died."""
    box = await office.daemon(kill_at=kill.point)
    if kill.answering:
        await until(lambda: _answers_or_dead(office, box), within_s=_START_S, what=f"the box answers ({kill})")
    wait_s = _POINT_WAIT_S if kill.point else kill.after_s
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(box.wait(), wait_s)
    if box.returncode is None:
        box.kill()
        await box.wait()
        how = "unpassed" if kill.point else "random"
    else:
        how = "point"
    assert box.returncode == -signal.SIGKILL, f"the box ended with {box.returncode} ({kill})"
    return how


async def _answers_or_dead(office: Office, box: asyncio.subprocess.Process) -> bool:
    return box.returncode is not None or await office.healthy()


def patient(config: Path) -> None:
    """Let the office's box give up a silent portal soon, so that many lies are told in a short time."""
    text = config.read_text(encoding="utf-8").replace("wait_s = 5", "wait_s = 2")
    config.write_text(text + "connect_timeout_s = 2\nread_timeout_s = 5\n", encoding="utf-8")
