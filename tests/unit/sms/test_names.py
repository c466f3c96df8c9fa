from __future__ import annotations

import pytest

from edge.sms import names
from edge.sms.fields import Fields
from edge.sms.normalise import tokens

NIK = "3510231203859901"


def name(text: str) -> str:
    run = names.choose(Fields(tokens(text)))
    return names.written(run) if run is not None else ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"skck {NIK} sugeng hariyanto", "SUGENG HARIYANTO"),
        (f"skck sugeng {NIK}", "SUGENG"),
        (f"skck dwi nama siti {NIK} budi", "SITI"),
        (f"skck {NIK} mbah saimun", "SAIMUN"),
        (f"skck {NIK} Hj. Sri Wahyuni, S.Pd", "HJ. SRI WAHYUNI, S.PD"),
        (f"skck {NIK} bud1", ""),
        (f"skck {NIK} m", ""),
        (f"skck {NIK} a b c d e f g h i j", ""),
        ("skck", ""),
    ],
)
def test_the_likeliest_words_are_the_name(text: str, wanted: str) -> None:
    """A letter would be made out to the wrong words."""
    assert name(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("sugeng hariyanto", "SUGENG HARIYANTO"), ("ya sugeng", ""), ("kapan jadi", ""), ("sugeng # budi", ""), ("", "")],
)
def test_only_a_message_that_is_nothing_else_is_a_name(text: str, wanted: str) -> None:
    """Any sentence would complete an unfinished request."""
    assert names.all_name(Fields(tokens(text))) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"skck#{NIK}#sugeng#lamar kerja", "lamar kerja"),
        (f"skck#{NIK}#sugeng#dusun krajan", ""),
        (f"skck#{NIK}#sugeng#makasih pak", ""),
        (f"skck#{NIK}#sugeng#081234567001", ""),
        (f"skck {NIK} sugeng", ""),
    ],
)
def test_the_field_after_the_name_is_the_purpose(text: str, wanted: str) -> None:
    """A purpose without a marker would be lost, or an address become one."""
    fields = Fields(tokens(text))
    assert names.after(fields, names.choose(fields)) == wanted
