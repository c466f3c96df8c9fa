"""Requests and batches of events to the reference portal over TLS: the table of docs/upstream.md, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.queue.sink import Change, Changes, Dead, Delivered, Outcome, Replaced, Retry, Unauthorised
from edge.simulator.portal import Mode
from tests.contract.portal_pair import CODE, event, pair, request

OTHER = "0f8fad5b-d9cb-469f-a165-70867728950f"
POSTS = f"POST /v1/villages/{CODE}/events"


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        *((status, Retry) for status in (404, 405, 408, 410, 425, 429, 500, 501, 502, 503, 504)),
        *((status, Dead) for status in (400, 403, 413, 415, 422)),
        (401, Unauthorised),
    ],
)
async def test_status_of_a_call(tmp_path: Path, status: int, wanted: type[Outcome]) -> None:
    """A status is taken for another one: a loss, an endless retry, or a pause without a reason."""
    async with pair(tmp_path) as box:
        filed, refused = await box.file(1), request(2)
        asking = event(3, filed)
        box.portal.poison = {refused.request: status, asking.event: status}
        for parcel in (refused, asking):
            (outcome,) = await box.sink.deliver([parcel])
            assert isinstance(outcome, wanted), outcome
            assert str(status) in str(outcome)
        box.portal.poison = {}
        assert await box.sink.deliver([refused, asking]) == [Delivered(), Delivered()]
        assert set(box.portal.effects.values()) == {1}


async def test_409_for_a_request_is_a_dead_letter(tmp_path: Path) -> None:
    """Two requests of one id take turns for ever."""
    async with pair(tmp_path) as box:
        await box.file(1)
        assert await box.sink.deliver([request(1, letter="USAHA")]) == [Dead("409 another request has this id")]


@pytest.mark.parametrize("alone", [True, False])
async def test_409_for_an_event_brings_the_present_state_down(tmp_path: Path, alone: bool) -> None:
    """An event about a version that is past is tried for ever, or the box never learns what is the case now."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        box.portal.complete(filed.request)
        stale = event(2, filed)
        (box.portal.poison if alone else box.portal.verdicts)[stale.event] = 409
        assert await box.sink.deliver([stale]) == [Delivered()]
        present = Change(f"{filed.request}.2", filed.request, "completed", 2)
        refused, taken = [await box.sink.changes("7") for _ in range(2)]
        assert isinstance(refused, Changes)
        assert isinstance(taken, Changes)
        assert (refused.changes, taken.changes, taken.cursor) == ((present,), (present,), "7")
        assert taken.done is not None
        await taken.done()
        after = await box.sink.changes("1", at_once=True)
        assert isinstance(after, Changes)
        assert after.changes == ()
        digest = event(4, None, kind="uplink_hour")
        (box.portal.poison if alone else box.portal.verdicts)[digest.event] = 409
        assert await box.sink.deliver([digest]) == [Dead("409 for an event that is about no request")]
        unknown = event(3, request(9))
        (box.portal.poison if alone else box.portal.verdicts)[unknown.event] = 409
        assert await box.sink.deliver([unknown]) == [Dead("409 and the portal has no such request")]


async def test_422_to_a_resend_is_no_dead_letter(tmp_path: Path) -> None:
    """Some portals say 422 to what they have already: the villager would be told that the request failed."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        box.portal.poison = {filed.request: 422}
        assert await box.sink.deliver([filed]) == [Delivered()]


@pytest.mark.parametrize("mode", ["html200", "silent", "reset", "lose_answer"])
async def test_what_is_no_answer_is_tried_again(tmp_path: Path, mode: Mode) -> None:
    """A captive portal's page, or no answer at all, counts as delivered."""
    async with pair(tmp_path, read_timeout_s=1 if mode == "silent" else 10) as box:
        filed = await box.file(1)
        box.portal.mode = mode
        parcels = [request(2), event(3, filed), event(4, filed)]
        assert all(isinstance(outcome, Retry) for outcome in await box.sink.deliver(parcels))
        assert isinstance(await box.sink.changes("", at_once=True), Retry)
        assert isinstance(await box.sink.beat(b"{}"), Retry)
        box.portal.mode = "ok"
        assert await box.sink.deliver(parcels) == [Delivered()] * 3
        assert set(box.portal.effects.values()) == {1}


