"""What only a broker can do to a box, with a real nats-server: full, stripped, restored, lied to and without rights."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nkeys
import pytest

from edge.config import Upstream
from edge.queue.sink import Beat, Blob, Changes, Dead, Delivered, HandedOver, Partly, Replaced, Retry, Unauthorised
from edge.queue.sinks.nats import NatsSink
from edge.simulator import portal_tls
from tests.contract.far_ends import QUICK, VILLAGE, NatsFar, make_sink, parcel
from tests.contract.nats_server import PASSWORD, NatsServer, rights
from tests.contract.waiting import until

_SEED_OF_A_USER = 20 << 3


@asynccontextmanager
async def broker(directory: Path, **up: Any) -> AsyncIterator[tuple[NatsFar, NatsSink]]:
    """A broker with its regency; `up` are settings of the stream that goes up."""
    far = NatsFar(directory)
    far.regency.up = up
    await far.start()
    sink = make_sink(far)
    assert isinstance(sink, NatsSink)
    try:
        yield far, sink
    finally:
        await sink.close()
        await far.stop()


async def test_a_full_stream_makes_wait_and_then_takes(tmp_path: Path) -> None:
    """A stream that is full kills a row, or it is never tried again."""
    async with broker(tmp_path, max_msgs=2, retention="limits") as (far, sink):
        outcomes = await sink.deliver([parcel(1), parcel(2), parcel(3)])
        assert [type(outcome) for outcome in outcomes] == [HandedOver, HandedOver, Retry]
        await far.regency.remove_up()
        assert isinstance((await sink.deliver([parcel(3)]))[0], Retry), "no stream at all is a time to wait, too"
        await far.regency.make_streams()
        assert isinstance((await sink.deliver([parcel(3)]))[0], HandedOver)


@pytest.mark.parametrize("size", [100_000, 300_000])
async def test_a_message_that_is_too_large_is_dead_and_harms_no_other(tmp_path: Path, size: int) -> None:
    """A row over the stream's or the server's bound is tried for ever, or takes its batch with it."""
    async with broker(tmp_path) as (_, sink):
        outcomes = await sink.deliver([parcel(1), parcel(2, size=size), parcel(3)])
        assert [type(outcome) for outcome in outcomes] == [HandedOver, Dead, HandedOver]


async def test_a_missing_right_stops_everything_at_once(tmp_path: Path) -> None:
    """A village whose rights are too narrow waits for time-outs, and nobody is told why."""
    far = NatsFar(tmp_path)
    far.server.rights = rights(VILLAGE)[1:]
    await far.start()
    sink = make_sink(far, read_timeout_s=30)
    try:
        async with asyncio.timeout(20):
            (outcome,) = await sink.deliver([parcel(1)])
        assert isinstance(outcome, Unauthorised)
        assert "permissions violation" in outcome.detail
        assert VILLAGE not in outcome.detail
    finally:
        await sink.close()
        await far.stop()


async def test_the_headers_name_village_epoch_and_number(tmp_path: Path) -> None:
    """The regency cannot tell a replaced box's messages, or gaps, without opening each."""
    async with broker(tmp_path) as (far, sink):
        one = parcel(7)
        await sink.deliver([one])
        await until(lambda: one.event in far.regency.headers, "the message")
        said = far.regency.headers[one.event]
        assert said["Nats-Msg-Id"] == one.event
        assert (said["Kampung-Village"], said["Kampung-Epoch"], said["Kampung-Seq"]) == (VILLAGE, "1", "7")
        assert far.regency.landed[one.event]["data"]["village"] == VILLAGE


async def test_a_store_from_a_backup_reads_again_what_was_acknowledged_since(tmp_path: Path) -> None:
    """A restored box never hears of the changes that its dead disk had acknowledged."""
    async with broker(tmp_path) as (far, sink):
        await far.regency.change("r1", "head_approval")
        before = await _page(sink, "")
        await far.regency.change("r1", "completed")
        after = await _page(sink, before.cursor)
        assert [change.state for change in after.changes] == ["completed"]
        restored = make_sink(far)
        try:
            again = await _page(restored, before.cursor)
        finally:
            await restored.close()
        assert [change.event for change in again.changes] == [change.event for change in after.changes]


