from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from edge.events import RequestAccepted, SmsHandled
from tests.contract.office import CITIZEN, HEAD, NIK, OPERATOR, OTHER_NIK, SETTINGS, STAFF, Office, open_office, until

OTHER = "+6281234567002"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as opened:
        yield opened


def ticket_in(text: str) -> str:
    found = re.search(r"[A-Z]\d\d-[A-Z]\d", text)
    assert found is not None
    return found[0]


async def test_a_request_its_outbox_row_and_its_reply_are_made_of_one_message(office: Office) -> None:
    """A citizen's request would be answered but not sent upstream, or the other way round."""
    assert await office.receive(f"sktm {NIK} siti aminah rt 2 rw 1 untuk beasiswa") == "RECEIVED"
    events = list(office.events)
    text = await office.said()
    request = await office.store.read(lambda conn: office.requests.by_ticket(conn, ticket_in(text)))
    assert request is not None
    assert (request.letter, request.nik, request.name) == ("SKTM", NIK, "SITI AMINAH")
    assert (request.rt, request.rw, request.purpose, request.phone) == (2, 1, "beasiswa", CITIZEN)
    assert request.missing == ()
    assert text.startswith("Terima kasih SITI AMINAH. Permohonan Ket Kurang Mampu diterima, tiket ")
    assert await office.one("SELECT count(*) FROM outbox") == 1
    assert events == [RequestAccepted("sms", "SKTM"), SmsHandled("RECEIVED")]


async def test_what_is_missing_beyond_nik_and_name_goes_up_as_missing(office: Office) -> None:
    """A request without a purpose would be held back, or the office would not know that it lacks one."""
    await office.receive(f"sktm {NIK} siti aminah")
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 10))
    assert request.missing == ("purpose",)


async def test_an_unfinished_request_is_completed_by_the_next_message(office: Office) -> None:
    """A citizen who forgot the NIK would have to write everything again."""
    assert await office.receive("sktm siti aminah") == "ASK_NIK"
    assert await office.one("SELECT count(*) FROM draft") == 1
    assert await office.receive(NIK) == "RECEIVED"
    assert await office.one("SELECT count(*) FROM draft") == 0
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 10))
    assert (request.letter, request.nik, request.name) == ("SKTM", NIK, "SITI AMINAH")


async def test_a_draft_of_yesterday_is_closed_and_said_so(office: Office) -> None:
    """A NIK sent next week would complete a request that its sender forgot."""
    await office.receive("sktm siti aminah")
    office.clock.now += 25 * 3_600
    assert await office.receive(NIK) == "WHICH_LETTER"


async def test_an_old_draft_is_closed_with_a_word(tmp_path: Path) -> None:
    """A citizen would go on waiting for a request that was never filed."""
    async with open_office(tmp_path) as office:
        await office.receive("sktm siti aminah")
        await office.sent()
    async with open_office(tmp_path, running=False) as office:
        office.clock.now += 25 * 3_600
        task = asyncio.create_task(office.center.run())
        text = await office.said_soon()
        task.cancel()
        assert text.startswith("Permohonan Ket Kurang Mampu belum lengkap dan kami tutup.")
        assert await office.one("SELECT count(*) FROM draft") == 0


