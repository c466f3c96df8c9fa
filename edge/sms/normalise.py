"""Pure: a message's text to the tokens it is read as.

Villagers know two grammars: SIM registration (``REG NIK#NoKK#``) and top-up agents (``S10.0812xxxx.1234``). So
``# * . , ; : / |``, tab and newline all separate, though not inside names, titles or numbers. Long numbers come in
groups and with letters for digits. One bounded scanner cuts all of this; it looks at each character a bounded number of
times, so a hostile text costs no more than a friendly one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from edge.queue import ticket
from edge.sms import identity

MOST_CHARACTERS = 1_600
Kind = Literal["word", "mixed", "number", "phone", "short", "ticket", "place", "url", "break", "colon"]

_QUOTES = str.maketrans(
    {"\u2018": "'", "\u2019": "'", "`": "'", "\u00b4": "'", "\u2013": "-", "\u2014": "-", "\t": "\n", "\r": "\n"}
)
_NOISE = frozenset({"So", "Sk", "Cs", "Co", "Cn", "Cf", "Mn", "Me", "Cc"})
_LONG_RUN = re.compile(r"(?<![0-9])([0-9]{12,40})(?![0-9])")
_FUZZY = "[0-9OoQIiLlSsBZz]"
_SCANNER = re.compile(
    r"""
      (?P<url>(?:https?://|www\.)\S{1,300}|[A-Za-z0-9\-]{1,40}\.(?:com|net|org|id|ly|me|co)(?![A-Za-z])(?:/\S{0,300})?)
    | (?P<place>
        \brt\s{0,3}/\s{0,3}rw\b[\s.:=]{0,4}(?P<rt1>\d{1,3})[\s/.,\-]{1,4}(?P<rw1>\d{1,3})(?![\d])
      | \brt[\s.:=]{0,4}(?P<rt2>\d{1,3})[\s.,/;\-]{0,4}rw[\s.:=]{0,4}(?P<rw2>\d{1,3})(?!\d)
      | \brt[\s.:=]{0,4}(?P<rt3>\d{1,3})\s?/\s?(?P<rw3>\d{1,3})(?!\d)
      | \brt[\s.:=]{0,4}(?P<rt4>\d{1,3})(?!\d)
      | \brw[\s.:=]{0,4}(?P<rw5>\d{1,3})(?!\d)
      | (?<![\d/.\-])(?P<rt6>\d{2,3})\s?/\s?(?P<rw6>\d{2,3})(?![\d/\-])
      )
    | (?P<ticket>(?<![A-Za-z0-9])[A-Za-z][0-9OoIl]{2}[ ]?-?[ ]?[A-Za-z][0-9OoIl](?![A-Za-z0-9]))
    | (?P<digits>
        (?<![A-Za-z0-9])\+?(?=[A-Za-z]{0,4}[0-9])FUZZY{1,40}(?![A-Za-z0-9])
        (?:[ .\-]{1,2}(?=[A-Za-z]{0,4}[0-9])FUZZY{1,40}(?![A-Za-z0-9])){0,12}
      )
    | (?P<word>a/n\b|[^\W\d_]{1,40}(?:['.\-][^\W\d_]{1,40}){0,8}(?!\w))
    | (?P<mixed>\w{1,60})
    | (?P<colon>[:=])
    | (?P<hard>[\n\#;|*])
    | (?P<soft>[.,/?!&()"+<>\[\]{}\-])
    """.replace("FUZZY", _FUZZY),
    re.VERBOSE | re.IGNORECASE,
)
_PIECE = re.compile(r"[^ .\-]+")
_TITLE = re.compile(r"[a-z](?:\.[a-z]{1,3})+")
_TITLES = frozenset(
    {"s.pd", "s.pd.i", "s.h", "s.e", "s.kom", "s.kep", "s.ag", "s.sos", "s.t", "s.p", "s.si", "s.ip", "s.hum", "s.farm"}
    | {"m.pd", "m.si", "m.m", "m.h", "m.kes", "m.kom", "m.ag", "a.md", "a.ma", "amd", "amd.keb", "spd", "r.a", "a.n"}
)
_DOTTED = frozenset({"h", "hj", "moh", "muh", "mohd", "m", "drs", "dra", "dr", "ir", "kh", "st", "r", "s", "a"})


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a message. `text` is as written, `key` is what it is compared by (lower case, digits joined).

    `rt` and `rw` belong to a place. A break's key is ``#`` (a new field), ``,`` or ``.`` (softer ones).
    """

    kind: Kind
    text: str
    key: str
    rt: int | None = None
    rw: int | None = None


def simplify(text: str) -> str:
    """The text without emoji, control characters and fancy quotes, in NFKC, cut to `MOST_CHARACTERS`."""
    plain = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS].translate(_QUOTES))[:MOST_CHARACTERS]
    return "".join(c if c == "\n" or unicodedata.category(c) not in _NOISE else " " for c in plain)


def tokens(text: str) -> list[Token]:
    """Cut `text` into tokens; at most a few hundred, however long it is."""
    spaced = _LONG_RUN.sub(r" \1 ", simplify(text))
    found: list[Token] = []
    for match in _SCANNER.finditer(spaced):
        read = _read(match)
        if read[0].text == "." and found and _takes_a_dot(found[-1]):
            found[-1] = replace(found[-1], text=found[-1].text + ".")
        else:
            found += read
    return found


def squeeze(text: str) -> str:
    """What two copies of one message share: no case, no spacing, no punctuation."""
    return "".join(c for c in simplify(text).casefold() if c.isalnum())


def _read(match: re.Match[str]) -> list[Token]:
    text, kind = match[0], match.lastgroup
    groups = match.groupdict()
    for name in ("url", "place", "ticket", "digits", "word", "mixed", "colon", "hard", "soft"):
        if groups[name] is not None:
            kind = name
            break
    match kind:
        case "place":
            return [_place(text, groups)]
        case "ticket":
            return _ticket(text)
        case "digits":
            return _numbers(text)
        case "word":
            return _words(text)
        case "hard":
            return [Token("break", text, "#")]
        case "soft":
            return [Token("break", text, "," if text in ',()"&' else ".")]
        case "colon":
            return [Token("colon", text, ":")]
        case "url":
            return [Token("url", text, text.lower())]
        case _:
            return [Token("mixed", text, text.lower())]


def _place(text: str, groups: dict[str, str | None]) -> Token:
    rt = next((int(groups[name] or 0) for name in ("rt1", "rt2", "rt3", "rt4", "rt6") if groups[name]), None)
    rw = next((int(groups[name] or 0) for name in ("rw1", "rw2", "rw3", "rw5", "rw6") if groups[name]), None)
    return Token("place", text, "place", rt or None, rw or None)


def _ticket(text: str) -> list[Token]:
    """A ticket whose check holds; with a hyphen also one that was mistyped (its key is empty then)."""
    read = ticket.read(text.replace(" ", ""))
    if read is not None:
        return [Token("ticket", text, read)]
    if any(c.isdigit() for c in text[1:3]) and (text[-1].isdigit() or "-" in text):
        return [Token("ticket", text, "")]
    return [Token("mixed" if any(c.isdigit() for c in text) else "word", text, text.lower())]


def _words(text: str) -> list[Token]:
    """Words joined by dots are several, unless they are a title or initials."""
    key = text.lower()
    if "." not in key or key in _TITLES or _TITLE.fullmatch(key):
        return [Token("word", text, key)]
    pieces = text.split(".")
    dotted = [piece + "." if piece.lower() in _DOTTED else piece for piece in pieces[:-1]] + pieces[-1:]
    return [Token("word", piece, piece.lower().rstrip(".")) for piece in dotted]


def is_title(key: str) -> bool:
    """Whether a word (its key) is an academic title, which may follow a name after a comma."""
    return key in _TITLES or _TITLE.fullmatch(key) is not None


def _takes_a_dot(token: Token) -> bool:
    return token.kind == "word" and (token.key in _DOTTED or is_title(token.key)) and token.text[-1] != "."


def _numbers(text: str) -> list[Token]:
    """One run of digit groups: 16 digits together are one number, whatever the grouping."""
    pieces = _PIECE.findall(text)
    found: list[Token] = []
    at = 0
    while at < len(pieces):
        end = _sixteen(pieces, at)
        if end:
            found.append(_number(" ".join(pieces[at:end])))
            at = end
            continue
        rest = at + 1
        while rest < len(pieces) and not _sixteen(pieces, rest):
            rest += 1
        found += _leftover(pieces[at:rest])
        at = rest
    return found


def _sixteen(pieces: list[str], at: int) -> int:
    """The end of the pieces from `at` on that make exactly 16 digits, at least 10 of them real; 0 if none do."""
    length = real = 0
    for end in range(at, len(pieces)):
        piece = pieces[end]
        digits = sum(c.isdigit() for c in piece)
        length, real = length + len(piece), real + digits
        if length >= identity.LENGTH or not digits:
            return end + 1 if length == identity.LENGTH and digits and real >= 10 else 0
    return 0


def _leftover(pieces: list[str]) -> list[Token]:
    """Digit groups that make no 16: a phone number, a NIK of a wrong length, or small numbers and words."""
    joined = "".join(pieces)
    real = sum(c.isdigit() for c in joined)
    if real >= 9 and identity.read_phone(joined):
        return [Token("phone", joined, "phone")]
    if real >= 9 and real * 4 >= len(joined) * 3 and all(any(c.isdigit() for c in piece) for piece in pieces):
        return [_number(joined)]
    return [
        Token("short", piece, piece)
        if piece.isdigit()
        else Token("mixed" if any(c.isdigit() for c in piece) else "word", piece, piece.lower())
        for piece in pieces
    ]


def _number(text: str) -> Token:
    return Token("number", text, identity.as_digits(text))
