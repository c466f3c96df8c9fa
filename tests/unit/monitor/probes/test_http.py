"""The page compared: the right server, an error of its own, or somebody else."""

from __future__ import annotations

import ssl

import pytest

from edge import config
from edge.monitor.probes.http import judge, judge_tls
from edge.monitor.probes.http_message import Response, read_url

CHECK = config.Monitor(check_status=204)
PAGE = config.Monitor(check_status=200, check_body="Banyuwangi")


def response(status: int, body: bytes = b"", location: str | None = None) -> Response:
    answer = Response(keep=1_000)
    moved = "" if location is None else f"Location: {location}\r\n"
    answer.feed(f"HTTP/1.1 {status} X\r\n{moved}\r\n".encode() + body)
    return answer


@pytest.mark.parametrize(
    ("settings", "answer", "wanted"),
    [
        (CHECK, response(204), ""),
        (PAGE, response(200, b"Kabupaten Banyuwangi"), ""),
        (PAGE, response(200, b"<h1>Welcome, please log in</h1>"), "captive"),
        (CHECK, response(200, b"log in"), "captive"),
        (CHECK, response(302, location="http://login.wifi/"), "captive"),
        (CHECK, response(302, location="/login"), "captive"),
        (CHECK, response(302), "captive"),
        (CHECK, response(302, location="https://elsewhere.example/check"), "captive"),
        (CHECK, response(302, location="http://[bad"), "captive"),
        (CHECK, response(301, location="https://check.go.id/check"), "status"),
        (CHECK, response(511), "captive"),
        (CHECK, response(404), "status"),
        (CHECK, response(500), "status"),
        (CHECK, response(503), "status"),
    ],
)
def test_answer_is_told_from_a_portal(settings: config.Monitor, answer: Response, wanted: str) -> None:
    """A captive portal would pass for the internet, or a broken check page for a captive portal."""
    assert judge(answer, read_url("http://check.go.id/check"), settings) == wanted


def verification(code: int) -> ssl.SSLError:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


def handshake(reason: str) -> ssl.SSLError:
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (verification(18), "captive"),
        (verification(20), "captive"),
        (verification(62), "captive"),
        (verification(9), "status"),
        (verification(10), "status"),
        (handshake("WRONG_VERSION_NUMBER"), "captive"),
        (handshake("UNEXPECTED_EOF_WHILE_READING"), "broken"),
    ],
    ids=["self-signed", "unknown issuer", "other name", "not yet valid", "expired", "no TLS", "cut off"],
)
def test_handshake_is_told_from_a_portal(error: ssl.SSLError, wanted: str) -> None:
    """A box whose clock starts in the past would call every uplink captive, or a forged certificate right."""
    assert judge_tls(error) == wanted
