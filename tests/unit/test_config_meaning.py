"""What the keys of a configuration say together, one contradiction a file."""

import pytest

from tests.unit.config_mistakes import DATA, Mistakes, each_of, said

MISTAKES: Mistakes = {
    "cap-elsewhere": [
        (
            "classes.wifi.cap_mbit.pde",
            "caps an uplink that the class does not use",
            "Add it to wifi's uplinks or remove it.",
        ),
    ],
    "ceiling": [
        ("classes.service.ceiling_percent", "50 is below guaranteed_percent, 70", "Raise the ceiling to it or above."),
    ],
    "control-devices": [
        ("classes.control", "is the box's own traffic: it has no devices and no networks", "Remove them."),
    ],
    "duplicate-device": [
        ("uplink[2].device", '"eth1" names another uplink or tunnel already', "Give each its own."),
    ],
    "duplicate-head": [
        ("sms.heads[2]", "RT 3 RW 1 has a head already", "Keep the one in office."),
    ],
    "duplicate-target": [
        ("uplink[2].targets[3]", '"1.1.1.1" stands in the list twice', "Remove one."),
    ],
    "duplicate-uplink": [
        ("uplink[2].name", '"pde" names another uplink or tunnel already', "Give each its own."),
    ],
    "guarantees": [
        ("classes", "guaranteed_percent adds up to 105, wanted at most 100", "Lower one class's guarantee."),
    ],
    "guests-uncapped": [
        (
            "classes.wifi.cap_mbit",
            "has no pde, the government network, which guests use only with a cap",
            "Write pde = Mbit/s.",
        ),
    ],
    "guests-uncapped-pinned": [
        (
            "classes.wifi.cap_mbit",
            "has no telkom, the government network, which guests use only with a cap",
            "Write telkom = Mbit/s.",
        ),
    ],
    "limits-messages": [
        (
            "sms.messages_per_hour",
            "30 is above messages_per_day, 20",
            "Lower messages_per_hour or raise messages_per_day.",
        ),
    ],
    "limits-sends": [
        ("sms.sends_per_hour", "60 is above sends_per_day, 40", "Lower sends_per_hour or raise sends_per_day."),
    ],
    "no-members": [
        ("classes.wifi.networks", "is empty, so nobody belongs to the class", "Write devices and networks."),
    ],
    "no-targets": [
        (
            "uplink[2].targets",
            "is empty, so nothing tells whether this uplink works",
            "Write three or four addresses in different networks that answer ping.",
        ),
    ],
    "relative-path": [
        ("state_dir", '"state" is no absolute path', "Write it from / on."),
    ],
    "retry": [
        ("upstream.retry_first_s", "20 is above retry_most_s, 10", "Lower retry_first_s or raise retry_most_s."),
    ],
    "thresholds-burst": [
        ("monitor.burst_interval_ms", "200 is above interval_ms, 100", "Lower burst_interval_ms or raise interval_ms."),
    ],
    "thresholds-loss": [
        (
            "monitor.loss_recovered_percent",
            "10 is not below loss_degraded_percent, 10",
            "Lower loss_recovered_percent or raise loss_degraded_percent.",
        ),
    ],
    "thresholds-outage": [
        ("monitor.outage_s", "8 is above window_s, 5", "Lower outage_s or raise window_s."),
    ],
    "thresholds-rtt": [
        (
            "monitor.rtt_recovered_ms",
            "100 is not below rtt_degraded_ms, 100",
            "Lower rtt_recovered_ms or raise rtt_degraded_ms.",
        ),
    ],
    "tunnel-twice": [
        ("tunnel[1].name", '"pde" names another uplink or tunnel already', "Give each its own."),
        ("classes.service.devices[1]", '"eth0" is tunnel[2].device already', "Give each device one role."),
    ],
    "two-roles": [
        ("classes.wifi.devices[1]", '"eth0" is classes.service.devices[1] already', "Give each device one role."),
    ],
    "two-roles-uplink": [
        ("classes.wifi.devices[1]", '"eth2" is uplink[2].device already', "Give each device one role."),
    ],
    "unknown-uplink": [
        ("classes.wifi.uplinks[1]", '"indihome" is no uplink of this file', "Known: pde, telkom."),
    ],
    "uplink-twice": [
        ("classes.wifi.uplinks[2]", '"telkom" stands in the list twice', "Remove one."),
    ],
    "url-broker": [
        (
            "upstream.url",
            '"https://portal.example" is no address for sink "nats"',
            "Write tls://HOST or tls://HOST:PORT.",
        ),
    ],
    "url-password": [
        ("upstream.url", "holds a user or a password", "Give the credential portal-key instead."),
    ],
    "url-plain-broker": [
        (
            "upstream.url",
            '"nats://portal.example" is no address for sink "nats"',
            "Write tls://HOST or tls://HOST:PORT.",
        ),
    ],
    "url-port": [
        ("upstream.url", '"https://portal.example:99999" is no address', "Write https://HOST or https://HOST:PORT."),
    ],
    "url-query": [
        (
            "upstream.url",
            '"https://portal.example/?village=1" is no plain address',
            "Write https://HOST or https://HOST:PORT.",
        ),
    ],
    "url-sink": [
        (
            "upstream.url",
            '"tls://portal.example:4222" is no address for sink "opendk"',
            "Write https://HOST or https://HOST:PORT.",
        ),
    ],
    "wait": [
        ("upstream.wait_s", "30 is not below read_timeout_s, 20", "Lower wait_s or raise read_timeout_s."),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an operator would search a village's file for a mistake the program has already found."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


WARNINGS = {
    "cap": (
        "classes.wifi.cap_mbit.telkom",
        "50 is more than the uplink carries, 30",
        "Lower it, or remove a cap that never holds.",
    ),
    "kind": (
        "village.code",
        '"3510052001" is not numbered as a kelurahan',
        "The seventh digit is 2 for a desa and 1 for a kelurahan; correct code or kind.",
    ),
    "one-target": (
        "uplink[2].targets",
        "is a single one, whose own silence takes the uplink down",
        "Write three or four addresses in different networks that answer ping.",
    ),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_doubtful_settings_only_warn(name: str) -> None:
    """A village that means what it wrote could not start."""
    path = DATA / f"warning-{name}.toml"
    assert WARNINGS[name] in said(path, "warning")
    assert not said(path, "error")