async def test_a_stream_of_changes_that_was_lost_is_read_from_its_beginning(tmp_path: Path) -> None:
    """A cursor of a stream that is gone makes the box deaf until the new one has grown past it."""
    async with broker(tmp_path) as (far, sink):
        for version in range(3):
            await far.regency.announce("r1", "head_approval", version + 1)
        old = await _page(sink, "")
        await far.stop()
        far.server.wipe()
        await far.start()
        await far.regency.change("r2", "completed")
        new = await _page(sink, old.cursor)
        assert [change.request for change in new.changes] == ["r2"]
        assert new.cursor != old.cursor


async def test_nonsense_among_the_changes_is_counted_and_skipped(tmp_path: Path) -> None:
    """One message that is no change stops all later ones, or crashes the box."""
    async with broker(tmp_path) as (far, sink):
        for body in (b"", b"\xff\xfe", b"[" * 5_000, b'{"id": 7}', b'{"id": "x", "type": "other", "data": {}}'):
            await far.regency.say_raw(body)
        await far.regency.change("r1", "completed")
        page = await _page(sink, "")
        assert page.unreadable == 5
        assert [change.state for change in page.changes] == ["completed"]


LIES: tuple[tuple[bytes, bytes], ...] = (
    (b"box-3510052001.1.", b"box-3510052001.x."),
    (b"$JS.ACK.KAMPUNG_DOWN.box-3510052001.1.", b"$JS.ACK.KAMPUNG_DOWN.box-351005200..x."),
    (b"$JS.ACK.KAMPUNG", b"$XX.ACK.KAMPUNG"),
    (b"$JS.ACK.KAMPUNG_DOWN.box-3510052001.1", b"$JS.ACK.a.b.1.9999999999999999999.1.1"),
    (b"NATS/1.0 404", b"NATS/1.0 4x4"),
    (b'"created":"', b'"created":7'),
    (b'"last_seq":1', b'"last_seq":-'),
    (b'"stream":"', b'"stream":{'),
    (b'"id":"', b'"id":['),
)


@pytest.mark.parametrize(("truth", "lie"), LIES)
async def test_what_a_broker_says_malformed_is_data(tmp_path: Path, truth: bytes, lie: bytes) -> None:
    """A reply subject, a header or a number that makes no sense crashes the box's whole forwarding."""
    assert len(truth) == len(lie)
    async with broker(tmp_path) as (far, sink):
        cursor = await _next(far, sink, "", "r0")
        far.proxy.lies = (truth, lie)
        await far.regency.change("r1", "completed")
        for number in range(3):
            page = await sink.changes(cursor, at_once=True)
            assert isinstance(page, Changes | Retry), page
            assert isinstance((await sink.deliver([parcel(number)]))[0], HandedOver | Retry)
            assert isinstance(await sink.beat(b"{}"), Beat | Retry)
            await sink.refresh()
        far.proxy.lies = (b"", b"")
        await _next(far, sink, "", "last")
        assert isinstance((await sink.deliver([parcel(4)]))[0], HandedOver)


async def _next(far: NatsFar, sink: NatsSink, cursor: str, request: str) -> str:
    """A change of this request comes down; the cursor after it."""
    await far.regency.change(request, "completed")
    async with asyncio.timeout(60):
        while True:
            page = await sink.changes(cursor, at_once=True)
            if not isinstance(page, Changes):
                continue
            cursor = page.cursor
            if request in {change.request for change in page.changes}:
                return cursor


