r"""Pure: recordings of what goes over a modem's line, to be read by people and replayed as tests.

A recording is text, a line a chunk: seconds since its beginning, ``>`` to the modem or ``<`` from it, and the bytes as
ASCII with ``\r``, ``\n``, ``\\`` and ``\xNN``. Lines that begin with ``#`` are remarks; a line with ``=`` in the place
of the direction says what came of the chunks before it, and is what a replay must come to::

    # kampung-edge transcript 1
    0.000 > ATE0\r
    0.012 < \r\nOK\r\n
    0.012 = Ready
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from edge.modem.examine.masking import Mask

Direction = Literal["<", ">"]
HEADING = "# kampung-edge transcript 1"
MOST_BYTES, MOST_SECONDS = 1 << 20, 3600.0
_MOST_CHUNKS = 100_000
_LINE = re.compile(r"(\d{1,9}(?:\.\d{1,6})?) ([<>=]) ?(.*)")
_CUT = re.compile(rb"[^\r\n\x1a\x1b]+")
_ENDS = re.compile(rb"[\r\n\x1a]+")
_PROMPT = re.compile(r"^[> ]+")
_ESCAPED = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([rn\\]))")
_PLAIN = {"r": "\r", "n": "\n", "\\": "\\"}
_ESCAPES = {ord("\r"): "\\r", ord("\n"): "\\n", ord("\\"): "\\\\"}


class TranscriptError(ValueError):
    """The text is no recording; the message names the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of one moment, in seconds since the recording began."""

    at: float
    direction: Direction
    data: bytes


@dataclass(slots=True)
class Transcript:
    """A recording: its chunks in order, and what was to come of them."""

    chunks: list[Chunk] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the first chunk to the last."""
        return self.chunks[-1].at - self.chunks[0].at if self.chunks else 0.0


class Recorder:
    """Collects chunks until `seconds` have passed or `most_bytes` are there; what comes later is left out.

    `chunks` are as they came, `size` is their octets.
    """

    def __init__(self, *, now: float, seconds: float = MOST_SECONDS, most_bytes: int = MOST_BYTES) -> None:
        self._began, self._until, self._room = now, now + min(seconds, MOST_SECONDS), min(most_bytes, MOST_BYTES)
        self.chunks: list[Chunk] = []
        self.size = 0

    def tap(self, now: float, direction: Direction, data: bytes) -> None:
        """Note one chunk; fits `Link.tap`."""
        if self.done(now):
            return
        taken = data[: self._room]
        self._room -= len(taken)
        self.size += len(taken)
        self.chunks.append(Chunk(now - self._began, direction, taken))

    def done(self, now: float) -> bool:
        """Whether nothing more is noted."""
        return now >= self._until or self._room <= 0 or len(self.chunks) >= _MOST_CHUNKS

    def left(self, now: float) -> float:
        """Seconds until it ends by itself."""
        return max(0.0, self._until - now)

    def masked(self, key: bytes) -> str:
        """The recording as text, with other numbers and words in place of the real ones (see `masking`)."""
        return write(Transcript(mask(self.chunks, key)))


def write(transcript: Transcript) -> str:
    """The text of a recording, read back by `read`."""
    lines = [HEADING, *(f"{chunk.at:.3f} {chunk.direction} {escape(chunk.data)}" for chunk in transcript.chunks)]
    lines += [f"{transcript.seconds:.3f} = {outcome}" for outcome in transcript.outcomes]
    return "\n".join(lines) + "\n"


def read(text: str) -> Transcript:
    """The recording in `text`; `TranscriptError` where a line is none."""
    transcript = Transcript()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise TranscriptError(f"line {number}: not seconds, then < or > or =, then what it was")
        if found[2] == "=":
            transcript.outcomes.append(found[3].strip())
            continue
        if transcript.chunks and float(found[1]) < transcript.chunks[-1].at:
            raise TranscriptError(f"line {number}: earlier than the line before it")
        direction: Direction = "<" if found[2] == "<" else ">"
        transcript.chunks.append(Chunk(float(found[1]), direction, _unescape(found[3], number)))
    return transcript


def escape(data: bytes) -> str:
    """`data` as printable ASCII on one line, without a space at its end that an editor would take away."""
    text = "".join(_ESCAPES.get(octet) or (chr(octet) if 32 <= octet < 127 else f"\\x{octet:02x}") for octet in data)
    return f"{text[:-1]}\\x20" if text.endswith(" ") else text


def _unescape(text: str, number: int) -> bytes:
    if "\\" in _ESCAPED.sub("", text):
        raise TranscriptError(f"line {number}: a backslash begins \\r, \\n, \\\\ or \\xNN")
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)) if found[1] else _PLAIN[found[2]], text)
    try:
        return plain.encode("latin-1")
    except UnicodeEncodeError:
        raise TranscriptError(f"line {number}: only ASCII; write other bytes as \\xNN") from None


def mask(chunks: Iterable[Chunk], key: bytes) -> list[Chunk]:
    """The same chunks with other numbers and words, cut where they were; also what a cut divided is replaced."""
    kept = list(chunks)
    said = {way: _masked_stream(b"".join(chunk.data for chunk in kept if chunk.direction == way), key) for way in "<>"}
    places = dict.fromkeys(said, 0)
    masked = []
    for chunk in kept:
        start = places[chunk.direction]
        places[chunk.direction] = end = start + len(chunk.data)
        masked.append(Chunk(chunk.at, chunk.direction, said[chunk.direction][start:end]))
    return masked


def spoken(chunks: Iterable[Chunk], key: bytes) -> list[str]:
    """The ended lines of a conversation in order, each after ``>`` or ``<``, with others' numbers and words."""
    rest: dict[Direction, bytes] = {"<": b"", ">": b""}
    lines = []
    for chunk in mask(chunks, key):
        *ended, rest[chunk.direction] = _ENDS.split(rest[chunk.direction] + chunk.data)
        lines += [f"{chunk.direction} {escape(line)}" for line in ended if line]
    return lines


def _masked_stream(data: bytes, key: bytes) -> bytes:
    parts, end = [], 0
    for start, end_of_line, line in _masked_lines(data, Mask(key)):
        parts += [data[end:start], line]
        end = end_of_line
    return b"".join([*parts, data[end:]])


def _masked_lines(data: bytes, mask: Mask) -> Iterator[tuple[int, int, bytes]]:
    for found in _CUT.finditer(data):
        line = found[0].decode("latin-1")
        prompt = _PROMPT.match(line)
        head = prompt[0] if prompt else ""
        yield found.start(), found.end(), (head + mask.line(line[len(head) :])).encode("latin-1")
