"""Reading a table from agents honest and not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.monitor.snmp.oids import Binding, Oid, Table, Value
from edge.monitor.snmp.walk import MOST_BINDINGS, Walk

A, B = (1, 3, 1), (1, 3, 2)
TABLE = Table("doors", {"a": A, "b": B}, rows=8)
PARTS = st.integers(0, 4)
OIDS = st.lists(PARTS, max_size=6).map(lambda parts: (1, 3, *parts))
ANSWERS = st.lists(st.tuples(OIDS, st.one_of(st.none(), st.integers(), st.binary(max_size=4))), max_size=20)


def honest(tree: dict[Oid, Value], walk: Walk) -> list[Binding]:
    """What RFC 3416 wants of an agent with `tree`."""
    at, found = list(walk.wanted), []
    for _ in range(walk.repetitions):
        for place, oid in enumerate(at):
            following = min((each for each in tree if each > oid), default=None)
            found.append((oid, None) if following is None else (following, tree[following]))
            at[place] = following or oid
    return found


@given(st.dictionaries(st.integers(1, 40), st.tuples(st.booleans(), st.booleans()), max_size=8), st.integers(1, 12))
def test_an_honest_table_is_read_whole(rows: dict[int, tuple[bool, bool]], cut: int) -> None:
    """A row would be lost where columns have holes, or where the agent cuts its answers short."""
    tree: dict[Oid, Value] = {(*A, row): row for row, (first, _) in rows.items() if first}
    tree |= {(*B, row): -row for row, (_, second) in rows.items() if second}
    walk = Walk(Table("doors", TABLE.columns, rows=64))
    while walk.wanted:
        walk.take(honest(tree | {(1, 4): 0}, walk)[:cut])
    wanted = {
        (row,): ({"a": row} if first else {}) | ({"b": -row} if second else {})
        for row, (first, second) in rows.items()
        if first or second
    }
    assert walk.rows == wanted
    assert walk.flaws == set()


@pytest.mark.parametrize(
    ("answer", "flaw"),
    [
        ([(A, 1)], ""),  # the column itself is no row of it
        ([((*A, 5), 1), ((*B, 5), 1), ((*A, 4), 1)], "OIDs do not increase"),
        ([((*A, 5), 1), ((*B, 5), 1), ((*A, 5), 1)], "OIDs do not increase"),
        ([((*A, *range(17)), 1)], "an index is too long"),
        ([], "answers are empty or too short"),
        (
            [((*A, row), 1) if column else ((*B, row), 1) for row in range(1, 12) for column in (1, 0)],
            "more than 8 rows",
        ),
    ],
)
def test_a_lie_ends_the_column_with_its_name(answer: list[Binding], flaw: str) -> None:
    """An agent that goes back would be asked for ever; the log would not say why a table is short."""
    walk = Walk(TABLE)
    walk.take(answer)
    if flaw:
        assert walk.flaws == {f"doors: {flaw}"}
    assert A not in walk.wanted
    assert len(walk.rows) <= 8


@given(st.lists(ANSWERS, min_size=1, max_size=5), st.integers(0, 1_000))
def test_any_answers_end_within_the_bound(answers: list[list[Binding]], seed: int) -> None:
    """Some sequence of answers would never end, or hold more than the bound."""
    chance = random.Random(seed)
    walk = Walk(TABLE)
    for _ in range(TABLE.rows + 1):
        if not walk.wanted:
            break
        assert len(walk.wanted) * walk.repetitions <= MOST_BINDINGS
        walk.take(chance.choice(answers))
    assert not walk.wanted
    assert len(walk.rows) <= TABLE.rows
    assert all(row.keys() <= {"a", "b"} for row in walk.rows.values())
