"""docs/openapi.json against the portal that serves it and the sink that uses it."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.queue.request import uuid7
from tests.contract.json_schema import Schemas
from tests.contract.portal_rig import KEY, VILLAGE, Rig, rig

DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
SCHEMAS = Schemas(DOCUMENT)
REQUEST = uuid7(1_790_000_000_000, 7)
BLOB = b"scan" * 10
SHA = hashlib.sha256(BLOB).hexdigest()
CONTENT = {
    "id": REQUEST,
    "village": VILLAGE.code,
    "ticket": "K47-M2",
    "letter": "SKTM",
    "source": "sms",
    "applicant": {"nik": "3510152306089909", "kk": "", "name": "SITI", "phone": "", "rt": None, "rw": None},
    "created_at": "2026-11-22T00:00:00+00:00",
}
EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": f"kampung/{VILLAGE.code}",
    "type": "kampung.request.rt_answered",
    "subject": REQUEST,
    "seq": 1,
    "epoch": 0,
    "data": {},
}
OTHER = {**EVENT, "id": "e2", "subject": uuid7(1, 2)}
V = f"/v1/villages/{VILLAGE.code}"
ONCE = {"If-None-Match": "*"}

ONE, TWO = "0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950f"
BEAT = {"installation": ONE, "epoch": 0, "at": "2026-11-22T03:00:00+00:00"}

OPERATIONS = [(path, m) for path, item in DOCUMENT["paths"].items() for m in item if m != "parameters"]

# (path of the document, method, path called, query, headers, body, status) in this order against one portal
Call = tuple[str, str, str, dict[str, str], dict[str, str], Any, int]
CALLS: list[Call] = [
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, CONTENT, 201),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, CONTENT, 200),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, {**CONTENT, "letter": "USAHA"}, 409),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, {**CONTENT, "ticket": 7}, 422),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, {**CONTENT, "village": "3510052002"}, 403),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, {}, CONTENT, 400),
    ("/v1/requests/{id}", "put", "/v1/requests/seven", {}, ONCE, CONTENT, 400),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, {**CONTENT, "purpose": "x" * 300_000}, 413),
    ("/v1/requests/{id}", "get", f"/v1/requests/{REQUEST}", {}, {}, None, 200),
    ("/v1/requests/{id}", "get", f"/v1/requests/{uuid7(1, 1)}", {}, {}, None, 404),
    ("/v1/villages/{code}/changes", "get", f"{V}/changes", {"wait": "0"}, {}, None, 204),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {}, [EVENT, EVENT, OTHER], 200),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {}, {"no": "batch"}, 400),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {}, [EVENT] * 51, 413),
    ("/v1/villages/{code}/events", "post", "/v1/villages/3510052002/events", {}, {}, [EVENT], 403),
    ("/v1/villages/{code}/changes", "get", f"{V}/changes", {"after": "", "wait": "0"}, {}, "completed", 200),
    ("/v1/villages/{code}/changes", "get", f"{V}/changes", {"after": "?"}, {}, None, 400),
    ("/v1/villages/{code}/changes", "get", f"{V}/changes", {"after": "0"}, {}, "forgotten", 410),
    ("/v1/villages/{code}/snapshot", "get", f"{V}/snapshot", {}, {}, None, 200),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{SHA}", {}, {"Content-Range": "bytes 0-9/40"}, BLOB[:10], 202),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{SHA}", {}, {"Content-Range": "bytes 10-39/40"}, BLOB[10:], 201),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{SHA}", {}, {}, BLOB, 200),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{'0' * 64}", {}, {}, BLOB, 422),
    ("/v1/blobs/{sha256}", "put", "/v1/blobs/name", {}, {}, BLOB, 400),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{SHA[::-1]}", {}, {}, b"x" * 1_100_000, 413),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{'1' * 64}", {}, {"Content-Range": "bytes */40"}, b"", 202),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{'1' * 64}", {}, {"Content-Range": "bytes 9-40"}, BLOB, 400),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{'1' * 64}", {}, {"Content-Range": "bytes 0-39/99999999"}, BLOB, 413),
    ("/v1/villages/{code}/snapshot", "get", f"{V}/snapshot", {"limit": "many"}, {}, None, 400),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {"Content-Encoding": "br"}, [EVENT], 415),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {"Content-Type": "text/plain"}, [EVENT], 415),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, BEAT, 204),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, {**BEAT, "installation": 7}, 400),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, {**BEAT, "more": "x" * 20_000}, 413),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, BEAT, 200),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, {**BEAT, "installation": TWO}, 200),
    ("/v1/villages/{code}/heartbeat", "post", f"{V}/heartbeat", {}, {}, BEAT, 403),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, ONCE, CONTENT, 403),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, {**ONCE, "Kampung-Epoch": "1"}, CONTENT, 403),
    ("/v1/requests/{id}", "put", f"/v1/requests/{REQUEST}", {}, {**ONCE, "Kampung-Epoch": "2"}, CONTENT, 200),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {}, [{**EVENT, "epoch": 1}], 403),
    ("/v1/villages/{code}/events", "post", f"{V}/events", {}, {}, [{**EVENT, "epoch": 2}], 200),
    ("/v1/blobs/{sha256}", "put", f"/v1/blobs/{SHA}", {}, {"Kampung-Epoch": "1"}, BLOB, 403),
    ("/v1/villages/{code}/changes", "get", f"{V}/changes", {"wait": "0"}, {"Kampung-Epoch": "1"}, None, 403),
]


@asynccontextmanager
async def client(box: Rig, key: str = KEY) -> AsyncIterator[aiohttp.ClientSession]:
    tls = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(box.tls.ca)))
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(f"https://127.0.0.1:{box.port}", connector=tls, headers=headers) as session:
        yield session


async def check(session: aiohttp.ClientSession, call: Call) -> None:
    """The portal's answer to one call has the status, content type and shape of the document."""
    documented, method, path, query, headers, body, status = call
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    accepted = DOCUMENT["paths"][documented][method].get("requestBody", {}).get("content", {"application/json": {}})
    headers = {"Content-Type": next(iter(accepted)), **headers}
    async with session.request(method, path, params=query, headers=headers, data=data) as response:
        content, content_type = await response.read(), response.content_type
    assert response.status == status, content
    wanted = SCHEMAS.resolve(DOCUMENT["paths"][documented][method]["responses"][str(status)])
    if "content" not in wanted:
        assert content == b""
        return
    ((kind, schema),) = wanted["content"].items()
    assert content_type == kind
    SCHEMAS.check(schema["schema"], json.loads(content))
    for header in wanted.get("headers", {}):
        assert header in response.headers or header in ("Retry-After", "Accept-Encoding")
    if status < 300 and not isinstance(body, bytes | None):
        SCHEMAS.check(next(iter(accepted.values())).get("schema", {}), body)


