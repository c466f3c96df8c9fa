"""The report's words: numbers and times as Indonesians write them."""

from __future__ import annotations

from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from edge.monitor.rollup import UNMEASURED
from edge.monitor.verdict import Cause
from edge.report import words


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(1.0, "100%"), (0.99999, "99,99%"), (0.995, "99,50%"), (0.0, "0,00%"), (0.57, "57,00%"), (None, "–")],
)
def test_percent_never_rounds_up_to_all(share: float | None, wanted: str) -> None:
    """A month with an outage would be told as one without."""
    assert words.percent(share) == wanted


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "0 detik"),
        (59.6, "1 menit"),
        (185, "3 menit 5 detik"),
        (7_200, "2 jam"),
        (7_265, "2 jam 1 menit"),
        (4 * 86_400 + 30, "4 hari"),
        (-3, "0 detik"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, wanted: str) -> None:
    """Nobody reads 8610 seconds."""
    assert words.duration(seconds) == wanted


def test_every_cause_of_the_provider_has_words() -> None:
    """The complaint would say: another cause."""
    silent = UNMEASURED | {"", "no-targets", "target-fault"}
    assert {cause for cause in get_args(Cause) if cause not in silent} == set(words.CAUSE)
    assert words.cause("made-up") == words.OTHER_CAUSE


def test_times_name_their_zone() -> None:
    """A provider in Jakarta would read the hours of Jayapura as its own."""
    for zone, name in (
        ("Asia/Jakarta", "WIB"),
        ("Asia/Makassar", "WITA"),
        ("Asia/Jayapura", "WIT"),
        ("UTC", "UTC+0000"),
    ):
        assert words.zone_name(datetime(2026, 10, 1, tzinfo=ZoneInfo(zone))) == name
    assert words.moment(datetime(2026, 5, 3, 7, 4, 9, tzinfo=ZoneInfo("Asia/Jakarta"))) == "3 Mei 07.04.09"
    assert words.day(date(2026, 8, 17)) == "17 Agustus 2026"


@pytest.mark.parametrize(("name", "wanted"), [("pde", "PDE"), ("telkom", "Telkom"), ("lintas_arta", "Lintas arta")])
def test_uplinks_have_names(name: str, wanted: str) -> None:
    """The page would show a key of a file."""
    assert words.uplink_name(name) == wanted


def test_contracts_keep_their_fraction() -> None:
    """2,5 Mbit/s would be told as 2."""
    assert (words.contract(20.0), words.contract(2.5)) == ("20", "2,5")
    assert words.number(None) == "–"
