"""The whole box killed at random under load, with a portal that lies: what was promised arrives, once, in order."""

from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.queue.store.seal import Seal
from tests.crash.queue_load import Load, die, patient, plan
from tests.office import Office, until

SEED = 20261122
DEATHS, SIEGES = 500, 20
LIES = 0.25
SEAL = Seal(bytes(32))
OPEN = "('pending', 'waiting', 'held', 'leased', 'confirming')"


@contextlib.contextmanager
def looking(office: Office) -> Iterator[sqlite3.Connection]:
    """One snapshot of the box's store."""
    path = office.directory / "state" / "kampung-edge.db"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
        connection.execute("BEGIN")
        yield connection


def one(office: Office, question: str) -> Any:
    """The single value that answers a question to the store."""
    with looking(office) as connection:
        return connection.execute(question).fetchone()[0]


async def drained(office: Office) -> bool:
    """Whether every SMS was read and everything went up."""
    modem = await office.tell("gsm", "state")
    if modem["stored"] + modem["waiting"]:
        return False
    if one(office, "SELECT count(*) FROM inbound WHERE handled_at IS NULL"):
        return False
    return not one(office, f"SELECT count(*) FROM outbox WHERE state IN {OPEN}")


@dataclass(frozen=True, slots=True)
class Least:
    """What a siege must have seen to mean something: requests answered 202, SMS that were read, lies of the portal."""

    accepted: int
    by_sms: int
    lies: int


async def worked(office: Office, load: Load, least: Least) -> bool:
    """Whether a box under load has come that far, which takes a slow machine longer."""
    lies = (await office.tell("portal", "status"))["lies"]
    return len(load.accepted) >= least.accepted and len(load.wrote) >= least.by_sms and sum(lies.values()) >= least.lies


async def siege(directory: Path, *, kills: int, desks: int, hang_s: float, seed: int, least: Least) -> dict[str, Any]:
    """Kill a loaded box so often, let it come to rest with a portal that is honest again, and check every promise."""
    begun, deaths = time.monotonic(), Counter[str]()
    async with Office(directory) as office:
        patient(office.config)
        await office.tell("portal", "chaos", seed=seed, rate=LIES, hang_s=hang_s)
        load = Load(office, desks)
        async with load.running():
            for kill in plan(kills, seed):
                deaths[await die(office, kill)] += 1
            box = await office.daemon()
            await until(office.healthy, within_s=120, what="the box answers after its last death")
            await until(functools.partial(worked, office, load, least), within_s=300, what=f"{least} are reached")
        lies = (await office.tell("portal", "status"))["lies"]
        await office.tell("portal", "chaos", seed=seed, rate=0)
        await until(functools.partial(drained, office), within_s=120 + 5 * kills, what="everything arrives")
        box.terminate()
        assert await box.wait() == 0
        await check(office, load)
        return {
            "kills": dict(deaths),
            "accepted_202": len(load.accepted),
            "by_sms": len(load.wrote),
            "orders_to_cancel": dict(Counter(load.cancelled.values())),
            "answers": load.answers,
            "lies": sum(lies.values()),
            "lies_by_kind": lies,
            "seconds": round(time.monotonic() - begun),
        }


async def check(office: Office, load: Load) -> None:
    """Everything promised is at the portal once and in order, and nothing is given up."""
    audit = await office.tell("portal", "audit")
    assert (audit["twice"], audit["disorder"]) == ([], [])
    aside = [
        path.name for path in (office.directory / "state").iterdir() if "corrupt" in path.name or ".log-" in path.name
    ]
    assert not aside, f"a kill was taken for damage: {aside}"
    arrived = (await office.tell("portal", "requests"))["requests"].keys()
    effects = (await office.tell("portal", "effects"))["effects"]
    ordered = [identifier for identifier, status in load.cancelled.items() if status == 202]
    unheard = [identifier for identifier in ordered if f"kampung.request.cancel_requested {identifier}" not in effects]
    assert not unheard, f"{len(unheard)} of {len(ordered)} orders to cancel never arrived: {unheard[:5]}"
    with looking(office) as box:
        withdrawn = {row[0] for row in box.execute("SELECT request FROM outbox WHERE state = 'withdrawn'")}
        assert withdrawn <= load.cancelled.keys(), "something was withdrawn that nobody cancelled"
        lost = set(load.accepted.values()) - withdrawn - arrived
        assert not lost, f"{len(lost)} of {len(load.accepted)} that were answered 202 never arrived: {sorted(lost)[:5]}"
        made = Counter(row[0] for row in box.execute("SELECT phone_digest FROM request WHERE source = 'sms'"))
        assert made == Counter(SEAL.phone(phone) for phone in load.wrote), "an SMS made no request, or two"
        assert {row[0] for row in box.execute("SELECT id FROM request")} == arrived | withdrawn
        given_up = "SELECT kind, state, error FROM outbox WHERE state NOT IN ('delivered', 'withdrawn')"
        assert box.execute(given_up).fetchall() == []
        applied = "SELECT request, version FROM change WHERE outcome = 'applied' ORDER BY rowid"
        versions: dict[str, int] = {}
        for request, version in box.execute(applied):
            assert version > versions.get(request, 0), f"{request} went back to version {version}"
            versions[request] = version


@pytest.mark.timeout(600)
async def test_a_few_deaths_under_load(tmp_path: Path) -> None:
    """A power cut or a lying portal loses a citizen's request, files it twice, or out of order."""
    await siege(tmp_path, kills=8, desks=8, hang_s=0.5, seed=SEED, least=Least(accepted=50, by_sms=3, lies=20))


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(SIEGES))
async def test_five_hundred_deaths_under_load(tmp_path: Path, seed: int) -> None:
    """One cut in a hundred hits the moment that loses something."""
    least = Least(accepted=100, by_sms=10, lies=50)
    tally = await siege(tmp_path, kills=DEATHS // SIEGES, desks=8, hang_s=6.0, seed=seed, least=least)
    print(json.dumps(tally), file=sys.stderr)
