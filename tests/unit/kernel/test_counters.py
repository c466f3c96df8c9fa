"""What devices have carried."""

import socket

from edge.kernel.counters import carried


def test_what_passes_a_device_is_counted() -> None:
    """An active service would look idle."""
    before = carried({"lo"})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.sendto(bytes(1000), sock.getsockname())
    assert carried({"lo"}) - before >= 2000


def test_an_absent_device_counts_for_nothing() -> None:
    """A pulled cable must not stop the controller."""
    assert carried({"absent0"}) == 0
    assert carried(()) == 0
