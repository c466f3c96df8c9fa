"""Whom the monitor asks, one mistake a file."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import config
from edge.config_probed import host_address
from edge.monitor.probes.bound import place
from edge.monitor.sources import sources
from tests.unit.config_mistakes import DATA, Mistakes, each_of, said

ADDRESS = "Write such as 9.9.9.9, 2620:fe::fe or tcp://9.9.9.9:443; no name."
URL = "Write http://HOST/PATH or https://HOST/PATH."
GATEWAY6 = "Write the provider's IPv6 router as gateway6, or remove it."

MISTAKES: Mistakes = {
    "address-loopback": [
        ("uplink[2].targets[1]", '"127.0.0.1" is no host on a network', ADDRESS),
    ],
    "target-name": [
        ("uplink[2].targets[1]", '"one.one.one.one" is no address and no tcp://ADDRESS:PORT', ADDRESS),
        ("uplink[2].targets[3]", '"tcp://8.8.4.4" is no address and no tcp://ADDRESS:PORT', ADDRESS),
    ],
    "target-port": [
        ("uplink[2].targets[1]", '"tcp://1.1.1.1:0" is no address and no tcp://ADDRESS:PORT', ADDRESS),
        ("uplink[2].targets[2]", '"tcp://8.8.8.8:65536" is no address and no tcp://ADDRESS:PORT', ADDRESS),
        ("uplink[2].targets[3]", '"tcp://2620:fe::fe:443" is no address and no tcp://ADDRESS:PORT', ADDRESS),
    ],
    "target-gateway6": [
        ("uplink[2].targets[2]", '"2620:fe::fe" is an IPv6 address, and the uplink has no gateway6', GATEWAY6),
        (
            "uplink[2].targets[3]",
            '"tcp://[2620:fe::9]:443" is an IPv6 address, and the uplink has no gateway6',
            GATEWAY6,
        ),
    ],
    "target-anchor": [
        ("uplink[2].targets[1]", '"1.1.1.1" stands in the list twice', "Remove one."),
    ],
    "check-url": [
        ("monitor.check_url", '"http://portal.go.id:99999/" is no address', URL),
        ("monitor.fetch_url", "holds a user or a password", "Remove it: the page must be open to all."),
    ],
    "check-name": [
        ("monitor.dns_name", '"a..id" is no domain name', "Write such as go.id."),
        ("monitor.check_url", '"-portal.go.id" is no domain name', URL),
    ],
}


@each_of(MISTAKES)
def test_mistake_is_named_with_place_value_and_remedy(name: str) -> None:
    """Otherwise an uplink would be judged by hosts that no probe can be sent to."""
    assert said(DATA / f"invalid-{name}.toml", "error") == MISTAKES[name]


def test_a_page_that_cannot_be_looked_up_is_warned_of() -> None:
    """A captive portal would go unnoticed on an uplink without name servers."""
    message = "is empty, so monitor.check_url cannot be looked up by this uplink"
    remedy = "Write the provider's name servers."
    found = said(DATA / "warning-no-resolvers.toml", "warning")
    assert [each for each in found if "resolvers" in each[0]] == [
        (f"uplink[{number}].resolvers", message, remedy) for number in (1, 2)
    ]


@pytest.mark.parametrize(
    "text", ["9.9.9.9", "2620:fe::fe", "[2620:fe::fe]", "tcp://9.9.9.9:443", "tcp://[2620:fe::fe]:443"]
)
def test_every_form_is_taken_and_probed(text: str) -> None:
    """A host that the check takes would stop the monitor, or be none of its sources."""
    assert host_address(text) == ipaddress.ip_address(place(text).address)
    uplink = config.Uplink(
        name="pde", device="eth1", gateway="192.0.2.1", download_mbit=1, upload_mbit=1, targets=(text,)
    )
    assert text in [source.target for source in sources(uplink, config.Monitor(), "192.0.2.1")]


@given(st.text(max_size=30) | st.from_regex(r"(tcp://)?\[?[0-9a-f.:%]{2,20}\]?(:[0-9]{1,6})?", fullmatch=True))
def test_whatever_is_taken_can_be_probed(text: str) -> None:
    """The check and the probes would read one text in two ways."""
    address = host_address(text)
    if address is not None:
        assert place(text).address == str(address)
