"""The report for programs: JSON whose keys are documented, CSV that a spreadsheet reads."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from edge.report import record
from edge.report.figures import Report
from tests.unit.report.month import report

DOCUMENT = Path(__file__).parents[3] / "docs" / "report.md"


@pytest.fixture(scope="module")
def october(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report(tmp_path_factory.mktemp("box"))


def keys(value: Any, path: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(keys(each, path + "[]") for each in value)) if value else {path + "[]"}
    if isinstance(value, dict):
        return set().union(*(keys(each, f"{path}.{name}".lstrip(".")) for name, each in value.items()))
    return {path}


def test_every_key_of_the_json_is_documented(october: Report) -> None:
    """Whoever reads it by program would have to guess."""
    found = {
        re.sub(r"^uplinks\[\]\.days\[\]\.(?!date)", "uplinks[].", key)
        for key in keys(json.loads(record.as_json(october)))
    }
    written = set(
        re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text().partition("## JSON")[2].partition("\n## ")[0], re.M)
    )
    assert found - {"uplinks[].outages", "uplinks[].brownouts"} == written


def test_the_json_says_what_the_figures_are(october: Report) -> None:
    """A share would be read as percent, or a time without its zone."""
    said = json.loads(record.as_json(october))
    telkom = said["uplinks"][1]
    assert said["choices"] == [
        {
            "classes": ["service", "control"],
            "uplink": "pde",
            "began": "2026-10-20T08:30:00+07:00",
            "ended": "2026-10-20T10:30:00+07:00",
            "by": "siti",
        }
    ]
    assert said["since"] == "2026-10-01T00:00:00+07:00"
    assert telkom["contract"] == {"download_mbit": 30, "upload_mbit": 10}
    assert telkom["outages"]["count"] == 11
    assert telkom["events"][0] == {
        "level": "down",
        "cause": "beyond-gateway",
        "began": "2026-10-01T00:00:00+07:00",
        "ended": "2026-10-01T00:30:00+07:00",
        "seconds": 1800.0,
        "ended_by": "recovered",
    }
    assert 0.99 < telkom["availability"]["all"] < 1
    assert len(telkom["days"]) == 31


def test_the_csv_is_a_row_an_uplink_and_day(october: Report) -> None:
    """A spreadsheet would shift columns, or show a day without figures as a zero."""
    rows = list(csv.DictReader(io.StringIO(record.as_csv(october))))
    assert len(rows) == 62
    assert set(rows[0]) == set(record.COLUMNS)
    third = next(row for row in rows if row["uplink"] == "telkom" and row["date"] == "2026-10-03")
    assert float(third["down_s"]) == 8_610
    assert float(third["availability_percent"]) == pytest.approx(100 - 8_610 / 864, abs=1e-3)
    assert third["outages"] == "1"
    assert all(rows[0][name] for name in record.COLUMNS)


def test_every_column_of_the_csv_is_documented() -> None:
    """A column without its unit is guessed at."""
    written = DOCUMENT.read_text().partition("## CSV")[2].partition("\n## ")[0]
    for name in record.COLUMNS:
        assert f"`{name}`" in written, name
