"""Keys, types and ranges of the configuration file, one mistake a file."""

import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import Config, Device, Modem, Monitor, Uplink
from edge.config_host import check_host
from edge.config_meaning import check_meaning
from edge.config_networks import check_networks
from edge.config_problem import Findings
from edge.config_shape import allowed, masked, read_table, shown
from tests.unit.config_mistakes import DATA, EXPLAINED, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "choice": [
        ("mode", '"bridge" is not "router" or "beside"', EXPLAINED),
    ],
    "length": [
        ("village.name", '"S" is not text of 2 to 24 characters', EXPLAINED),
    ],
    "listen-nowhere": [
        ("web.listen", "has 0 entries, wanted at least 1", "Add or remove entries."),
    ],
    "missing-key": [
        ("uplink[1].gateway", "is missing", "Add it: text."),
    ],
    "missing-section": [
        ("classes.control", "is missing", "Add it: a table."),
    ],
    "no-uplink": [
        ("uplink", "has 0 entries, wanted 1 to 8", "Add or remove entries."),
    ],
    "pattern-modem": [
        (
            "modem.device",
            '"ttyUSB0" is not a path from / on, usb:VVVV:PPPP, usb:VVVV:PPPP:SERIAL or imei: and 15 digits',
            EXPLAINED,
        ),
    ],
    "pattern-code": [
        ("village.code", '"35.10.05.2001" is not the 10 digits of a village code, without dots', EXPLAINED),
    ],
    "pattern-name": [
        (
            "uplink[2].name",
            '"Telkom Fibre" is not a name of 1 to 12 lower-case letters, digits and _, a letter first',
            EXPLAINED,
        ),
    ],
    "pattern-phone": [
        ("sms.heads[1].phone", '"08110...01" is not a phone number such as +628123456789, without spaces', EXPLAINED),
    ],
    "pattern-time": [
        ("sms.quiet_from", '"9 pm" is not a time of day from 00:00 to 23:59', EXPLAINED),
    ],
    "pattern-url": [
        (
            "upstream.url",
            '"http://portal.example" is not an https:// or tls:// address without a closing slash',
            EXPLAINED,
        ),
    ],
    "range-high": [
        ("policy.headroom_percent", "101.5 is not a number from 50 to 100", EXPLAINED),
    ],
    "range-low": [
        ("monitor.interval_ms", "0 is not a whole number from 50 to 10000", EXPLAINED),
    ],
    "range-nan": [
        ("monitor.window_s", "nan is not a number from 2 to 600", EXPLAINED),
    ],
    "secret": [
        (
            "upstream.api_key",
            "is no setting of this program",
            "Secrets do not belong here: give desk-key, portal-key, store-key, sim-pin, snmp-NAME as credentials.",
        ),
    ],
    "type-item": [
        ("uplink[1].targets[2]", "9 is not text", EXPLAINED),
    ],
    "type-list": [
        ("uplink[1].targets", '"10.35.0.10" is not a list', "Write the value in [ and ]."),
    ],
    "type-number": [
        ("uplink[1].download_mbit", '"10" is not a number from 0.1 to 10000', EXPLAINED),
    ],
    "type-table": [
        ("monitor", "a list is not a table", "Write its keys under [monitor]."),
    ],
    "type-text": [
        ("village.name", "12 is not text of 2 to 24 characters", EXPLAINED),
    ],
    "type-truth": [
        ("modem.baud", "true is not a whole number from 1200 to 921600", EXPLAINED),
    ],
    "unknown-key": [
        ("uplink[1].uplod_mbit", "is no setting of this program", "Did you mean upload_mbit?"),
    ],
    "unknown-section": [
        (
            "dashboard",
            "is no setting of this program",
            (
                "Remove it; known here: village, uplink, classes, mode, state_dir, run_dir, monitor, calendar, policy, "
                "store, sms, web, snmp, tunnel, modem, upstream."
            ),
        ),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an operator would search a village's file for a mistake the program has already found."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (Device, "a network device's name of 1 to 15 letters, digits and _.-"),
        (tuple[str, ...], "a list, each text"),
        (dict[str, float], "a table, each value a number"),
        (Modem | None, "a table"),
    ],
)
def test_types_are_told_in_words(kind: Any, words: str) -> None:
    """A regular expression or a Python type would mean nothing to an operator."""
    assert allowed(kind) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("desa", '"desa"'),
        (False, "false"),
        (1.50, "1.5"),
        (10**400, "a number of about 10^400"),
        ([1], "a list"),
        ({}, "a table"),
        ("x" * 100, '"' + "x" * 44 + "..."),
        ("https://user:secret@host/", '"https://...@host/"'),
    ],
)
def test_values_are_shown_as_toml_writes_them_and_bounded(value: object, text: str) -> None:
    """A long value would flood the log, a password in an address would stand in it."""
    assert shown(value) == text


def test_phone_numbers_are_masked() -> None:
    """A mistyped number is still somebody's number and may not stand in the log."""
    assert masked("+6281100000301") == '"+6281...01"'
    assert masked("0811") == '"..."'


def test_what_is_well_formed_comes_back_beside_what_is_not() -> None:
    """The checks of meaning would stay silent until every key is right, and mistakes come one round at a time."""
    findings = Findings("f")
    table = read_table({"name": "pde", "device": 5, "targets": ["1.1.1.1", 2]}, Uplink, "uplink[1]", findings)
    assert table == {
        "name": "pde",
        "targets": ["1.1.1.1", None],
        "anchors": [],
        "pinned": [],
        "resolvers": [],
        "gateway6": "",
    }
    assert len(findings.problems) == 5


def test_defaults_are_the_ones_of_the_structs() -> None:
    """The checks of meaning would compare thresholds that the daemon does not use."""
    findings = Findings("f")
    table = read_table({}, Monitor, "monitor", findings)
    assert table == {name: getattr(Monitor(), name) for name in Monitor.__struct_fields__}
    assert not findings.problems


_LEAF = st.sampled_from(
    [None, True, 0, -1, 10**30, 0.5, float("nan"), float("inf"), "", "x", "10.0.0.0/8", "pde", "é\0"]
)
_KEYS = st.sampled_from([*Config.__struct_fields__, "name", "device", "service", "wifi", "cap_mbit", "heads", "x", ""])
_DATA = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(_KEYS, _DATA, max_size=4))
def test_any_table_is_judged_without_a_crash(data: dict[str, object]) -> None:
    """A file nobody thought of would end in a traceback."""
    findings = Findings("f")
    read_table(data, Config, "", findings)
    assert findings.broken


@given(st.data())
def test_one_strange_value_anywhere_is_judged_without_a_crash(data: st.DataObject) -> None:
    """The checks of meaning would stumble over a key that another check refused."""
    table = tomllib.loads((DATA / "warning-kind.toml").read_text())
    spot: Any = table
    while isinstance(spot, (dict, list)) and spot:
        keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(spot[key], (dict, list)):
            spot[key] = data.draw(_DATA)
            break
        spot = spot[key]
    findings = Findings("f")
    read = read_table(table, Config, "", findings)
    check_meaning(read, findings)
    check_networks(read, findings)
    check_host(read, findings)
    if not findings.broken:
        assert msgspec.convert(table, Config)
