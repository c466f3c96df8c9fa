"""Who may call, and by which name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.web.access import Access, host_is_ours, parse_listen

OFFICE = Access(("192.168.10.0/24", "10.9.8.7", "fd00:1::/64"))


@pytest.mark.parametrize(
    "peer",
    [
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "192.168.10.55",
        "10.9.8.7",
        "fd00:1::12",
        "::ffff:192.168.10.55",
        "fd00:1::2%lan0",
    ],
)
def test_admits_loopback_and_the_given_networks(peer: str) -> None:
    """The office or the box itself would be locked out of its own page."""
    assert OFFICE.admits(peer)


@pytest.mark.parametrize(
    "peer", ["192.168.20.5", "10.9.8.8", "8.8.8.8", "fd00:2::1", "::ffff:192.168.20.5", "", "unix", "192.168.10"]
)
def test_refuses_everyone_else(peer: str) -> None:
    """A WiFi guest, a stranger or a peer without an address would reach the office's page."""
    assert not OFFICE.admits(peer)


def test_a_network_that_is_none_is_named() -> None:
    """A mistyped management network would silently admit nobody."""
    with pytest.raises(ValueError, match=r"192\.168\.300\.0/24"):
        Access(("192.168.300.0/24",))


@pytest.mark.parametrize(
    "header",
    [
        "192.168.10.1:8480",
        "192.168.10.1",
        "[::1]:8480",
        "[fd00:1::1]",
        "localhost:8480",
        "kampung-edge",
        "LAYANAN:8480",
        "kantor.local",
        "kantor.lan:8480",
        "kotak.home.arpa.",
        "kotak.internal",
    ],
)
def test_our_own_names_pass(header: str) -> None:
    """The office could not open the page by the address or name that it has."""
    assert host_is_ours(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        ":8480",
        "evil.example",
        "evil.example:8480",
        "192.168.10.1.evil.example",
        "localhost.evil.example",
        "evil-local.com",
        "[::1",
        "[evil.example]",
        "a b",
        "kotak:port",
        "kotak:8480:1",
        "user@kotak",
        "kotak/x",
        ".",
    ],
)
def test_a_strangers_name_is_refused(header: str) -> None:
    """A stranger's page could read the office's page through DNS rebinding."""
    assert not host_is_ours(header)


@given(st.text(max_size=300))
def test_any_header_is_judged(header: str) -> None:
    """A strange Host header would crash the request instead of being refused."""
    assert host_is_ours(header) in (True, False)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8480", ("127.0.0.1", 8480)),
        ("192.168.10.1:0", ("192.168.10.1", 0)),
        ("[::1]:8480", ("::1", 8480)),
        ("[fd00:0::0001]:65535", ("fd00::1", 65535)),
    ],
)
def test_reads_listen_addresses(text: str, address: tuple[str, int]) -> None:
    """The server would listen somewhere else than the configuration says."""
    assert parse_listen(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "8480", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "::1:8480", "kotak:80", "127.0.0.1:٣"],
)
def test_a_wrong_listen_address_is_shown_with_the_right_form(text: str) -> None:
    """The operator would not learn which address is wrong and what one looks like."""
    with pytest.raises(ValueError, match=r"web\.listen: .* is not ADDRESS:PORT"):
        parse_listen(text)
