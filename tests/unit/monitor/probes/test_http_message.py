"""HTTP responses as they arrive: whole, in pieces, cut off and malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.probes.http_message import MOST_HEAD_BYTES, MalformedError, Response, encode_get, read_url

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;why=not\r\nhel\r\n2\r\nlo\r\n0\r\nExpires: never\r\n\r\n"
)
CLOSED = b"HTTP/1.0 200 OK\r\n\r\nhello"
NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + LENGTH
BARE_NEWLINES = b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"
RESPONSES = {
    "length": (LENGTH, 200, b"hello"),
    "chunked": (CHUNKED, 200, b"hello"),
    "closed": (CLOSED, 200, b"hello"),
    "nothing": (NOTHING, 204, b""),
    "interim": (INTERIM, 200, b"hello"),
    "bare newlines": (BARE_NEWLINES, 200, b"hello"),
    "no reason": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, b""),
}


def read(*pieces: bytes, keep: int = 100) -> Response:
    response = Response(keep=keep)
    for piece in pieces:
        response.feed(piece)
    if not response.complete:
        response.end()
    return response


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@pytest.mark.parametrize("name", RESPONSES)
@given(places=st.lists(st.integers(0, 1_000), max_size=8))
def test_response_is_read_however_it_arrives(name: str, places: list[int]) -> None:
    """TCP cuts where it likes: no cut may change what is read."""
    data, status, body = RESPONSES[name]
    response = read(*cut(data, places))
    assert (response.status, response.body, response.length) == (status, body, len(body))


@pytest.mark.parametrize("name", ["length", "chunked", "nothing", "interim"])
def test_cut_off_response_is_no_response(name: str) -> None:
    """A connection that breaks must not pass for the page, wherever it breaks."""
    data = RESPONSES[name][0]
    for end in range(len(data) - 1):
        with pytest.raises(MalformedError):
            read(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 300,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * MOST_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_malformed_response_is_refused(data: bytes) -> None:
    """What is no HTTP must be refused at once, in bounded memory."""
    with pytest.raises(MalformedError):
        read(data)


def test_body_is_kept_within_its_bound_and_counted() -> None:
    """A page without end must not fill the memory; a timed fetch needs the count alone."""
    response = read(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000, b"y" * 50_000, keep=10)
    assert (response.body, response.length) == (b"x" * 10, 100_000)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_garbage_is_read_or_refused(pieces: list[bytes]) -> None:
    """Whatever a box on the way answers, only `MalformedError` may come of it."""
    try:
        read(*pieces)
    except MalformedError:
        return


@given(st.sampled_from([LENGTH, CHUNKED, INTERIM]), st.integers(0, 200), st.integers(0, 255))
def test_changed_byte_is_read_or_refused(data: bytes, place: int, byte: int) -> None:
    """As above, near to a real response."""
    changed = bytearray(data)
    changed[place % len(data)] = byte
    try:
        read(bytes(changed))
    except MalformedError:
        return


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://a.go.id", (False, "a.go.id", 80, "/", "a.go.id")),
        ("https://a.go.id/x?y=1#z", (True, "a.go.id", 443, "/x?y=1", "a.go.id")),
        ("http://[2001:db8::1]:8080/", (False, "2001:db8::1", 8080, "/", "[2001:db8::1]:8080")),
    ],
)
def test_url_is_taken_apart(url: str, wanted: tuple[object, ...]) -> None:
    """The request would go elsewhere."""
    address = read_url(url)
    assert (address.secure, address.host, address.port, address.path, address.named) == wanted
    assert encode_get(address).startswith(f"GET {wanted[3]} HTTP/1.1\r\nHost: {wanted[4]}\r\n".encode())


@pytest.mark.parametrize(
    "url",
    ["", "ftp://a/", "http://", "http://a:99999/", "http://a:b/", "http://é/", "http://me:secret@a/", "http://[::1/"],
)
def test_url_that_is_none_is_refused(url: str) -> None:
    """A request could not be written."""
    with pytest.raises(ValueError, match=r"address|[Pp]ort|URL"):
        read_url(url)
