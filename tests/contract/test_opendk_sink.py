"""What only OpenDK does: tokens that end, 422 for a resend, bare strings, two forms of a village's code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.queue.sink import Beat, Blob, Changes, Dead, Declined, Delivered, Retry, Unauthorised
from edge.queue.sinks.opendk import OpenDkSink
from edge.simulator import portal_tls
from tests.contract.far_ends import VILLAGE, OpenDkFar, make_sink, parcel

NIK = "3510152306089909"


@asynccontextmanager
async def opendk(directory: Path, **more: Any) -> AsyncIterator[tuple[OpenDkFar, OpenDkSink]]:
    """An OpenDK and a sink for it."""
    far = OpenDkFar(directory)
    await far.start()
    sink = make_sink(far, **more)
    assert isinstance(sink, OpenDkSink)
    try:
        yield far, sink
    finally:
        await sink.close()
        await far.stop()


async def test_a_token_is_asked_for_once_and_again_when_it_ends(tmp_path: Path) -> None:
    """Each call logs in anew, or an hour after the start nothing goes any more."""
    async with opendk(tmp_path) as (far, sink):
        await sink.deliver([parcel(1), parcel(2)])
        assert far.opendk.calls["POST /api/v1/auth/login"] == 1
        await far.stop()
        await far.start()
        await sink.deliver([parcel(3)])
        assert far.opendk.calls["POST /api/v1/auth/login"] == 2
        far.opendk.token_s = 0.05
        await far.stop()
        await far.start()
        for number in (4, 5):
            assert isinstance((await sink.deliver([parcel(number)]))[0], Delivered)
        assert len(far.opendk.letters) == 5


async def test_an_api_key_needs_no_login(tmp_path: Path) -> None:
    """A kecamatan that gave an API key is asked for a password."""
    async with opendk(tmp_path) as (far, _):
        for key, wanted in (("api-key", Delivered), ("other", Unauthorised)):
            sink = OpenDkSink(far.settings(user=""), code=VILLAGE, key=key)
            assert isinstance((await sink.deliver([parcel(1)]))[0], wanted)
            await sink.close()
        assert far.opendk.calls["POST /api/v1/auth/login"] == 0


async def test_renewed_certificates_are_used_without_a_restart(tmp_path: Path) -> None:
    """An authority or a certificate is changed in time, and the box goes on with the old one until it ends."""
    async with opendk(tmp_path) as (far, sink):
        assert isinstance((await sink.deliver([parcel(1)]))[0], Delivered)
        portal_tls.make(tmp_path / "tls", ["localhost", "127.0.0.1"])
        (refused,) = await sink.deliver([parcel(2)])
        assert isinstance(refused, Retry)
        assert "not trusted" in refused.detail
        await far.stop()
        await far.start()
        assert isinstance((await sink.deliver([parcel(2)]))[0], Delivered)


async def test_a_wrong_password_is_for_a_person(tmp_path: Path) -> None:
    """A changed password is hammered, or makes dead letters."""
    async with opendk(tmp_path) as (far, sink):
        far.opendk.password = "changed"
        assert isinstance((await sink.deliver([parcel(1)]))[0], Unauthorised)
        assert isinstance(await sink.changes("", at_once=True), Unauthorised)


async def test_the_letter_carries_what_the_request_says(tmp_path: Path) -> None:
    """The kecamatan gets a letter that it cannot file, or that does not say whose it is."""
    async with opendk(tmp_path) as (far, sink):
        one = parcel(1)
        await sink.deliver([one])
        (letter,) = far.opendk.letters.values()
        assert (letter.desa_id, letter.nik, letter.tanggal) == ("35.10.05.2001", NIK, "2026-11-22")
        assert letter.nomor == f"K47-M2/{one.request}"
        assert letter.file.endswith(f"{one.request}.pdf")


@pytest.mark.parametrize("as_400", [True, False])
async def test_an_unknown_village_stops_everything_in_both_of_its_forms(tmp_path: Path, as_400: bool) -> None:
    """Every request becomes a dead letter until somebody registers the village."""
    async with opendk(tmp_path) as (far, sink):
        far.opendk.villages, far.opendk.unknown_as_400 = [], as_400
        (outcome,) = await sink.deliver([parcel(1)])
        assert isinstance(outcome, Unauthorised)
        assert "registered" in outcome.detail
        assert isinstance(await sink.changes("", at_once=True), Unauthorised)
        far.opendk.villages = [VILLAGE]
        assert isinstance((await sink.deliver([parcel(1)]))[0], Delivered), "the form without dots is known too"
        calls = far.opendk.calls["POST /api/v1/surat/kirim"]
        await sink.deliver([parcel(2)])
        assert far.opendk.calls["POST /api/v1/surat/kirim"] == calls + 1, "the form that was right is tried first"


async def test_a_module_that_is_off_is_for_a_person(tmp_path: Path) -> None:
    """Requests die while the kecamatan has its module switched off."""
    async with opendk(tmp_path) as (far, sink):
        far.opendk.tte = False
        assert isinstance((await sink.deliver([parcel(1)]))[0], Unauthorised)
        assert isinstance(await sink.changes("", at_once=True), Unauthorised)


async def test_a_resident_it_does_not_know_is_dead_without_his_number(tmp_path: Path) -> None:
    """A refusal that names a person's NIK reaches the log."""
    async with opendk(tmp_path) as (far, sink):
        far.opendk.residents = set()
        (outcome,) = await sink.deliver([parcel(1)])
        assert isinstance(outcome, Dead)
        assert "Penduduk" in outcome.detail
        assert NIK not in outcome.detail


