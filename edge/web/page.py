"""The office's status page: an `Overview` in words, rendered on the box; no script or style comes from elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.health import Raised
from edge.lean import without
from edge.sms import letters
from edge.web import texts
from edge.web.overview import Overview

with without("jinja2.bccache"):  # compiled templates are not kept on disk
    import jinja2

ASSETS = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_FRESH_S = 1.0
_TEMPLATES = Path(__file__).with_name("templates")
_FACE = {
    "well": (texts.ALL_WELL, texts.ALL_WELL_HINT),
    "warning": (texts.ATTENTION, texts.ATTENTION_HINT),
    "error": (texts.TROUBLE, texts.TROUBLE_HINT),
}


class Page:
    """Renders the page; however many browsers ask, the overview is made at most once a second."""

    def __init__(self, overview: Callable[[], Awaitable[Overview]], *, timezone: str) -> None:
        self._overview = overview
        self._template = _environment(zone(timezone)).get_template("page.html")
        self._making = asyncio.Lock()
        self._made_at = float("-inf")
        self._html = ""

    async def html(self) -> str:
        """The page as it is now, at most one second old."""
        async with self._making:
            if time.monotonic() - self._made_at >= _FRESH_S:
                self._html = self.render(await self._overview(), now=time.time())
                self._made_at = time.monotonic()
            return self._html

    def render(self, overview: Overview, *, now: float) -> str:
        """The page for `overview` at Unix time `now`."""
        mood = worst(overview.health)
        headline, hint = _FACE[mood]
        return self._template.render(o=overview, t=texts, now=now, mood=mood, headline=headline, hint=hint)


def worst(health: tuple[Raised, ...]) -> str:
    """The gravest severity among the conditions that hold: ``error``, ``warning``, or ``well`` when there are none."""
    severities = {raised.condition.severity for raised in health}
    return "error" if "error" in severities else "warning" if severities else "well"


def zone(name: str) -> ZoneInfo:
    """The village's time zone; ValueError when the machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(
            f"village.timezone: {name!r} is not a time zone this machine knows; "
            "use a name such as Asia/Jakarta, and install Debian's tzdata"
        ) from None


def asset(name: str) -> bytes:
    """The bytes of one of `ASSETS`."""
    return (_TEMPLATES / name).read_bytes()


def _environment(village_zone: ZoneInfo) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=texts.duration,
        ago=texts.ago,
        number=texts.number,
        rupiah=texts.rupiah,
        day=texts.day,
        uplink=texts.uplink_name,
        subject=lambda raised: texts.subject(raised.condition.code, raised.subject),
        letter=letters.label,
        moment=lambda when: _moment(datetime.fromtimestamp(when, village_zone)),
        clock=lambda when: datetime.fromtimestamp(when, village_zone).strftime("%H.%M.%S"),
    )
    return environment


def _moment(when: datetime) -> str:
    return f"{when.day} {texts.MONTHS[when.month - 1]} {when:%H.%M}"
