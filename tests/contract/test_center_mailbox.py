"""The mailbox of an office: what comes in, and what leaves next."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from edge.events import SmsHandled
from edge.modem.mailbox import Choice, Ended, Started, Taken
from edge.queue.store.outgoing import Kind, Sends
from edge.sms.mailbox import StoreMailbox
from tests.contract.mailbox_rig import NIGHT, count, next_one, next_soon, office, queue
from tests.contract.office import (
    CITIZEN,
    NIK,
    NOON,
    OPERATOR,
    SETTINGS,
    STAFF,
    Office,
    StandingClock,
    open_office,
    until,
)

__all__ = ["office"]
LONG = f"sktm {NIK} siti aminah untuk " + "sekolah anak " * 12


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


async def test_a_power_cut_gives_the_sim_no_second_budget(tmp_path: Path) -> None:
    """Whenever the clock starts in 1970, and again when it is set, the SIM would send its whole hour once more."""
    settings = msgspec.structs.replace(SETTINGS, sends_per_hour=4, sends_per_recipient_per_day=3)
    async with open_office(tmp_path, settings=settings) as office:
        for _ in range(8):
            await queue(office, "reply")
            await queue(office, "reply", number=OPERATOR)
        assert len(await office.sent()) == 4
    clock = booted()
    async with open_office(tmp_path, settings=settings, clock=clock) as office:
        assert await office.sent() == []
        clock.now, clock.passed = clock.now + 3_700, clock.passed + 3_700
        assert len(await office.sent()) == 2  # each of the two numbers has had its two of three in a day
        clock.now, clock.sure = NOON + 50_000, True
        for _ in range(4):
            await queue(office, "reply", number=STAFF)
        assert len(await office.sent()) == 2  # of four in an hour, with the two of 1970
    async with open_office(tmp_path, settings=settings, clock=clock) as office:
        assert await office.sent() == []


async def test_a_clock_that_is_set_ends_no_draft(tmp_path: Path) -> None:
    """Who wrote while the box was in 1970 would be told a minute later that a day is over."""
    clock = booted()
    async with open_office(tmp_path, clock=clock) as office:
        assert await office.receive("skck") == "ASK_NIK"
        clock.now, clock.sure, clock.passed = NOON, True, clock.passed + 61
        await office.receive("makasih", STAFF)  # the Center sweeps
        assert await office.receive(f"{NIK} siti aminah") == "RECEIVED"


async def test_a_clock_that_is_set_tears_no_long_message(tmp_path: Path) -> None:
    """A letter whose parts came before and after the synchronisation would be read as two halves."""
    clock = booted()
    async with open_office(tmp_path, clock=clock) as office:
        first, second = (
            office.part(text, reference=7, total=2, sequence=place)
            for place, text in enumerate((f"skck {NIK} ", "siti aminah"), 1)
        )
        await office.mailbox.store([first])
        clock.now, clock.sure, clock.passed = NOON, True, clock.passed + 61
        await office.receive("makasih", STAFF)  # the Center sweeps
        await office.mailbox.store([second])
        assert await office.outcome() == "RECEIVED"


def booted() -> StandingClock:
    """The clock of a box without a battery, half a minute after its power came back."""
    return StandingClock(now=30.0, sure=False, passed=30.0 - asyncio.get_running_loop().time())


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


async def test_a_modem_is_remembered_by_its_name(office: Office) -> None:
    """The service centre of one SIM would be written into another."""
    await office.mailbox.remember("smsc", "+6281100000")
    assert await office.mailbox.recall("smsc") == "+6281100000"
    assert await office.mailbox.recall("other") == ""