async def test_fifty_of_both_kinds_in_few_calls(tmp_path: Path) -> None:
    """A week's backlog goes up by one call each, or an outcome is given to another parcel."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        parcels = [request(n) if n % 2 else event(n, filed) for n in range(2, 52)]
        parcels[3] = event(99, request(98))
        outcomes = await box.sink.deliver(parcels)
        assert [n for n, outcome in enumerate(outcomes) if outcome != Delivered()] == [3]
        assert outcomes[3] == Dead("unknown request")
        assert box.portal.calls[POSTS] == 1
        assert [seq for _, seq in box.portal.ledger.order(filed.request)] == [0, *range(2, 52, 2)]


async def test_a_batch_stays_within_256_kib_before_gzip(tmp_path: Path) -> None:
    """A batch that the portal must refuse for its size is sent again for ever."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        parcels = [event(n, filed, text="x" * 100_000) for n in range(2, 7)]
        assert await box.sink.deliver(parcels) == [Delivered()] * 5
        assert box.portal.calls[POSTS] == 3
        huge = event(8, filed, text="x" * 300_000)
        outcomes = await box.sink.deliver([huge, event(9, filed)])
        assert isinstance(outcomes[0], Dead)
        assert outcomes[1] == Delivered()


async def test_a_portal_without_gzip_gets_plain_bodies(tmp_path: Path) -> None:
    """A portal that does not unpack never gets an event, or is asked twice every time."""
    async with pair(tmp_path, gzip=False) as box:
        filed = await box.file(1)
        for first in (10, 20):
            parcels = [event(n, filed, text="x" * 500) for n in range(first, first + 5)]
            assert await box.sink.deliver(parcels) == [Delivered()] * 5
        assert box.portal.calls[POSTS] == 3


@pytest.mark.parametrize("status", [400, 413, 415, 422])
@pytest.mark.parametrize("place", [0, 6, 12])
async def test_one_that_spoils_its_batch_dies_alone(tmp_path: Path, status: int, place: int) -> None:
    """One bad event takes its whole batch to the dead letters, or holds it up for ever."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        parcels = [event(n, filed) for n in range(2, 15)]
        box.portal.poison = {parcels[place].event: status}
        outcomes = await box.sink.deliver(parcels)
        assert [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Dead)] == [place]
        assert outcomes.count(Delivered()) == 12


@pytest.mark.parametrize("place", [0, 6, 12])
async def test_one_that_breaks_the_portal_is_named(tmp_path: Path, place: int) -> None:
    """An event that makes the portal fail holds up all others."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        parcels = [event(n, filed) for n in range(2, 15)]
        box.portal.poison = {parcels[place].event: 500}
        outcomes = await box.sink.deliver(parcels)
        assert outcomes[place] == Retry("the portal answered 500", own=True)
        assert outcomes.count(Delivered()) == 12


async def test_a_broken_portal_is_not_searched_for_a_guilty_one(tmp_path: Path) -> None:
    """217 boxes send a hundred calls each to a portal that is down."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        box.portal.mode = "500"
        outcomes = await box.sink.deliver([event(n, filed) for n in range(2, 52)])
        assert outcomes == [Retry("the portal answered 500")] * 50
        assert box.portal.calls[POSTS] == 3


async def test_a_request_that_breaks_the_portal_is_named(tmp_path: Path) -> None:
    """A poisoned request looks like a portal that is down, and holds up all others."""
    async with pair(tmp_path) as box:
        parcels = [request(n) for n in range(1, 20)]
        box.portal.poison = {parcels[4].request: 500}
        outcomes = await box.sink.deliver(parcels)
        assert outcomes[4] == Retry("the portal answered 500", own=True)
        assert outcomes.count(Delivered()) == 18


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_result_that_asks_for_patience_is_one_events_own(tmp_path: Path, status: int) -> None:
    """A passing trouble with one event is a dead letter, or pauses the others."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        parcels = [event(2, filed), event(3, filed)]
        box.portal.verdicts = {parcels[0].event: status}
        waits = Retry(f"the portal answered {status} for this event", own=True)
        assert await box.sink.deliver(parcels) == [waits, Delivered()]


async def test_a_digest_has_no_subject(tmp_path: Path) -> None:
    """The regency's history of the uplinks has a gap."""
    async with pair(tmp_path) as box:
        hour = event(2, None, kind="uplink_hour", uplink="telkom")
        assert await box.sink.deliver([hour]) == [Delivered()]
        ((kept,),) = [list(box.portal.ledger.events.values())]
        assert (kept["type"], kept.get("subject"), kept["data"]) == ("kampung.uplink.hour", None, {"uplink": "telkom"})