async def test_a_full_store_makes_messages_wait_and_loses_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk would turn waiting messages into failures that are set aside."""
    async with open_office(tmp_path, running=False) as office:
        for number in range(10, 70):
            text = f"skck 35102312038599{number} sugeng hariyanto"
            await office.mailbox.store([office.part(text, f"+62812345670{number}")])
        await office.fill()
        task = asyncio.create_task(office.center.run())
        await until(lambda: told(caplog))
        assert await office.holds("SELECT max(attempts) = 0 FROM inbound")
        assert await office.holds("SELECT count(*) > 0 FROM inbound WHERE handled_at IS NULL")
        await office.empty()
        office.center.wake()
        await until(lambda: office.holds("SELECT min(outcome = 'RECEIVED') FROM inbound"))
        assert await office.one("SELECT count(*) FROM request") == 60
        task.cancel()


async def told(caplog: pytest.LogCaptureFixture) -> bool:
    return "SMS wait to be handled" in caplog.text


async def test_a_draft_outlives_a_clock_that_cannot_be_trusted(office: Office) -> None:
    """A power cut would close every unfinished request when the clock jumps."""
    await office.receive("sktm siti aminah")
    office.clock.now += 9_000_000
    office.clock.sure = False
    assert await office.receive(NIK) == "RECEIVED"


async def test_the_same_person_and_letter_is_not_filed_twice(office: Office) -> None:
    """An impatient applicant would make two letters of one."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    office.clock.now += 60
    assert await office.receive(f"SKCK {OTHER_NIK} Sugeng H") == "DUPLICATE"
    first, second = [outgoing.text for outgoing in await office.sent()]
    assert ticket_in(first) == ticket_in(second)
    assert await office.one("SELECT count(*) FROM request") == 1


async def test_a_double_tap_gets_one_reply(office: Office) -> None:
    """A phone that sends twice would be answered twice."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    office.clock.now += 3
    assert await office.receive(f"skck {OTHER_NIK} sugeng") == "ignore"
    assert len(await office.sent()) == 1


async def test_status_by_ticket_and_without(office: Office) -> None:
    """A citizen could not learn where the request is."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    ticket = ticket_in(await office.said())
    for text in (f"STATUS {ticket}", f"cek {ticket.lower().replace('-', '')}", "status", "sudah jadi belum pak"):
        assert await office.receive(text) == "STATUS"
        assert await office.said() == (
            f"{ticket} Pengantar SKCK: diterima sejak hari ini. Kami kabari bila selesai. -Desa Sumberberas"
        )


async def test_status_of_a_closed_request_promises_nothing_more(office: Office) -> None:
    """A citizen whose letter lies ready would be told to wait for news of it."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    ticket = ticket_in(await office.said())
    await office.receive(f"batal {ticket}")
    office.clock.now += 60
    assert await office.receive(f"status {ticket}") == "STATUS_CLOSED"
    assert (await office.sent())[-1].text == (
        f"{ticket} Pengantar SKCK: dibatalkan sejak hari ini. "
        "Bila ada pertanyaan, silakan ke kantor desa pada jam kerja. -Desa Sumberberas"
    )
    await office.store.write(lambda conn: conn.execute("UPDATE request SET state = 'completed'"))
    office.clock.now += 60
    assert await office.receive(f"status {ticket}") == "STATUS_READY"
    assert "Silakan ambil di kantor desa" in (await office.sent())[-1].text


async def test_status_lists_tickets_where_there_are_several(office: Office) -> None:
    """A citizen with two requests would hear of one only."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    await office.receive(f"ktp {OTHER_NIK} sugeng")
    tickets = [ticket_in(outgoing.text) for outgoing in await office.sent()]
    assert await office.receive("status") == "WHICH_TICKET"
    text = await office.said()
    assert "2 permohonan" in text
    assert all(ticket in text for ticket in tickets)


async def test_a_ticket_is_told_only_to_who_may_know(office: Office) -> None:
    """Anybody who overhears a ticket could follow a neighbour's request."""
    await office.receive(f"skck {OTHER_NIK} sugeng rt 2 rw 1")
    ticket = ticket_in(await office.said())
    for sender, outcome in ((OTHER, "NO_SUCH_TICKET"), (HEAD, "STATUS"), (OPERATOR, "STATUS"), (STAFF, "STATUS")):
        assert await office.receive(f"cek {ticket}", sender) == outcome
    assert await office.receive(f"batal {ticket}", OTHER) == "NO_SUCH_TICKET"
    assert await office.receive(f"batal {ticket}", HEAD) == "NO_SUCH_TICKET"
    assert await office.one("SELECT count(*) FROM request WHERE state = 'received'") == 1


