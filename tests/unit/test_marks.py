"""Packet marks."""

import pytest

from edge.marks import CLASS_MASK, CLASSES, MASK, UPLINK_MASK, class_mark, probe_mark, uplink_mark


def test_classes_and_uplinks_never_share_a_bit() -> None:
    """A guest's packet could be taken for a probe and leave by a forbidden uplink."""
    assert CLASS_MASK & UPLINK_MASK == 0
    marks = [class_mark(name) | uplink_mark(number) for name in CLASSES for number in range(1, 16)]
    assert len(set(marks)) == 45
    assert all(mark & ~MASK == 0 for mark in marks)
    assert probe_mark(2) == class_mark("control") | uplink_mark(2)


@pytest.mark.parametrize("number", [0, 16, -1])
def test_a_number_outside_the_nibble_is_refused(number: int) -> None:
    """It would spill into another program's bits."""
    with pytest.raises(ValueError, match=r"1\.\.15"):
        uplink_mark(number)
