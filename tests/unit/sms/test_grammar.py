from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.sms import grammar
from edge.sms.message import Draft
from tests.unit.sms import reading

EXAMPLES = reading.lines("sms-examples.jsonl") + reading.lines("sms-more.jsonl")


@pytest.mark.parametrize("line", EXAMPLES, ids=[line["text"][:40] for line in EXAMPLES])
def test_example_is_understood(line: dict[str, Any]) -> None:
    """A villager's way of writing would be misread."""
    message = reading.read(line)
    wanted = reading.expected(line)
    assert {name: getattr(message, name) for name in wanted} == wanted


DRAFTS = st.sampled_from([None, Draft("SKTM", name="SITI"), Draft("", nik="3510231203859901"), Draft("LAHIR")])
PIECES = st.sampled_from(
    [
        "sktm",
        "3510231203859901",
        "35 10",
        "nik",
        "ibu",
        ":",
        "#",
        ".",
        ",",
        "rt 3",
        "/",
        "kk",
        "utk",
        "buat",
        "nama",
        "=",
        "K47-M2",
        "batal",
        "rusak",
        "S.Pd",
        "a.n.",
        "🙏",
        "\n",
        "O1l",
        "http://x.id",
        "hilang",
        "an",
        "siti",
    ]
)


@given(text=st.text(max_size=1_000), draft=DRAFTS)
def test_any_text_is_understood_somehow(text: str, draft: Draft | None) -> None:
    """A hostile message would crash the SMS Center."""
    grammar.read(text, draft=draft, one_time_words=("SAWAH",), signature="-Desa Sumberberas")


@given(pieces=st.lists(PIECES, max_size=60), glue=st.sampled_from(["", " "]), draft=DRAFTS)
def test_any_mix_of_its_own_words_is_understood_somehow(pieces: list[str], glue: str, draft: Draft | None) -> None:
    """A message made of the grammar's own words in a strange order would crash the SMS Center."""
    message = grammar.read(glue.join(pieces), draft=draft)
    assert len(message.name) <= 60
    assert len(message.purpose) <= 120
    assert message.nik == "" or len(message.nik) == 16


@settings(max_examples=40, deadline=None)
@given(piece=st.one_of(PIECES, st.text(min_size=1, max_size=6)))
def test_a_long_message_costs_no_more_than_its_length(piece: str) -> None:
    """A message built against the scanner would hold the writer thread."""
    text = (piece * 1_000)[:1_000]
    started = time.process_time()
    grammar.read(text)
    assert time.process_time() - started < 2


def test_messages_show_nothing_personal_in_a_traceback() -> None:
    """A NIK or a name would reach the log through repr()."""
    shown = repr(grammar.read("skck 3510231203859901 sugeng")) + repr(Draft("SKCK", nik="3510231203859901"))
    assert "3510" not in shown
    assert "sugeng" not in shown.lower()
