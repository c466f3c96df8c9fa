"""What becomes of a message whose sending fails, is in doubt or is cut off: real store, real mailbox."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from edge.events import Event, SmsSent
from edge.modem.mailbox import Choice, Ended, Given, NotStored, Report, Started, Taken
from edge.queue.store.windows import Recent
from edge.sms.center import Center
from edge.sms.handling import Handling
from edge.sms.mailbox import StoreMailbox
from edge.sms.replies import Catalogue
from tests.contract.mailbox_rig import NIGHT, fail, next_one, next_soon, office, queue
from tests.contract.office import CITIZEN, NIK, SETTINGS, VILLAGE, Office, open_office, until

__all__ = ["office"]


async def test_what_was_being_sent_when_the_power_went_waits_for_its_report_and_is_sent_once_more(
    tmp_path: Path,
) -> None:
    """A reply would be lost, be sent at every start, or twice though the network tells that it has it."""
    async with open_office(tmp_path) as office:
        await queue(office, "reply")
        first = await next_one(office)
    async with open_office(tmp_path) as office:
        assert SmsSent("modem", "reply", "uncertain") in office.events
        assert await office.start() is None
        office.clock.now += 91
        twin = await next_one(office)
        assert (twin.id, twin.given, twin.attempts) == (first.id, {1: first.reference}, 1)
    async with open_office(tmp_path) as office:
        office.clock.now += 1_000
        assert await office.start() is None
        assert await office.one("SELECT state FROM outgoing") == "uncertain"
        assert await office.one("SELECT uncertain FROM outgoing") == 2


async def test_a_report_settles_what_was_in_doubt(office: Office) -> None:
    """A message whose acknowledgement was lost would be sent twice although its report came."""
    await queue(office, "reply")
    message = await next_one(office)
    await office.mailbox.record(Ended(message.id, "uncertain", "no answer to CMGS"))
    await office.mailbox.store([Report("081234567001", 77, True)])
    office.clock.now += 1_000
    assert await office.start() is None
    assert await office.one("SELECT state FROM outgoing") == "sent"
    assert await office.one("SELECT delivered FROM outgoing") == 1


async def test_only_the_kinds_of_the_policy_are_repeated(office: Office) -> None:
    """A digest in doubt would be sent twice, which nobody wants."""
    for kind in ("digest", "reply"):
        await queue(office, kind)
    for _ in range(2):
        await office.mailbox.record(Ended((await next_one(office)).id, "uncertain", "no answer"))
    office.clock.now += 1_000
    assert [message.kind for message in await office.sent()] == ["reply"]
    assert await office.one("SELECT state FROM outgoing WHERE kind = 'digest'") == "uncertain"


async def test_a_long_message_goes_on_where_it_was(office: Office) -> None:
    """Parts that the network took would be sent again."""
    await queue(office, "reply", "x" * 400)
    chosen = (await office.mailbox.choose()).outgoing
    assert chosen is not None
    await office.mailbox.record(Started(chosen, ((1, 1), (2, 2), (3, 3))))
    await office.mailbox.record(Taken(chosen.id, 1, 31), Given(chosen.id, 2))
    await fail(office, chosen, "network")
    office.clock.now += 60
    again = await next_soon(office)
    assert (again.taken, dict(again.given), again.known) == (frozenset({1}), {}, 3)


async def test_a_rejected_twin_is_there_already(office: Office) -> None:
    """A message that the service centre has would be called failed."""
    await queue(office, "reply")
    await office.mailbox.record(Ended((await next_one(office)).id, "uncertain", "no answer"))
    office.clock.now += 100
    await fail(office, await next_one(office), "duplicate", "+CMS ERROR 197")
    assert await office.one("SELECT state FROM outgoing") == "sent"
    assert office.events[-1] == SmsSent("modem", "reply", "sent")


async def test_a_passing_failure_is_tried_again_later_and_a_lasting_one_is_not(office: Office) -> None:
    """One bad number would block the queue, or one bad minute lose a reply."""
    passing, lasting = await queue(office, "reply"), await queue(office, "reply")
    first = await next_one(office)
    assert first.id == passing
    await fail(office, first, "away")
    second = await next_one(office)
    assert second.id == lasting
    await fail(office, second, "recipient")
    assert await office.start() is None
    office.clock.now += 20
    assert (await next_one(office)).id == passing
    assert await office.one("SELECT group_concat(state) FROM outgoing") == "sending,failed"
    assert [event.result for event in office.events if isinstance(event, SmsSent)] == ["retry", "failed"]


async def test_a_network_that_takes_nothing_is_not_asked_at_once(office: Office) -> None:
    """The next message would fail in the same millisecond, and the one after it."""
    for _ in range(2):
        await queue(office, "reply")
    await fail(office, await next_one(office), "network")
    choice = await office.mailbox.choose()
    assert (choice.outgoing, choice.held) == (None, "network")
    assert choice.wait_s is not None
    assert 0.5 < choice.wait_s < 1.5


async def test_what_waits_too_long_expires_and_says_so(office: Office) -> None:
    """A reply would reach a citizen days after her question."""
    await queue(office, "notification")
    office.clock.now = NIGHT
    assert await office.start() is None
    await sweep(office)
    office.clock.now += 80 * 3_600
    await sweep(office)
    assert await office.one("SELECT state FROM outgoing") == "expired"
    assert office.events == [SmsSent("modem", "notification", "failed")]


async def sweep(office: Office) -> None:
    """Let the mailbox look after what waits, as it does every minute."""
    office.clock.passed += 61
    await office.mailbox.choose()


async def test_bulk_pauses_after_failures_and_replies_do_not(tmp_path: Path) -> None:
    """A SIM in trouble would send like a machine until it is blocked."""
    async with open_office(tmp_path, settings=msgspec.structs.replace(SETTINGS, pause_after_failures=2)) as office:
        await queue(office, "notification")
        for number in ("+6281234567002", "+6281234567003"):
            await queue(office, "reply", number=number)
        for _ in range(2):
            await fail(office, await next_one(office), "recipient")
        choice = await office.mailbox.choose()
        assert choice.outgoing is None
        assert choice.paused_until is not None
        await queue(office, "reply")
        assert [message.kind for message in await office.sent()] == ["reply"]
        office.clock.passed += 901
        assert [message.kind for message in await office.sent()] == ["notification"]


async def test_what_one_modem_has_in_part_no_other_goes_on_with(office: Office) -> None:
    """The second half of a message would come from another number."""
    other = StoreMailbox(
        office.store, office.messages, SETTINGS, clock=office.clock, announce=office.events.append, modem="second"
    )
    await other.recover()
    await queue(office, "reply", "x" * 200)
    chosen = (await office.mailbox.choose()).outgoing
    assert chosen is not None
    await office.mailbox.record(Started(chosen, ((1, 1), (2, 2))))
    await office.mailbox.record(Taken(chosen.id, 1, None), Given(chosen.id, 2))
    await fail(office, chosen, "away")
    office.clock.now += 100
    assert (await other.choose()).outgoing is None
    assert (await office.mailbox.choose()).outgoing is not None


async def test_a_status_report_finds_its_message(office: Office) -> None:
    """Nobody would know whether a notification arrived."""
    await queue(office, "reply")
    await office.sent()
    await office.mailbox.store([Report(CITIZEN, 8, True)])
    assert await office.one("SELECT delivered FROM outgoing") is None
    await office.mailbox.store([Report(CITIZEN, 7, True)])
    assert await office.one("SELECT delivered FROM outgoing") == 1


class Broken(Handling):
    """A handling with a bug that one text brings out."""

    def handle(
        self, conn: sqlite3.Connection, inbound_id: int, *, now: float, trusted: bool, recent: Recent | None = None
    ) -> list[Event]:
        events = super().handle(conn, inbound_id, now=now, trusted=trusted, recent=recent)
        if conn.execute("SELECT outcome FROM inbound WHERE id = ?", (inbound_id,)).fetchone()[0] == "RECEIVED":
            raise ValueError(f"cannot handle {NIK}")
        return events


async def test_one_bad_message_holds_up_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A single message with a bug of ours would silence the whole SMS Center, or its text be logged."""
    async with open_office(tmp_path, running=False) as office:
        catalogue = Catalogue(VILLAGE.name, VILLAGE.kind)
        bug = Broken(office.requests, office.messages, VILLAGE, office.settings, catalogue)
        center = Center(
            office.store,
            office.requests,
            office.messages,
            VILLAGE,
            office.settings,
            clock=office.clock,
            announce=office.events.append,
            handling=bug,
            try_again_s=0.05,
        )
        task = asyncio.create_task(center.run())
        await office.mailbox.store([office.part(f"skck {NIK} siti")])
        await office.mailbox.store([office.part("status", "+6281234567009")])
        await until(lambda: handled(office, 2))
        task.cancel()
        outcomes = "SELECT group_concat(outcome) FROM (SELECT outcome FROM inbound ORDER BY id)"
        assert await office.one(outcomes) == "set-aside,NOTHING_OPEN"
        assert await office.one("SELECT kind FROM staff_message") == "set-aside"
        assert await office.one("SELECT count(*) FROM request") == 0
        assert NIK not in caplog.text
        assert caplog.text.count("could not be handled") == 3


