"""What is found wrong with a store, in words that fit into a line of a log."""

from __future__ import annotations

import pytest

from edge.queue.store.mend.examine import on_one_line


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            "*** in database main ***\nPage 2: btreeInitPage() returns error code 11",
            "Page 2: btreeInitPage() returns error code 11",
        ),
        ("*** in database main ***\nPage 2: one\nPage 3: two", "Page 2: one Page 3: two"),
        ("row 3 missing from index request_nik", "row 3 missing from index request_nik"),
    ],
)
def test_a_fault_is_one_line(told: str, said: str) -> None:
    """Half of the fault would stand in the log without its time, and `store seen` show a torn list."""
    assert on_one_line(told) == said
