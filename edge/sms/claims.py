"""Pure: whose numbers stand in a message, and which letter it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.sms import identity, typos, words
from edge.sms.fields import Fields, Number

_DOCUMENTS = frozenset({"KTP", "KK", "LAHIR", "NIKAH", "BEDA"})


@dataclass(frozen=True, slots=True)
class Person:
    """The numbers of one message. `problem` tells why there is no NIK although one was meant."""

    nik: str = ""
    kk: str = ""
    kin: tuple[tuple[str, str], ...] = ()
    problem: Literal["", "length", "form"] = ""
    digits: int = 0
    flags: tuple[str, ...] = ()


def person(fields: Fields, letter: str) -> Person:
    """Tell NIK from KK number: by label, else the one with a day over 40 is the NIK, else by the letter's order."""
    kin = tuple(
        (_whose(number.label), read.value)
        for number in fields.numbers
        if letter == "LAHIR" and number.label not in ("", "nik", "kk")
        if (read := identity.read_nik(number.token.text)).value
    )
    rest = [number for number in fields.numbers if not (letter == "LAHIR" and number.label not in ("", "nik", "kk"))]
    labelled = next((number for number in rest if number.label == "kk"), None)
    if letter == "HILANG" and len(rest) == 1:
        labelled = None  # "hilang kk 3510...": the card is the thing lost, the number is the person's
    niks = [number for number in rest if number is not labelled]
    nik, kk = _pair(niks, letter)
    kk = labelled or kk
    card = kk.token.key if kk is not None and identity.is_kk(kk.token.key) else ""
    if nik is None:
        return Person(kk=card, kin=kin)
    read = identity.read_nik(nik.token.text)
    return Person(read.value, card, kin, read.problem, read.digits, read.flags if read.value else ())


def _pair(numbers: list[Number], letter: str) -> tuple[Number | None, Number | None]:
    """The NIK and the KK number among unlabelled or NIK-labelled numbers."""
    whole = [number for number in numbers if len(number.token.key) == identity.LENGTH]
    if len(whole) < 2:
        return next(iter(whole or numbers), None), None
    one, other = whole[:2]
    if one.label == "nik" or other.label == "nik":
        return (one, other) if one.label == "nik" else (other, one)
    womans = [identity.is_womans(number.token.key) for number in (one, other)]
    first_is_kk = womans[1] if womans[0] != womans[1] else letter == "KK"
    return (other, one) if first_is_kk else (one, other)


def _whose(label: str) -> str:
    return {"ibunya": "ibu", "ibune": "ibu", "ayahnya": "ayah", "bapak": "ayah"}.get(label, label)


def letters(fields: Fields) -> list[str]:
    """The letter types a message names, in its order; a weak word or a typo only where no other type is named."""
    named = list(fields.letters)
    if len(named) > 1 and named[-1] == "HILANG" and set(named[:-1]) <= _DOCUMENTS:
        return ["HILANG"]  # "ktp saya hilang": the thing lost stands before
    if named:
        return named
    weak = [key for key in fields.weak if key != "PENGANTAR"] or fields.weak
    if weak:
        return weak[:1]
    meant = typos.forgive(_first_word(fields)) or next(filter(None, map(typos.forgive, _beside_number(fields))), "")
    return [meant] if meant else []


def typo_runs(fields: Fields) -> frozenset[str]:
    """The words that `letters` took for a mistyped type: they are no part of a name."""
    if fields.letters or fields.weak:
        return frozenset()
    return frozenset(word for word in (_first_word(fields), *_beside_number(fields)) if typos.forgive(word))


def _first_word(fields: Fields) -> str:
    return next((key for key in fields.words() if key not in words.NOISE), "")


def _beside_number(fields: Fields) -> list[str]:
    beside = []
    tokens = [token for token in fields.tokens if token.kind not in ("break", "colon")]
    for place, token in enumerate(tokens):
        if token.kind == "number":
            beside += [near.key for near in tokens[max(0, place - 1) : place + 2] if near.kind == "word"]
    return beside
