"""The configuration file as a whole: all mistakes at once, or a configuration."""

from pathlib import Path

import pytest

from edge.config import Config
from edge.config_check import ConfigError, check, load, read
from tests.unit.config_mistakes import DATA, EXPLAINED, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "duplicate-key": [
        (
            "line 3, column 20",
            "is not TOML: Cannot overwrite a value",
            "Correct the line; text stands in quotes, a decimal has a point.",
        ),
    ],
    "end": [
        (
            "end of document",
            "is not TOML: Invalid initial character for a key part",
            "Correct the line; text stands in quotes, a decimal has a point.",
        ),
    ],
    "many": [
        ("uplink[1].download_mbit", "0 is not a number from 0.1 to 10000", EXPLAINED),
        ("monitor.intervall_ms", "is no setting of this program", "Did you mean interval_ms?"),
        ("uplink[1].gateway", '"10.35.52" is no IPv4 address', 'Write such as 192.168.1.1 or "auto".'),
        (
            "classes.wifi.networks[1]",
            "192.168.10.0/23 overlaps classes.service.networks[1], 192.168.10.0/24",
            "Give each its own addresses.",
        ),
        (
            "web.listen[1]",
            '"[::]:8480" listens everywhere, also where guests are',
            "Write the box's own address in the office network, or 127.0.0.1.",
        ),
    ],
    "syntax": [
        (
            "line 10, column 15",
            "is not TOML: Expected '=' after a key in a key/value pair",
            "Correct the line; text stands in quotes, a decimal has a point.",
        ),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an operator would search a village's file for a mistake the program has already found."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


def test_every_example_of_a_mistake_has_its_message() -> None:
    """A file without an expectation would prove nothing."""
    from tests.unit import (
        test_config_calendar,
        test_config_devices,
        test_config_host,
        test_config_meaning,
        test_config_networks,
        test_config_probed,
        test_config_shape,
    )

    rooms = (
        test_config_calendar,
        test_config_devices,
        test_config_host,
        test_config_meaning,
        test_config_networks,
        test_config_probed,
        test_config_shape,
    )
    tables = [MISTAKES, *(room.MISTAKES for room in rooms)]
    expected = sorted(f"invalid-{name}" for table in tables for name in table)
    assert expected == sorted(path.stem for path in DATA.glob("invalid-*.toml"))


def test_load_gives_the_configuration() -> None:
    """The daemon could not start from the shipped example."""
    config = load(DATA / "warning-kind.toml")
    assert isinstance(config, Config)
    assert [uplink.name for uplink in config.uplink] == ["pde", "telkom"]
    assert config.monitor.interval_ms == 250


def test_load_raises_every_mistake_at_once() -> None:
    """Mistakes would be corrected one start at a time."""
    with pytest.raises(ConfigError) as raised:
        load(DATA / "invalid-many.toml")
    assert [problem for problem in raised.value.problems if problem.severity == "error"] == [
        problem for problem in check(DATA / "invalid-many.toml") if problem.severity == "error"
    ]
    assert "uplink[1].download_mbit: 0 is not a number from 0.1 to 10000." in str(raised.value)


def test_errors_come_before_warnings() -> None:
    """What keeps the daemon from starting would drown in warnings."""
    severities = [problem.severity for problem in check(DATA / "invalid-many.toml")]
    assert severities == sorted(severities)
    assert len(set(severities)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"x = " + b"[" * 100_000, "nests too deeply"),
        (b"#" * 1_000_001, "is over 1 MB, which no configuration is"),
        (b"x = 1" + b"0" * 5_000, "is not TOML: Exceeds the limit"),
        (b"", "is missing"),
    ],
)
def test_unusable_file_is_one_sentence(tmp_path: Path, content: bytes | None, message: str) -> None:
    """A wrong path or a binary file would end in a traceback."""
    file = tmp_path / "village.toml"
    if content is not None:
        file.write_bytes(content)
    config, problems = read(file)
    assert config is None
    assert problems[0].message.startswith(message)


def test_directory_is_no_file(tmp_path: Path) -> None:
    """`check-config /etc/kampung-edge` would end in a traceback."""
    assert [problem.message for problem in check(tmp_path)] == ["cannot be read: Is a directory"]
