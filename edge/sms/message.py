"""Pure: what a message was understood as, and what a citizen's unfinished request holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Command = Literal["", "STATUS", "CANCEL", "INFO", "HELP", "STOP", "START", "RECAP"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message understood. Empty fields were not said.

    `reply` is the code of the answer where the text alone decides it. `other_letter` is the second type of a message
    that names two; `digits` is how many digits stood where a NIK was meant; `kin` are NIKs of a parent or of who
    reports, with whose they are; `ticket_text` is a ticket as it was typed (its check may fail, then `ticket` is "");
    `why` says why a message is ignored or what made it a call for help: thanks, automatic, promotion, loop, asked,
    empty, unknown.
    """

    kind: Literal["request", "ask", "command", "answer", "staff", "ignore"]
    letter: str = ""
    other_letter: str = ""
    nik: str = ""
    kk: str = ""
    name: str = ""
    rt: int | None = None
    rw: int | None = None
    purpose: str = ""
    flags: tuple[str, ...] = ()
    kin: tuple[tuple[str, str], ...] = ()
    reply: str = ""
    digits: int = 0
    command: Command = ""
    ticket: str = ""
    ticket_text: str = ""
    answer: Literal["", "yes", "no"] = ""
    word: str = ""
    why: str = ""

    def __repr__(self) -> str:
        return f"Message({self.kind}, {self.command or self.reply or self.letter or self.why})"


@dataclass(frozen=True, slots=True)
class Draft:
    """A request that waits for more of its fields; `letter` may be what is missing."""

    letter: str = ""
    nik: str = ""
    kk: str = ""
    name: str = ""
    rt: int | None = None
    rw: int | None = None
    purpose: str = ""
    flags: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Draft({self.letter})"
