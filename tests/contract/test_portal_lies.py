"""The reference portal itself: many villages, killed and started again, overloaded, fed nonsense, lying by a seed."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.queue.sink import Beat, Changes, Delivered, Parcel, Retry
from edge.queue.sinks.https import HttpsSink
from edge.simulator import portal_tls
from edge.simulator.portal import Portal
from edge.simulator.portal_chaos import LIES, Chaos
from edge.simulator.portal_ledger import Ledger
from tests.contract.portal_pair import CODE, KEY, Pair, event, pair, request, settings
from tests.contract.waiting import until


async def push(sink: HttpsSink, parcels: list[Parcel], within_s: float = 60) -> None:
    """Deliver as the box does: what is to be tried again is, in any order between requests, in order within one."""
    deadline = time.monotonic() + within_s
    waiting = list(parcels)
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} never delivered"
        heads = list({parcel.request: parcel for parcel in reversed(waiting)}.values())
        outcomes = await sink.deliver(heads)
        for parcel, outcome in zip(heads, outcomes, strict=True):
            assert isinstance(outcome, Delivered | Retry), outcome
            if isinstance(outcome, Delivered):
                waiting.remove(parcel)


@pytest.mark.parametrize("seed", [1, 7])
async def test_one_effect_each_in_order_whatever_the_lies(tmp_path: Path, seed: int) -> None:
    """A lost or false answer gives a request two effects, loses it, or turns the order of its events."""
    async with pair(tmp_path, chaos=Chaos(seed, 0.4, hang_s=0.05)) as box:
        requests = [request(n) for n in range(1, 21)]
        about = [event(100 * n + number, requests[number]) for number in range(20) for n in (1, 2, 3)]
        about.sort(key=lambda parcel: parcel.seq)
        await push(box.sink, [*requests, *about])
        assert box.portal.ledger.audit() == {"requests": 20, "events": 60, "changes": 0, "twice": [], "disorder": []}
        for number, one in enumerate(requests):
            wanted = [0, 100 + number, 200 + number, 300 + number]
            assert [seq for _, seq in box.portal.ledger.order(one.request)] == wanted
        assert len(box.portal.chaos.told) > 5


async def test_changes_come_down_whatever_the_lies(tmp_path: Path) -> None:
    """A lying answer to the question for changes loses one, or the cursor runs past it."""
    async with pair(tmp_path, chaos=Chaos(3, 0.5, hang_s=0.05)) as box:
        requests = [request(n) for n in range(1, 121)]
        for one in requests:
            box.portal.ledger.put(one.request, {})
            box.portal.complete(one.request)
        cursor, seen = "", set()
        for _ in range(200):
            page = await box.sink.changes(cursor, at_once=True)
            if isinstance(page, Changes):
                cursor = page.cursor
                seen |= {change.request for change in page.changes}
            if len(seen) == 120 and cursor == "120":
                break
        assert seen == {one.request for one in requests}


def test_a_seed_gives_the_same_lies_again() -> None:
    """A failure under lies cannot be seen again."""
    names = [name for name in LIES for _ in range(50)]
    first, second = Chaos.parse("5:0.3"), Chaos.parse("5:0.3")
    assert [first.lie(name) for name in names] == [second.lie(name) for name in names]
    assert set(first.told) - {None}
    with pytest.raises(ValueError, match="SEED:RATE"):
        Chaos.parse("5:7")


async def test_villages_are_apart(tmp_path: Path) -> None:
    """A village's key reads or files for its neighbour, or two villages' events are taken for the same."""
    tls = portal_tls.made(tmp_path, ["127.0.0.1"])
    keys = {"3510052001": "one", "3510052002": "two"}
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    portal = Portal(villages=keys)
    await portal.start(listener, tls.server_context())
    one, two = (HttpsSink(settings(port, tls), code=code, key=key) for code, key in keys.items())
    crossed = HttpsSink(settings(port, tls), code="3510052001", key="two")
    try:
        mine = request(1)
        assert await one.deliver([mine]) == [Delivered()]
        for parcel in (mine, event(2, mine), request(3)):
            (outcome,) = await crossed.deliver([parcel])
            assert not isinstance(outcome, Delivered)
        assert not isinstance((await two.deliver([mine]))[0], Delivered)
        assert not isinstance((await two.deliver([event(2, mine)]))[0], Delivered)
        portal.complete(mine.request)
        down = await two.changes("", at_once=True)
        assert isinstance(down, Changes)
        assert down.changes == ()
        assert dict(portal.effects) == {mine.request: 1}
        assert await two.beat(b'{"installation":"0f8fad5b-d9cb-469f-a165-70867728950e","epoch":4}') == Beat(4)
        assert await one.deliver([request(5)]) == [Delivered()], "its neighbour's enrolment is not its own"
    finally:
        for sink in (one, two, crossed):
            await sink.close()
        await portal.stop()


@asynccontextmanager
async def alone(directory: Path, port: int) -> AsyncIterator[tuple[Pair, asyncio.subprocess.Process]]:
    """The portal as a process on `port` (0: any), with its file in `directory`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge.simulator.portal", "--port", str(port), "--dir", str(directory)),
        *("--control", str(directory / "control"), "--db", str(directory / "portal.db"), "--villages", "2"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    found = int((await process.stdout.readline()).split()[1])
    tls = portal_tls.made(directory, [])
    sink = HttpsSink(settings(found, tls), code="3510100002", key="portal-key-3510100002")
    try:
        yield Pair(Portal(villages={"0": ""}), sink, tls, found), process
    finally:
        await sink.close()
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ask(directory: Path, **order: Any) -> Any:
    reader, writer = await asyncio.open_unix_connection(str(directory / "control"))
    writer.write(json.dumps(order).encode() + b"\n")
    answer = json.loads(await reader.readline())
    writer.close()
    return answer


async def test_killed_it_knows_everything_again(tmp_path: Path) -> None:
    """A portal that is killed files a request twice, or its boxes no longer trust it."""
    filed = request(1)
    async with alone(tmp_path, 0) as (box, process):
        assert await box.sink.deliver([filed]) == [Delivered()]
        assert await box.sink.deliver([event(2, filed)]) == [Delivered()]
        process.kill()
        await process.wait()
        async with alone(tmp_path, box.port) as (again, _):
            assert await box.sink.deliver([filed, event(2, filed)]) == [Delivered()] * 2
            assert await again.sink.deliver([event(3, filed, kind="cancel_requested")]) == [Delivered()]
            page = await box.sink.changes("", at_once=True)
            assert isinstance(page, Changes)
            assert [change.state for change in page.changes] == ["cancelled"]
            audit = await ask(tmp_path, do="audit")
            assert audit == {"requests": 1, "events": 2, "changes": 1, "twice": [], "disorder": []}
            assert await ask(tmp_path, do="order", id=filed.request) == {
                "order": [["request", 0], ["kampung.request.rt_answered", 2], ["kampung.request.cancel_requested", 3]]
            }
            status = await ask(tmp_path, do="status")
            assert status["turned_away"] == 0


async def test_too_many_at_once_are_told_to_come_later(tmp_path: Path) -> None:
    """217 boxes at once pile up in the portal's memory, or wait without being told."""
    async with pair(tmp_path, most=1) as box:
        box.portal.mode, box.portal.slow_s = "slow", 0.05
        outcomes = await box.sink.deliver([request(n) for n in range(1, 31)])
        assert box.portal.busiest == 1
        turned = [outcome for outcome in outcomes if outcome != Delivered()]
        assert all(outcome == Retry("the portal answered 503", 2.0) for outcome in turned)
        assert 0 < box.portal.turned_away < len(turned), "those that were still to go are not sent into an overload"
        box.portal.mode = "ok"
        await push(box.sink, [request(n) for n in range(1, 31)])
        assert set(box.portal.effects.values()) == {1}


async def test_a_box_killed_in_its_questions_is_heard_again(tmp_path: Path) -> None:
    """Questions of boxes that are gone stay open, and the box that comes back is told that it asks too much."""
    async with pair(tmp_path) as box:
        for _ in range(8):
            before = box.portal.calls.total()
            asking = asyncio.create_task(box.sink.changes(""))
            await until(partial(_more_calls, box.portal, before), "a question that is open")
            asking.cancel()
            await asyncio.wait({asking})
            await box.sink.refresh()
        deadline = time.monotonic() + 60
        while not isinstance(answer := await box.sink.changes("", at_once=True), Changes):
            assert time.monotonic() < deadline, answer


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b"[" + b" " * 50_000_000 + b"]"), 413),
        ({"Content-Encoding": "gzip"}, b"no gzip", 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"[]")[:-4], 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"[]") * 2, 400),
        ({"Content-Encoding": "deflate"}, b"[]", 415),
        ({}, b"[" * 100_000, 400),
        ({}, b"\xff\xfe", 400),
        ({}, b"[7]", 400),
        ({"Kampung-Epoch": "soon"}, b"[]", 400),
    ],
)
async def test_nonsense_is_bounded_and_named(tmp_path: Path, headers: dict[str, str], body: bytes, status: int) -> None:
    """A wrong body fills the portal's memory or ends it."""
    async with pair(tmp_path) as box:
        reader, writer = await asyncio.open_connection("127.0.0.1", box.port, ssl=_trusting(box))
        head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/cloudevents-batch+json", **headers}
        lines = [f"POST /v1/villages/{CODE}/events HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in head.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await reader.readline()
        writer.close()
        assert int(answer.split()[1]) == status


def _more_calls(portal: Portal, before: int) -> bool:
    return portal.calls.total() > before


def _trusting(box: Pair) -> Any:
    import ssl

    return ssl.create_default_context(cafile=str(box.tls.ca))


def test_disorder_and_two_effects_are_seen() -> None:
    """The audit that all crash tests rely on says that all is well, whatever happened."""
    ledger = Ledger(["1"])
    ledger.put("a", {})
    told = [
        {"specversion": "1.0", "id": str(n), "source": "kampung/1", "type": f"kampung.request.{kind}", "subject": "a"}
        | {"seq": seq, "data": {}}
        for n, (kind, seq) in enumerate([("rt_answered", 5), ("cancel_requested", 4), ("cancel_requested", 6)])
    ]
    assert [result["status"] for result in ledger.take_events(told, village="1")] == ["accepted"] * 3
    audit = ledger.audit()
    assert audit["twice"] == ["kampung.request.cancel_requested a"]
    assert audit["disorder"] == ["a"]
