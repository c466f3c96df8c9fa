"""The forwarder and the HTTPS sink against the reference portal over TLS, well-behaved and in every fault mode."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
from pathlib import Path
from typing import get_args

import pytest

from edge.events import Forwarded, RequestAccepted, StatusReceived
from edge.queue.request import Request
from edge.queue.store.database import StoreFull
from edge.simulator.portal import MODES, Mode, Refusal
from tests.contract.portal_rig import NEW, Rig, rig
from tests.contract.waiting import until

TRANSIENT: list[Mode] = ["html200", "429", "500", "503", "silent", "reset", "lose_answer"]
FOR_GOOD: list[Mode] = ["400", "403", "409", "422"]


def test_every_fault_mode_is_tested() -> None:
    """A mode of the portal that no test here shows to the box."""
    assert {*TRANSIENT, *FOR_GOOD, "ok", "slow", "401"} == set(MODES)
    assert set(get_args(Refusal)) < set(MODES)


async def test_request_goes_up_and_completed_comes_down(tmp_path: Path) -> None:
    """The whole way: accepted, forwarded, completed, with one effect and every fact announced."""
    async with rig(tmp_path) as box:
        request = await box.submit()
        await box.until_state(request.id, "forwarded")
        content = box.portal.requests[request.id].content
        assert content["applicant"]["nik"] == NEW.nik
        assert content["applicant"]["phone"] == NEW.phone
        assert content["ticket"] == request.ticket
        box.portal.complete(request.id)
        await box.until_state(request.id, "completed")
        assert box.portal.effects == {request.id: 1}
        assert box.applied == [(request.ticket, "completed")]
        kinds = [type(event) for event in box.events]
        assert kinds == [RequestAccepted, Forwarded, StatusReceived]
        await until(lambda: box.forwarder.status.waiting == 0, "an empty outbox")
        assert box.forwarder.status.last_contact is not None
        assert box.codes() == set()
        payloads = await box.rows("SELECT payload FROM outbox")
        assert payloads == [(None,)], "a delivered row keeps no personal data"


@pytest.mark.parametrize("mode", TRANSIENT)
async def test_transient_fault_loses_nothing_and_has_one_effect(tmp_path: Path, mode: Mode) -> None:
    """A fault of the link or the server loses a request, or its retry has a second effect."""
    async with rig(tmp_path) as box:
        box.portal.mode = mode
        request = await box.submit()
        await until(lambda: box.portal.calls[f"PUT /v1/requests/{request.id}"] >= 2, "a second try")
        await until(lambda: "upstream-unreachable" in box.codes(), "the condition")
        assert await box.state(request.id) == "received"
        assert "upstream-dead-letter" not in box.codes()
        box.portal.mode = "ok"
        await box.until_state(request.id, "forwarded")
        assert box.portal.effects == {request.id: 1}
        await until(lambda: box.codes() == set(), "health restored")


@pytest.mark.parametrize("mode", FOR_GOOD)
async def test_refusal_is_a_dead_letter_and_blocks_nobody(tmp_path: Path, mode: Mode) -> None:
    """A refused request is tried for ever, is lost, or holds the next one back."""
    async with rig(tmp_path) as box:
        box.portal.mode = mode
        refused = await box.submit("one")
        await until(lambda: "upstream-dead-letter" in box.codes(), "a dead letter")
        box.portal.mode = "ok"
        second = await box.submit("two")
        await box.until_state(second.id, "forwarded")
        assert box.portal.effects == {second.id: 1}
        assert await box.state(refused.id) == "received"
        assert box.forwarder.status.dead == 1
        ((state, error, payload),) = await box.rows("SELECT state, error, payload FROM outbox WHERE seq = 1")
        assert state == "dead"
        assert str(error).startswith(mode)
        assert payload is not None, "what was refused is kept for staff"


async def test_refused_key_pauses_both_ways_until_it_is_right(tmp_path: Path) -> None:
    """A 401 is hammered, dead-letters a request, or never heals."""
    async with rig(tmp_path) as box:
        box.portal.mode = "401"
        request = await box.submit()
        await until(lambda: "upstream-unauthorised" in box.codes(), "the condition")
        assert "upstream-dead-letter" not in box.codes()
        box.portal.mode = "ok"
        await box.until_state(request.id, "forwarded")
        await until(lambda: box.codes() == set(), "health restored")


async def test_wrong_key_is_unauthorised(tmp_path: Path) -> None:
    """A box with a wrong key gets something into the portal."""
    async with rig(tmp_path, key="other") as box:
        await box.submit()
        await until(lambda: "upstream-unauthorised" in box.codes(), "the condition")
        assert not box.portal.requests


async def test_slow_portal_within_the_time_out_is_well(tmp_path: Path) -> None:
    """A slow answer is taken for none."""
    async with rig(tmp_path) as box:
        box.portal.mode, box.portal.slow_s = "slow", 0.2
        request = await box.submit()
        await box.until_state(request.id, "forwarded")
        assert box.portal.effects == {request.id: 1}


async def test_portal_that_is_away_is_data(tmp_path: Path) -> None:
    """No listener at all crashes the forwarder, or it does not come back by itself."""
    async with rig(tmp_path) as box:
        await box.portal.stop()
        request = await box.submit()
        await until(lambda: "upstream-unreachable" in box.codes(), "the condition")
        await box.start_portal()
        await box.until_state(request.id, "forwarded")


async def test_wrong_certificate_is_never_trusted(tmp_path: Path) -> None:
    """A captive portal's own certificate gets a villager's data."""
    async with rig(tmp_path) as box:
        await box.portal.stop()
        foreign = (tmp_path / "foreign").resolve()
        from edge.simulator import portal_tls

        box.tls = portal_tls.make(foreign, ["localhost", "127.0.0.1"])
        await box.start_portal()
        request = await box.submit()
        await until(lambda: "upstream-unreachable" in box.codes(), "the condition")
        assert await box.state(request.id) == "received"
        assert not box.portal.requests


async def test_retry_now_ends_a_wait_and_a_hanging_call(tmp_path: Path) -> None:
    """After a switch of uplinks a request sits behind a dead connection until its time-out."""
    async with rig(tmp_path) as box:
        box.portal.mode = "silent"
        request = await box.submit()
        await until(lambda: box.portal.calls[f"PUT /v1/requests/{request.id}"] >= 1, "a call that hangs")
        box.portal.mode = "ok"
        box.forwarder.retry_now()
        await box.until_state(request.id, "forwarded")
        assert box.portal.effects == {request.id: 1}


async def test_a_poisoned_row_does_not_hold_others_back(tmp_path: Path) -> None:
    """One request that the portal cannot digest keeps all later ones waiting."""
    async with rig(tmp_path) as box:
        box.portal.mode = "500"
        first = await box.submit("one")
        await until(lambda: box.forwarder.status.waiting == 1, "the first one waits")
        others = [await box.submit(f"other {number}") for number in range(20)]
        box.portal.mode = "ok"
        for request in (first, *others):
            await box.until_state(request.id, "forwarded")
        assert box.portal.effects == {request.id: 1 for request in (first, *others)}


async def _forwarded(box: Rig, key: str = "one") -> Request:
    request = await box.submit(key)
    await box.until_state(request.id, "forwarded")
    return request


async def test_same_change_twice_is_applied_once(tmp_path: Path) -> None:
    """A repeated event sends a villager the same SMS twice."""
    async with rig(tmp_path) as box:
        request = await _forwarded(box)
        event = box.portal.ledger.change(request.id, "district_check")
        box.portal.ledger.say(event)
        box.portal.ledger.announce(request.id, "district_check", 2)
        box.portal.complete(request.id)
        await box.until_state(request.id, "completed")
        assert [state for _, state in box.applied] == ["district_check", "completed"]


async def test_an_older_version_is_skipped(tmp_path: Path) -> None:
    """Changes that arrive out of order bring back an old state."""
    async with rig(tmp_path) as box:
        request = await _forwarded(box)
        box.portal.ledger.announce(request.id, "secretary_approval", 7)
        box.portal.ledger.announce(request.id, "district_check", 6)
        box.portal.ledger.announce(request.id, "head_approval", 8)
        box.portal.ring()
        await box.until_state(request.id, "head_approval")
        outcomes = await box.rows("SELECT outcome FROM change ORDER BY rowid")
        assert outcomes == [("applied",), ("stale",), ("applied",)]


@pytest.mark.parametrize("nonsense", ["unknown request", "unknown state", "unreadable", "after the end"])
async def test_nonsense_from_the_portal_is_kept_in_audit_and_blocks_nothing(tmp_path: Path, nonsense: str) -> None:
    """An event that cannot be applied crashes the box, or stops the cursor for all later ones."""
    async with rig(tmp_path) as box:
        request = await _forwarded(box)
        if nonsense == "unknown request":
            box.portal.ledger.announce("01900000-0000-7000-8000-000000000000", "completed", 1)
        elif nonsense == "unknown state":
            box.portal.ledger.announce(request.id, "frobnicated", 5)
        elif nonsense == "unreadable":
            box.portal.ledger.say({"id": 7, "data": "?"})
        else:
            box.portal.complete(request.id)
            box.portal.ledger.change(request.id, "district_check")
        box.portal.ring()
        other = await _forwarded(box, "two")
        box.portal.complete(other.id)
        await box.until_state(other.id, "completed")
        kept = await box.rows("SELECT kind FROM audit")
        assert len(kept) == 1
        assert str(kept[0][0]).startswith("change-")


async def test_cursor_too_old_reads_the_snapshot(tmp_path: Path) -> None:
    """A box that was away for long never learns what became of its requests."""
    async with rig(tmp_path, forwarding=False) as box:
        request = await box.submit()
        task = asyncio.create_task(box.forwarder.run())
        await box.until_state(request.id, "forwarded")
        task.cancel()
        await asyncio.wait({task})
        box.portal.complete(request.id)
        box.portal.ledger.forget()
        task = asyncio.create_task(box.forwarder.run())
        await box.until_state(request.id, "completed")
        task.cancel()
        await asyncio.wait({task})
        assert await box.rows("SELECT value FROM cursor") == [("1",)]


async def test_change_before_our_own_record_proves_delivery(tmp_path: Path) -> None:
    """An answer lost on the way makes the box refuse the portal's change, or step back after it."""
    async with rig(tmp_path, forwarding=False) as box:
        request = await box.submit()
        box.portal.ledger.put(request.id, {})
        box.portal.complete(request.id)
        task = asyncio.create_task(box.forwarder.run())
        await box.until_state(request.id, "completed")
        await until(lambda: "upstream-dead-letter" in box.codes(), "the other content is refused")
        assert await box.state(request.id) == "completed"
        task.cancel()
        await asyncio.wait({task})


