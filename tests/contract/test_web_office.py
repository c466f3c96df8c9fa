"""The desk API's lists, actions, keys and events over TCP, on the real store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.desk_keys import KeyRing, entry, parse
from edge.web.server import Limits
from tests.contract.desk_rig import Counter, counter, refused
from tests.office import until
from tests.unit.web.serving import BODY

NIK = "3510054107859901"
OTHER = "3510152306089909"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    async with counter(tmp_path) as desk:
        yield desk


async def forwarded(desk: Counter, identifier: str, *more: str) -> None:
    """What the forwarder and the portal make of a request."""
    await desk.move(identifier, "forwarded", by="forwarder")
    await desk.move(identifier, *more)


async def test_lists_go_from_the_newest_to_the_oldest(desk: Counter) -> None:
    """An officer would miss a request between two pages, or see one twice."""
    made = [(await desk.file(f"k{n}"))["id"] for n in range(7)]
    seen: list[str] = []
    path: str | None = "/v1/requests?limit=3"
    while path:
        answer, page = await desk.call("GET", path)
        assert answer.status == 200
        seen += [request["id"] for request in page["requests"]]
        path = page["next"] and f"/v1/requests?limit=3&after={page['next']}"
    assert seen == made[::-1]


async def test_lists_are_narrowed(desk: Counter) -> None:
    """The counter could not find what it has to hand out."""
    first, second = await desk.file("a"), await desk.file("b", letter="KTP")
    await forwarded(desk, second["id"], "completed")
    for query, wanted in {
        "state=received": [first],
        "state=completed": [second],
        "letter=SKTM": [first],
        "letter=SKTM&state=completed": [],
        f"ticket={second['ticket']}": [second],
        f"ticket={second['ticket'].replace('-', '').lower()}": [second],
        f"ticket={second['ticket']}&state=received": [],
        "": [second, first],
    }.items():
        _, page = await desk.call("GET", f"/v1/requests?{query}")
        assert [request["id"] for request in page["requests"]] == [request["id"] for request in wanted], query


@pytest.mark.parametrize("query", ["", "state=collected", "letter=LAHIR", "letter=LAHIR&state=collected"])
@pytest.mark.parametrize("after", ["", "01a1cf5e-6d80-7000-8000-000000000000"])
async def test_no_list_looks_at_every_request(desk: Counter, query: str, after: str) -> None:
    """A list would take a second on the box of a village with a hundred thousand requests."""
    wanted = dict(pair.split("=") for pair in query.split("&") if pair)

    def plan(conn: sqlite3.Connection) -> list[str]:
        asked: list[str] = []
        conn.set_trace_callback(asked.append)
        desk.requests.page(conn, before=after, limit=51, **wanted)
        conn.set_trace_callback(None)
        (question,) = (text for text in asked if text.startswith("SELECT"))
        return [row["detail"] for row in conn.execute(f"EXPLAIN QUERY PLAN {question}")]

    steps = [step for step in await desk.store.read(plan) if " request " in f"{step} "]
    assert len(steps) == 2
    assert all("USING" in step for step in steps), steps
    assert any("SEARCH" in step for step in steps) or not wanted


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("state=new", "state"),
        ("letter=PASPOR", "letter"),
        ("ticket=12", "ticket"),
        ("after=x", "after"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=1&limit=2", "limit"),
        (f"nik={NIK}", ""),
    ],
)
async def test_an_unfit_query_names_the_parameter(desk: Counter, query: str, field: str) -> None:
    """A mistyped filter would show every request, as if all were in that state."""
    document = refused(await desk.call("GET", f"/v1/requests?{query}"), "query")
    assert [error["field"] for error in document["errors"]] == [field]
    assert NIK not in str(document)


async def test_a_mistyped_ticket_is_told(desk: Counter) -> None:
    """The villager would be told that the request does not exist."""
    ticket = (await desk.file("a"))["ticket"]
    wrong = ticket[:-1] + str((int(ticket[-1]) + 1) % 10)
    refused(await desk.call("GET", f"/v1/requests?ticket={wrong}"), "no-such-ticket")


async def test_a_person_is_found_by_the_nik(desk: Counter) -> None:
    """Whoever lost the ticket could not be helped."""
    mine = [await desk.file("a", nik=NIK), await desk.file("b", nik=NIK, letter="KTP")]
    await desk.file("c", nik=OTHER)
    answer, page = await desk.call("POST", "/v1/requests/search", json={"nik": NIK})
    assert answer.status == 200
    assert page == {"requests": mine[::-1], "next": None}
    refused(await desk.call("POST", "/v1/requests/search", json={"nik": "3510"}), "invalid")
    refused(await desk.call("GET", "/v1/requests/search"), "method-not-allowed")


async def test_what_became_of_a_request(desk: Counter) -> None:
    """The counter could not say why a request was refused, or would show whose it is."""
    made = await desk.file("a")
    await desk.move(made["id"], "forwarded", by="forwarder")
    why = f"KK {NIK} atas nama SITI aminah tidak sesuai"
    await desk.store.write(lambda conn: desk.requests.move(conn, made["id"], "rejected", by="portal", now=1e9, why=why))
    answer, body = await desk.call("GET", f"/v1/requests/{made['id']}/transitions")
    assert answer.status == 200
    steps = [(step["from"], step["to"], step["actor"]) for step in body["transitions"]]
    assert steps == [
        ("", "received", "desk"),
        ("received", "forwarded", "forwarder"),
        ("forwarded", "rejected", "portal"),
    ]
    assert body["transitions"][2]["why"] == "KK … atas nama … tidak sesuai"


async def test_cancelling_before_and_after_it_left(desk: Counter) -> None:
    """A request that was withdrawn would go up, or one at the portal would be forgotten here alone."""
    here, there = await desk.file("a"), await desk.file("b")
    for _ in range(2):
        answer, body = await desk.call("POST", f"/v1/requests/{here['id']}/cancel")
        assert (answer.status, body["state"]) == (200, "cancelled")
    await desk.store.write(
        lambda conn: conn.execute("UPDATE outbox SET attempts = 1 WHERE request = ?", (there["id"],))
    )
    await forwarded(desk, there["id"])
    for _ in range(2):
        answer, body = await desk.call("POST", f"/v1/requests/{there['id']}/cancel")
        assert (answer.status, body["state"]) == (202, "forwarded")
    kinds = await desk.store.read(
        lambda conn: [row[0] for row in conn.execute("SELECT kind FROM outbox WHERE request = ?", (there["id"],))]
    )
    assert kinds == ["request", "cancel_requested"]


async def test_handing_out(desk: Counter) -> None:
    """A letter could be handed out that is not ready, or twice."""
    made = await desk.file("a")
    refused(await desk.call("POST", f"/v1/requests/{made['id']}/collected"), "not-possible")
    await forwarded(desk, made["id"], "completed")
    for _ in range(2):
        answer, body = await desk.call("POST", f"/v1/requests/{made['id']}/collected")
        assert (answer.status, body["state"]) == (200, "collected")
    refused(await desk.call("POST", f"/v1/requests/{made['id']}/cancel"), "not-possible")


async def test_the_first_answer_is_replayed_after_the_request_moved_on(desk: Counter) -> None:
    """A desk that lost the answer a week ago would get another one, and take it for another request."""
    first = await desk.file("a")
    await forwarded(desk, first["id"], "completed")
    answer, again = await desk.call("POST", "/v1/requests", json=BODY, headers={"Idempotency-Key": "a"})
    assert (answer.status, answer.headers["Idempotent-Replayed"], again) == (202, "true", first)
    assert answer.headers["ETag"] == '"1"'


CALLS = {
    "read": [("GET", "/v1/requests"), ("GET", "/v1/requests/{id}/transitions"), ("GET", "/v1/requests/{id}")],
    "search": [("POST", "/v1/requests/search")],
    "file": [("POST", "/v1/requests"), ("POST", "/v1/requests/{id}/attachments")],
    "close": [("POST", "/v1/requests/{id}/cancel"), ("POST", "/v1/requests/{id}/collected")],
}


async def test_a_key_opens_what_its_scopes_say(tmp_path: Path) -> None:
    """A display on the wall could file requests, or find whose they are."""
    keys = "".join(entry(scope, f"token-{scope}", (scope,)) for scope in ("read", "search", "file", "close"))
    async with counter(tmp_path, keys=KeyRing("", parse(keys))) as desk:
        for held in CALLS:
            for needed, calls in CALLS.items():
                for method, path in calls:
                    answered = await desk.call(
                        method,
                        path.replace("{id}", "01a1cf5e-6d80-7000-8000-000000000000"),
                        headers={"Authorization": f"Bearer token-{held}", "Idempotency-Key": "k"},
                        json={},
                    )
                    if held == needed:
                        assert answered[0].status not in (401, 403)
                    else:
                        assert needed in refused(answered, "scope")["detail"]


async def test_who_calls_too_often_waits(tmp_path: Path) -> None:
    """A program in a loop would take the box from everybody else."""
    async with counter(tmp_path, calls_per_s=1) as desk:
        answers = [await desk.call("GET", "/v1/requests")]
        async with asyncio.timeout(60):
            while answers[-1][0].status == 200:
                answers.append(await desk.call("GET", "/v1/requests"))
        assert len(answers) > 4
        refused(answers[-1], "too-many-calls")
        assert int(answers[-1][0].headers["Retry-After"]) == 1
        async with desk.session.get(desk.url + "/healthz") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/metrics"])
async def test_pages_that_cost_time_are_not_given_without_end(tmp_path: Path, path: str) -> None:
    """A browser left reloading, without any key, takes the loop that also steers the network."""
    async with counter(tmp_path, calls_per_s=1) as desk, asyncio.timeout(60):
        codes = [200]
        while codes[-1] == 200:
            async with desk.session.get(desk.url + path) as answer:
                codes.append(answer.status)
        assert len(codes) > 5
        assert codes[-1] == 429


async def test_who_tries_keys_waits_longer(tmp_path: Path) -> None:
    """A key could be looked for as fast as the network goes."""
    async with counter(tmp_path, calls_per_s=3) as desk:  # twelve with a key at once; one without, for three seconds
        wrong = {"Authorization": "Bearer wrong"}
        codes = [(await desk.call("GET", "/v1/requests", headers=wrong))[0].status for _ in range(2)]
        assert codes == [401, 429]


class Listener:
    """Reads server-sent events."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def block(self) -> dict[str, str]:
        """The next event, or comment, as its fields."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(60):
            while line := (await self.answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        return fields

    async def news(self) -> dict[str, Any]:
        """The next change of a state."""
        while (block := await self.block()).get("event") != "state":
            continue
        data: dict[str, Any] = json.loads(block["data"])
        assert str(data["id"]) == block["id"]
        return data


def listening(desk: Counter, last: str = "") -> Any:
    headers = {"Authorization": "Bearer a-desk-key-for-tests", **({"Last-Event-ID": last} if last else {})}
    return desk.session.get(desk.url + "/v1/events", headers=headers)


async def test_changes_are_told_as_they_happen(desk: Counter) -> None:
    """The office would look at a state that is long past."""
    before = await desk.file("a")
    async with listening(desk) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        listener = Listener(answer)
        await forwarded(desk, before["id"])
        news = await listener.news()
        assert (news["request"], news["ticket"]) == (before["id"], before["ticket"])
        assert (news["from"], news["to"], news["actor"]) == ("received", "forwarded", "forwarder")
        made = await desk.file("b")
        assert (await listener.news())["request"] == made["id"]


async def test_who_comes_back_misses_nothing(desk: Counter) -> None:
    """A restart of the office's program would lose what happened meanwhile."""
    made = [await desk.file(f"k{n}") for n in range(120)]
    async with listening(desk, "1") as answer:
        listener = Listener(answer)
        assert [(await listener.news())["request"] for _ in made[1:]] == [request["id"] for request in made[1:]]


