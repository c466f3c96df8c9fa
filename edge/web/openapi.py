"""The desk API as OpenAPI 3.1, put together from the same rules that the handlers hold.

It is imported only when somebody asks. `python -m edge.web.openapi` prints it, as docs/desk-openapi.json has it.
"""

from __future__ import annotations

import sys
from typing import Any

import msgspec

import edge
from edge.desk_keys import SCOPES
from edge.web.desk_lists import LIMIT_MOST, LIMIT_USUAL, TICKET
from edge.web.openapi_schemas import LETTER, STATE, UUID, schemas
from edge.web.problem import KINDS, MEDIA_TYPE

Json = dict[str, Any]
_GUARD = ("address-not-allowed", "host-not-ours", "too-many-calls", "internal")
_GATE = (*_GUARD, "unauthorised", "scope", "no-desk-key", "store-refuses")
_JSON_BODY = ("media-type", "too-large", "slow-body", "malformed", "invalid")


_AFTER_FILING = ("getRequest", "listTransitions", "listAttachments", "beginAttachment", "cancelRequest", "handOut")


def document() -> bytes:
    """The document, as JSON with two spaces of indentation."""
    return msgspec.json.format(msgspec.json.encode(_document()), indent=2) + b"\n"


def _document() -> Json:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kampung-edge: the desk API",
            "version": edge.__version__,
            "description": "For programs of the village office. docs/api.md explains it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The box itself."}],
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"desk-key, or a key with the scope that is named: {', '.join(SCOPES)}.",
                }
            },
        },
    }


