"""The request value and its identifier."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from edge.queue.request import Request, uuid7


def test_uuid7_golden() -> None:
    """The example of RFC 9562 appendix A.6 comes out otherwise."""
    assert uuid7(0x017F22E279B0, (0xCC3 << 62) | 0x18C4DC0C0C07398F) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**80))
def test_uuid7_is_a_version_7_of_its_time(unix_ms: int, bits: int) -> None:
    """An identifier the portal refuses, or one that forgets its time."""
    made = uuid.UUID(uuid7(unix_ms, bits))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == unix_ms


@given(st.integers(0, 2**48 - 2), st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_uuid7_orders_by_time(unix_ms: int, first: int, second: int) -> None:
    """A later request sorts before an earlier one."""
    assert uuid7(unix_ms, first) < uuid7(unix_ms + 1, second)


def test_a_request_in_a_log_line_names_nobody() -> None:
    """A traceback or a log line shows a villager's data."""
    request = Request(
        "id", "K47-M2", "SKTM", "sms", "received", 1, "3510152306089909", "1", "SITI", "+62812", 1, 2, "x"
    )
    assert repr(request) == "Request(id, K47-M2, SKTM, received, version 1)"
    assert repr(request) in f"{[request]}"
