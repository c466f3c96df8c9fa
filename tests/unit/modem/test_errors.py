from __future__ import annotations

import pytest

from edge.modem import errors
from edge.modem.errors import Fault


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (1, "recipient"),
        (28, "recipient"),
        (304, "format"),
        (27, "away"),
        (21, "refused"),
        (50, "refused"),
        (8, "barred"),
        (10, "barred"),
        (197, "duplicate"),
        (38, "network"),
        (500, "network"),
        (513, "network"),
        (331, "network"),
        (9999, "network"),
        (330, "modem"),
        (None, "modem"),
    ],
)
def test_each_code_says_whom_it_concerns(code: int | None, fault: Fault) -> None:
    """One bad number would hold up everybody, or a busy network lose a reply."""
    assert errors.fault(code) == fault


@pytest.mark.parametrize(("code", "permanent"), [(1, True), (28, True), (8, False), (21, False), (38, False)])
def test_only_what_no_other_try_can_help_is_permanent(code: int, permanent: bool) -> None:
    """A SIM without credit would turn every waiting message into a dead letter."""
    assert errors.is_permanent(code) is permanent


def test_no_code_stands_twice() -> None:
    """The tables would contradict each other."""
    tables = (errors.RECIPIENT, errors.FORMAT, errors.AWAY, errors.REFUSED, errors.BARRED, errors.DUPLICATE)
    codes = [code for table in (*tables, errors.NETWORK, errors.MODEM) for code in table]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(38, "+CMS ERROR 38: network out of order"), (4711, "+CMS ERROR 4711: a code of this modem")],
)
def test_errors_are_described(code: int, sentence: str) -> None:
    """An engineer would have to look the number up."""
    assert errors.describe(code) == sentence
