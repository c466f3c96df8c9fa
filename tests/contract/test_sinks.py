"""One contract for every kind of sink, each against its own far end: the reference portal, nats-server, OpenDK."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from edge.queue.sink import KINDS, Beat, Changes, Delivered, HandedOver, Retry, Sink, Unauthorised
from tests.contract.far_ends import FARS, Far, make_sink, parcel
from tests.contract.waiting import until

TAKEN = (Delivered, HandedOver)


def test_every_kind_of_sink_has_a_far_end() -> None:
    """A sink is registered that no contract holds."""
    assert set(FARS) == set(KINDS)


def test_a_kind_that_is_not_used_is_not_loaded() -> None:
    """A box of 512 MB pays for the libraries of every kind of sink."""
    program = "import sys; from edge.queue.sink import KINDS; KINDS['https'](); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    names = set(loaded.stdout.split())
    assert "edge.queue.sinks.https" in names
    assert not {name for name in names if name.split(".")[0] in ("nats", "nkeys", "nacl", "psycopg")}
    assert not {name for name in names if "opendk" in name or "sinks.nats" in name}


@pytest.fixture(params=sorted(KINDS))
async def far(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    made = FARS[request.param](tmp_path)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
async def sink(far: Far) -> AsyncIterator[Sink]:
    made = make_sink(far)
    try:
        assert isinstance(
            await made.beat(b'{"installation": "01900000-0000-7000-8000-000000000001", "epoch": 1}'), Beat
        )
        yield made
    finally:
        await made.close()


async def test_handed_over_twice_has_one_effect(far: Far, sink: Sink) -> None:
    """A row that is sent again after a crash files a second request."""
    one = parcel(1)
    for _ in range(2):
        (outcome,) = await sink.deliver([one])
        assert isinstance(outcome, TAKEN)
    await until(lambda: far.effects(one.request) == 1, "the effect")


async def test_a_lost_answer_is_tried_again_with_one_effect(far: Far, sink: Sink) -> None:
    """An answer that is lost makes a refusal of a request that arrived, or a second one of it."""
    one = parcel(1)
    far.show("lose_answer")
    assert isinstance((await sink.deliver([one]))[0], Retry)
    far.show("ok")
    assert isinstance((await sink.deliver([one]))[0], TAKEN)
    await until(lambda: far.effects(one.request) == 1, "the effect")


async def test_a_peer_that_restarts_is_found_again(far: Far, sink: Sink) -> None:
    """A broken connection is never opened again, or its loss is a crash."""
    assert isinstance((await sink.deliver([parcel(1)]))[0], TAKEN)
    await far.stop()
    assert isinstance((await sink.deliver([parcel(2)]))[0], Retry)
    assert isinstance(await sink.changes("", at_once=True), Retry)
    await far.start()
    assert isinstance((await sink.deliver([parcel(2)]))[0], TAKEN)
    assert isinstance(await sink.changes("", at_once=True), Changes)
    await until(lambda: far.effects(parcel(2).request) == 1, "the effect")


async def test_a_refused_key_is_told_from_a_broken_link(far: Far, sink: Sink) -> None:
    """A refused key is hammered like a broken link, or kills rows; or it never heals."""
    await far.refuse(True)
    await sink.refresh()
    assert isinstance((await sink.deliver([parcel(1)]))[0], Unauthorised)
    assert isinstance(await sink.changes("", at_once=True), Unauthorised)
    assert isinstance(await sink.beat(b"{}"), Unauthorised)
    await far.refuse(False)
    await sink.refresh()
    assert isinstance((await sink.deliver([parcel(1)]))[0], TAKEN)


async def test_garbage_is_no_answer(far: Far, sink: Sink) -> None:
    """A captive portal's page delivers a request, kills it, or crashes the forwarder."""
    far.show("garbage")
    await sink.refresh()
    for _ in range(2):
        assert isinstance((await sink.deliver([parcel(1)]))[0], Retry)
        assert isinstance(await sink.changes("", at_once=True), Retry)
        assert isinstance(await sink.beat(b"{}"), Retry)
    far.show("ok")
    assert isinstance((await sink.deliver([parcel(1)]))[0], TAKEN)
    await until(lambda: far.effects(parcel(1).request) == 1, "the effect")


async def test_silence_ends_in_time(far: Far, sink: Sink) -> None:
    """A peer that takes the connection and says nothing holds the outbox for ever."""
    far.show("silent")
    began = time.monotonic()
    assert isinstance((await sink.deliver([parcel(1)]))[0], Retry)
    assert time.monotonic() - began < 30
    far.show("ok")
    await sink.refresh()
    assert isinstance((await sink.deliver([parcel(1)]))[0], TAKEN)


