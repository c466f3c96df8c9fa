from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from edge.events import Event, SmsHandled, SmsSent
from edge.modem.errors import Fault
from edge.modem.mailbox import Choice, Ended, Given, NotStored, Outgoing, Report, Started, Taken
from edge.queue.store.outgoing import Kind, Sends
from edge.sms.center import Center
from edge.sms.handling import Handling
from edge.sms.mailbox import StoreMailbox
from edge.sms.replies import Catalogue
from tests.contract.office import CITIZEN, NIK, SETTINGS, VILLAGE, Office, open_office, until

NIGHT = datetime(2026, 11, 22, 22, 0, tzinfo=ZoneInfo("Asia/Jakarta")).timestamp()
LONG = f"sktm {NIK} siti aminah untuk " + "sekolah anak " * 12


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as opened:
        yield opened


async def queue(office: Office, kind: Kind, text: str = "Halo", number: str = CITIZEN) -> int:
    return await office.within(
        lambda conn: office.messages.outgoing.queue(
            conn,
            kind=kind,
            code="HELP",
            number=number,
            text=text,
            now=office.clock.now,
        )
    )


async def next_one(office: Office) -> Outgoing:
    outgoing = await office.start()
    assert outgoing is not None
    return outgoing


async def next_soon(office: Office) -> Outgoing:
    """The next message, as the driver waits for it."""
    while (choice := await office.mailbox.choose()).outgoing is None:
        await office.mailbox.wait(choice.wait_s)
    return await next_one(office)


async def fail(office: Office, message: Outgoing, fault: Fault, error: str = "+CMS ERROR") -> None:
    await office.mailbox.record(Ended(message.id, "failed", error, fault))


async def test_a_part_read_again_after_a_crash_is_known(office: Office) -> None:
    """A message that was stored but not deleted on the SIM would file a second request."""
    part = office.part(f"skck {NIK} siti")
    assert await office.mailbox.store([part])
    assert not await office.mailbox.store([part])
    await office.outcome()
    assert await office.one("SELECT count(*) FROM request") == 1
    assert [event for event in office.events if isinstance(event, SmsHandled)] == [SmsHandled("RECEIVED")]


async def test_the_same_words_sent_again_are_another_message(office: Office) -> None:
    """A citizen who asks twice on two days would be heard once."""
    for _ in range(2):
        await office.receive("status")
    assert await office.one("SELECT count(*) FROM inbound") == 2


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
async def test_a_long_message_is_one_whatever_the_order_of_its_parts(office: Office, order: tuple[int, ...]) -> None:
    """Half a message would be answered, or the halves be swapped."""
    texts = {1: LONG[:60], 2: LONG[60:120], 3: LONG[120:]}
    for sequence in order:
        assert await office.one("SELECT count(*) FROM inbound") == 0
        await office.mailbox.store([office.part(texts[sequence], reference=9, total=3, sequence=sequence)])
    assert await office.outcome() == "RECEIVED"
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 1))
    assert (request.nik, request.name) == (NIK, "SITI AMINAH")


async def test_a_part_repeated_while_others_are_missing_makes_no_message(office: Office) -> None:
    """Two copies of one part would pass for both parts."""
    for pdu in ("07AA", "07AB"):
        await office.mailbox.store([office.part("sktm", reference=9, total=2, sequence=1, pdu=pdu)])
    assert await office.one("SELECT count(*) FROM inbound") == 0


async def test_a_long_message_that_stays_incomplete_is_read_after_a_day(tmp_path: Path) -> None:
    """A lost part would swallow the rest of what a citizen wrote."""
    async with open_office(tmp_path, running=False) as office:
        await office.mailbox.store([office.part(f"skck {NIK} siti", reference=9, total=2, sequence=1)])
        office.clock.now += 25 * 3_600
        task = asyncio.create_task(office.center.run())
        await until(lambda: count(office, "SELECT count(*) FROM request"))
        task.cancel()


async def count(office: Office, sql: str) -> int:
    return int(await office.one(sql))


async def test_replies_go_before_notifications_before_digests(office: Office) -> None:
    """A citizen would wait for her answer behind a hundred notifications."""
    kinds: tuple[Kind, ...] = ("digest", "notification", "reply")
    for kind in kinds:
        await queue(office, kind)
    assert [outgoing.kind for outgoing in await office.sent()] == ["reply", "notification", "digest"]


async def test_notifications_wait_out_the_night_and_replies_do_not(office: Office) -> None:
    """Phones would ring at midnight."""
    office.clock.now = NIGHT
    await queue(office, "notification")
    await queue(office, "reply")
    assert [outgoing.kind for outgoing in await office.sent()] == ["reply"]
    office.clock.now += 8 * 3_600
    assert [outgoing.kind for outgoing in await office.sent()] == ["notification"]


async def test_a_clock_that_cannot_be_trusted_makes_no_night(office: Office) -> None:
    """After a power cut notifications could wait for ever."""
    office.clock.now, office.clock.sure = NIGHT, False
    await queue(office, "notification")
    assert len(await office.sent()) == 1


async def test_the_sims_budget_holds_messages_back(tmp_path: Path) -> None:
    """The network would block the office's SIM."""
    async with open_office(tmp_path, settings=msgspec.structs.replace(SETTINGS, sends_per_hour=2)) as office:
        for _ in range(3):
            await queue(office, "reply")
        assert len(await office.sent()) == 2
        office.clock.now += 3_700
        assert len(await office.sent()) == 1