async def test_a_listener_of_another_store_is_told(desk: Counter) -> None:
    """A program would wait for ever for a number that the new store reaches in a year."""
    made = await desk.file("a")
    async with listening(desk, "4711") as answer:
        listener = Listener(answer)
        assert await listener.block() == {"event": "reset", "id": "1", "data": "{}"}
        await forwarded(desk, made["id"])
        assert (await listener.news())["to"] == "forwarded"
    refused(await desk.call("GET", "/v1/events", headers={"Last-Event-ID": "x"}), "event-id")


async def test_a_quiet_stream_shows_that_the_box_lives(tmp_path: Path) -> None:
    """A program could not tell a quiet office from a dead line."""
    async with counter(tmp_path, limits=Limits(beat_s=0.05)) as desk, listening(desk) as answer:
        assert await Listener(answer).block() == {"": ""}


async def test_listeners_are_bounded_and_let_go(tmp_path: Path) -> None:
    """Forgotten listeners would keep everybody else out."""
    async with counter(tmp_path, limits=Limits(beat_s=0.05)) as desk:
        streams = [await listening(desk) for _ in range(16)]
        refused(await desk.call("GET", "/v1/events"), "too-many-listeners")
        for stream in streams:
            stream.close()

        async def admitted() -> bool:
            async with listening(desk) as answer:
                return bool(answer.status == 200)

        await until(admitted, what="a place is free again")


