from __future__ import annotations

import pytest
from hypothesis import given

from edge.modem import gsm7
from edge.modem.codec.typography import plain
from tests.unit.modem.test_gsm7 import texts


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("‘Ma’am’", "'Ma'am'"),
        ("“baik” „ya‟ «ok»", '"baik" "ya" "ok"'),
        ("07.30–12.00 — tutup", "07.30-12.00 - tutup"),
        ("tunggu…", "tunggu..."),
        ("Rp\u00a05000\u202fsaja", "Rp 5000 saja"),
        ("🎉 ā", "🎉 ā"),
    ],
)
def test_typographic_signs_become_plain(text: str, wanted: str) -> None:
    """One pasted quote would cost a second part, or a letter would be changed."""
    assert plain(text) == wanted


@given(texts)
def test_what_is_plain_stays(text: str) -> None:
    """A text that needs no change would be changed."""
    assert plain(text) == text
    assert gsm7.encodable(plain(text))
