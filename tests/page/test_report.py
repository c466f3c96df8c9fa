"""The monthly report in a real browser: on A4, on one page, with its charts."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from edge.report.choices import Choice
from edge.report.figures import Report, Trouble
from edge.report.page import as_html
from edge.report.words import CAUSE
from tests.page.browser import Tab, chromium
from tests.page.test_page import OVERFLOWING
from tests.unit.report.month import report, wall

A4_WIDTH, A4_HEIGHT = 794, 1123  # CSS pixels


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with chromium(tmp_path / "profile") as opened:
        yield opened


def worst(found: Report) -> Report:
    """Long names, every cause, a hundred outages and many choices by hand."""
    causes = list(CAUSE)
    troubles = tuple(
        Trouble(
            "down" if number % 2 else "degraded",
            causes[number % len(causes)],
            wall("2026-10-01T00:00:00") + number * 26_000,
            wall("2026-10-01T00:00:00") + number * 26_000 + 11_111,
            "box-off",
        )
        for number in range(100)
    )
    line = found.lines[1]
    whole = replace(line.whole, latency={113: 9})
    long = replace(line, name="wwwwwwwwwwww", download_mbit=1234.5, troubles=troubles, whole=whole)
    village = msgspec.structs.replace(found.village, name="W" * 24, district="W" * 24, kind="kelurahan")
    by_hand = Choice(("service", "wifi", "control"), "wwwwwwwwwwww", troubles[0].began, troubles[0].ended, "w" * 32)
    return replace(found, village=village, lines=(long,), choices=(by_hand,) * 40)


@pytest.mark.parametrize("case", ["ordinary", "worst"])
async def test_the_report_is_one_sheet_an_uplink(tab: Tab, tmp_path: Path, case: str) -> None:
    """What is attached to the complaint would be cut off at the side, or run over to a second page."""
    found = report(tmp_path) if case == "ordinary" else worst(report(tmp_path))
    file = tmp_path / "report.html"
    file.write_text(as_html(found))
    await tab.open(file.as_uri(), width=A4_WIDTH, height=A4_HEIGHT)
    assert await tab.value(OVERFLOWING) == []
    assert await tab.value("document.documentElement.scrollWidth <= innerWidth")
    assert await tab.value("[...document.querySelectorAll('svg')].every(e => e.getBoundingClientRect().height > 60)")
    assert await tab.value("document.querySelectorAll('svg').length") == 4 * len(found.lines)
    assert tab.errors == []
    printed = await tab.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
    pdf = base64.b64decode(printed["data"])
    assert pdf.count(b"/Type /Page\n") == len(found.lines)


async def test_the_report_loads_nothing(tab: Tab, tmp_path: Path) -> None:
    """Whoever opens the attachment would tell somebody."""
    file = tmp_path / "report.html"
    file.write_text(as_html(report(tmp_path)))
    await tab.open(file.as_uri(), width=A4_WIDTH)
    assert await tab.value("performance.getEntriesByType('resource').length") == 0
    assert await tab.value("document.scripts.length") == 0
    assert "Laporan Mutu Jalur Internet" in await tab.text()