async def test_the_first_goes_at_once_and_the_next_keeps_the_gap(tmp_path: Path) -> None:
    """A reply would wait for nothing, or the SIM send like a machine."""
    async with open_office(tmp_path, settings=msgspec.structs.replace(SETTINGS, send_gap_s=0.5)) as office:
        await queue(office, "reply")
        await queue(office, "reply")
        started = asyncio.get_running_loop().time()
        await next_one(office)
        await next_soon(office)
        assert asyncio.get_running_loop().time() - started >= 0.5


async def test_a_waiting_driver_is_woken_by_a_new_message_and_by_nothing_else(office: Office) -> None:
    """An answer would wait for the next look at the queue, or the box look all day long at an empty one."""
    choice = await office.mailbox.choose()
    assert choice == Choice()
    waiting = asyncio.create_task(office.mailbox.wait(choice.wait_s))
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue(office, "reply")
    await asyncio.wait_for(waiting, 30)
    assert (await office.mailbox.choose()).outgoing is not None


async def test_what_is_only_chosen_is_no_fact(office: Office) -> None:
    """A message that never left would count as sent, or be in doubt after a crash."""
    await queue(office, "reply")
    for _ in range(2):
        assert (await office.mailbox.choose()).outgoing is not None
    assert await office.one("SELECT state FROM outgoing") == "pending"
    assert await office.one("SELECT count(*) FROM outgoing_part") == 0


async def test_an_end_and_the_next_start_are_one_commit(office: Office) -> None:
    """Between two messages the modem would wait for the disk, or a crash find one of them unknown."""
    first, second = await queue(office, "reply"), await queue(office, "reply")
    started = await next_one(office)
    following = (await office.mailbox.choose()).outgoing
    assert following is not None
    assert (started.id, following.id) == (first, second)
    steps = (Taken(first, 1, 9), Ended(first, "sent"), Started(following, ((1, following.reference),)))
    assert await office.mailbox.record(*steps)
    assert await office.one("SELECT group_concat(state) FROM outgoing") == "sent,sending"
    assert following.reference == started.reference + 1


async def test_what_is_discarded_meanwhile_is_not_started(office: Office) -> None:
    """A message that a person gave up while it was next would be sent all the same."""
    await queue(office, "reply")
    chosen = (await office.mailbox.choose()).outgoing
    assert chosen is not None
    await office.within(lambda conn: conn.execute("UPDATE outgoing SET state = 'discarded'"))
    assert not await office.mailbox.record(Started(chosen, ((1, 1),)))
    assert await office.one("SELECT state FROM outgoing") == "discarded"


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


async def test_a_number_gets_no_more_than_its_share(tmp_path: Path) -> None:
    """A loop with one phone would use up the SIM, or its messages hold up those of others."""
    async with open_office(
        tmp_path, settings=msgspec.structs.replace(SETTINGS, sends_per_recipient_per_day=2)
    ) as office:
        for number in (CITIZEN, CITIZEN, CITIZEN, "+6281234567002"):
            await queue(office, "reply", number=number)
        assert [message.number for message in await office.sent()] == [CITIZEN, CITIZEN, "+6281234567002"]
        office.clock.now += 86_500
        assert [message.number for message in await office.sent()] == [CITIZEN]


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


async def test_old_bulk_comes_through_a_stream_of_replies(office: Office) -> None:
    """A digest would wait for ever while citizens write."""
    await queue(office, "digest")
    for number in range(20):
        await queue(office, "reply", number=f"+62812345{number:05}")
    kinds = [message.kind for message in await office.sent()]
    assert kinds.index("digest") == 9


async def test_two_modems_share_the_work_and_nothing_else(office: Office) -> None:
    """Two modems would send the same message, or use up one another's budget."""
    other = StoreMailbox(
        office.store, office.messages, SETTINGS, clock=office.clock, announce=office.events.append, modem="second"
    )
    await other.recover()
    for number in range(3):
        await queue(office, "reply", number=f"+62812345{number:05}")
    chosen = [(await mailbox.choose()).outgoing for mailbox in (office.mailbox, other)]
    first, second = chosen
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert await office.mailbox.record(Started(first, ((1, 1),)))
    assert not await other.record(Started(first, ((1, 1),)))
    assert await other.record(Started(second, ((1, 1),)))
    assert await office.one("SELECT group_concat(modem) FROM outgoing WHERE state = 'sending'") == "modem,second"
    sends = await office.within(
        lambda conn: [office.messages.outgoing.sends(conn, name, now=office.clock.now) for name in ("modem", "second")]
    )
    assert sends == [Sends(1, 1), Sends(1, 1)]


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


async def test_a_modem_is_remembered_by_its_name(office: Office) -> None:
    """The service centre of one SIM would be written into another."""
    await office.mailbox.remember("smsc", "+6281100000")
    assert await office.mailbox.recall("smsc") == "+6281100000"
    assert await office.mailbox.recall("other") == ""


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

    def handle(self, conn: sqlite3.Connection, inbound_id: int, *, now: float, trusted: bool) -> list[Event]:
        events = super().handle(conn, inbound_id, now=now, trusted=trusted)
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
