"""Where keys must be missing, told by their order in the tree alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.queue.store.mend.line import Line
from edge.queue.store.mend.record import Value

Hole = tuple[tuple[Value, ...] | None, tuple[Value, ...] | None]
EACH = 10


def holes(pages: list[list[int | None]]) -> list[Hole]:
    """What a walk over pages of keys tells; None is a cell that does not read."""
    line, found = Line(), list[Hole]()
    for number, page in enumerate(pages, 1):
        for key in page:
            line.turn(number)
            if key is None:
                line.tear()
            elif line.goes_on((key,)) and line.torn:
                found.append(line.mended())
    if line.torn:
        found.append((line.start, None))
    return found


def covered(found: list[Hole], key: int) -> bool:
    return any((after is None or (key,) > after) and (before is None or (key,) < before) for after, before in found)


def test_what_grows_has_no_hole() -> None:
    """A sound table is told as one that lacks rows."""
    assert holes([[1, 2, 3], [4, 9], [10]]) == []


def test_a_cell_that_does_not_read_is_between_its_neighbours() -> None:
    """More is told as lost than may be."""
    assert holes([[1, 2, None, 4], [5, None]]) == [((2,), (4,)), ((5,), None)]
    assert holes([[None, 2]]) == [(None, (2,))]


@given(count=st.integers(3, 9), good=st.integers(0, 8), spoilt=st.integers(0, 8))
def test_a_page_written_over_another_is_always_in_a_hole(count: int, good: int, spoilt: int) -> None:
    """The rows under a page that was written to the wrong place are not missed."""
    good, spoilt = good % count, spoilt % count
    pages: list[list[int | None]] = [[page * EACH + each for each in range(EACH)] for page in range(count)]
    under = {page * EACH + each for page in (spoilt,) for each in range(EACH)}
    pages[spoilt] = list(pages[good])
    found = holes(pages)
    assert bool(found) is (good != spoilt)
    assert good == spoilt or all(covered(found, key) for key in under)


def test_keys_of_two_kinds_do_not_stop_a_walk() -> None:
    """A key that rotted into another kind ends the salvage of all the rest."""
    line = Line()
    assert line.goes_on((1,))
    line.turn(1)
    assert not line.goes_on(("text",))
    assert line.goes_on((2,))
    assert line.torn