async def test_a_listener_that_takes_nothing_is_dropped(tmp_path: Path) -> None:
    """A program that hangs would keep its place, and its news in the box's memory."""
    limits = Limits(slow_s=3, beat_s=0.05, pause_s=0)  # all of them are there before the first is dropped
    async with counter(tmp_path, limits=limits) as desk:
        made = await desk.file("a")

        def flood(conn: Any) -> None:
            conn.executemany(
                "INSERT INTO transition (request, from_state, to_state, actor, at) VALUES (?, 'a', 'b', ?, 0)",
                [(made["id"], "x" * 1_000)] * 10_000,
            )

        await desk.store.write(flood)
        host, port = desk.url.removeprefix("http://").split(":")
        key = "Authorization: Bearer a-desk-key-for-tests"
        streams = []
        for _ in range(16):
            reader, writer = await asyncio.open_connection(host, int(port), limit=1_024)
            writer.write(f"GET /v1/events HTTP/1.1\r\nHost: {host}\r\n{key}\r\nLast-Event-ID: 1\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            streams.append(writer)

        async def admitted() -> bool:
            async with listening(desk) as answer:
                return bool(answer.status == 200)

        assert not await admitted()
        await until(admitted, what="those that hang are dropped")
        for writer in streams:
            writer.close()
