"""What the reference portal takes for a request, an event and a heartbeat, and how it says no (RFC 9457)."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

REPLACED = "urn:kampung:problem:installation-replaced"
OPEN_AT_PORTAL = frozenset(
    {
        *("forwarded", "village_check", "needs_data", "rt_confirmation", "returned"),
        *("district_check", "secretary_approval", "head_approval", "signing"),
    }
)
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TYPE = re.compile(r"kampung\.[a-z]{1,32}\.[a-z_]{1,32}")
_APPLICANT = {"nik": str, "kk": str, "name": str, "phone": str}
_FIELDS = {"id": str, "village": str, "letter": str, "ticket": str, "source": str, "applicant": dict, "created_at": str}
_SEQ_MOST = 2**53


def wrong_request(identifier: str, content: dict[str, Any]) -> str | None:
    """What is wrong with a request, or None."""
    for name, kind in _FIELDS.items():
        if not isinstance(content.get(name), kind):
            return f"{name} is missing or of a wrong type"
    for name, kind in _APPLICANT.items():
        if not isinstance(content["applicant"].get(name), kind):
            return f"applicant.{name} is missing or of a wrong type"
    return None if content["id"] == identifier else "id differs from the path"


def wrong_event(event: Any, village: str) -> str | None:
    """What is wrong with a CloudEvent from this village, or None."""
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        return "no CloudEvent 1.0"
    if not _short(event.get("id")) or event.get("source") != f"kampung/{village}":
        return f"id is missing or too long, or source is not kampung/{village}"
    if not isinstance(event.get("type"), str) or not _TYPE.fullmatch(event["type"]):
        return "type is unknown"
    if "subject" in event and not _short(event["subject"]):
        return "subject is no request id"
    if not _number(event.get("seq")) or not _number(event.get("epoch", 0)):
        return "seq or epoch is missing or no whole number"
    return None if isinstance(event.get("data"), dict) else "data is missing or no object"


def wrong_beat(state: Any) -> str | None:
    """What is wrong with a heartbeat, or None."""
    if not isinstance(state, dict):
        return "the body is not a JSON object"
    installation = state.get("installation")
    if installation is not None and not (isinstance(installation, str) and _UUID.fullmatch(installation)):
        return "installation is no UUID"
    return None if _number(state.get("epoch", 0)) else "epoch is no whole number"


def problem(
    status: int, title: str, *, detail: str = "", kind: str = "about:blank", headers: dict[str, str] | None = None
) -> web.Response:
    """An RFC 9457 problem."""
    body = {"type": kind, "title": title, "status": status, **({"detail": detail} if detail else {})}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


def replaced() -> web.Response:
    """What an installation hears once its successor has enrolled."""
    return problem(403, "another installation speaks for this village now", kind=REPLACED)


def _short(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _SEQ_MOST
