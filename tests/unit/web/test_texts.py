"""The page's catalogue: complete, and numbers and times as people say them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from edge import events, marks
from edge.queue import lifecycle
from edge.web import texts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 detik"),
        (0, "0 detik"),
        (59.9, "59 detik"),
        (60, "1 menit"),
        (3_599, "59 menit"),
        (3_600, "1 jam"),
        (7_500, "2 jam 5 menit"),
        (86_399, "23 jam 59 menit"),
        (86_400, "1 hari"),
        (90_000, "1 hari 1 jam"),
        (40 * 86_400, "40 hari"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """An officer would misread how long something lasts."""
    assert texts.duration(seconds) == words


def test_ago() -> None:
    """A figure of some seconds would flicker at every refresh."""
    assert [texts.ago(s) for s in (0, 9.9, 10, 180)] == ["baru saja", "baru saja", "10 detik lalu", "3 menit lalu"]


def test_numbers_have_a_decimal_comma() -> None:
    """12.5 reads as a thousand and more in Indonesia."""
    assert (texts.number(12.46, 1), texts.number(12.46), texts.number(0)) == ("12,5", "12", "0")


def test_money_and_days() -> None:
    """25000 without its point is misread, and 2026-12-01 is not how anybody says a day."""
    assert [texts.rupiah(amount) for amount in (0, 999, 25_000, 1_250_000)] == [
        "Rp 0",
        "Rp 999",
        "Rp 25.000",
        "Rp 1.250.000",
    ]
    assert [texts.day(date) for date in ("2026-12-01", "2026-13-01", "soon")] == [
        "1 Des 2026",
        "belum diketahui",
        "belum diketahui",
    ]


def test_uplink_names() -> None:
    """The page would show the configuration's spelling instead of a name."""
    assert [texts.uplink_name(n) for n in ("pde", "telkom", "fo_2")] == ["PDE", "Telkom", "Fo 2"]


def test_whom_a_condition_is_about() -> None:
    """PDE's gateway would be called Pde gateway, and an address lose its spelling."""
    assert [texts.subject("uplink-down", s) for s in ("", "telkom", "pde gateway", "fo_2 tcp://a_b:1", "up")] == [
        "",
        "Telkom",
        "PDE gateway",
        "Fo 2 tcp://a_b:1",
        "UP",
    ]


def test_what_the_program_names_is_said_in_words() -> None:
    """The office would read that the portal cannot be reached: UP, and that a part named scrub is started again."""
    said = (
        ("upstream-unreachable", "up", "pengiriman"),
        ("upstream-unreachable", "down", "penerimaan kabar"),
        ("upstream-certificate", "own", "milik kotak ini"),
        ("modem-missing", "modem", ""),
        ("modem-missing", "cadangan", "Cadangan"),
        ("part-crashed", "forwarder", "pengiriman ke portal"),
        ("part-crashed", "monitor pde", "pemantau jalur PDE"),
    )
    for code, name, words in said:
        assert texts.subject(code, name) == words


def test_every_part_of_the_daemon_has_its_words() -> None:
    """A part that was added would be told to the office by its name in the code."""
    rooms = ("parts", "network", "service")
    text = "".join((Path(texts.__file__).parents[1] / f"{room}.py").read_text() for room in rooms)
    names = set(re.findall(r'"([a-z]+)(?: \{[^"]*)?": (?:self\.|lambda|upkeep\.|scrub\.)|parts\[f?"([a-z]+)', text))
    found = {name for pair in names for name in pair if name}
    assert {"traffic", "monitor", "sms", "forwarder", "web"} <= found <= set(texts.PART)


def test_every_state_has_its_word() -> None:
    """A request would show as unknown on the page."""
    assert set(texts.REQUEST_STATE) >= lifecycle.STATES


def test_every_level_and_class_has_its_word() -> None:
    """An uplink or a class would show in English or not at all."""
    assert set(texts.LEVEL) == set(get_args(events.Level))
    assert set(texts.CLASS) == set(marks.CLASSES)
