"""Who is trusted and who may speak: certificates of the portal and of the box, whole, expired, foreign, renewed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.queue.sink import Beat, Certificate, Delivered, Outcome, Retry, Unauthorised
from edge.queue.sinks.https import HttpsSink
from edge.simulator import portal_tls
from edge.simulator.portal import Portal
from tests.contract.portal_pair import CODE, KEY, Pair, pair, request, settings

DAY = 86_400.0


@dataclass
class StillClock:
    """A clock that stands at `now`."""

    now: float
    trust: bool

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return self.now

    def trusted(self) -> bool:
        return self.trust


async def put(sink: HttpsSink) -> Outcome:
    try:
        return (await sink.deliver([request(1)]))[0]
    finally:
        await sink.close()


@asynccontextmanager
async def presenting(directory: Path, valid: portal_tls.Span, name: str = "127.0.0.1") -> AsyncIterator[Pair]:
    """A portal whose certificate is valid so, for `name`."""
    tls = portal_tls.make(directory / "tls", [name], valid)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    portal = Portal(key=KEY, village=CODE)
    await portal.start(listener, tls.server_context())
    sink = HttpsSink(settings(port, tls), code=CODE, key=KEY)
    try:
        yield Pair(portal, sink, tls, port)
    finally:
        await sink.close()
        await portal.stop()


@pytest.mark.parametrize(
    ("valid", "clock", "says"),
    [
        (
            portal_tls.span(-1, since_days=-9),
            StillClock(1_795_305_600, trust=True),
            "has expired by this box's clock (2026-11-22, in step with NTP): tell the regency to renew it",
        ),
        (
            portal_tls.span(9, since_days=1),
            StillClock(0, trust=False),
            "is not valid yet by this box's clock (1970-01-01, never set since the start): set it (timedatectl)",
        ),
    ],
)
async def test_out_of_date(tmp_path: Path, valid: portal_tls.Span, clock: StillClock, says: str) -> None:
    """A clock that is wrong and a certificate that is over look the same, or verification is left out."""
    async with presenting(tmp_path, valid) as box:
        outcome = await put(HttpsSink(box.settings(), code=CODE, key=KEY, clock=clock))
        assert isinstance(outcome, Retry)
        assert outcome.detail.startswith(f"the portal's certificate {says}")
        assert not box.portal.calls, "not even the key was sent"


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """Whoever has a certificate for any name at all gets the villagers' data."""
    async with presenting(tmp_path, portal_tls.span(), name="wifi.example") as box:
        outcome = await put(box.sink)
        assert isinstance(outcome, Retry)
        assert outcome.detail.startswith("the certificate is for another name (a captive portal")
        assert not box.portal.calls


async def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    """A captive portal's own certificate is trusted."""
    foreign = portal_tls.make(tmp_path / "foreign", ["127.0.0.1"])
    async with pair(tmp_path) as box:
        sink = HttpsSink(box.settings(ca_file=str(foreign.ca)), code=CODE, key=KEY)
        outcome = await put(sink)
        assert isinstance(outcome, Retry)
        assert outcome.detail.startswith("the certificate is by an authority that is not trusted")
        assert sink.certificates() == ()


async def test_a_certificate_speaks_for_its_village_without_a_key(tmp_path: Path) -> None:
    """A village with a certificate cannot speak, or one may speak for another."""
    async with pair(tmp_path, clients=True) as box:
        for code, wanted in ((CODE, Delivered), ("3510052002", Unauthorised)):
            certificate, key = portal_tls.client(box.tls, code)
            sink = HttpsSink(box.settings(client_cert_file=str(certificate)), code=CODE, key="", client_key=str(key))
            assert isinstance(await put(sink), wanted)
        assert isinstance(await put(HttpsSink(box.settings(), code=CODE, key="")), Unauthorised)


async def test_both_certificates_are_known_by_their_ends(tmp_path: Path) -> None:
    """A certificate ends without anybody having been told."""
    async with presenting(tmp_path, portal_tls.span(20)) as box:
        certificate, key = portal_tls.client(box.tls, CODE, portal_tls.span(10))
        sink = HttpsSink(box.settings(client_cert_file=str(certificate)), code=CODE, key=KEY, client_key=str(key))
        (own,) = sink.certificates()
        assert own.whose == "own", "known before any connection"
        await sink.beat(b"{}")
        ends = {known.whose: known.not_after for known in sink.certificates()}
        assert ends["own"] == own.not_after
        assert round((ends["portal"] - ends["own"]) / DAY) == 10
        assert all(isinstance(known, Certificate) for known in sink.certificates())
        await sink.close()


async def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    """A certificate is renewed in time and the box goes on with the old one until it ends."""
    async with pair(tmp_path, clients=True) as box:
        certificate, key = portal_tls.client(box.tls, CODE, portal_tls.span(-1, since_days=-9))
        sink = HttpsSink(box.settings(client_cert_file=str(certificate)), code=CODE, key="", client_key=str(key))
        refused = await sink.beat(b"{}")
        assert isinstance(refused, Retry)
        assert "it expired on" in refused.detail
        assert str(certificate) in refused.detail
        portal_tls.client(box.tls, CODE)
        assert await sink.beat(b"{}") == Beat()
        certificate.write_bytes(b"half a renew")
        assert await sink.beat(b"{}") == Beat(), "what cannot be read does not end what works"
        await sink.close()


@pytest.mark.parametrize("wrong", ["no key", "other key", "no certificate", "sealed key"])
async def test_files_that_do_not_fit_are_named(tmp_path: Path, wrong: str) -> None:
    """A mistake in the files ends in a traceback, a question on the terminal, or a riddle."""
    async with pair(tmp_path, clients=True) as box:
        certificate, key = portal_tls.client(box.tls, CODE)
        if wrong == "other key":
            key = portal_tls.client(box.tls, "3510052002")[1]
        elif wrong == "no certificate":
            certificate = tmp_path / "none.pem"
        elif wrong == "sealed key":
            key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
        given = "" if wrong == "no key" else str(key)
        sink = HttpsSink(box.settings(client_cert_file=str(certificate)), code=CODE, key=KEY, client_key=given)
        outcome = await put(sink)
        assert isinstance(outcome, Retry)
        assert outcome.detail.startswith(f"client_cert_file {certificate} ")
        assert "portal-client-key" in outcome.detail
        assert not box.portal.calls


def test_no_connection_without_verification(tmp_path: Path) -> None:
    """Somebody switched verification off to make something work."""
    from edge.queue.sinks.https_tls import Tls

    files = portal_tls.make(tmp_path, ["127.0.0.1"])
    context = Tls(settings(1, files)).context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
