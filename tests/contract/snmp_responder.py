"""A small SNMP v2c agent written from RFC 3416 and X.690 alone, which can be made to misbehave. It knows no pysnmp."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

Oid = tuple[int, ...]
Tree = Mapping[Oid, bytes]

GET, GETBULK, RESPONSE = 0xA0, 0xA5, 0xA2
NO_SUCH_OBJECT, END_OF_MIB = b"\x80\x00", b"\x82\x00"


def tlv(tag: int, content: bytes) -> bytes:
    """A value with its tag and length (X.690, 8.1)."""
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    count = (size.bit_length() + 7) // 8
    return bytes([tag, 0x80 | count]) + size.to_bytes(count, "big") + content


def integer(value: int, tag: int = 0x02) -> bytes:
    """An INTEGER, or with another tag a Counter32 (0x41), Gauge32 (0x42), TimeTicks (0x43) or Counter64 (0x46)."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(0x04, value)


def name(oid: Oid) -> bytes:
    """An OBJECT IDENTIFIER (X.690, 8.19)."""
    content = bytearray([oid[0] * 40 + oid[1]])
    for part in oid[2:]:
        groups = [part & 0x7F]
        while part := part >> 7:
            groups.append(0x80 | part & 0x7F)
        content += bytes(reversed(groups))
    return tlv(0x06, bytes(content))


def dotted(oid: str) -> Oid:
    """``1.3.6`` as numbers."""
    return tuple(map(int, oid.split(".")))


def read(data: bytes) -> tuple[int, bytes, bytes]:
    """The first value of `data`: its tag, its content, and the rest."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return data[0], data[start : start + size], data[start + size :]


def each(data: bytes) -> Iterable[bytes]:
    """The contents of the values in `data`."""
    while data:
        _, content, data = read(data)
        yield content


def _oid(content: bytes) -> Oid:
    parts, value = [*divmod(content[0], 40)], 0
    for byte in content[1:]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            parts.append(value)
            value = 0
    return tuple(parts)


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    kind: int
    request_id: int
    repetitions: int
    oids: tuple[Oid, ...]
    community: bytes


def parse(data: bytes) -> Request:
    """Read a v2c request."""
    _, message, _ = read(data)
    _, _, rest = read(message)
    _, community, rest = read(rest)
    kind, pdu, _ = read(rest)
    request_id, _, repetitions, bindings = each(pdu)
    oids = tuple(_oid(next(iter(each(binding)))) for binding in each(bindings))
    return Request(kind, int.from_bytes(request_id, "big"), int.from_bytes(repetitions, "big"), oids, community)


def response(request: Request, bindings: Iterable[tuple[Oid, bytes]], *, version: int = 1, status: int = 0) -> bytes:
    """An answer to `request`."""
    listed = b"".join(tlv(0x30, name(oid) + value) for oid, value in bindings)
    pdu = integer(request.request_id) + integer(status) + integer(0) + tlv(0x30, listed)
    return tlv(0x30, integer(version) + text(request.community) + tlv(RESPONSE, pdu))


def honest(tree: Tree, request: Request) -> list[tuple[Oid, bytes]]:
    """What an agent with `tree` answers to GET and GETBULK."""
    if request.kind == GET:
        return [(oid, tree.get(oid, NO_SUCH_OBJECT)) for oid in request.oids]
    known, at, found = sorted(tree), list(request.oids), []
    for _ in range(request.repetitions):
        for place, oid in enumerate(at):
            following = bisect.bisect_right(known, oid)
            if following < len(known):
                at[place] = known[following]
                found.append((at[place], tree[at[place]]))
            else:
                found.append((oid, END_OF_MIB))
    return found


Reply = Callable[[bytes], Iterable[bytes]]


class Responder(asyncio.DatagramProtocol):
    """Answers every datagram with what `reply` makes of it."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[bytes] = []
        self.peer: tuple[str, int] = ("", 0)
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        self.peer = addr
        for answer in self.reply(data):
            self.transport.sendto(answer, addr)

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port


def serving(tree: Tree) -> Reply:
    """The honest agent of `tree`."""
    return lambda data: [response(request := parse(data), honest(tree, request))]


@contextlib.asynccontextmanager
async def responder(reply: Reply, host: str = "127.0.0.1") -> AsyncIterator[Responder]:
    """A responder on a free port of loopback."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: Responder(reply), local_addr=(host, 0))
    try:
        yield protocol
    finally:
        transport.close()


def interfaces(count: int, **columns: bytes) -> dict[Oid, bytes]:
    """A tree with `count` interfaces that are up; `columns` replaces values of ifTable and ifXTable for all of them."""
    tree: dict[Oid, bytes] = {dotted("1.3.6.1.2.1.1.3.0"): integer(123_400, 0x43)}
    for index in range(1, count + 1):
        for key, value in {
            "ifx1": text(b"ether%d" % index),
            "ifx6": integer(1_000 * index, 0x46),
            "ifx10": integer(2_000 * index, 0x46),
            "ifx15": integer(1_000, 0x42),
            "if8": integer(1),
            "if14": integer(3, 0x41),
            "if20": integer(4, 0x41),
            **columns,
        }.items():
            entry = "1.3.6.1.2.1.31.1.1.1" if key.startswith("ifx") else "1.3.6.1.2.1.2.2.1"
            tree[(*dotted(entry), int(key.removeprefix("ifx").removeprefix("if")), index)] = value
    return tree


def mikrotik(receive: int = -18_400, **scalars: int) -> dict[Oid, bytes]:
    """A MikroTik with two ports, an optical module, a hotspot with three users and an access point with five."""
    base = dotted("1.3.6.1.4.1.14988.1.1")
    health = {"voltage": (3, 8), "temperature": (3, 10), "cpu": (3, 11), "leases": (6, 1)}
    values = {"voltage": 241, "temperature": 415, "cpu": 520, "leases": 37} | scalars
    tree = interfaces(2) | {(*base, *health[key], 0): integer(value) for key, value in values.items()}
    optics = {2: text(b"ether2"), 6: integer(44), 9: integer(2_100), 10: integer(receive)}
    tree |= {(*base, 19, 1, 1, column, 9): value for column, value in optics.items()}
    tree |= {(*base, 5, 1, 1, 2, user): integer(1) for user in (1, 2, 7)}
    tree |= {(*base, 5, 1, 1, 3, user): text(b"WARGA") for user in (1, 2, 7)}
    tree |= {(*base, 1, 3, 1, 6, 4): integer(5, 0x41)}
    tree |= {(*dotted("1.3.6.1.2.1.25.3.3.1.2"), core): integer(load) for core, load in ((1, 10), (2, 30))}
    return tree
