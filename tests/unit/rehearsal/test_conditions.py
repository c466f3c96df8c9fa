"""Conditions of links from CSV: what is read, and one sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rehearsal import scene
from edge.rehearsal.conditions import COLUMNS, MOST_TOLD, BadConditions, Condition, load, parse

HEADER = ",".join(COLUMNS)
LINES = scene.default().lines
KNOWN_OF_PDE = "Known of pde: *, gateway, dns, http, 10.35.0.10, 10.35.1.10, 9.9.9.9, 149.112.112.112."


def read(*rows: str) -> list[Condition]:
    return parse("\n".join((HEADER, *rows, "")), LINES)


def test_a_row() -> None:
    """A field would be taken for another."""
    assert read("1.5,pde,9.9.9.9,0.3,0.5,40,5,8,2") == [Condition(1.5, "pde", "9.9.9.9", 0.3, 0.5, 40, 5, 8, 2)]


def test_empty_fields_are_healthy() -> None:
    """A row would have to repeat what it does not change."""
    assert read("0,telkom,*,,,,,,") == [Condition(0.0, "telkom", "*")]


def test_rows_are_put_in_order_and_keep_the_files_order_within() -> None:
    """A file written uplink by uplink would be refused or misread."""
    rows = read("5,pde,*,1,,,,,", "", "0,telkom,*,,,,,,", "5,pde,gateway,0,,,,,")
    assert [(row.start_s, row.target) for row in rows] == [(0, "*"), (5, "*"), (5, "gateway")]


def test_spreadsheets_marks_are_harmless() -> None:
    """What a spreadsheet saves would be refused."""
    assert parse(f"\ufeff{HEADER}\r\n0, pde ,*,0.1,,,,,\r\n".removeprefix("\ufeff"), LINES)[0].loss == 0.1


MISTAKES = {
    "30 percent": (
        "0,pde,*,30,,,,,",
        "line 2: loss is '30'. Write a number from 0 to 1 (a share; 30 % is 0.3), or nothing.",
    ),
    "not a number": (
        "0,pde,*,,,fast,,,",
        "line 2: rtt_ms is 'fast'. Write a number from 0 to 60000 (milliseconds), or nothing.",
    ),
    "nan": (
        "nan,pde,*,,,,,,",
        "line 2: start_s is 'nan'. Write a number from 0 to 1e+09 (seconds from the beginning).",
    ),
    "negative": (
        "0,pde,*,,,,,-1,",
        "line 2: rate_mbit is '-1'. Write a number from 0 to 10000 (Mbit/s), or nothing.",
    ),
    "no start": (",pde,*,,,,,,", "line 2: start_s is empty. Write the seconds from the beginning."),
    "short": ("0,pde,*", f"line 2: 3 fields, wanted 9. Write {HEADER}; some may be empty."),
    "unknown uplink": ("0,pdx,*,,,,,,", "line 2: uplink is 'pdx'. Known: pde, telkom."),
    "unknown target": ("0,pde,8.8.8.8,,,,,,", f"line 2: target is '8.8.8.8'. {KNOWN_OF_PDE}"),
    "no target": ("0,pde,,,,,,,", f"line 2: target is ''. {KNOWN_OF_PDE}"),
}


@pytest.mark.parametrize(("row", "said"), MISTAKES.values(), ids=MISTAKES)
def test_every_mistake_has_its_sentence(row: str, said: str) -> None:
    """Whoever writes the file would not know what to change."""
    with pytest.raises(BadConditions) as caught:
        read(row)
    assert caught.value.mistakes == (said,)


def test_every_mistake_is_told_at_once_within_limits() -> None:
    """Mistakes would be mended one run at a time, or flood the terminal."""
    with pytest.raises(BadConditions) as caught:
        read("x,pde,*,2,,,,,", "0,nobody,*,,,,,,")
    assert len(caught.value.mistakes) == 3
    with pytest.raises(BadConditions) as caught:
        read(*["0,pde"] * 1_000)
    assert len(caught.value.mistakes) == MOST_TOLD


@pytest.mark.parametrize("text", ["", "start_s,uplink\n", "0,pde,*,,,,,,\n", f"{HEADER},extra\n"])
def test_the_header_is_told(text: str) -> None:
    """A file without its header would lose its first row."""
    with pytest.raises(BadConditions, match="line 1: the header is"):
        parse(text, LINES)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    """A workbook instead of CSV would crash the command."""
    path = tmp_path / "c.csv"
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(BadConditions, match="UTF-8"):
        load(path, LINES)
    path.write_text(f'{HEADER}\n0,"pde,*\n')
    with pytest.raises(BadConditions, match="line"):
        load(path, LINES)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.csv", LINES)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """An odd file would crash the command."""
    for content in (text, f"{HEADER}\n{text}"):
        try:
            rows = parse(content, LINES)
        except BadConditions:
            continue
        assert all(row.uplink in ("pde", "telkom") for row in rows)