async def test_a_request_is_cancelled_by_its_ticket_and_asked_back_without(office: Office) -> None:
    """A slip of the thumb would cancel a request, or nothing would."""
    assert await office.receive("batal") == "NOTHING_OPEN"
    await office.receive(f"skck {OTHER_NIK} sugeng")
    assert await office.receive("batal") == "CONFIRM_CANCEL"
    ticket = ticket_in((await office.sent())[-1].text)
    assert await office.receive(f"batal {ticket}") == "CANCELLED"
    assert await office.one("SELECT state FROM request") == "cancelled"
    assert await office.one("SELECT state FROM outbox") == "withdrawn"


async def test_what_the_portal_may_have_is_only_asked_to_be_cancelled(office: Office) -> None:
    """The box would call cancelled what the portal goes on with."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    ticket = ticket_in(await office.said())
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 1))
    await office.within(lambda conn: conn.execute("UPDATE outbox SET attempts = 1, state = 'delivered'"))
    await office.within(lambda conn: office.requests.move(conn, request.id, "forwarded", by="test", now=1.0))
    assert await office.receive(f"batal {ticket}") == "CANCEL_FORWARDED"
    assert await office.one("SELECT count(*) FROM outbox WHERE kind = 'cancel_requested'") == 1


async def test_info_tells_what_to_bring(office: Office) -> None:
    """INFO would file something, or tell nothing."""
    assert await office.receive("info skck") == "INFO"
    assert "bawa KTP, KK" in await office.said()
    assert await office.one("SELECT count(*) FROM request") == 0


async def test_stop_and_start(office: Office) -> None:
    """Somebody who wants no notifications would go on getting them."""
    assert await office.receive("stop") == "STOPPED"
    assert await office.store.read(lambda conn: office.messages.stops.holds(conn, CITIZEN))
    assert await office.receive("mulai") == "STARTED"
    assert not await office.store.read(lambda conn: office.messages.stops.holds(conn, CITIZEN))


async def test_complaints_and_cries_reach_people(office: Office) -> None:
    """A villager's complaint would be answered by a machine and read by nobody."""
    assert await office.receive("jalan rusak di krajan") == "COMPLAINT"
    assert await office.receive("kebakaran pak", OTHER) == "EMERGENCY"
    assert await office.receive("bansos belum turun", "+6281234567003") == "TO_STAFF"
    kinds = await office.store.read(
        lambda conn: [row[0] for row in conn.execute("SELECT kind FROM staff_message ORDER BY id")]
    )
    assert kinds == ["complaint", "emergency", "to_staff"]
    alerts = [outgoing for outgoing in await office.sent() if outgoing.number == STAFF]
    assert [alert.kind for alert in alerts] == ["reply", "notification", "notification"]
    assert all("HP 812xxxx00" in alert.text for alert in alerts)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("Nikmati paket internet 10GB hanya Rp25rb", {"sender": "TELKOMSEL", "alphanumeric": True}),
        (f"skck {OTHER_NIK} sugeng", {"sender": "3636"}),
        (f"skck {OTHER_NIK} sugeng", {"sender": "+60123456789"}),
        ("makasih pak", {}),
        ("Permohonan Anda diterima. -Desa Sumberberas", {}),
    ],
)
async def test_no_machine_and_no_thanks_are_answered(office: Office, text: str, given: dict[str, object]) -> None:
    """Two machines would write to each other until the SIM is empty."""
    sender = str(given.pop("sender", CITIZEN))
    assert await office.receive(text, sender, **given) == "ignore"
    assert await office.sent() == []
    assert await office.one("SELECT count(*) FROM inbound") == 1


async def test_a_word_that_was_never_sent_gets_the_neutral_answer(office: Office) -> None:
    """A forger could try one-time words and learn which exist."""
    assert await office.receive("YA SAWAH", HEAD) == "HELP"