async def test_cancel_of_a_forwarded_request_only_asks(tmp_path: Path) -> None:
    """The box cancels what the portal owns by itself, or never asks."""
    async with rig(tmp_path) as box:
        request = await _forwarded(box)
        for _ in range(2):
            became = await box.store.write(
                lambda conn: box.requests.cancel(conn, request.id, by="sms", now=request.created_at)
            )
            assert became == "asked"
        await box.until_state(request.id, "cancelled")
        assert box.portal.effects[f"kampung.request.cancel_requested {request.id}"] == 1
        assert len(await box.rows("SELECT seq FROM outbox WHERE kind = 'cancel_requested'")) == 1


async def test_cancel_before_anything_left_is_final(tmp_path: Path) -> None:
    """A request cancelled in time still reaches the portal."""
    async with rig(tmp_path, forwarding=False) as box:
        request = await box.submit()
        became = await box.store.write(lambda conn: box.requests.cancel(conn, request.id, by="sms", now=1.0))
        assert became == "cancelled"
        other = await box.submit("two")
        task = asyncio.create_task(box.forwarder.run())
        await box.until_state(other.id, "forwarded")
        task.cancel()
        await asyncio.wait({task})
        assert box.portal.effects == {other.id: 1}
        assert await box.state(request.id) == "cancelled"


