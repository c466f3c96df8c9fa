"""Where a probe leads, as its target is written, and how long it took by two clocks."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.probes.bound import Departure, Place, arrived, place, reason_of

V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("9.9.9.9", Place(V4, "9.9.9.9", 53)),
        ("2620:FE::0:fe", Place(V6, "2620:fe::fe", 53)),
        ("[2620:fe::fe]", Place(V6, "2620:fe::fe", 53)),
        ("tcp://9.9.9.9:443", Place(V4, "9.9.9.9", 443)),
        ("tcp://[2620:fe::fe]:443", Place(V6, "2620:fe::fe", 443)),
        ("9.9.9.9:853", Place(V4, "9.9.9.9", 853)),
    ],
)
def test_target_is_read(text: str, wanted: Place) -> None:
    """A target would be probed at another address or port than the file says."""
    assert place(text, 53) == wanted


@pytest.mark.parametrize(
    "text",
    ["", "example.org", "9.9.9.9:", "9.9.9.9:0", "9.9.9.9:65536", "9.9.9.9:٨", "[9.9.9.9", "tcp://:80", "fe80::1%e0"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A name would be resolved on the loop, through whatever uplink."""
    with pytest.raises(ValueError, match=r"is no IPv4 or IPv6 address|has no port"):
        place(text)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_every_address_and_port_is_read(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    """Some host could not be probed."""
    read = place(f"tcp://[{address}]:{port}")
    assert (read.address, read.port) == (str(address), port)


@given(st.text(max_size=40))
def test_garbage_is_refused_in_words(text: str) -> None:
    """A target of any form must be read or refused by ValueError, never by another error."""
    with contextlib.suppress(ValueError):
        assert str(ipaddress.ip_address(place(text).address)) == place(text).address


@pytest.mark.parametrize(
    ("departed_wall", "stamp", "elapsed"),
    [
        (1_000.0, 1_000.020, 0.020),
        (1_000.0, None, 0.5),
        (1_000.0, 999.0, 0.5),
        (1_000.0, 1_000.6, 0.5),
        (1_000.0, 1_000.0 + 10 * 31_536_000, 0.5),
        (1_000.0 + 10 * 31_536_000, 1_000.0, 0.5),
    ],
    ids=["stamped", "no stamp", "set back", "later than read", "years forth", "years back"],
)
def test_wall_clock_that_jumps_is_not_believed(departed_wall: float, stamp: float | None, elapsed: float) -> None:
    """A jump of the wall clock between sending and receiving would become a round trip of years, or below nothing."""
    left = Departure(monotonic=50.0, wall=departed_wall)
    assert left.elapsed(monotonic=50.5, arrived=stamp) == pytest.approx(elapsed)


@given(st.binary(max_size=40))
def test_ancillary_garbage_is_no_stamp(data: bytes) -> None:
    """Whatever the kernel sends beside a packet must be read or ignored."""
    stamp = arrived([(socket.SOL_SOCKET, 35, data), (socket.SOL_IP, 35, struct.pack("@ll", 1, 0))])
    assert (stamp is not None) == (len(data) >= 16)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENETUNREACH, "no-route"),
        (errno.EPERM, "refused"),
        (errno.ENODEV, "no-device"),
        (errno.ENOBUFS, "not-sent"),
    ],
)
def test_error_has_its_reason(code: int, reason: str) -> None:
    """A probe that could not leave must say who must act."""
    assert reason_of(OSError(code, "")) == reason
