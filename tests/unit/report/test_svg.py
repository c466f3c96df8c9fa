"""The charts: sound XML whatever the values, and each value at its height."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.report import svg

SHARES = st.one_of(st.none(), st.floats(0, 1))


def drawn(chart: str, tag: str) -> list[dict[str, str]]:
    return [each.attrib for each in ElementTree.fromstring(chart).iter(tag)]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1e7)), max_size=31), st.text(max_size=20))
def test_bars_are_sound_and_stay_inside(values: list[float | None], label: str) -> None:
    """One odd value would break the page, or draw over its text."""
    label = "".join(sign for sign in label if sign.isprintable())
    found = drawn(svg.bars(values, unit=" ms", label=label), "rect")
    assert len(found) == len([value for value in values if value is not None])
    for rect in found:
        assert 5.9 <= float(rect["y"]) <= 90.1
        assert float(rect["y"]) + float(rect["height"]) == pytest.approx(90, abs=0.11)


@given(st.lists(SHARES, max_size=31))
def test_points_are_sound_and_stay_inside(values: list[float | None]) -> None:
    """As above, for shares."""
    points = [each for each in drawn(svg.points(values, label="x"), "circle") if each["r"] == "1.9"]
    assert len(points) == len([value for value in values if value is not None])
    assert all(5.9 <= float(point["cy"]) <= 90.1 for point in points)


@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=24, max_size=24), max_size=31
    )
)
def test_the_strip_is_sound(days: list[list[tuple[float, float, float]]]) -> None:
    """As above, for hours."""
    chart = ElementTree.fromstring(svg.strip(days, label="x"))
    assert len(list(chart.iter("rect"))) + len(list(chart.iter("circle"))) == 24 * len(days) + 2


def test_what_was_not_measured_is_no_zero() -> None:
    """A day with the box off would look like a day without loss."""
    chart = svg.bars([1.0, None, 0.0], unit="%", label="x")
    assert len(drawn(chart, "rect")) == 2
    assert len(drawn(chart, "circle")) == 1


def test_down_degraded_well_and_unknown_look_different_without_colour() -> None:
    """A copy in black and white would hide the outage."""
    day = [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)]
    cells = [each for each in drawn(svg.strip([day], label="x"), "rect") if "x" in each]
    assert [cell["fill"] for cell in cells] == ["#000", "url(#hatch)", "#fff"]


@pytest.mark.parametrize(
    ("value", "wanted"), [(0, 1), (1, 1), (1.2, 2), (5, 5), (5.1, 10), (180, 200), (99_999, 100_000)]
)
def test_axes_end_at_round_numbers(value: float, wanted: float) -> None:
    """Nobody can read a height against 173,4."""
    assert svg.nice(value) == wanted


def test_labels_are_text() -> None:
    """A name could close the chart and open a script."""
    chart = svg.points([1.0], label='"><script>alert(1)</script>')
    assert "<script" not in chart
    assert not re.findall(r"(?:href|src|url\(h)", chart)
