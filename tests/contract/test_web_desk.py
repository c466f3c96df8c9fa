"""The desk API over HTTP on the real desk and the real store."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.clock import SystemClock
from edge.events import Event, RequestAccepted
from edge.queue.desk import Desk
from edge.queue.store import files
from edge.queue.store.database import Store, StoreFull
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from edge.sms import letters
from tests.unit.web.serving import BODY, KEY, Running, running

SEAL_KEY = bytes(range(32))


@asynccontextmanager
async def office(file: Path, announced: list[Event], *, max_mbyte: int = 64) -> AsyncIterator[tuple[Running, Store]]:
    """A server whose desk writes to the store in `file`."""
    store = await Store.open(file, max_mbyte=max_mbyte, group_commit_ms=2)
    requests = Requests(Seal(SEAL_KEY))
    desk = Desk(store, requests, missing=letters.missing, clock=SystemClock(), announce=announced.append)
    try:
        async with running(desk=desk) as server:
            yield server, store
    finally:
        await store.close()


async def post(
    session: aiohttp.ClientSession, server: Running, key: str, body: dict[str, Any] = BODY
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": key}
    async with session.post(server.url + "/v1/requests", json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def get(session: aiohttp.ClientSession, server: Running, identifier: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with session.get(f"{server.url}/v1/requests/{identifier}", headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


def rows(file: Path, table: str) -> int:
    """How many rows another process reading the file would see."""
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as other:
        (count,) = other.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return int(count)


async def test_an_accepted_request_is_durable_and_on_its_way(tmp_path: Path) -> None:
    """202 would be answered for a request that no one else can see yet, or that never goes up."""
    announced: list[Event] = []
    async with office(tmp_path / "box.db", announced) as (server, _), aiohttp.ClientSession() as session:
        status, made = await post(session, server, "a")
        assert status == 202
        assert (rows(tmp_path / "box.db", "request"), rows(tmp_path / "box.db", "outbox")) == (1, 1)
        assert await get(session, server, made["id"]) == (200, made)
        assert announced == [RequestAccepted("desk", "SKTM")]


async def test_it_survives_a_restart_under_its_key(tmp_path: Path) -> None:
    """A desk that sends again after a power cut would file a second letter."""
    made: list[dict[str, Any]] = []
    for _ in range(2):
        async with office(tmp_path / "box.db", []) as (server, _), aiohttp.ClientSession() as session:
            status, body = await post(session, server, "a")
            assert status == 202
            made.append(body)
            assert (await get(session, server, body["id"]))[0] == 200
    assert made[0] == made[1]
    assert rows(tmp_path / "box.db", "request") == 1


def _lose(conn: sqlite3.Connection, statement: str) -> None:
    """What salvage leaves of a request whose row no longer reads: everything that refers to it."""
    conn.execute("DELETE FROM request")
    conn.execute(statement)


@pytest.mark.parametrize(
    ("left", "says"),
    [
        ("UPDATE outbox SET state = 'delivered', payload = NULL", "the portal has it; ask there, do not file it again"),
        ("UPDATE outbox SET attempts = 1", "its copy for the portal is whole and on its way"),
        ("UPDATE outbox SET state = 'dead', attempts = 1", "file it again with a new Idempotency-Key"),
        ("DELETE FROM outbox", "file it again with a new Idempotency-Key"),
    ],
)
async def test_a_key_whose_request_was_lost_to_damage_says_what_to_do(tmp_path: Path, left: str, says: str) -> None:
    """A desk that sends again after the box was salvaged meets a crash, and never learns what became of the letter."""
    async with office(tmp_path / "box.db", []) as (server, store), aiohttp.ClientSession() as session:
        _, made = await post(session, server, "a")
        await store.close()
        with closing(files.connect(tmp_path / "box.db")) as conn:
            conn.execute("PRAGMA foreign_keys = 0")
            _lose(conn, left)
    async with office(tmp_path / "box.db", []) as (server, _), aiohttp.ClientSession() as session:
        status, problem = await post(session, server, "a")
        assert (status, problem["type"]) == (410, "urn:kampung-edge:problem:request-lost")
        assert made["id"] in problem["detail"]
        assert says in problem["detail"]
        assert (await post(session, server, "a", {**BODY, "purpose": "lain"}))[0] == 409
        assert (await post(session, server, "b"))[0] == 202


async def test_a_row_that_does_not_open_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    """A spoiled row answers with a page of the library's own, which no program of the office can read."""
    async with office(tmp_path / "box.db", []) as (server, store), aiohttp.ClientSession() as session:
        _, made = await post(session, server, "a")
        await store.write(lambda conn: conn.execute("UPDATE request SET person = x'00'"))
        status, problem = await get(session, server, made["id"])
        assert (status, problem["type"]) == (503, "urn:kampung-edge:problem:store-refuses")
        assert "damaged" in problem["detail"]