async def test_portal_answers_as_documented(tmp_path: Path) -> None:
    """The portal that everything is tested against does not follow the published contract."""
    async with rig(tmp_path, forwarding=False) as box, client(box) as session:
        for call in CALLS:
            if call[5] == "completed":
                box.portal.complete(REQUEST)
            if call[5] == "forgotten":
                box.portal.ledger.forget()
            box.portal.epochs = call[6] != 204
            await check(session, call)
        assert box.portal.effects[REQUEST] == 1
        assert box.portal.effects[f"kampung.request.rt_answered {REQUEST} e1"] == 1


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
async def test_every_operation_refuses_a_wrong_key(tmp_path: Path, path: str, method: str) -> None:
    """An operation is open to whoever finds the address."""
    concrete = path.format(id=REQUEST, code=VILLAGE.code, sha256=SHA)
    async with rig(tmp_path, forwarding=False) as box, client(box, key="wrong") as session:
        await check(session, (path, method, concrete, {}, ONCE, CONTENT, 401))


def test_every_documented_operation_is_called() -> None:
    """An operation or success of the document is never shown to the portal."""
    for path, method in OPERATIONS:
        called = {str(status) for p, m, *_, status in CALLS if (p, m) == (path, method)}
        assert {status for status in DOCUMENT["paths"][path][method]["responses"] if status < "300"} <= called


async def test_sink_calls_only_what_is_documented(tmp_path: Path) -> None:
    """The box sends a call, or a body, that the contract does not have."""
    async with rig(tmp_path) as box:
        request = await box.submit()
        await box.until_state(request.id, "forwarded")
        SCHEMAS.check(DOCUMENT["components"]["schemas"]["Request"], box.portal.requests[request.id].content)
        await box.store.write(lambda conn: box.requests.cancel(conn, request.id, by="sms", now=1.0))
        await box.until_state(request.id, "cancelled")
        (event,) = box.portal.ledger.events.values()
        SCHEMAS.check(DOCUMENT["components"]["schemas"]["BoxEvent"], event)
        SCHEMAS.check(DOCUMENT["components"]["schemas"]["Heartbeat"], box.portal.ledger.heartbeat()[1])
        box.portal.ledger.forget()
        documented = {
            (method.upper(), path.format(id=request.id, code=VILLAGE.code, sha256=SHA)) for path, method in OPERATIONS
        }
        called = {(call.split()[0], call.split()[1]) for call in box.portal.calls}
        assert called <= documented
        assert ("PUT", f"/v1/requests/{request.id}") in called


def test_document_is_sound() -> None:
    """A reference leads nowhere, an example breaks its own schema, or an operation lacks what every call may meet."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            SCHEMAS.check(schema, example, name)
    assert DOCUMENT["openapi"] == "3.1.0"
    names = [DOCUMENT["paths"][path][method]["operationId"] for path, method in OPERATIONS]
    assert len(set(names)) == len(names)
    for path, method in OPERATIONS:
        operation = DOCUMENT["paths"][path][method]
        assert {"401", "403", "429", "503"} <= set(operation["responses"]), path
        parameters = [*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
        resolved = [SCHEMAS.resolve(parameter) for parameter in parameters]
        assert {one["name"] for one in resolved if one["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
        for one in resolved:
            for example in (one.get("example"), *(named["value"] for named in one.get("examples", {}).values())):
                if example is not None:
                    SCHEMAS.check(one["schema"], example, one["name"])


def references(value: Any) -> list[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in ([inner] if key == "$ref" else references(inner))]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


def test_every_reference_is_resolved_and_every_component_used() -> None:
    """A component was renamed in one place only, or is left over."""
    used = set(references(DOCUMENT))
    for reference in used:
        assert SCHEMAS.resolve({"$ref": reference})
    parts = ("parameters", "responses", "schemas")
    assert {f"#/components/{part}/{name}" for part in parts for name in DOCUMENT["components"][part]} == used