async def test_a_replaced_box_is_silent_and_says_why(tmp_path: Path) -> None:
    """A box that was replaced speaks next to its successor."""
    async with pair(tmp_path) as box:
        beat = await box.sink.beat(b'{"installation":"0f8fad5b-d9cb-469f-a165-70867728950e","epoch":0}')
        assert getattr(beat, "epoch", None) == 1
        filed = await box.file(1, epoch=1)
        assert box.portal.effects[filed.request] == 1
        assert box.portal.ledger.enrol(CODE, OTHER, 0) == 2
        outcomes = await box.sink.deliver([request(2, epoch=1), event(3, filed, epoch=1), event(4, filed, epoch=1)])
        assert all(isinstance(outcome, Replaced) for outcome in outcomes)
        again = await box.sink.beat(b'{"installation":"0f8fad5b-d9cb-469f-a165-70867728950e","epoch":1}')
        assert isinstance(again, Replaced)
        assert isinstance(await box.sink.changes(""), Replaced), "what is its successor's is not told to it"
        assert set(box.portal.effects.values()) == {1}


async def test_a_replaced_box_is_told_so_after_a_restart_too(tmp_path: Path) -> None:
    """A box that comes back from a drawer is given what is its successor's, since it does not say who asks."""
    async with pair(tmp_path) as box:
        assert box.portal.ledger.enrol(CODE, OTHER, 2) == 2
        box.portal.mode = "500"
        await box.sink.beat(b'{"installation":"0f8fad5b-d9cb-469f-a165-70867728950e","epoch":1}')
        box.portal.mode = "ok"
        assert isinstance(await box.sink.changes(""), Replaced)


async def test_a_box_that_never_enrolled_is_not_told_to_stop(tmp_path: Path) -> None:
    """A successor stops before its first heartbeat, as if it were the one replaced."""
    async with pair(tmp_path) as box:
        box.portal.ledger.enrol(CODE, OTHER, 0)
        (outcome,) = await box.sink.deliver([request(2)])
        assert isinstance(outcome, Retry)
        assert not box.portal.effects


@pytest.mark.parametrize("epochs", [True, False])
async def test_heartbeat(tmp_path: Path, epochs: bool) -> None:
    """A heartbeat is not noted, or a portal without epochs stops the box."""
    async with pair(tmp_path, epochs=epochs) as box:
        body = b'{"installation":"0f8fad5b-d9cb-469f-a165-70867728950e","epoch":0,"queue":{"waiting":3}}'
        for _ in range(2):
            beat = await box.sink.beat(body)
            assert getattr(beat, "epoch", None) == (1 if epochs else 0)
        assert box.portal.ledger.heartbeat()[0] == 2
        assert box.portal.ledger.heartbeat()[1]["queue"] == {"waiting": 3}


async def test_a_snapshot_comes_in_pages_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """A village with thousands of requests fills the memory, or begins its snapshot anew after each interruption."""
    async with pair(tmp_path) as box:
        parcels = [request(n) for n in range(1, 451)]
        for parcel in parcels:
            box.portal.ledger.put(parcel.request, {})
            box.portal.complete(parcel.request)
        box.portal.ledger.forget()
        page = await box.sink.changes("3")
        assert isinstance(page, Changes)
        assert len(page.changes) == 200
        late = request(0)
        box.portal.ledger.put(late.request, {})
        box.portal.complete(late.request)
        seen = [change.request for change in page.changes]
        await box.sink.refresh()
        while not page.cursor.isdigit():
            page = await box.sink.changes(page.cursor)
            assert isinstance(page, Changes)
            seen += [change.request for change in page.changes]
        assert seen == sorted(parcel.request for parcel in parcels)
        after = await box.sink.changes(page.cursor)
        assert isinstance(after, Changes)
        assert [change.request for change in after.changes] == [late.request], "what changed meanwhile is not lost"


async def test_a_portal_that_is_away_is_not_asked_fifty_times(tmp_path: Path) -> None:
    """Fifty calls in a row wait for their time-outs: the lease of their rows ends, and they are sent twice."""
    async with pair(tmp_path) as box:
        filed = await box.file(1)
        box.portal.calls.clear()
        box.portal.mode = "reset"
        parcels = [request(n) for n in range(2, 30)] + [event(n, filed, text="x" * 200_000) for n in range(30, 52)]
        outcomes = await box.sink.deliver(parcels)
        assert all(isinstance(outcome, Retry) and not outcome.own for outcome in outcomes)
        assert len(outcomes) == 50
        assert sum(box.portal.calls.values()) <= 2 * 9, "each idempotent call is made twice by the client library"