async def test_one_key_sent_many_times_at_once_makes_one_request(tmp_path: Path) -> None:
    """Two impatient clicks would race each other into two letters."""
    announced: list[Event] = []
    async with office(tmp_path / "box.db", announced) as (server, _), aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(post(session, server, "a") for _ in range(20)))
        assert {status for status, _ in answers} == {202}
        assert len({body["id"] for _, body in answers}) == 1
        assert len(announced) == rows(tmp_path / "box.db", "request") == 1
        assert (await post(session, server, "a", {**BODY, "purpose": "lain"}))[0] == 409


async def test_many_desks_at_once_each_get_their_own(tmp_path: Path) -> None:
    """Requests filed together would share a ticket or lose one of them."""
    async with office(tmp_path / "box.db", []) as (server, _), aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(post(session, server, f"k{n}") for n in range(60)))
        assert {status for status, _ in answers} == {202}
        assert len({body["ticket"] for _, body in answers}) == 60
        found = await asyncio.gather(*(get(session, server, body["id"]) for _, body in answers))
        assert [body for _, body in found] == [body for _, body in answers]


async def test_a_full_store_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    """A full disk would lose a request that was answered 202, or crash the server."""
    async with (
        office(tmp_path / "box.db", [], max_mbyte=8) as (server, store),
        aiohttp.ClientSession() as session,
    ):
        await fill(store)
        answers = [await post(session, server, f"k{n}") for n in range(100)]
        kept = [body for status, body in answers if status == 202]
        refused = [body["type"] for status, body in answers if status != 202]
        assert set(refused) == {"urn:kampung-edge:problem:store-refuses"}
        assert [await get(session, server, body["id"]) for body in kept] == [(200, body) for body in kept]
        assert rows(tmp_path / "box.db", "request") == len(kept)


async def test_nothing_personal_is_readable_in_the_file(tmp_path: Path) -> None:
    """A stolen card would give away who asked for what."""
    async with office(tmp_path / "box.db", []) as (server, _), aiohttp.ClientSession() as session:
        await post(session, server, "a")
        raw = await asyncio.to_thread(contents, tmp_path)
    assert raw
    for secret in (BODY["nik"], BODY["name"], BODY["purpose"]):
        assert secret.encode() not in raw


def contents(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(directory.glob("box.db*")))


async def fill(store: Store) -> None:
    """Write large and then small rows until the store takes neither; what fits in half-used pages may still pass."""

    def grow(conn: sqlite3.Connection, size: int) -> None:
        conn.execute("CREATE TABLE IF NOT EXISTS padding (bytes BLOB)")
        conn.execute("INSERT INTO padding VALUES (?)", (os.urandom(size),))

    for size in (100_000, 3_000):
        with pytest.raises(StoreFull):
            await repeat(store, partial(grow, size=size))


async def repeat(store: Store, work: Callable[[sqlite3.Connection], None]) -> None:
    for _ in range(200):
        await store.write(work)
