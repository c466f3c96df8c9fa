"""Pure: one pass over a message's tokens that says what each is: letter, label, number, name word, purpose, noise.

A label opens a field that lasts to the next label, number or separator. Words after a purpose marker and in a pasted
form's foreign fields (``tgl lahir:``, ``status: kawin``, ``alamat:``) name no letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.sms import words
from edge.sms.normalise import Token, is_title

MOST_NAME_WORDS = 8


@dataclass(slots=True)
class Run:
    """Words that may be a name. `lead` is what stood before them: label, number, letter, start or other."""

    lead: str
    start: int
    tokens: list[Token] = field(default_factory=list)
    end: int = 0
    before_number: bool = False
    spoiled: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A long number and its label: nik, kk, whose it is (ibu, ayah, pelapor), or ""."""

    token: Token
    label: str


class Fields:
    """The fields of one message; building it is the pass."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.letters: list[str] = []
        self.weak: list[str] = []
        self.letter_words: dict[str, str] = {}
        self.numbers: list[Number] = []
        self.runs: list[Run] = []
        self.free: list[str] = []
        self.complaint = False
        self.purpose = ""
        self.rt: int | None = None
        self.rw: int | None = None
        self.roles: list[str] = [""] * len(tokens)
        self.tickets = [token for token in tokens if token.kind == "ticket"]
        self._run: Run | None = None
        self._field = "free"
        self._lead = "start"
        self._label = ""
        self._purpose: list[str] = []
        at = 0
        while at < len(tokens):
            at += self._step(at)
        self._close_purpose()
        self._end_run(len(tokens))

    def words(self) -> list[str]:
        """The keys of all words, whatever their field."""
        return [token.key for token in self.tokens if token.kind in ("word", "mixed")]

    def _step(self, at: int) -> int:
        """Read the token or phrase at `at`; how many tokens it took."""
        token = self.tokens[at]
        match token.kind:
            case "break":
                self._separator(at)
            case "number":
                self._take_number(at)
            case "place":
                self._role(at, "place")
                self._end_run(at)
                self.rt, self.rw = token.rt or self.rt, token.rw or self.rw
            case "word" | "mixed" | "ticket" if phrase := self._phrase(at):
                return self._take_phrase(at, *phrase)
            case "word":
                self._take_word(at)
            case "mixed" | "url":
                self._spoil(at)
            case "colon" if token.text == "=" and self._field == "free":
                self._spoil(at)
            case "short" if self._field == "purpose":
                self._purpose.append(token.text)
            case _:
                self._end_run(at)
        return 1

    def _phrase(self, at: int) -> tuple[int, str, str] | None:
        """The longest phrase of the vocabulary at `at` that may stand in this field: its length, role and value."""
        keys: list[str] = []
        ends: list[int] = []
        for place in range(at, min(len(self.tokens), at + 2 * words.LONGEST_PHRASE)):
            token = self.tokens[place]
            if token.kind in ("word", "mixed"):
                keys.append(token.key)
                ends.append(place + 1)
            elif not (keys and token.text == "."):
                break
        for length in range(min(len(keys), words.LONGEST_PHRASE), 0, -1):
            role, value = words.ROLES.get(tuple(keys[:length]), ("", ""))
            if role and self._may_stand(role, value, keys[0], ends[length - 1]):
                return ends[length - 1] - at, role, value
        return None

    def _may_stand(self, role: str, value: str, key: str, end: int) -> bool:
        following = self.tokens[end].kind if end < len(self.tokens) else ""
        if role == "ignore:":
            return following == "colon"
        if self._field != "free" and role in ("letter", "weak", "text", "complaint"):
            return value == "KK" and key == "kk" and following in ("colon", "number")
        if role == "name" and following not in ("colon", "number"):
            return self._nameable(end)
        if role == "purpose" and key == "buat":
            return not self._is_verb(end)
        return True

    def _nameable(self, at: int) -> bool:
        token = self.tokens[at] if at < len(self.tokens) else None
        return token is not None and token.kind == "word" and token.key not in words.STOP

    def _is_verb(self, end: int) -> bool:
        """Whether ``buat`` means "to make" here: nothing but noise before it, and a letter after it."""
        if self.letters or self.weak or self.numbers or self.runs or self._run is not None:
            return False
        while end < len(self.tokens) and self.tokens[end].key in words.NOISE:
            end += 1
        found = self._phrase(end)
        return found is not None and found[1] in ("letter", "weak")

    def _take_phrase(self, at: int, length: int, role: str, value: str) -> int:
        end = at + length
        colon = end < len(self.tokens) and self.tokens[end].kind == "colon"
        number = end + colon < len(self.tokens) and self.tokens[end + colon].kind == "number"
        text = " ".join(token.text for token in self.tokens[at:end] if token.kind != "break")
        if (value, text.lower()) == ("KK", "kk") and number and (colon or self.letters or self.numbers):
            role, value = "kk", ""  # "kk 3510..." beside another letter labels the family card's number
        for place in range(at, end):
            self._role(place, "letter" if role in ("letter", "weak", "text", "complaint") else "label")
        self._end_run(at)
        if role in ("letter", "weak"):
            self._take_letter(role, value, text)
        elif role == "complaint":
            self.complaint = True
        elif role != "text":
            self._open(role, value)
            return length + colon
        return length

    def _take_letter(self, role: str, value: str, text: str) -> None:
        lost = "HILANG" in self.letters
        target = self.letters if role == "letter" else self.weak
        if value not in target and not lost:
            target.append(value)
            self.letter_words[value] = text
        self._lead = "letter"

    def _open(self, role: str, value: str) -> None:
        self._close_purpose()
        self._field = {"purpose": "purpose", "ignore": "ignore", "ignore:": "ignore"}.get(role, "free")
        self._label = {"nik": "nik", "kk": "kk", "kin": value}.get(role, "")
        self._lead = "label" if role == "name" else "other"

    def _take_word(self, at: int) -> None:
        token = self.tokens[at]
        if self._field == "purpose":
            self._role(at, "purpose")
            self._purpose.append(token.text)
            return
        if self._field == "ignore":
            self._role(at, "ignore")
            return
        self.free.append(token.key)
        if token.key in words.PURPOSES and (self._run is not None or self.numbers):
            self._end_run(at)
            self._open("purpose", "")
            self._purpose.append(token.text)
        elif token.key in words.KIN and self._next_is_number(at):
            self._role(at, "label")
            self._end_run(at)
            self._label = token.key
        elif token.key in words.NOISE or token.key in words.STOP:
            self._role(at, "noise")
            self._end_run(at)
        else:
            self._role(at, "free")
            self._continue_run(at)

    def _next_is_number(self, at: int) -> bool:
        while at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "colon":
            at += 1
        return at + 1 < len(self.tokens) and self.tokens[at + 1].kind == "number"

    def _continue_run(self, at: int) -> None:
        if self._run is None:
            self._run = Run(self._lead, at)
            self._label = ""
            previous = self.tokens[at - 1] if at else None
            self._run.spoiled = previous is not None and (previous.kind in ("mixed", "url") or previous.text == "=")
        self._run.tokens.append(self.tokens[at])

    def _take_number(self, at: int) -> None:
        self._role(at, "number")
        self._end_run(at)
        if (
            self.runs
            and not self.numbers
            and all(self.roles[place] != "letter" for place in range(self.runs[-1].end, at))
        ):
            self.runs[-1].before_number = True
        self._close_purpose()
        self._field = "free"
        self.numbers.append(Number(self.tokens[at], self._label))
        self._label, self._lead = "", "number"

    def _separator(self, at: int) -> None:
        key = self.tokens[at].key
        if self._run is not None and key == "," and at + 1 < len(self.tokens) and is_title(self.tokens[at + 1].key):
            self._run.tokens.append(self.tokens[at])
            return
        self._end_run(at)
        if self._field == "purpose" and key == "," and self._purpose:
            self._purpose[-1] += ","
        elif key == "#" or (self._field == "purpose" and key == "."):
            self._close_purpose()
            self._field = "free"

    def _spoil(self, at: int) -> None:
        """A word with digits, an ``=`` or an address of the web: what touches it is no name."""
        token = self.tokens[at]
        if self._field == "purpose":
            self._purpose.append(token.text)
            return
        if token.kind == "mixed":
            self.free.append(token.key)
        if self._run is not None:
            self._run.spoiled = True
        self._end_run(at)

    def _end_run(self, at: int) -> None:
        if self._run is not None:
            self._run.end = at
            self.runs.append(self._run)
            self._run = None
            self._lead = "other"

    def _close_purpose(self) -> None:
        kept = list(self._purpose)
        while kept and kept[-1].strip(",").lower() in words.THANKS | words.NOISE:
            kept.pop()
        if kept:
            self.purpose = " ".join(kept).rstrip(",")
        self._purpose = []

    def _role(self, at: int, role: str) -> None:
        self.roles[at] = role
