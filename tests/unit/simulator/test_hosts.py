"""The village's web server and name server, spoken to over real sockets or by their bytes."""

import asyncio
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.simulator.hosts import Serve, answer_dns, login, web

NAMES = {"portal.example": "203.0.113.80", "*.many.example": "203.0.113.80"}


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


@pytest.mark.parametrize(
    ("name", "kind", "flags", "answers"),
    [
        ("portal.example", 1, 0x8180, 1),
        ("PORTAL.example", 1, 0x8180, 1),
        ("portal.example", 28, 0x8180, 0),
        ("nobody.example", 1, 0x8183, 0),
        ("r17.many.example", 1, 0x8180, 1),
        ("a.r17.many.example", 1, 0x8183, 0),
    ],
)
def test_a_question_gets_its_answer(name: str, kind: int, flags: int, answers: int) -> None:
    """A resolver in the village would cache the wrong thing or wait for a reply that never comes."""
    message = answer_dns(question(name, kind), NAMES)
    assert struct.unpack("!6H", message[:12]) == (0x1234, flags, 1, answers, 0, 0)
    assert message.endswith(b"\xcb\x00\x71\x50") is bool(answers)


@given(st.binary(max_size=80))
def test_no_datagram_breaks_the_name_server(data: bytes) -> None:
    """One odd packet would silence the village's names for the rest of the demo."""
    try:
        answer = answer_dns(data, NAMES)
    except (IndexError, UnicodeDecodeError):  # what the server drops
        return
    assert answer == b"" or answer[:2] == data[:2]


async def ask(request: bytes, each: Serve = web) -> bytes:
    async with await asyncio.start_server(each, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request)
        answer = b""
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        answer = head + await reader.readexactly(size)
        writer.close()
        return answer


async def test_the_caller_learns_its_address() -> None:
    """Nobody could tell by which line a request came."""
    assert (await ask(b"GET /whoami HTTP/1.1\r\n\r\n")).endswith(b'{"you": "127.0.0.1"}')


async def test_a_download_has_the_size_asked_for() -> None:
    """A goodput would be computed from bytes that were never sent."""
    answer = await ask(b"GET /bytes/40000 HTTP/1.1\r\n\r\n")
    assert len(answer.partition(b"\r\n\r\n")[2]) == 40_000


async def test_the_answer_is_as_wide_as_asked_for() -> None:
    """An answer that fits any packet would pass a line that wide ones cannot."""
    answer = await ask(b"GET /whoami/4000 HTTP/1.1\r\n\r\n")
    assert answer.endswith(b'{"you": "127.0.0.1"}' + b" " * 4000)


async def test_the_check_of_a_network_is_answered_with_nothing() -> None:
    """Every line would look like a captive portal's."""
    head, _, body = (await ask(b"GET /generate_204 HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 204 ")
    assert body == b""


async def test_a_login_page_answers_for_every_path() -> None:
    """A captive portal that gives itself away would be told apart in the easy way."""
    answer = await ask(b"GET /generate_204 HTTP/1.1\r\n\r\n", login)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Login" in answer


async def test_another_path_is_not_found() -> None:
    """A wrong path would look like an answer."""
    assert (await ask(b"GET /else HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
