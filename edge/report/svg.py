"""Charts as inline SVG, readable in black and white: no script, no style sheet, nothing from elsewhere.

What was not measured is a dot on the base line, never a zero. Every piece is a `Markup` template, so that whatever is
filled in is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from edge.report import words

WIDTH, HEIGHT = 340.0, 104.0
_LEFT, _RIGHT, _TOP, _BASE = 30.0, 336.0, 6.0, 90.0
_CELL = 4.4
_NICE = (1.0, 2.0, 5.0)
_FLOORS = (0.99, 0.95, 0.9, 0.75, 0.5, 0.0)
_SVG = Markup('<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"><title>{}</title>{}</svg>')
_RECT = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" {}/>')
_LINE = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" {}/>')
_CIRCLE = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" font-size="7" text-anchor="{}" fill="#333">{}</text>')
_BAR, _GRID = Markup('fill="#444"'), Markup('stroke="#ccc" stroke-width="0.5"')
_JOIN = Markup('stroke="#888" stroke-width="0.8"')
_WELL = Markup('fill="#fff" stroke="#ddd" stroke-width="0.4"')
_DEGRADED = Markup('fill="url(#hatch)" stroke="#999" stroke-width="0.2"')
_DOWN = Markup('fill="#000" fill-opacity="{:.2f}"')
_HATCH = Markup(
    '<defs><pattern id="hatch" width="3" height="3" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="3" height="3" fill="#fff"/><rect width="1.2" height="3" fill="#555"/></pattern></defs>'
)


def bars(values: Sequence[float | None], *, unit: str, label: str) -> Markup:
    """A bar for each day from zero up, on an axis that ends at a round number."""
    top = nice(max((value for value in values if value is not None), default=0.0))
    parts = [_axis(0.0, top, unit, 0 if top >= 5 else 1)]
    step = (_RIGHT - _LEFT) / max(1, len(values))
    for place, value in enumerate(values):
        x = _LEFT + place * step
        if value is None:
            parts.append(_nothing(x + step / 2))
        else:
            height = (_BASE - _TOP) * min(1.0, value / top)
            parts.append(_RECT.format(x + step * 0.15, _BASE - height, step * 0.7, height, _BAR))
    return _chart(parts, len(values), label)


def points(values: Sequence[float | None], *, label: str) -> Markup:
    """A point for each day's share (0 to 1), joined by a line; the axis begins at a round share below them all."""
    lowest = min((value for value in values if value is not None), default=1.0)
    floor = next(each for each in _FLOORS if lowest >= each)
    parts = [_axis(floor * 100, 100.0, "%", 1 if floor > 0.9 else 0)]
    step = (_RIGHT - _LEFT) / max(1, len(values))
    marks: list[Markup] = []
    before: tuple[float, float] | None = None
    for place, value in enumerate(values):
        x = _LEFT + (place + 0.5) * step
        if value is None:
            parts.append(_nothing(x))
            before = None
            continue
        y = _BASE - (_BASE - _TOP) * (value - floor) / (1 - floor)
        if before:
            parts.append(_LINE.format(*before, x, y, _JOIN))
        marks.append(_CIRCLE.format(x, y, 1.9, "#111"))
        before = x, y
    return _chart(parts + marks, len(values), label)


def strip(hours: Sequence[Iterable[tuple[float, float, float]]], *, label: str) -> Markup:
    """A cell for each hour of each day: (down, degraded, measured), each a share of the hour.

    Black is down (the darker the longer), hatched degraded, white well; an hour that was not measured is a grey dot.
    """
    width, height = 2 * WIDTH + 20, 24 * _CELL
    step = (width - _LEFT - 4) / max(1, len(hours))
    parts = [_HATCH]
    for place, day in enumerate(hours):
        for hour, shares in enumerate(day):
            parts.append(_cell(_LEFT + place * step, 2 + hour * _CELL, step, *shares))
    parts += [_TEXT.format(_LEFT - 4, 2 + (hour + 1) * _CELL - 0.6, "end", f"{hour:02}.00") for hour in (0, 6, 12, 18)]
    parts += _days(len(hours), step, height + 11)
    return _SVG.format(width, height + 14, label, label, Markup().join(parts))


def _cell(x: float, y: float, step: float, down: float, degraded: float, measured: float) -> Markup:
    if down <= 0 and degraded <= 0 and measured <= 0:
        return _CIRCLE.format(x + step / 2, y + _CELL / 2, 0.5, "#999")
    look = _DOWN.format(0.45 + 0.55 * down) if down > 0 else _DEGRADED if degraded > 0 else _WELL
    return _RECT.format(x, y, step - 0.6, _CELL - 0.5, look)


def nice(value: float) -> float:
    """The smallest of 1, 2, 5, 10, 20, 50 ... that is not below `value`."""
    scale = 1.0
    while value > _NICE[-1] * scale:
        scale *= 10
    return next(step * scale for step in _NICE if step * scale >= value)


def _chart(parts: list[Markup], days: int, label: str) -> Markup:
    inside = Markup().join([*parts, *_days(days, (_RIGHT - _LEFT) / max(1, days), _BASE + 10)])
    return _SVG.format(WIDTH, HEIGHT, label, label, inside)


def _axis(bottom: float, top: float, unit: str, digits: int) -> Markup:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _BASE - (_BASE - _TOP) * share
        parts.append(_LINE.format(_LEFT, y, _RIGHT, y, _GRID))
        value = words.number(bottom + (top - bottom) * share, digits)
        parts.append(_TEXT.format(_LEFT - 3, y + 2.5, "end", value + (unit if share == 1 else "")))
    return Markup().join(parts)


def _days(count: int, step: float, y: float) -> list[Markup]:
    """The first day's number and every fifth."""
    marked = [day for day in range(1, count + 1) if day == 1 or day % 5 == 0]
    return [_TEXT.format(_LEFT + (day - 0.5) * step, y, "middle", day) for day in marked]


def _nothing(x: float) -> Markup:
    return _CIRCLE.format(x, _BASE, 0.8, "#999")
