"""The power fails between any two points of a request's way, forty times, on one office that is never cleaned."""

import asyncio
import contextlib
import functools
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.step import POINTS
from tests.crash.modem_box import unsettled
from tests.office import HEAD, Office, until

KILLS = 40
SEED = 20261122
# These are passed only in ways of their own: test_modem_kill.py, test_attachment_kill.py and test_migration_kill.py cut
# there.
ELSEWHERE = ("sms.report.", "sms.uncertain.", "sms.send.held", "sms.send.part_taken", "attachment.", "migrate.")
WAY = tuple(point for point in POINTS if not point.startswith(ELSEWHERE))
SENDING = tuple(point for point in WAY if point.startswith("sms.send."))
PASSED_TWICE = tuple(point for point in WAY if point.startswith(("sms.", "outbox.")))


def plan() -> list[str]:
    """Forty points from a seed: every one at least twice, some at their second passing."""
    chance = random.Random(SEED)
    points = [*WAY, *WAY, *chance.sample(WAY, KILLS - 2 * len(WAY))]
    chance.shuffle(points)
    return [f"{point}:2" if point in PASSED_TWICE and chance.random() < 0.4 else point for point in points]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with Office(tmp_path) as office:
        yield office


class Citizens:
    """One citizen writes an SMS and another comes to the desk at every kill; what they were promised is kept here."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.accepted: dict[str, str] = {}

    def phone(self, number: int) -> str:
        return f"+6281330{number:06d}"

    async def write(self, number: int) -> None:
        text = f"DOMISILI 35100645089099{number:02d} SITI AMINAH RT 3 RW 1"
        for sms in (text, "STATUS"):
            await self.office.tell("gsm", "deliver", sender=self.phone(number), text=sms)

    async def visit_desk(self, number: int) -> None:
        """File at the desk until a 202 comes, with one Idempotency-Key, as the desk's program does."""
        body = {"letter": "SKTM", "nik": f"35101357070399{number:02d}", "name": "DWI LESTARI"}
        body |= {"purpose": "beasiswa"}

        async def file() -> bool:
            status, answer = await self.office.ask("POST", "/v1/requests", body, key=f"visit-{number}")
            assert status in (0, 200, 202), (status, answer)
            if status:
                self.accepted[answer["id"]] = answer["ticket"]
            return bool(status)

        await until(file, within_s=100, what="the desk's request is accepted")

    async def complete_what_arrived(self) -> None:
        """The portal's officer approves everything as soon as it is there."""
        while True:
            requests = (await self.office.tell("portal", "requests"))["requests"]
            for identifier, state in requests.items():
                if state != "completed":
                    await self.office.tell("portal", "complete", id=identifier)
            await asyncio.sleep(0.05)


async def ended(process: asyncio.subprocess.Process) -> bool:
    return process.returncode is not None


async def settled(office: Office, number: int, phone: str) -> bool:
    """Whether both requests of round `number` are at the portal and their citizen has the first and the last SMS."""
    effects = (await office.tell("portal", "effects"))["effects"]
    sent = "\n".join(await office.sent(phone))
    return len(effects) >= 2 * number and "diterima, tiket" in sent and "sudah selesai" in sent


def store(office: Office) -> Path:
    return office.directory / "state" / "kampung-edge.db"


async def all_told(office: Office) -> bool:
    """Whether no SMS waits: citizens are told before heads of neighbourhoods, so a round may end without the latter."""
    return not await asyncio.to_thread(unsettled, store(office))


def left_to_people(office: Office) -> int:
    """How many SMS to the head of the neighbourhood were cut twice, so that a person is asked about them."""
    with contextlib.closing(sqlite3.connect(f"file:{store(office)}?mode=ro", uri=True)) as connection:
        question = "SELECT count(*) FROM outgoing WHERE code = 'RT_COMPLETED' AND state = 'uncertain'"
        return int(connection.execute(question).fetchone()[0])


@pytest.mark.timeout(1200)
async def test_nothing_accepted_is_lost_and_nothing_has_a_second_effect(office: Office) -> None:
    """A power cut at a bad moment would lose a citizen's request or file it twice."""
    citizens = Citizens(office)
    officer = asyncio.create_task(citizens.complete_what_arrived())
    replies_twice = 0
    for number, point in enumerate(plan(), 1):
        victim = await office.daemon(kill_at=point)
        await citizens.write(number)
        desk = asyncio.create_task(citizens.visit_desk(number))
        await until(functools.partial(ended, victim), within_s=100, what=f"the daemon is killed at {point}")
        assert victim.returncode == -signal.SIGKILL, f"at {point} the daemon ended with {victim.returncode}"
        async with office.running():
            await desk
            await until(
                functools.partial(settled, office, number, citizens.phone(number)),
                within_s=100,
                what=f"round {number} ({point}) settles",
            )
        replies = [text for text in await office.sent(citizens.phone(number)) if "diterima, tiket" in text]
        twice = len(replies) - 1
        assert twice in ((0, 1) if point.split(":")[0] in SENDING else (0,)), f"{point}: {len(replies)} replies"
        replies_twice += twice
    officer.cancel()
    effects = (await office.tell("portal", "effects"))["effects"]
    assert len(effects) == 2 * KILLS
    assert set(effects.values()) == {1}
    assert citizens.accepted.keys() <= effects.keys()
    assert len(citizens.accepted) == KILLS
    async with office.running():
        await until(functools.partial(all_told, office), within_s=100, what="the last SMS leave")
    assert len(await office.sent(HEAD)) + left_to_people(office) >= KILLS
    assert replies_twice <= 2 * len(SENDING) * 2