async def test_changes_among_megabytes_of_nonsense_arrive_each_once(tmp_path: Path) -> None:
    """What a small box cannot buffer is dropped on the way, and the cursor runs past it."""
    async with broker(tmp_path) as (far, sink):
        for number in range(45):
            await far.regency.say_raw(b"x" * 255_000)
            await far.regency.change(f"r{number}", "completed")
        cursor, found, unreadable = "", list[str](), 0
        async with asyncio.timeout(60):
            while len(found) < 45:
                page = await sink.changes(cursor, at_once=True)
                if isinstance(page, Changes):
                    found += [change.request for change in page.changes]
                    cursor, unreadable = page.cursor, unreadable + page.unreadable
                    if page.done is not None:
                        await page.done()
        assert found == [f"r{number}" for number in range(45)]
        assert unreadable == 45


async def test_a_scan_goes_on_where_it_was_and_ends_only_when_the_far_end_holds_it(tmp_path: Path) -> None:
    """A scan is called delivered while only a broker has it, begins anew after a break, or is taken damaged."""
    data = bytes(range(256)) * 600
    async with broker(tmp_path) as (far, sink):
        name, sent = hashlib.sha256(data).hexdigest(), 0
        outcomes: list[object] = []
        while not outcomes or isinstance(outcomes[-1], Partly):
            outcome = await sink.carry(_blob(name, data, sent))
            outcomes.append(outcome)
            sent = outcome.sent if isinstance(outcome, Partly) else sent
            await sink.refresh()
        assert [type(outcome) for outcome in outcomes] == [Partly, Partly, Delivered]
        assert bytes(far.regency.blobs[name]) == data
        wrong = await sink.carry(_blob("0" * 64, b"short", 0))
        assert isinstance(wrong, Dead)
        await far.regency.stop()
        assert isinstance(await sink.carry(_blob(name, data, 0)), Retry)


async def test_heartbeat_learns_the_epoch_and_that_it_is_replaced(tmp_path: Path) -> None:
    """A replaced box goes on speaking for its village beside its successor."""
    async with broker(tmp_path) as (far, sink):
        far.regency.epoch = {"epoch": 4}
        assert await sink.beat(b'{"installation": "x", "epoch": 0}') == Beat(4)
        assert far.regency.beats[-1] == {"installation": "x", "epoch": 0}
        far.regency.epoch = {"replaced": True}
        assert isinstance(await sink.beat(b"{}"), Replaced)
        far.regency.epoch = {"epoch": 2**53 + 1}  # no program could say it back in JSON
        assert isinstance(await sink.beat(b"{}"), Retry)
        far.regency.epoch = {"epoch": "many"}
        assert isinstance(await sink.beat(b"{}"), Retry)


async def test_a_village_logs_in_by_its_nkey(tmp_path: Path) -> None:
    """The keys that the regency's own script makes open no connection."""
    seed = nkeys.encode_seed(bytes(range(32)), _SEED_OF_A_USER).decode()
    public = nkeys.from_seed(bytearray(seed.encode())).public_key.decode()
    far = NatsFar(tmp_path)
    far.server.user = f"nkey: {public}"
    await far.start()
    right = NatsSink(far.settings(), code=VILLAGE, key=seed)
    wrong = NatsSink(far.settings(), code=VILLAGE, key=PASSWORD)
    try:
        assert isinstance((await right.deliver([parcel(1)]))[0], HandedOver)
        assert isinstance((await wrong.deliver([parcel(1)]))[0], Unauthorised)
    finally:
        await right.close()
        await wrong.close()
        await far.stop()


