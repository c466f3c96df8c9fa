"""Pure: one HTTP/1.1 request and the response to it as its bytes arrive (RFC 9112), within bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

MOST_HEAD_BYTES = 16_384
MOST_CHUNK_LINE_BYTES = 256

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_BARE = (204, 304)  # responses without a body (RFC 9112, 6.3)


class MalformedError(Exception):
    """The peer's bytes are no response, or it ended before it was whole."""


@dataclass(frozen=True, slots=True)
class Address:
    """What an http:// or https:// URL says."""

    secure: bool
    host: str
    port: int
    path: str
    named: str  # the Host header (RFC 9110, 7.2)


def read_url(url: str) -> Address:
    """Take a URL apart. ValueError for one without a host, with a bad port, or outside ASCII."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or "@" in parts.netloc:
        raise ValueError(f"{url!r} is no http:// or https:// address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return Address(secure, parts.hostname, port, path, parts.netloc)


def encode_get(address: Address) -> bytes:
    """A GET that no cache may answer, and after which the connection ends."""
    return (
        f"GET {address.path} HTTP/1.1\r\nHost: {address.named}\r\nUser-Agent: kampung-edge\r\nAccept: */*\r\n"
        "Accept-Encoding: identity\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


_Framing = Literal["head", "length", "chunk-size", "chunk", "chunk-end", "trailer", "close", "done"]


@dataclass(slots=True)
class Response:
    """Reads one response. Of its body the first `keep` bytes are kept; `length` counts them all.

    `feed` and `end` raise `MalformedError`. Interim responses (1xx) are skipped.
    """

    keep: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int = 0
    _buffer: bytes = b""
    _framing: _Framing = "head"
    _left: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing more belongs to this response."""
        return self._framing == "done"

    def feed(self, data: bytes) -> None:
        """Take bytes as they arrived."""
        self._buffer += data
        while self._step():
            pass

    def end(self) -> None:
        """The peer closed the connection."""
        if self._framing == "close":
            self._framing = "done"
        if not self.complete:
            raise MalformedError("the connection ended before the response was whole")

    def _step(self) -> bool:
        """Read one piece; False when more bytes are needed."""
        match self._framing:
            case "head":
                return self._read_head()
            case "length" | "chunk" | "close":
                return self._read_body()
            case "chunk-size" | "chunk-end" | "trailer":
                return self._read_chunk_line()
            case "done":
                self._buffer = b""
                return False

    def _read_head(self) -> bool:
        end = _HEAD_END.search(self._buffer)
        if len(self._buffer[: end.start() if end else None]) > MOST_HEAD_BYTES:
            raise MalformedError("the head has no end")
        if end is None:
            if not b"HTTP/1.".startswith(self._buffer[:7]):
                raise MalformedError("no HTTP response")
            return False
        first, *lines = self._buffer[: end.start()].split(b"\n")
        status = _STATUS.fullmatch(first.rstrip(b"\r"))
        if status is None:
            raise MalformedError("no HTTP status line")
        self._buffer = self._buffer[end.end() :]
        self.headers = dict(map(_header, lines))
        self.status = int(status[1])
        if self.status >= 200:
            self._frame()
        return True

    def _frame(self) -> None:
        if self.status in _BARE:
            self._framing = "done"
        elif coding := self.headers.get("transfer-encoding"):
            if coding.lower() != "chunked":
                raise MalformedError("an unknown transfer coding")
            self._framing = "chunk-size"
        elif text := self.headers.get("content-length"):
            if not (text.isascii() and text.isdigit() and len(text) < 16):
                raise MalformedError("an impossible length")
            self._left = int(text)
            self._framing = "length" if self._left else "done"
        else:
            self._framing = "close"

    def _read_body(self) -> bool:
        if not self._buffer:
            return False
        piece = self._buffer if self._framing == "close" else self._buffer[: self._left]
        self._buffer = self._buffer[len(piece) :]
        self.length += len(piece)
        self.body += piece[: max(0, self.keep - len(self.body))]
        if self._framing != "close":
            self._left -= len(piece)
            if self._left == 0:
                self._framing = "done" if self._framing == "length" else "chunk-end"
        return True

    def _read_chunk_line(self) -> bool:
        line, newline, rest = self._buffer.partition(b"\n")
        if len(line) > MOST_CHUNK_LINE_BYTES:
            raise MalformedError("a chunk's line has no end")
        if not newline:
            return False
        self._buffer = rest
        line = line.rstrip(b"\r")
        if self._framing == "trailer":
            self._framing = "trailer" if line else "done"
        elif self._framing == "chunk-end":
            if line:
                raise MalformedError("a chunk is longer than it said")
            self._framing = "chunk-size"
        else:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise MalformedError("no chunk size")
            self._left = int(size[1], 16)
            self._framing = "chunk" if self._left else "trailer"
        return True


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.rstrip(b"\r").partition(b":")
    if not colon or not _NAME.fullmatch(name):
        raise MalformedError("no header field")
    return name.decode("ascii").lower(), value.strip().decode("latin-1")