async def handled(office: Office, wanted: int) -> bool:
    return bool(await office.one("SELECT count(*) FROM inbound WHERE handled_at IS NOT NULL") == wanted)


async def test_a_full_store_leaves_the_message_on_the_sim_and_settles_what_was_sent(tmp_path: Path) -> None:
    """A message that could not be stored would be deleted from the SIM, or a full disk make sent messages doubtful."""
    async with open_office(tmp_path, running=False) as office:
        await queue(office, "reply")
        message = await next_one(office)
        await office.fill()
        with pytest.raises(NotStored):
            await office.mailbox.store([office.part("x" * 1_600) for _ in range(20)])
        assert await office.one("SELECT count(*) FROM inbound") == 0
        assert await office.mailbox.record(Taken(message.id, 1, 7), Ended(message.id, "sent"))
        await office.mailbox.store([Report(CITIZEN, 7, True)])
        assert await office.one("SELECT delivered FROM outgoing") == 1
        await office.empty()
        assert await office.mailbox.store([office.part("x" * 1_600)]) == 1


async def test_two_dead_numbers_do_not_stop_everybody_else(office: Office) -> None:
    """Refused side by side they look like a SIM without credit; the same one would then be tried for days."""
    for number in ("+6281234567810", "+6281234567811"):
        await queue(office, "reply", number=number)
        await fail(office, await next_one(office), "refused")
    good = await queue(office, "reply", number="+6281234567812")
    held = await office.mailbox.choose()
    assert (held.outgoing, held.held) == (None, "credit")
    assert held.wait_s is not None
    office.clock.now, office.clock.passed = office.clock.now + held.wait_s, held.wait_s
    assert (await next_one(office)).id == good


async def test_the_end_of_a_pause_is_told_though_nothing_waits(office: Office) -> None:
    """The health would say "paused" until somebody writes again, perhaps for days."""
    for count in range(office.settings.pause_after_failures):
        await queue(office, "reply", number=f"+62812345678{count:02d}")
        await fail(office, await next_one(office), "recipient")
    paused = await office.mailbox.choose()
    assert paused.paused_until is not None
    assert paused.wait_s is not None
    office.clock.passed = paused.wait_s
    assert await office.mailbox.choose() == Choice()


async def test_what_a_lost_modem_had_chosen_leaves_by_another(office: Office) -> None:
    """One message would wait until it expires because the modem that had chosen it was unplugged."""
    second = StoreMailbox(
        office.store,
        office.messages,
        office.settings,
        clock=office.clock,
        announce=office.events.append,
        modem="second",
    )
    waiting = await queue(office, "reply")
    assert (await office.mailbox.choose()).outgoing is not None
    assert (await second.choose()).outgoing is None
    office.clock.now += 200
    chosen = (await second.choose()).outgoing
    assert chosen is not None
    assert chosen.id == waiting
