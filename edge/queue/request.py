"""A service request as a frozen value, and its time-ordered identifier. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Request:
    """One request for one letter. Times are Unix seconds; `nik`, `kk`, `name`, `phone`, `purpose` are personal data."""

    id: str
    ticket: str
    letter: str
    source: Literal["sms", "desk"]
    state: str
    version: int
    nik: str = ""
    kk: str = ""
    name: str = ""
    phone: str = ""
    rt: int | None = None
    rw: int | None = None
    purpose: str = ""
    flags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    created_at: float = 0.0
    updated_at: float = 0.0

    def __repr__(self) -> str:
        """Without personal data, so that a traceback or a log line cannot leak it."""
        return f"Request({self.id}, {self.ticket}, {self.letter}, {self.state}, version {self.version})"


def uuid7(unix_ms: int, random_bits: int) -> str:
    """A UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then 74 of `random_bits`."""
    rand_a = (random_bits >> 62) & 0xFFF
    rand_b = random_bits & ((1 << 62) - 1)
    value = ((unix_ms & ((1 << 48) - 1)) << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
