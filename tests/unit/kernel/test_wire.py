"""Netlink messages and attributes, without a kernel, and a few questions to the real one that need no privilege."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.kernel.wire import Wire, attribute, attributes, gone, messages, number, text, u32


def message(kind: int, body: bytes, flags: int = 0, serial: int = 1) -> bytes:
    data = struct.pack("=IHHII", 16 + len(body), kind, flags, serial, 0) + body
    return data + b"\0" * (-len(data) % 4)


@given(st.dictionaries(st.integers(1, 0x3FFF), st.binary(max_size=40), max_size=8))
def test_attributes_come_back_as_they_were_packed(wanted: dict[int, bytes]) -> None:
    """A payload that loses its padding or its kind would be another rule."""
    packed = b"".join(attribute(kind, payload) for kind, payload in wanted.items())
    assert attributes(packed) == wanted
    assert attributes(b"head" + packed, 4) == wanted


def test_a_nested_attribute_is_flagged_and_read_under_its_kind() -> None:
    """The kernel refuses a tuple that is not flagged as nested; what it sends is flagged too."""
    packed = attribute(1, attribute(2, b"\1\2\3\4"), nested=True)
    assert packed == bytes.fromhex("0c0001800800020001020304")
    assert attributes(attributes(packed)[1]) == {2: b"\1\2\3\4"}


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), max_size=5))
def test_messages_of_a_datagram_come_apart(wanted: list[tuple[int, bytes]]) -> None:
    """The kernel packs many into one datagram: one that is skipped is a rule that is not seen."""
    data = b"".join(message(kind, body) for kind, body in wanted)
    assert [(kind, body) for kind, _, _, body in messages(data)] == wanted


@given(st.binary(max_size=300))
def test_garbage_is_survived(data: bytes) -> None:
    """A truncated or strange datagram must neither raise nor loop."""
    assert all(len(body) <= len(data) for *_, body in messages(data))
    assert all(len(payload) <= len(data) for payload in attributes(data).values())


def test_numbers_and_names_of_any_length_are_read() -> None:
    """An attribute that is absent, or of another length than expected, must not crash the daemon."""
    assert (number(u32(20100)), number(b"\1"), number(None)) == (20100, 0, 0)
    assert (text(b"pde0\0"), text(b"\xff\0"), text(None)) == ("pde0", "\N{REPLACEMENT CHARACTER}", "")


def test_the_kernel_answers_and_refuses_in_its_own_words() -> None:
    """A refusal that is taken for success leaves a route missing; its words tell the operator why."""
    with Wire() as wire:
        devices = wire.dump(18, struct.pack("=BxHiII", 0, 0, 0, 0, 0))  # RTM_GETLINK
        assert any(b"lo\0" in device for device in devices)
        with pytest.raises(OSError, match="No such device") as refused:
            wire.request(18, struct.pack("=BxHiII", 0, 0, 0x7FFFFFFF, 0, 0))  # RTM_GETLINK of a device there is not
        assert refused.value.errno == errno.ENODEV
        assert wire.dump(18, struct.pack("=BxHiII", 0, 0, 0, 0, 0)), "after a refusal the socket is as good as before"


@pytest.mark.parametrize(("code", "wanted"), [(errno.ESRCH, True), (errno.ENODEV, True), (errno.EPERM, False)])
def test_what_is_gone_need_not_be_removed(code: int, wanted: bool) -> None:
    """A device that took its routes along must not be reported as a refusal."""
    assert gone(OSError(code, "x")) is wanted
