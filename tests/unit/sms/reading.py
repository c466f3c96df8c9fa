"""Reads the example files: what a line's sender writes, and what is expected of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge.sms import grammar
from edge.sms.message import Draft, Message

DATA = Path(__file__).parents[2] / "data"
_COMMAND_SENDERS = ("citizen", "stranger", "rt", "operator")


def lines(name: str) -> list[dict[str, Any]]:
    text = (DATA / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def read(line: dict[str, Any]) -> Message:
    """The message of a line, read after the one it says it follows."""
    draft = None
    if "after" in line:
        draft = as_draft(grammar.read(line["after"]))
    return grammar.read(
        line["text"],
        alphanumeric=line["from"] not in _COMMAND_SENDERS,
        one_time_words=(line["word"],) if "word" in line else (),
        draft=draft,
        signature=line.get("signature", ""),
    )


def as_draft(message: Message) -> Draft:
    names = ("letter", "nik", "kk", "name", "rt", "rw", "purpose", "flags")
    return Draft(**{name: getattr(message, name) for name in names})


def expected(line: dict[str, Any]) -> dict[str, Any]:
    wanted = dict(line["expect"])
    if "flags" in wanted:
        wanted["flags"] = tuple(wanted["flags"])
    if "kin" in wanted:
        wanted["kin"] = tuple((whose, nik) for whose, nik in wanted["kin"])
    return wanted
