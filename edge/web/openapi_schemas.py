"""The schemas of the desk API's OpenAPI document: what is shown, from the types; what is accepted, from the rules."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.queue import lifecycle
from edge.queue.attachments import MAGIC, MOST_BYTES
from edge.sms.letters import LETTERS
from edge.web import answers, form
from edge.web.openapi_numbers import KK, NIK
from edge.web.problem import KINDS

Json = dict[str, Any]
UUID = {"type": "string", "format": "uuid"}
STATE = {"type": "string", "enum": sorted(lifecycle.STATES)}
LETTER = {"type": "string", "enum": sorted(LETTERS)}


def schemas() -> Json:
    """Every schema by its name."""
    kinds = (answers.Page, answers.Steps, answers.Scans)
    _, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    all_of_them: Json = {("Request" if name == "Shown" else name): schema for name, schema in found.items()}
    all_of_them["Page"]["properties"]["requests"]["items"] = {"$ref": "#/components/schemas/Request"}
    for schema in all_of_them.values():
        schema["additionalProperties"] = False
    all_of_them["Request"]["properties"] |= {"state": STATE, "letter": LETTER, "id": UUID}
    all_of_them["Scan"]["properties"]["state"] = {"enum": ["arriving", "whole", "sent", "failed"]}
    return dict(sorted((all_of_them | _bodies() | {"Problem": _problem()}).items()))


def _bodies() -> Json:
    """What is accepted, field by field; docs/api.md says it in words."""
    one_to_999 = {"type": ["integer", "null"], "minimum": 1, "maximum": 999}
    request = {
        "letter": LETTER,
        "nik": {"type": "string", "pattern": f"^({NIK})?$", "description": form.RULES["nik"]},
        "name": {"type": "string", "pattern": form.NAME},
        "kk": {"type": "string", "pattern": f"^({KK})?$", "default": ""},
        "phone": {"type": "string", "pattern": r"^(\+[1-9][0-9]{7,14})?$", "default": ""},
        "rt": {**one_to_999, "default": None},
        "rw": {**one_to_999, "default": None},
        "purpose": {"type": "string", "pattern": form.PURPOSE, "default": ""},
    }
    needs_nik = [
        {"properties": {"letter": {"const": "LAHIR"}}},
        {"properties": {"nik": {"minLength": 16}}},
    ]
    attachment = {
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the whole file."},
        "size": {"type": "integer", "minimum": 1, "maximum": MOST_BYTES},
        "media_type": {"type": "string", "enum": sorted(MAGIC)},
        "name": {"type": "string", "pattern": form.FILE_NAME, "description": "It is not shown again."},
    }
    return {
        "NewRequest": {**_closed(request, "letter", "nik", "name"), "anyOf": needs_nik, "example": _EXAMPLE},
        "WhoseNik": _closed({"nik": {"type": "string", "pattern": f"^({NIK})$"}}, "nik"),
        "NewAttachment": _closed(attachment, *attachment),
    }


_EXAMPLE = {"letter": "SKTM", "nik": "3510054107859901", "name": "Siti Aminah", "purpose": "beasiswa"}


def _closed(properties: Json, *required: str) -> Json:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _problem() -> Json:
    error = _closed({"field": {"type": "string"}, "message": {"type": "string"}}, "field", "message")
    return {
        "description": "RFC 9457.",
        **_closed(
            {
                "type": {"type": "string", "enum": [f"urn:kampung-edge:problem:{code}" for code in sorted(KINDS)]},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "remedy": {"type": "string"},
                "detail": {"type": "string"},
                "errors": {"type": "array", "items": error},
                "received": {"type": "integer", "description": "Of wrong-offset: go on from there."},
            },
            *("type", "title", "status", "remedy"),
        ),
    }
