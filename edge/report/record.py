"""The report for programs: one JSON object, and a CSV table of one row an uplink and day (docs/report.md)."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from edge import __version__
from edge.monitor.rollup import Figures, percentile
from edge.report.choices import Choice
from edge.report.figures import Line, Report, Trouble, availability, mean_mbit

COLUMNS = (
    "date",
    "uplink",
    "measured_s",
    "up_s",
    "degraded_s",
    "down_s",
    "availability_percent",
    "service_availability_percent",
    "outages",
    "brownouts",
    "loss_percent",
    "rtt_p50_ms",
    "rtt_p95_ms",
    "rtt_p99_ms",
    "jitter_ms",
    "download_mean_mbit",
    "download_peak_mbit",
    "upload_mean_mbit",
    "upload_peak_mbit",
    "received_bytes",
    "sent_bytes",
)
_CONTRACT = ("download_mbit", "upload_mbit")


def as_json(report: Report) -> str:
    """The report as one line of JSON and a line's end."""
    village = report.village
    whole = {
        "version": __version__,
        "village": {"code": village.code, "name": village.name, "district": village.district, "kind": village.kind},
        "month": str(report.month),
        "timezone": village.timezone,
        "since": _iso(report.since, report.zone),
        "until": _iso(report.until, report.zone),
        "made_at": _iso(report.made_at, report.zone),
        "choices": [_choice(choice, report.zone) for choice in report.choices],
        "uplinks": [_line(report, line) for line in report.lines],
    }
    return json.dumps(whole, ensure_ascii=False) + "\n"


def as_csv(report: Report) -> str:
    """The days as CSV (RFC 4180) with a header; empty where nothing was measured."""
    file = io.StringIO(newline="")
    table = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore")
    table.writeheader()
    for line in report.lines:
        for day in line.days:
            row: dict[str, Any] = {"date": day.date, "uplink": line.name, "outages": day.outages}
            row["brownouts"] = day.brownouts
            table.writerow(row | ({} if day.figures is None else _cells(day.figures)))
    return file.getvalue()


def _cells(figures: Figures) -> dict[str, Any]:
    said = _figures(figures)
    rates = said.pop("rate_mbit")
    latency = said.pop("rtt_ms")
    shares = said.pop("availability")
    cells = {f"{name}_s": value for name, value in said.pop("seconds").items()}
    cells |= {f"rtt_{name}_ms": value for name, value in latency.items()}
    cells |= {f"{name}_mbit": value for name, value in rates.items()}
    cells["availability_percent"] = _percent(shares["all"])
    cells["service_availability_percent"] = _percent(shares["service_hours"])
    cells["loss_percent"] = _percent(said.pop("loss"))
    return cells | said


def _line(report: Report, line: Line) -> dict[str, Any]:
    outages, brownouts = line.of_level("down"), line.of_level("degraded")
    return {
        "name": line.name,
        "contract": dict(zip(_CONTRACT, (line.download_mbit, line.upload_mbit), strict=True)),
        "coverage": _round(report.coverage(line.whole), 6),
        **_figures(line.whole),
        "outages": {"count": len(outages), "seconds": _round(sum(each.seconds for each in outages), 1)},
        "brownouts": {"count": len(brownouts), "seconds": _round(sum(each.seconds for each in brownouts), 1)},
        "events": [_trouble(trouble, report.zone) for trouble in line.troubles],
        "days": [
            {"date": day.date.isoformat(), "outages": day.outages, "brownouts": day.brownouts}
            | (_figures(day.figures) if day.figures else {})
            for day in line.days
        ],
        "earlier": [
            {"month": str(month), "availability": _round(availability(figures), 6)} for month, figures in line.earlier
        ],
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "availability": {
            "all": _round(availability(figures), 6),
            "service_hours": _round(availability(figures, "service"), 6),
            "outside_service_hours": _round(availability(figures, "outside"), 6),
        },
        "seconds": {
            "measured": figures.measured_ms / 1_000,
            "up": figures.up_ms / 1_000,
            "degraded": figures.degraded_ms / 1_000,
            "down": figures.down_ms / 1_000,
            "service_up": figures.service_up_ms / 1_000,
            "service_degraded": figures.service_degraded_ms / 1_000,
            "service_down": figures.service_down_ms / 1_000,
        },
        "loss": _round(figures.loss, 6),
        "rtt_ms": {f"p{share}": _round(percentile(figures.latency, share / 100), 1) for share in (50, 95, 99)},
        "jitter_ms": _round(figures.jitter_ms, 2),
        "rate_mbit": {
            "download_mean": _round(mean_mbit(figures.received_bytes, figures), 3),
            "download_peak": figures.peak_received_kbit / 1_000,
            "upload_mean": _round(mean_mbit(figures.sent_bytes, figures), 3),
            "upload_peak": figures.peak_sent_kbit / 1_000,
        },
        "received_bytes": figures.received_bytes,
        "sent_bytes": figures.sent_bytes,
    }


def _trouble(trouble: Trouble, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "level": trouble.level,
        "cause": trouble.cause,
        "began": _iso(trouble.began, zone),
        "ended": _iso(trouble.ended, zone) if trouble.ended_by else None,
        "seconds": _round(trouble.seconds, 1),
        "ended_by": trouble.ended_by,
    }


def _choice(choice: Choice, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "classes": list(choice.classes),
        "uplink": choice.uplink,
        "began": _iso(choice.began, zone),
        "ended": _iso(choice.ended, zone),
        "by": choice.by,
    }


def _iso(moment: float, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(moment, zone).isoformat(timespec="seconds")


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(share * 100, 4)
