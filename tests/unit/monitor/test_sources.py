"""Whom an uplink is probed by: roles, spacing, names."""

import pytest

from edge.config import Monitor
from edge.monitor.sources import Source, sources
from tests.unit.monitor.line import ANCHORS, GATEWAY, PUBLIC, RESOLVER, SETTINGS, uplink


def test_private_targets_are_anchors_and_public_ones_a_reserve() -> None:
    """Public hosts would carry the pace of 217 boxes."""
    found = {source.name: source for source in sources(uplink(), SETTINGS, GATEWAY)}
    assert list(found) == ["gateway", *ANCHORS, *PUBLIC, f"dns:{RESOLVER}", "http"]
    assert [found[name].role for name in (*ANCHORS, *PUBLIC)] == ["anchor"] * 2 + ["public"] * 2
    assert {found[name].spacing_s for name in PUBLIC} == {SETTINGS.public_every_s}
    assert {found[name].spacing_s for name in ANCHORS} == {0.0}


CASES: dict[str, tuple[str, Source]] = {
    "IPv6": ("2001:4860:4860::8888", Source("2001:4860:4860::8888", "icmp", "public", "2001:4860:4860::8888", 5.0)),
    "private IPv6": ("fd00::1", Source("fd00::1", "icmp", "anchor", "fd00::1")),
    "TCP": ("tcp://1.1.1.1:443", Source("tcp://1.1.1.1:443", "tcp", "public", "tcp://1.1.1.1:443", 5.0)),
    "TCP, IPv6": ("tcp://[fd00::1]:53", Source("tcp://[fd00::1]:53", "tcp", "anchor", "tcp://[fd00::1]:53")),
}


@pytest.mark.parametrize(("text", "wanted"), CASES.values(), ids=CASES)
def test_kinds_of_targets(text: str, wanted: Source) -> None:
    """A target would be asked by the wrong kind of probe."""
    assert sources(uplink((text,), ()), Monitor(), None) == (wanted,)


def test_the_gateway_is_not_asked_twice() -> None:
    """One host would count as two witnesses."""
    found = sources(uplink((GATEWAY, ANCHORS[0])), SETTINGS, GATEWAY)
    assert [source.target for source in found].count(GATEWAY) == 1


def test_a_public_resolver_is_asked_like_a_public_target() -> None:
    """8.8.8.8 would be asked by every village once a second."""
    (found,) = sources(uplink((), ("8.8.8.8",)), Monitor(), None)
    assert (found.name, found.role, found.spacing_s) == ("dns:8.8.8.8", "dns", 5.0)


def test_a_name_is_no_target() -> None:
    """Resolving it would need the line that is judged."""
    with pytest.raises(ValueError, match="example"):
        sources(uplink(("example.org",)), Monitor(), None)