async def test_a_real_422_is_dead_and_names_the_fields(tmp_path: Path) -> None:
    """A letter that is refused for good is taken for one whose answer was lost."""
    async with opendk(tmp_path) as (far, sink):
        wrong = parcel(1)
        content = wrong.content.replace(NIK.encode(), b"123")
        refused = type(wrong)(
            wrong.event, wrong.request, wrong.kind, wrong.lane, wrong.seq, wrong.created_at, content, wrong.epoch
        )
        (outcome,) = await sink.deliver([refused])
        assert outcome == Dead("422 OpenDK refuses nik")
        assert not far.opendk.letters


async def test_after_a_422_without_a_list_nothing_is_decided(tmp_path: Path) -> None:
    """A resend is called dead because the link broke while its letter was looked up."""
    async with opendk(tmp_path) as (far, sink):
        await sink.deliver([parcel(1)])
        far.opendk.break_list = True
        assert isinstance((await sink.deliver([parcel(1)]))[0], Retry)
        far.opendk.break_list = False
        assert isinstance((await sink.deliver([parcel(1)]))[0], Delivered)
        assert set(far.opendk.effects.values()) == {1}


async def test_a_false_with_200_is_the_parcels_own_fault(tmp_path: Path) -> None:
    """An error in the body of a 200 delivers a request."""
    async with opendk(tmp_path) as (far, sink):
        await sink.deliver([parcel(2)])
        far.opendk.mode = "false200"
        (outcome,) = await sink.deliver([parcel(1)])
        assert isinstance(outcome, Retry)
        assert outcome.own


async def test_every_status_number_has_its_state(tmp_path: Path) -> None:
    """A step of the kecamatan is told to the citizen as another, or with an older version."""
    wanted = ["district_check", "secretary_approval", "head_approval", "signing", "completed"]
    async with opendk(tmp_path) as (far, sink):
        await sink.deliver([parcel(1), parcel(2)])
        seen: list[tuple[str, int]] = []
        for number in range(1, 6):
            far.opendk.move(parcel(1).request, number)
            page = await _page(sink)
            seen += [(change.state, change.version) for change in page.changes if change.request == parcel(1).request]
        assert seen == list(zip(wanted, range(1, 6), strict=True))
        far.opendk.move(parcel(2).request, 6, "berkas kurang")
        (refused,) = (await _page(sink)).changes
        assert (refused.state, refused.version, refused.why) == ("rejected", 6, "berkas kurang")
        assert not (await _page(sink)).changes


async def test_a_status_nobody_knows_is_counted_once(tmp_path: Path) -> None:
    """A newer OpenDK's number stops the list, or fills the audit log at each look."""
    async with opendk(tmp_path) as (far, sink):
        await sink.deliver([parcel(1), parcel(2)])
        far.opendk.move(parcel(1).request, 9)
        page = await _page(sink)
        assert (page.unreadable, [change.request for change in page.changes]) == (1, [parcel(2).request])
        assert (await _page(sink)).unreadable == 0


async def test_the_list_is_read_no_oftener_than_told(tmp_path: Path) -> None:
    """A thin link carries the whole list each half minute."""
    async with opendk(tmp_path, poll_s=60, wait_s=0) as (far, sink):
        assert isinstance(await sink.changes("", at_once=True), Changes)
        assert isinstance(await sink.changes(""), Changes)
        assert far.opendk.calls["GET /api/v1/surat"] == 1


async def test_what_it_has_no_place_for_is_declined_and_a_cancellation_is_not_hidden(tmp_path: Path) -> None:
    """Figures and scans are called delivered, or a citizen's wish to cancel is dropped without a word."""

    async def read(_start: int, _length: int) -> bytes:
        return b""

    async with opendk(tmp_path) as (far, sink):
        for kind in ("uplink_hour", "sms_failed", "rt_answered", "attachment"):
            assert isinstance((await sink.deliver([parcel(1, kind=kind)]))[0], Declined)
        assert isinstance((await sink.deliver([parcel(1, kind="cancel_requested")]))[0], Dead)
        assert isinstance(await sink.carry(Blob("0" * 64, 1, "application/pdf", 0, read)), Declined)
        assert await sink.beat(b"{}") == Beat()
        assert not far.opendk.letters


async def _page(sink: OpenDkSink) -> Changes:
    """The list read anew, and taken."""
    page = await sink.changes("", at_once=True)
    assert isinstance(page, Changes)
    assert page.done is not None
    await page.done()
    return page