async def test_tls_asks_for_the_village_certificate_and_trusts_no_other(tmp_path: Path) -> None:
    """A village's data goes to whoever answers, or the broker's demand for a certificate cannot be met."""
    far = NatsFar(tmp_path)
    files = far.server.use_tls(tmp_path / "tls")
    certificate, key = portal_tls.client(files, VILLAGE)
    far.regency.tls = ssl.create_default_context(cafile=files.ca)
    far.regency.tls.load_cert_chain(certificate, key)
    await far.start()
    url, trusted = f"tls://localhost:{far.server.port}", str(files.ca)
    mine = _settings(url=url, ca_file=trusted, client_cert_file=str(certificate))
    good = NatsSink(mine, code=VILLAGE, key=PASSWORD, client_key=str(key))
    bare = NatsSink(_settings(url=url, ca_file=trusted), code=VILLAGE, key=PASSWORD)
    stranger = NatsSink(_settings(url=url), code=VILLAGE, key=PASSWORD)
    lost = NatsSink(_settings(url=url, ca_file="/nonexistent.pem"), code=VILLAGE, key=PASSWORD)
    try:
        assert isinstance((await good.deliver([parcel(1)]))[0], HandedOver)
        assert {known.whose for known in good.certificates()} == {"own", "portal"}
        for refused, why in ((bare, ""), (stranger, "not trusted"), (lost, "/nonexistent.pem")):
            (outcome,) = await refused.deliver([parcel(2)])
            assert isinstance(outcome, Retry)
            assert why in outcome.detail
        assert parcel(2).event not in far.regency.landed
    finally:
        for sink in (good, bare, stranger, lost):
            await sink.close()
        await far.stop()


@pytest.mark.parametrize("genuine", [True, False])
async def test_a_village_logs_in_by_a_credentials_file(tmp_path: Path, genuine: bool) -> None:
    """The file that a regency's operator hands out opens no connection, or any such file opens one."""
    operator, account, mine, another = (_keys(prefix, number) for number, prefix in enumerate((14, 0, 20, 20)))
    limits = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "leaf": -1, "wildcards": True}
    said = _jwt(operator, account, {"type": "account", "version": 2, "limits": limits})
    user = _jwt(account, mine, {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
    seed = (mine if genuine else another).seed.decode()
    credentials = (
        f"-----BEGIN NATS USER JWT-----\n{user}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------"
    )
    server = NatsServer(tmp_path, VILLAGE)
    root = _jwt(operator, operator, {"type": "operator", "version": 2})
    preload = f"resolver_preload: {{ {account.public_key.decode()}: {said} }}"
    await server.start(f"listen: 127.0.0.1:{server.port}\noperator: {root}\nresolver: MEMORY\n{preload}\n")
    sink = NatsSink(_settings(url=server.url), code=VILLAGE, key=credentials)
    try:
        (outcome,) = await sink.deliver([parcel(1)])
    finally:
        await sink.close()
        server.kill()
    wanted = Retry("the broker has no stream or consumer for it")
    assert outcome == wanted if genuine else isinstance(outcome, Unauthorised)


def _keys(prefix: int, number: int) -> Any:
    return nkeys.from_seed(bytearray(nkeys.encode_seed(bytes([number]) * 32, prefix << 3)))


def _jwt(issuer: Any, subject: Any, claims: dict[str, Any]) -> str:
    """A token of NATS' own kind: EdDSA under an nkey."""
    body = {"jti": "x", "iat": 1_764_000_000, "name": "trial", "nats": claims}
    body |= {"iss": issuer.public_key.decode(), "sub": subject.public_key.decode()}
    parts = [_part(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
    return ".".join((*parts, _part(issuer.sign(".".join(parts).encode()))))


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _settings(**more: Any) -> Upstream:
    return Upstream(sink="nats", **{**QUICK, **more})


def _blob(name: str, data: bytes, sent: int) -> Blob:
    async def read(start: int, length: int) -> bytes:
        return data[start : start + length]

    return Blob(name, len(data), "application/pdf", sent, read)


async def _page(sink: Any, cursor: str) -> Changes:
    """The next page with something in it, taken."""
    async with asyncio.timeout(60):
        page = await sink.changes(cursor, at_once=True)
        while isinstance(page, Changes) and not page.changes:
            page = await sink.changes(page.cursor, at_once=True)
    assert isinstance(page, Changes), page
    assert page.done is not None
    await page.done()
    return page
