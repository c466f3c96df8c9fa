from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge.queue.request import Request, uuid7
from edge.queue.sink import Change
from tests.contract.office import CITIZEN, HEAD, NIK, NOON, VILLAGE, Office, open_office

REQUEST = Request(
    id=uuid7(1_795_323_600_000, 7),
    ticket="K47-M2",
    letter="SKTM",
    source="desk",
    state="received",
    version=1,
    nik=NIK,
    name="SITI AMINAH",
    phone=CITIZEN,
    rt=2,
    rw=1,
)
DONE = "K47-M2 Ket Kurang Mampu a.n. SITI AMINAH sudah selesai"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(tmp_path) as opened:
        yield opened


async def change(office: Office, request: Request, *states: str, why: str = "") -> None:
    """The portal moves a request on, each state in the transaction of its event."""

    def work(conn: sqlite3.Connection) -> None:
        if office.requests.get(conn, request.id) is None:
            office.requests.add(conn, request, now=NOON)
            office.requests.move(conn, request.id, "forwarded", by="test", now=NOON)
        for version, state in enumerate(states, 2):
            after = office.requests.move(conn, request.id, state, by="portal", now=NOON, why=why)
            office.center.on_change(conn, after, Change(f"event-{version}", request.id, state, version, why))

    await office.within(work)


async def test_completed_tells_the_applicant_and_the_head(office: Office) -> None:
    """A finished letter would lie at the office and nobody would fetch it."""
    await change(office, REQUEST, "completed")
    assert [(outgoing.number, outgoing.kind, outgoing.text) for outgoing in await office.sent()] == [
        (
            CITIZEN,
            "notification",
            f"{DONE}. Silakan ambil di kantor desa pada jam kerja, bawa KTP. -Desa Sumberberas",
        ),
        (
            HEAD,
            "notification",
            f"Yth Ketua RT 2 RW 1: {DONE[7:]}, bisa diambil di kantor desa. K47-M2 -Desa Sumberberas",
        ),
    ]


async def test_the_notifications_share_the_events_fate(office: Office) -> None:
    """An event that is rolled back and read again would notify twice."""

    def work(conn: sqlite3.Connection) -> None:
        office.requests.add(conn, replace(REQUEST, state="completed"), now=NOON)
        office.center.on_change(conn, replace(REQUEST, state="completed"), Change("e", REQUEST.id, "completed", 2))
        raise RuntimeError("the power is cut here")

    with pytest.raises(RuntimeError, match="the power is cut here"):
        await office.within(work)
    assert await office.one("SELECT count(*) FROM outgoing") == 0


async def test_a_reason_is_cleaned_before_it_is_sent(office: Office) -> None:
    """A portal's remark with a NIK or a link would be blocked, or spread."""
    await change(office, REQUEST, "rejected", why=f"NIK {NIK} tidak cocok, lihat https://portal.id/x")
    assert await office.said() == (
        "K47-M2 Ket Kurang Mampu belum dapat disetujui: NIK tidak cocok, lihat. Silakan ke kantor desa untuk "
        "penjelasan. -Desa Sumberberas"
    )


async def test_returned_tells_the_head_what_is_missing(office: Office) -> None:
    """The head could not help a resident to complete the request."""
    await change(office, replace(REQUEST, missing=("purpose",)), "returned")
    to_citizen, to_head = await office.sent()
    assert "dikembalikan: keterangan ada di petugas" in to_citizen.text
    assert (to_head.number, "belum lengkap (keperluan)" in to_head.text) == (HEAD, True)


async def test_who_said_stop_is_left_in_peace(office: Office) -> None:
    """STOP would stop nothing."""
    await office.receive("stop")
    await office.sent()
    await change(office, REQUEST, "completed")
    assert [outgoing.number for outgoing in await office.sent()] == [HEAD]


async def test_a_head_who_filed_it_hears_once(office: Office) -> None:
    """The head would get two messages of one event."""
    await change(office, replace(REQUEST, phone=HEAD), "completed")
    (only,) = await office.sent()
    assert only.text.startswith("Yth Ketua RT")


@pytest.mark.parametrize("phone", ["", "+60123456789"])
async def test_without_a_mobile_number_of_the_country_only_the_head_hears(office: Office, phone: str) -> None:
    """A request of the desk without a number would crash the event, or cost an SMS abroad."""
    await change(office, replace(REQUEST, phone=phone), "completed")
    assert [outgoing.number for outgoing in await office.sent()] == [HEAD]


async def test_steps_within_the_portal_send_nothing(office: Office) -> None:
    """Every signature on the way would cost an SMS."""
    await change(office, REQUEST, "district_check", "secretary_approval", "head_approval")
    assert await office.sent() == []


async def test_a_town_office_speaks_of_the_kelurahan(tmp_path: Path) -> None:
    """Citizens of a kelurahan would be sent to a desa."""
    town = msgspec.structs.replace(VILLAGE, name="Tamanbaru", kind="kelurahan")
    async with open_office(tmp_path, village=town) as office:
        await change(office, replace(REQUEST, rt=None), "completed")
        assert (await office.said()).endswith("kantor kelurahan pada jam kerja, bawa KTP. -Kel Tamanbaru")