async def test_a_row_claimed_by_a_dead_process_is_claimed_again(tmp_path: Path) -> None:
    """A lease outlives the process that took it, and its request waits for ever."""
    async with rig(tmp_path, forwarding=False) as box:
        request = await box.submit()
        await box.store.write(lambda conn: conn.execute("UPDATE outbox SET state = 'leased', attempts = 1").rowcount)
        task = asyncio.create_task(box.forwarder.run())
        await box.until_state(request.id, "forwarded")
        task.cancel()
        await asyncio.wait({task})


async def test_full_store_still_forwards_what_it_has(tmp_path: Path) -> None:
    """A full store stops the outbox too, and never gets room again."""
    async with rig(tmp_path) as box:
        await box.portal.stop()
        waiting = [await box.submit(f"key {number}") for number in range(30)]
        await until(lambda: "upstream-unreachable" in box.codes(), "the condition")
        with pytest.raises(StoreFull):
            await _fill(box)
        await box.start_portal()
        for request in waiting:
            await box.until_state(request.id, "forwarded")
        assert box.portal.effects == {request.id: 1 for request in waiting}


async def _fill(box: Rig) -> None:
    """Large rows, then small ones, until not even those are taken."""

    def large(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO cursor VALUES (?, ?)", (secrets.token_hex(8), "x" * 100_000))

    def small(conn: sqlite3.Connection) -> None:
        conn.execute("INSERT INTO cursor VALUES (?, '')", (secrets.token_hex(8),))

    with contextlib.suppress(StoreFull):
        for _ in range(1_000):
            await box.store.write(large)
    for _ in range(100_000):
        await box.store.write(small)