async def test_a_head_files_for_residents_and_a_number_of_another_form_is_the_same(office: Office) -> None:
    """A head's request would lack the RT, or a number without +62 would be a stranger's."""
    await office.receive(f"skck {OTHER_NIK} sugeng", "081234567301")
    office.clock.now += 60
    await office.receive(f"ktp {OTHER_NIK} sugeng rt 5 rw 1", HEAD)
    later, first = await office.store.read(lambda conn: office.requests.recent(conn, 10))
    assert (first.rt, first.rw, first.flags, first.phone) == (2, 1, (), HEAD)
    assert (later.rt, later.rw, later.flags) == (5, 1, ("other_rt",))


async def test_a_mothers_nik_is_kept_where_the_child_has_none(office: Office) -> None:
    """A birth would be refused for want of a number, or the mother's would be the child's."""
    assert await office.receive(f"akta lahir nama AISYAH nik ibu {NIK}") == "RECEIVED"
    (request,) = await office.store.read(lambda conn: office.requests.recent(conn, 1))
    assert (request.nik, request.name, request.purpose) == ("", "AISYAH", f"NIK ibu {NIK}")


async def test_an_operator_gets_the_count_and_nobody_else(office: Office) -> None:
    """The office's figures would be anybody's."""
    await office.receive(f"skck {OTHER_NIK} sugeng")
    await office.sent()
    assert await office.receive("REKAP", OPERATOR) == "RECAP"
    assert (await office.said()).startswith("Kec Muncar: baru 1, diproses 0, selesai 0, lewat 30 hari 0.")
    assert await office.receive("REKAP") == "HELP"


async def test_limits_keep_the_message_and_say_so_once(tmp_path: Path) -> None:
    """One number could use up the SIM, or its messages would be lost."""
    settings = msgspec.structs.replace(SETTINGS, messages_per_hour=3)
    async with open_office(tmp_path, settings=settings) as office:
        outcomes = [await office.receive("status") for _ in range(5)]
        assert outcomes == ["NOTHING_OPEN"] * 3 + ["LIMIT", "silence"]
        assert await office.one("SELECT count(*) FROM inbound") == 5
        office.clock.now += 3_700
        assert await office.receive("status") == "NOTHING_OPEN"


async def test_new_requests_of_a_day_are_limited(office: Office) -> None:
    """One number could fill the portal."""
    outcomes = [await office.receive(f"{letter} {OTHER_NIK} sugeng") for letter in ("skck", "ktp", "kk", "domisili")]
    assert outcomes == ["RECEIVED"] * 3 + ["LIMIT"]


async def test_a_flood_of_forged_cries_leaves_half_of_the_sim(tmp_path: Path) -> None:
    """Alerts to staff for hundreds of made-up numbers would use up the SIM, and no citizen would get an answer."""
    async with open_office(tmp_path, settings=msgspec.structs.replace(SETTINGS, sends_per_day=12)) as office:
        for number in range(20):
            await office.receive("tolong kebakaran di pasar", sender=f"+62812999000{number:02}")
        assert await office.one("SELECT count(*) FROM outgoing") <= 12 // 2 + len(SETTINGS.staff)
        assert await office.one("SELECT count(*) FROM staff_message") == 20


async def test_errors_are_answered_three_times_a_day(office: Office) -> None:
    """A child with a phone would empty the SIM."""
    outcomes = [await office.receive(f"apa {word}") for word in ("satu", "dua", "tiga", "empat")]
    assert outcomes == ["HELP"] * 3 + ["silence"]
    assert await office.receive(f"skck {OTHER_NIK} sugeng") == "RECEIVED"


async def test_no_row_holds_a_readable_nik_name_or_number(office: Office, tmp_path: Path) -> None:
    """A stolen box would tell who asked for what."""
    await office.receive(f"sktm {NIK} siti aminah")
    await office.receive("skck sugeng hariyanto", OTHER)
    raw = await asyncio.to_thread(lambda: b"".join(path.read_bytes() for path in tmp_path.iterdir()))
    for secret in (NIK, "siti aminah", "SITI AMINAH", "SUGENG", CITIZEN, CITIZEN[3:]):
        assert secret.encode() not in raw
