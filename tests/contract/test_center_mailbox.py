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
from edge.modem.mailbox import NotStored, Outgoing
from edge.queue.store.outgoing import Kind
from edge.sms.center import Center
from edge.sms.handling import Handling
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
    outgoing = await office.mailbox.next_outgoing()
    assert outgoing is not None
    return outgoing


async def test_a_part_read_again_after_a_crash_is_known(office: Office) -> None:
    """A message that was stored but not deleted on the SIM would file a second request."""
    part = office.part(f"skck {NIK} siti")
    assert await office.mailbox.store_part(part)
    assert not await office.mailbox.store_part(part)
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
        await office.mailbox.store_part(office.part(texts[sequence], reference=9, total=3, sequence=sequence))
    assert await office.outcome() == "RECEIVED"
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 1))
    assert (request.nik, request.name) == (NIK, "SITI AMINAH")


async def test_a_part_repeated_while_others_are_missing_makes_no_message(office: Office) -> None:
    """Two copies of one part would pass for both parts."""
    for pdu in ("07AA", "07AB"):
        await office.mailbox.store_part(office.part("sktm", reference=9, total=2, sequence=1, pdu=pdu))
    assert await office.one("SELECT count(*) FROM inbound") == 0


async def test_a_long_message_that_stays_incomplete_is_read_after_a_day(tmp_path: Path) -> None:
    """A lost part would swallow the rest of what a citizen wrote."""
    async with open_office(tmp_path, running=False) as office:
        await office.mailbox.store_part(office.part(f"skck {NIK} siti", reference=9, total=2, sequence=1))
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
        assert asyncio.get_running_loop().time() - started < 0.4
        await next_one(office)
        assert asyncio.get_running_loop().time() - started >= 0.5


async def test_a_waiting_driver_is_woken_by_a_new_message(office: Office) -> None:
    """An answer would wait for the next look at the queue."""
    waiting = asyncio.create_task(office.mailbox.next_outgoing())
    await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    await queue(office, "reply")
    outgoing = await waiting
    assert outgoing is not None
    assert asyncio.get_running_loop().time() - started < 1.0


async def test_what_was_being_sent_when_the_power_went_is_sent_once_more(tmp_path: Path) -> None:
    """A reply would be lost, or be sent at every start."""
    async with open_office(tmp_path) as office:
        await queue(office, "reply")
        await next_one(office)
    for starts, resent in ((1, True), (2, False)):
        async with open_office(tmp_path) as office:
            outgoing = await office.mailbox.next_outgoing()
            assert (outgoing is not None) is resent, starts
            assert SmsSent("", "reply", "uncertain") in office.events
            assert await office.one("SELECT uncertain FROM outgoing") == starts
    async with open_office(tmp_path) as office:
        assert await office.one("SELECT state FROM outgoing") == "uncertain"


async def test_an_uncertain_send_is_repeated_once(office: Office) -> None:
    """A lost acknowledgement would lose the reply or send it again and again."""
    await queue(office, "reply")
    for _ in range(2):
        await office.mailbox.record_uncertain((await next_one(office)).id, "no answer to CMGS")
    assert await office.one("SELECT state FROM outgoing") == "uncertain"


async def test_a_passing_failure_is_tried_again_later_and_a_lasting_one_is_not(office: Office) -> None:
    """One bad number would block the queue, or one bad minute lose a reply."""
    passing, lasting = await queue(office, "reply"), await queue(office, "reply")
    assert (await next_one(office)).id == passing
    await office.mailbox.record_failure(passing, "+CMS ERROR: 38", permanent=False)
    assert (await next_one(office)).id == lasting
    await office.mailbox.record_failure(lasting, "+CMS ERROR: 28", permanent=True)
    assert await office.mailbox.next_outgoing() is None
    office.clock.now += 20
    assert (await next_one(office)).id == passing
    assert await office.one("SELECT group_concat(state) FROM outgoing") == "sending,failed"


async def test_a_status_report_finds_its_message(office: Office) -> None:
    """Nobody would know whether a notification arrived."""
    await queue(office, "reply")
    await office.sent()
    await office.mailbox.record_report(CITIZEN, 8, delivered=True)
    assert await office.one("SELECT delivered FROM outgoing") is None
    await office.mailbox.record_report(CITIZEN, 7, delivered=True)
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
        await office.mailbox.store_part(office.part(f"skck {NIK} siti"))
        await office.mailbox.store_part(office.part("status", "+6281234567009"))
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


async def test_a_full_store_leaves_the_message_on_the_sim(tmp_path: Path) -> None:
    """A message that could not be stored would be deleted from the SIM."""
    async with open_office(tmp_path, running=False) as office:
        with pytest.raises(NotStored):  # noqa: PT012 - the store fills up at a part nobody can foresee
            for _ in range(20_000):
                await office.mailbox.store_part(office.part("x" * 1_600))
