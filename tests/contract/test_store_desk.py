"""The desk on real SQLite: one request for one key, whatever the desk repeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.clock import SystemClock
from edge.events import Event, RequestAccepted
from edge.queue.desk import Desk, KeyReused, NewRequest, StoreFull
from edge.queue.store.database import Store
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters

NEW = NewRequest(letter="SKTM", nik="3510152306089909", name="SITI AMINAH", phone="+6281234567001", rt=3, rw=1)


class Office:
    """A desk with its store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.events: list[Event] = []
        requests = Requests(Seal(bytes(range(32))))
        self.desk = Desk(store, requests, missing=letters.missing, clock=SystemClock(), announce=self.events.append)

    async def count(self, table: str) -> int:
        return await self.store.read(lambda conn: int(conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    store = await Store.open(tmp_path / "box.db", max_mbyte=8, group_commit_ms=2)
    yield Office(store)
    await store.close()


async def test_accepted_request_is_stored_with_its_outbox_row(office: Office) -> None:
    """A 202 was given for something that is not stored, or that nobody will forward."""
    accepted = await office.desk.submit(NEW, idempotency_key="k")
    assert accepted.created
    request = await office.desk.get(accepted.request.id)
    assert request == accepted.request
    assert (request.state, request.source, request.version) == ("received", "desk", 1)
    assert (request.nik, request.name, request.phone) == (NEW.nik, NEW.name, NEW.phone)
    assert (request.rt, request.rw) == (3, 1)
    assert request.missing == ("purpose",)
    assert office.events == [RequestAccepted("desk", "SKTM")]
    assert [await office.count(table) for table in ("request", "transition", "outbox")] == [1, 1, 1]


async def test_repeating_a_key_finds_the_same_request(office: Office) -> None:
    """A desk that sends again after a time-out files the letter twice; also when both arrive together."""
    many = await asyncio.gather(*(office.desk.submit(NEW, idempotency_key="k") for _ in range(20)))
    later = await office.desk.submit(NEW, idempotency_key="k")
    assert len({accepted.request.id for accepted in (*many, later)}) == 1
    assert [accepted.created for accepted in many].count(True) == 1
    assert not later.created
    assert await office.count("outbox") == 1
    assert len(office.events) == 1


async def test_a_key_with_another_body_is_refused(office: Office) -> None:
    """A reused key silently drops the second villager's request."""
    await office.desk.submit(NEW, idempotency_key="k")
    other = msgspec.structs.replace(NEW, name="BUDI SANTOSO")
    with pytest.raises(KeyReused, match="use a new key"):
        await office.desk.submit(other, idempotency_key="k")
    assert (await office.desk.submit(other, idempotency_key="k2")).created
    assert await office.count("request") == 2


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_key_out_of_bounds_is_refused(office: Office, key: str) -> None:
    """An empty key makes all desks share one request; a huge one fills the store."""
    with pytest.raises(ValueError, match="1 to 200 characters"):
        await office.desk.submit(NEW, idempotency_key=key)


async def test_the_desk_leaves_open_what_an_sms_would(office: Office) -> None:
    """The portal would be told of other gaps by the desk than by the SMS Center for the same letter."""
    business = msgspec.structs.replace(NEW, letter="USAHA")
    accepted = await office.desk.submit(business, idempotency_key="k")
    assert accepted.request.missing == ("business", "purpose")
    told = await office.desk.submit(msgspec.structs.replace(business, purpose="warung kopi"), idempotency_key="k2")
    assert told.request.missing == ()


async def test_full_store_refuses_and_stays_usable(office: Office) -> None:
    """A full disk crashes the desk, or accepts what cannot be kept."""

    def hog(conn: Any) -> None:
        conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", ("x" * 100_000,))

    refused = 0
    while not refused:
        try:
            await office.store.write(hog)
        except StoreFull:
            refused = 1
    outcomes: list[object] = []
    for number in range(400):
        try:
            outcomes.append(await office.desk.submit(NEW, idempotency_key=f"k{number}"))
        except StoreFull as full:
            outcomes.append(full)
            break
    assert isinstance(outcomes[-1], StoreFull)
    assert await office.count("request") == len(outcomes) - 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"letter": "SKTM", "nik": "351015230608990", "name": "SITI"}, "nik"),
        ({"letter": "SKTM", "nik": "", "name": "SITI"}, "nik: 16 digits are needed"),
        ({"letter": "sktm", "nik": NEW.nik, "name": "SITI"}, "letter"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "S"}, "name"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "x" * 101}, "name"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "SITI\nAMINAH"}, "name"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "SITI", "phone": "0812"}, "phone"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "SITI", "rt": 0}, "rt"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "SITI", "purpose": "x" * 201}, "purpose"),
        ({"letter": "SKTM", "nik": NEW.nik, "name": "SITI", "colour": "red"}, "colour"),
        ({"letter": "SKTM", "nik": NEW.nik}, "name"),
    ],
)
def test_a_wrong_body_names_its_mistake(body: dict[str, object], message: str) -> None:
    """The desk's programmer is not told which field is wrong, or a wrong one is accepted."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.json.decode(msgspec.json.encode(body), type=NewRequest)


def test_a_birth_needs_no_nik() -> None:
    """A child without a NIK cannot be registered at the desk."""
    assert NewRequest(letter="LAHIR", nik="", name="BAYI SITI").nik == ""
