"""The month's figures against the made-up month they are read from."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.monitor import history_rows as rows
from edge.queue.store import rowsum
from edge.report.choices import Choice
from edge.report.figures import Month, NothingMeasured, Report, availability, gather
from tests.unit.report.month import END, NOW, OCTOBER, OFF, START, ZONE, build, lost, report, settings, wall


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(tmp_path_factory.mktemp("box"))


def test_a_month_is_the_villages_own(october: Report) -> None:
    """The provider would be told of hours of another month."""
    assert (october.since, october.until) == (START, END)
    assert [line.name for line in october.lines] == ["pde", "telkom"]
    assert all(len(line.days) == 31 and len(line.hours) == 31 for line in october.lines)


def test_availability_is_of_measured_time(october: Report) -> None:
    """Hours with the box off would count as the provider's, or hide its outages."""
    pde, telkom = october.lines
    down = lost("telkom", "down", START, END)
    measured = END - START - (OFF[1] - OFF[0])
    assert availability(pde.whole) == 1
    assert availability(telkom.whole) == pytest.approx(1 - down / measured, abs=1e-6)
    assert october.coverage(telkom.whole) == pytest.approx(measured / (END - START), abs=1e-6)
    service, outside = availability(telkom.whole, "service"), availability(telkom.whole, "outside")
    assert service is not None
    assert outside is not None
    weight = telkom.whole.service_ms / telkom.whole.measured_ms
    assert service * weight + outside * (1 - weight) == pytest.approx(availability(telkom.whole))
    assert availability(telkom.days[12].figures or telkom.whole, "all") == 1


def test_outages_are_cut_at_the_months_edges(october: Report) -> None:
    """An hour before midnight of the first would be complained of twice."""
    outages = october.lines[1].of_level("down")
    assert (outages[0].began, outages[0].seconds, outages[0].cause) == (START, 1_800, "beyond-gateway")
    assert outages[0].ended_by == "recovered"
    assert sum(each.seconds for each in outages) == pytest.approx(lost("telkom", "down", START, END))
    assert [day.outages for day in october.lines[1].days[:3]] == [1, 0, 1]
    assert [each.ended_by for each in outages if each.cause == "carrier"] == ["box-off"]


def test_the_hours_of_a_day_show_its_outages(october: Report) -> None:
    """The strip of hours would show the outage at another hour."""
    third = october.lines[1].hours[2]
    assert [round(hour.down, 2) for hour in third[6:12]] == [0, 0.3, 1, 1, 0.09, 0]
    assert [round(hour.degraded, 2) for hour in october.lines[1].hours[19][7:17]] == [0, *[1] * 7, 0.5, 0]
    assert [hour.measured for hour in october.lines[1].hours[12][3:7]] == [0, 0, 1, 1]


def test_days_add_up_to_the_month_and_months_before_are_there(october: Report) -> None:
    """The chart and the table would contradict each other."""
    for line in october.lines:
        assert sum(day.figures.measured_ms for day in line.days if day.figures) == line.whole.measured_ms
        assert [str(month) for month, _ in line.earlier] == ["2026-08", "2026-09"]


def test_a_running_month_ends_now(tmp_path: Path) -> None:
    """Days that have not come would count as not measured."""
    found = report(tmp_path, Month(2026, 11))
    assert found.until == NOW
    assert [len(line.days) for line in found.lines] == [3, 3]
    assert found.coverage(found.lines[0].whole) == pytest.approx(1)


def test_an_uplink_that_is_gone_is_reported_without_contract(tmp_path: Path) -> None:
    """The provider one has just left could no longer be complained of."""
    conn = sqlite3.connect(build(tmp_path))
    rowsum.register(conn)
    conn.execute("UPDATE rollup SET uplink = 'old' WHERE uplink = 'telkom'")
    found = gather(conn, settings(tmp_path), OCTOBER, now=NOW)
    assert [(line.name, line.download_mbit) for line in found.lines] == [("pde", 10), ("old", None)]


@pytest.mark.parametrize(
    ("month", "wanted"),
    [
        (Month(2026, 7), "nothing was measured in 2026-07; the history goes from 2026-08 to 2026-11"),
        (Month(2031, 1), "nothing was measured in 2031-01; the history goes from 2026-08 to 2026-11"),
    ],
)
def test_a_month_without_figures_is_said_to_be_so(tmp_path: Path, month: Month, wanted: str) -> None:
    """An empty page would look like a month without outages."""
    with pytest.raises(NothingMeasured) as refused:
        report(tmp_path, month)
    assert str(refused.value) == wanted


def test_an_outage_that_lasts_counts_until_it_was_last_seen(tmp_path: Path) -> None:
    """An outage of now would not be in the report, or reach into the future."""
    conn = sqlite3.connect(build(tmp_path))
    rowsum.register(conn)
    began = wall("2026-11-03T07:00:00")
    rows.keep_outage(conn, rows.OutageRow(None, "telkom", "down", "gateway", began, NOW - 60, None, ""))
    found = gather(conn, settings(tmp_path), Month(2026, 11), now=NOW)
    (outage,) = found.lines[1].of_level("down")
    assert (outage.seconds, outage.ended_by) == (NOW - 60 - began, "")


def test_choices_by_hand_are_of_the_month(october: Report, tmp_path: Path) -> None:
    """A quiet line would be taken for a broken one, in this month or the next."""
    began = wall("2026-10-20T08:30:00")
    assert october.choices == (Choice(("service", "control"), "pde", began, began + 7_200, "siti"),)
    assert report(tmp_path, Month(2026, 11)).choices == ()


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "26-10", "2026/10", "", "2026-10-01", "1999-12", "x"])
def test_what_is_no_month_is_refused(text: str) -> None:
    """A typing error would report another month."""
    with pytest.raises(ValueError, match="write it as 2026-10"):
        Month.parse(text)


@pytest.mark.parametrize(("months", "wanted"), [(0, "2026-10"), (-1, "2026-09"), (3, "2027-01"), (-10, "2025-12")])
def test_months_follow_each_other(months: int, wanted: str) -> None:
    """In January the report would be of the month 0."""
    assert str(OCTOBER.plus(months)) == wanted
    assert Month.of(wall("2026-10-31T23:59:59"), ZONE) == OCTOBER
