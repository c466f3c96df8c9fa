"""The report as one A4 page an uplink, in Indonesian, to be attached to a letter to the provider.

One file without scripts or references; everything but the charts is escaped by jinja2's autoescape.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import jinja2
from markupsafe import Markup

from edge import __version__
from edge.monitor.rollup import percentile
from edge.report import svg, words
from edge.report.figures import Line, Report, Trouble, availability, mean_mbit

LONGEST = 6
CHOICES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """How often and how long one cause held."""

    level: str
    words: str
    count: int
    seconds: float


def as_html(report: Report) -> str:
    """The report as a whole HTML document."""
    made = datetime.fromtimestamp(report.made_at, report.zone)
    last = datetime.fromtimestamp(max(report.since, report.until - 1), report.zone)
    return (
        _environment()
        .get_template("report.html")
        .render(
            r=report,
            w=words,
            version=__version__,
            first=report.month.first,
            last=last.date(),
            made=f"{words.day(made.date())} {made:%H.%M}",
            zone=words.zone_name(made),
            month=f"{words.MONTHS[report.month.number - 1]} {report.month.year}",
            lines=[_line(report, line) for line in report.lines],
            choices=report.choices[-CHOICES:],
            more_choices=max(0, len(report.choices) - CHOICES),
        )
    )


def _line(report: Report, line: Line) -> dict[str, object]:
    whole, outages, brownouts = line.whole, line.of_level("down"), line.of_level("degraded")
    name = words.uplink_name(line.name)
    period = report.until - report.since
    return {
        "line": line,
        "name": name,
        "all": availability(whole),
        "service": availability(whole, "service"),
        "outside": availability(whole, "outside"),
        "coverage": report.coverage(whole),
        "unmeasured_s": max(0.0, period - whole.measured_ms / 1_000),
        "outages": outages,
        "outage_s": sum(trouble.seconds for trouble in outages),
        "brownouts": brownouts,
        "brownout_s": sum(trouble.seconds for trouble in brownouts),
        "longest": _longest(outages or brownouts),
        "longest_are": "down" if outages else "degraded",
        "causes": _causes(line.troubles),
        "latency": [percentile(whole.latency, share) for share in (0.5, 0.95, 0.99)],
        "rates": (
            ("Unduh", line.download_mbit, mean_mbit(whole.received_bytes, whole), whole.peak_received_kbit / 1_000),
            ("Unggah", line.upload_mbit, mean_mbit(whole.sent_bytes, whole), whole.peak_sent_kbit / 1_000),
        ),
        "charts": _charts(line, name),
    }


def _charts(line: Line, name: str) -> dict[str, Markup]:
    days = [day.figures for day in line.days]
    return {
        "availability": svg.points(
            [None if figures is None else availability(figures) for figures in days],
            label=f"Ketersediaan {name} tiap hari",
        ),
        "latency": svg.bars(
            [None if figures is None else percentile(figures.latency, 0.95) for figures in days],
            unit=" ms",
            label=f"Waktu jawab {name} tiap hari, persentil 95",
        ),
        "loss": svg.bars(
            [None if figures is None or figures.loss is None else figures.loss * 100 for figures in days],
            unit="%",
            label=f"Data hilang {name} tiap hari",
        ),
        "strip": svg.strip(
            [[(hour.down, hour.degraded, hour.measured) for hour in day] for day in line.hours],
            label=f"Gangguan {name} menurut hari dan jam",
        ),
    }


def _longest(troubles: tuple[Trouble, ...]) -> list[Trouble]:
    chosen = sorted(troubles, key=lambda trouble: -trouble.seconds)[:LONGEST]
    return sorted(chosen, key=lambda trouble: trouble.began)


def _causes(troubles: tuple[Trouble, ...]) -> list[Cause]:
    """Causes of outages, then of brownouts, each the longest first."""
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for trouble in troubles:
        found[trouble.level, words.cause(trouble.cause)].append(trouble.seconds)
    causes = [Cause(level, said, len(seconds), sum(seconds)) for (level, said), seconds in found.items()]
    return sorted(causes, key=lambda cause: (cause.level != "down", -cause.seconds))


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("edge.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        number=words.number,
        duration=words.duration,
        cause=words.cause,
        day=words.day,
        uplink=words.uplink_name,
        classes=words.classes,
    )
    environment.globals["earlier"] = availability
    environment.globals["at"] = lambda moment, zone: words.moment(datetime.fromtimestamp(moment, zone))
    return environment