def _paths() -> Json:
    one = {"name": "id", "in": "path", "required": True, "description": "The request.", "schema": UUID}
    scan = {"name": "attachment", "in": "path", "required": True, "description": "The attachment.", "schema": UUID}
    gone = ("no-such-request",)
    return {
        "/v1/requests": {
            "get": _operation(
                "listRequests",
                "read",
                "Requests, the newest first",
                {"200": _shows("A page.", "Page")},
                *("query", "no-such-ticket"),
                parameters=[
                    _query("state", "In this state only.", STATE),
                    _query("letter", "For this letter only.", LETTER),
                    _query("ticket", "The one with this ticket.", {"type": "string", "pattern": TICKET}),
                    _query("after", "`next` of the page before.", UUID),
                    _query(
                        "limit",
                        "How many.",
                        {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT_USUAL},
                    ),
                ],
            ),
            "post": _operation(
                "fileRequest",
                "file",
                "File a request",
                {
                    "202": _shows(
                        "It is durable, and on its way to the portal; or it was before, with the same key.",
                        "Request",
                        headers={
                            "Location": {"schema": {"type": "string"}},
                            "ETag": {"schema": {"type": "string"}},
                            "Idempotent-Replayed": {"schema": {"type": "string", "enum": ["true"]}},
                        },
                        links={
                            name: {"operationId": name, "parameters": {"id": "$response.body#/id"}}
                            for name in _AFTER_FILING
                        },
                    )
                },
                *("idempotency-key", "idempotency-key-reused", "request-lost", *_JSON_BODY),
                parameters=[
                    {
                        "name": "Idempotency-Key",
                        "in": "header",
                        "required": True,
                        "description": "New for each new request; the same one when it is sent again.",
                        "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
                    }
                ],
                body="NewRequest",
            ),
        },
        "/v1/requests/search": {
            "post": _operation(
                "searchRequests",
                "search",
                "The newest 100 requests for a person",
                {"200": _shows("Those there are.", "Page")},
                *_JSON_BODY,
                body="WhoseNik",
            )
        },
        "/v1/requests/{id}": {
            "parameters": [one],
            "get": _operation(
                "getRequest",
                "read",
                "One request",
                {
                    "200": _shows("How it stands.", "Request", headers={"ETag": {"schema": {"type": "string"}}}),
                    "304": {"description": "The caller has this version."},
                },
                *gone,
                parameters=[
                    {
                        "name": "If-None-Match",
                        "in": "header",
                        "description": "The ETag of the version that the caller has.",
                        "schema": {"type": "string"},
                        "example": '"1"',
                    }
                ],
            ),
        },
        "/v1/requests/{id}/transitions": {
            "parameters": [one],
            "get": _operation(
                "listTransitions",
                "read",
                "What became of a request",
                {"200": _shows("The oldest first.", "Steps")},
                *gone,
            ),
        },
        "/v1/requests/{id}/cancel": {
            "parameters": [one],
            "post": _operation(
                "cancelRequest",
                "close",
                "Withdraw a request",
                {
                    "200": _shows("It is cancelled.", "Request"),
                    "202": _shows("The portal may have it, and was asked to cancel it.", "Request"),
                },
                *(*gone, "not-possible"),
            ),
        },
        "/v1/requests/{id}/collected": {
            "parameters": [one],
            "post": _operation(
                "handOut",
                "close",
                "The letter was handed out",
                {"200": _shows("It is collected.", "Request")},
                *(*gone, "not-possible"),
            ),
        },
        "/v1/requests/{id}/attachments": {
            "parameters": [one],
            "get": _operation(
                "listAttachments",
                "read",
                "The attachments of a request",
                {"200": _shows("The oldest first.", "Scans")},
                *gone,
            ),
            "post": _operation(
                "beginAttachment",
                "file",
                "Announce a scan",
                {
                    "201": _shows("Send its bytes to the Location.", "Scan", **_begun()),
                    "200": _shows("It was announced before.", "Scan", **_begun()),
                },
                *(*gone, "request-closed", "attachment-differs", "too-many-attachments", *_JSON_BODY),
                body="NewAttachment",
            ),
        },
        "/v1/requests/{id}/attachments/{attachment}": {
            "parameters": [one, scan],
            "put": _operation(
                "putAttachment",
                "file",
                "Upload a scan, whole or in ranges",
                {
                    "201": _shows("Whole, its SHA-256 is right, and on its way to the portal.", "Scan"),
                    "200": _shows("It was whole before.", "Scan"),
                    "202": _shows("Go on after the bytes received.", "Scan"),
                },
                *(*gone, "no-such-attachment", "attachment-busy", "wrong-offset", "content-range"),
                *("request-closed", "wrong-content", "hash-differs", "slow-body"),
                parameters=[
                    {
                        "name": "Content-Range",
                        "in": "header",
                        "description": "Which bytes the body holds, ending at a multiple of 65536 or at the end; "
                        "or with an empty body `bytes */SIZE`, to ask what is held. Without it the body is the whole.",
                        "schema": {
                            "type": "string",
                            "pattern": r"^bytes ([0-9]{1,15}-[0-9]{1,15}|\*)/[0-9]{1,15}$",
                        },
                        "example": "bytes 0-65535/200000",
                    }
                ],
                body="application/octet-stream",
            ),
        },
        "/v1/events": {
            "get": _operation(
                "listenToEvents",
                "read",
                "Changes of requests' states as they happen",
                {
                    "200": {
                        "description": "Server-sent events that do not end: `state` with a Step as data, or `reset`.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    }
                },
                *("event-id", "too-many-listeners"),
                parameters=[
                    {
                        "name": "Last-Event-ID",
                        "in": "header",
                        "description": "The id of the last event that was seen; without it from now on.",
                        "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
                    }
                ],
            )
        },
        "/v1/openapi.json": {
            "get": {
                "operationId": "getOpenapi",
                "summary": "This document",
                "security": [],
                "responses": {
                    "200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {}}}},
                    **_problems(*_GUARD),
                },
            }
        },
    }


def _operation(
    name: str,
    scope: str,
    summary: str,
    shows: Json,
    *problems: str,
    parameters: list[Json] | None = None,
    body: str = "",
) -> Json:
    operation: Json = {"operationId": name, "summary": summary, "description": f"Scope: `{scope}`."}
    if parameters:
        operation["parameters"] = parameters
    if "/" in body:
        operation["requestBody"] = {"content": {body: {"schema": {"type": "string", "format": "binary"}}}}
    elif body:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}}
        operation["requestBody"] = {"required": True, "content": content}
    return {**operation, "responses": {**shows, **_problems(*_GATE, *problems)}}


def _shows(description: str, schema: str, **more: Json) -> Json:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content, **more}


def _begun() -> Json:
    follow = {"id": "$response.body#/request", "attachment": "$response.body#/id"}
    return {
        "headers": {"Location": {"schema": {"type": "string"}}},
        "links": {"putAttachment": {"operationId": "putAttachment", "parameters": follow}},
    }


def _problems(*codes: str) -> Json:
    """The refusals by status, each naming its kinds."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(KINDS[code].status, []).append(code)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": f"One of the problems {', '.join(named)}.", "content": content}
        for status, named in sorted(by_status.items())
    }


def _query(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


if __name__ == "__main__":
    sys.stdout.buffer.write(document())
