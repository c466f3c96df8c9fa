"""The desk's body: what is accepted, and that a mistake names its field and repeats nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.queue import lifecycle
from edge.queue.desk import NewRequest
from edge.sms.letters import LETTERS
from edge.web import form
from tests.unit.web.serving import BODY

SECRET = "3510054107859902"


def encoded(**changes: object) -> bytes:
    return msgspec.json.encode({**BODY, **changes})


@pytest.mark.parametrize("letter", sorted(LETTERS))
def test_every_letter_type_is_accepted(letter: str) -> None:
    """The desk could not file a letter that an SMS can."""
    assert form.REQUEST.read(encoded(letter=letter)).letter == letter


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "H. Moh. Sa'adi, S.Pd"},
        {"name": "Nur-Aini D’Arc"},
        {"name": "Ni Luh Āryā"},
        {"kk": "3510051503109902", "rt": 3, "rw": 999, "phone": "+6281234567890"},
        {"nik": "", "letter": "LAHIR"},
        {"nik": "0351005200100001"},
        {"purpose": "syarat KIP-Kuliah 2026/2027 (anak ke-2)"},
    ],
)
def test_what_people_have_is_accepted(changes: dict[str, object]) -> None:
    """An officer would be turned away with a right name or number."""
    assert form.REQUEST.read(encoded(**changes)) == msgspec.convert({**BODY, **changes}, NewRequest)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"letter": "PASPOR"}, "letter"),
        ({"letter": "sktm"}, "letter"),
        ({"letter": 7}, "letter"),
        ({"nik": "351005410785990"}, "nik"),
        ({"nik": SECRET + "\n"}, "nik"),
        ({"nik": "3510053201859902"}, "nik"),
        ({"nik": "3510054107850000"}, "nik"),
        ({"nik": ""}, "nik"),
        ({"nik": None}, "nik"),
        ({"name": "S"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "Budi 3510"}, "name"),
        ({"name": "<b>Budi</b>"}, "name"),
        ({"name": "Budi\n"}, "name"),
        ({"name": "Budi\u202eidub"}, "name"),
        ({"name": "Budi\x00"}, "name"),
        ({"kk": "3510054107859902"}, "kk"),
        ({"kk": "3510"}, "kk"),
        ({"phone": "081234567890"}, "phone"),
        ({"phone": "+6281234567890\n"}, "phone"),
        ({"rt": 0}, "rt"),
        ({"rw": 1000}, "rw"),
        ({"rw": "1"}, "rw"),
        ({"rt": 1.5}, "rt"),
        ({"purpose": "a\u0007b"}, "purpose"),
        ({"purpose": "p" * 201}, "purpose"),
        ({"extra": SECRET}, ""),
        ({SECRET: 1}, ""),
    ],
)
def test_a_mistake_names_its_field_and_repeats_no_value(changes: dict[str, object], field: str) -> None:
    """The desk would not know what to correct, or a NIK would travel back in an error."""
    with pytest.raises(form.Unfit) as refused:
        form.REQUEST.read(encoded(**changes))
    assert [error.field for error in refused.value.errors] == [field]
    said = " ".join(error.message for error in refused.value.errors) + str(refused.value)
    assert not any(str(value) in said for value in changes.values() if len(str(value)) > 4)
    assert SECRET not in said


@pytest.mark.parametrize("field", ["letter", "nik", "name"])
def test_a_missing_field_is_named(field: str) -> None:
    """A field left out would be reported as a mistake of another."""
    with pytest.raises(form.Unfit) as refused:
        form.REQUEST.read(msgspec.json.encode({key: value for key, value in BODY.items() if key != field}))
    assert [error.field for error in refused.value.errors] == [field]


def test_all_wrong_values_are_named_at_once() -> None:
    """The desk would correct one field after the other, a refusal each."""
    with pytest.raises(form.Unfit) as refused:
        form.REQUEST.read(encoded(letter="PASPOR", nik="3510054107850000", name="444", kk="3510054107859902"))
    assert [error.field for error in refused.value.errors] == ["letter", "nik", "name", "kk"]


def test_wrong_types_hide_no_other_mistake() -> None:
    """The desk would correct a type, only to be refused for the next field."""
    body = {"nik": 35, "name": "444", "kk": "3510054107859902", "phone": "0812", "rt": 0, SECRET: 1}
    with pytest.raises(form.Unfit) as refused:
        form.REQUEST.read(msgspec.json.encode(body))
    assert [error.field for error in refused.value.errors] == ["letter", "nik", "name", "kk", "phone", "rt", ""]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"7"])
def test_other_json_is_unfit(body: bytes) -> None:
    """A body that is JSON but no object would be taken for a request."""
    with pytest.raises(form.Unfit):
        form.REQUEST.read(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"letter=SKTM",
        b"\xff\xfe",
        b'{"name": "\xff\xff"}',
        b'{"name": "\\ud800"}',
        msgspec.json.encode(BODY) + b"{}",
        b"<xml/>",
    ],
)
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    """Bytes that are no JSON would crash the handler instead of being refused."""
    with pytest.raises(form.Malformed, match="the JSON cannot be read"):
        form.REQUEST.read(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    """Garbage would raise something that the handler does not expect."""
    try:
        assert form.REQUEST.read(body).letter in LETTERS
    except (form.Malformed, form.Unfit):
        return


def test_deep_nesting_is_refused() -> None:
    """A body of brackets would exhaust the stack."""
    for body in (b"[" * 60_000, b'{"name":' * 8_000, b'{"zz":' + b"[" * 60_000):
        with pytest.raises((form.Malformed, form.Unfit)):
            form.REQUEST.read(body)


def test_every_field_of_a_request_has_its_rule() -> None:
    """A field added to the request would be refused without saying what is right."""
    assert set(form.RULES) == {field.name for field in msgspec.structs.fields(NewRequest)}


def test_the_programmers_page_names_every_field_letter_and_state() -> None:
    """A programmer would learn of a field, a letter or a state only from a refusal or an answer."""
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
    words = {*form.RULES, *LETTERS, *lifecycle.STATES}
    assert [word for word in sorted(words) if f"`{word}`" not in text] == []
