"""Netlink messages to parts of the state, without a kernel."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.kernel.notices import concerned
from edge.kernel.state import SCOPES


def message(kind: int, payload: bytes = b"\0" * 12) -> bytes:
    data = struct.pack("=IHHII", 16 + len(payload), kind, 0, 1, 2) + payload
    return data + b"\0" * (-len(data) % 4)


@pytest.mark.parametrize(
    ("kind", "scopes"),
    [
        (16, {"routing", "shaping", "table"}),  # RTM_NEWLINK
        (17, {"routing", "shaping", "table"}),  # RTM_DELLINK
        (20, set()),  # RTM_NEWADDR
        (25, {"routing"}),  # RTM_DELROUTE
        (28, set()),  # RTM_NEWNEIGH
        (33, {"routing"}),  # RTM_DELRULE
        (36, {"shaping"}),  # RTM_NEWQDISC
        (41, {"shaping"}),  # RTM_DELTCLASS
        (45, {"shaping"}),  # RTM_DELTFILTER
    ],
)
def test_messages_name_their_part(kind: int, scopes: set[str]) -> None:
    """A message that names no part would leave damage unseen; neighbours and addresses must cost no reading."""
    assert concerned(message(kind), netfilter=False) == scopes


def test_all_messages_of_a_datagram_count() -> None:
    """The kernel packs several messages into one datagram."""
    assert concerned(message(25, b"abc") + message(36), netfilter=False) == {"routing", "shaping"}


def test_only_our_table_concerns_us() -> None:
    """A busy foreign table must not make us read ours; one whose name merely begins like ours neither."""
    assert concerned(message(0x0A01, b"kampung_edge\0..."), netfilter=True) == {"table"}
    assert concerned(message(0x0A01, b"fail2ban\0"), netfilter=True) == set()
    assert concerned(message(0x0A01, b"kampung_edges\0"), netfilter=True) == set()


@given(st.binary(max_size=200), st.booleans())
def test_garbage_is_survived(data: bytes, netfilter: bool) -> None:
    """A truncated or strange datagram must neither raise nor loop."""
    assert concerned(data, netfilter=netfilter) <= SCOPES