async def test_a_hanging_call_ends_when_the_caller_gives_up(far: Far, sink: Sink) -> None:
    """A switch of uplinks cannot end what hangs, or what was given up spoils the next call."""
    far.show("silent")
    hanging = asyncio.create_task(sink.deliver([parcel(1)]))
    await asyncio.wait({hanging}, timeout=0.1)
    hanging.cancel()
    await asyncio.wait({hanging})
    assert hanging.cancelled()
    await sink.refresh()
    far.show("ok")
    assert isinstance((await sink.deliver([parcel(1)]))[0], TAKEN)


async def test_a_batch_arrives_in_its_order(far: Far, sink: Sink) -> None:
    """Rows of one batch overtake each other, or an outcome is another row's."""
    sent = [parcel(number) for number in range(1, 9)]
    for start in range(0, len(sent), sink.batch_most):
        part = sent[start : start + sink.batch_most]
        outcomes = await sink.deliver(part)
        assert [type(outcome) in TAKEN for outcome in outcomes] == [True] * len(part)
    await until(lambda: far.order() == [one.request for one in sent], f"the order, not {far.order()}")


async def test_changes_come_from_the_cursor_on(far: Far, sink: Sink) -> None:
    """A page that was not stored is lost, or one that was stored comes again as news."""
    one = parcel(1)
    await sink.deliver([one])
    await until(lambda: far.effects(one.request) == 1, "the effect")
    await far.change(one.request, "head_approval")
    first = await _states(sink, "", "head_approval")
    again = await _states(sink, "", "head_approval")
    assert {change.event for change in first.changes} <= {change.event for change in again.changes}
    await _stored(again)
    await far.change(one.request, "completed")
    after = await _states(sink, again.cursor, "completed")
    versions = [change.version for change in (*again.changes, *after.changes) if change.request == one.request]
    assert versions == sorted(set(versions)), "each change once, and later ones with higher versions"
    await _stored(after)


async def test_another_sink_goes_on_at_the_cursor(far: Far, sink: Sink) -> None:
    """After a restart of the box changes are lost, or old ones come as new ones."""
    one = parcel(1)
    await sink.deliver([one])
    await until(lambda: far.effects(one.request) == 1, "the effect")
    await far.change(one.request, "head_approval")
    page = await _states(sink, "", "head_approval")
    await _stored(page)
    await sink.close()
    await far.change(one.request, "completed")
    successor = make_sink(far)
    try:
        after = await _states(successor, page.cursor, "completed")
    finally:
        await successor.close()
    known = {change.event: change for change in page.changes}
    assert all(known.get(change.event, change) == change for change in after.changes)


async def _states(sink: Sink, cursor: str, wanted: str) -> Changes:
    """The first page with a change to `wanted`; pages before it are taken."""
    deadline = time.monotonic() + 60
    while True:
        page = await sink.changes(cursor, at_once=True)
        assert isinstance(page, Changes), page
        if any(change.state == wanted for change in page.changes):
            return page
        assert time.monotonic() < deadline, f"never: {wanted}"
        await _stored(page)
        cursor = page.cursor
        await asyncio.sleep(0.02)


async def _stored(page: Changes) -> None:
    """Say that a page is durable."""
    if page.done is not None:
        await page.done()


async def test_an_empty_page_comes_in_time_and_keeps_the_cursor(far: Far, sink: Sink) -> None:
    """A long poll without news ends too late, or moves the cursor."""
    del far
    began = time.monotonic()
    page = await sink.changes("")
    while isinstance(page, Changes) and (page.confirmed or page.unreadable):
        page = await sink.changes(page.cursor)
    assert isinstance(page, Changes)
    assert not page.changes
    assert time.monotonic() - began < 30


async def test_close_leaves_nothing_behind(far: Far) -> None:
    """A closed sink leaves tasks and connections running."""
    made = make_sink(far)
    before = asyncio.all_tasks()
    await made.deliver([parcel(1)])
    await made.changes("", at_once=True)
    await made.close()
    await until(lambda: _ours(asyncio.all_tasks() - before) == [], "an end of its tasks")
    await made.close()


def _ours(tasks: set[asyncio.Task[object]]) -> list[str]:
    """Tasks that run the box's or the client library's code; the far ends serve connections in others."""
    names = [str(task.get_coro()) for task in tasks if not task.done()]
    return [name for name in names if "Sink" in name or "nats" in name.lower() or "Link" in name]
