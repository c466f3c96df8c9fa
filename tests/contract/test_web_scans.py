"""Scans over TCP on the real store, also from callers that are slow, break off or say something else than they send."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.queue.store.sealed_file import PIECE
from edge.web.server import Limits
from tests.contract.desk_rig import HEADERS, Counter, counter, refused
from tests.contract.test_store_attachments import scan
from tests.office import until

PLAIN = scan(3 * PIECE + 1_000)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Counter]:
    async with counter(tmp_path) as desk:
        yield desk


async def announced(desk: Counter, plain: bytes = PLAIN, **fields: object) -> str:
    """The path to which the bytes of a new request's scan go."""
    request = await desk.file(hashlib.sha256(plain).hexdigest())
    facts = {"sha256": hashlib.sha256(plain).hexdigest(), "size": len(plain), "media_type": "application/pdf"}
    answer, made = await desk.call(
        "POST", f"/v1/requests/{request['id']}/attachments", json={**facts, "name": "kk.pdf", **fields}
    )
    assert (answer.status, made["state"], made["received"]) == (201, "arriving", 0)
    return answer.headers["Location"]


async def put(desk: Counter, path: str, body: Any, span: str = "") -> tuple[aiohttp.ClientResponse, Any]:
    return await desk.call("PUT", path, data=body, headers={"Content-Range": span} if span else {})


async def test_a_scan_in_one_go(desk: Counter) -> None:
    """The simplest program could not send a scan."""
    path = await announced(desk)
    answer, body = await put(desk, path, PLAIN)
    assert (answer.status, body["state"], body["received"]) == (201, "whole", len(PLAIN))
    answer, again = await put(desk, path, PLAIN)
    assert (answer.status, again) == (200, body)
    _, listed = await desk.call("GET", path.rsplit("/", 1)[0])
    assert listed == {"attachments": [body]}
    assert "kk.pdf" not in str(listed)


async def test_a_scan_in_ranges(desk: Counter) -> None:
    """A program that sends in pieces could not finish, or would not know where to go on."""
    path, size = await announced(desk), len(PLAIN)
    for start in range(0, size, PIECE):
        answer, body = await put(desk, path, b"", f"bytes */{size}")
        assert (answer.status, body["received"]) == (202, start)
        end = min(start + PIECE, size)
        answer, body = await put(desk, path, PLAIN[start:end], f"bytes {start}-{end - 1}/{size}")
        assert body["received"] == end
    assert (answer.status, body["state"]) == (201, "whole")


@pytest.mark.parametrize(
    ("span", "body"),
    [
        ("bytes 0-9/10", PLAIN[:10]),
        (f"bytes 0-{PIECE}/{len(PLAIN)}", PLAIN[:PIECE]),
        (f"bytes 9-5/{len(PLAIN)}", b""),
        (f"bytes 0-{len(PLAIN)}/{len(PLAIN)}", PLAIN + b"x"),
        (f"bytes */{len(PLAIN)}", b"x"),
        ("bytes 0-9", PLAIN[:10]),
        ("", PLAIN[:10]),
    ],
)
async def test_a_range_that_does_not_fit_is_refused(desk: Counter, span: str, body: bytes) -> None:
    """Bytes would land in the wrong place of the file."""
    path = await announced(desk)
    refused(await put(desk, path, body, span), "content-range")
    _, held = await put(desk, path, b"", f"bytes */{len(PLAIN)}")
    assert held["received"] == 0


async def test_a_range_in_the_wrong_place_says_where_to_go_on(desk: Counter) -> None:
    """A program that lost an answer would have to begin anew."""
    path, size = await announced(desk), len(PLAIN)
    await put(desk, path, PLAIN[:PIECE], f"bytes 0-{PIECE - 1}/{size}")
    document = refused(await put(desk, path, PLAIN[: 2 * PIECE], f"bytes 0-{2 * PIECE - 1}/{size}"), "wrong-offset")
    assert document["received"] == PIECE


async def test_a_body_without_a_length_is_taken(desk: Counter) -> None:
    """A program that streams would be refused, or could send without end."""

    async def stream(plain: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(plain), 10_000):
            yield plain[start : start + 10_000]

    path = await announced(desk)
    refused(await put(desk, path, stream(PLAIN + b"x"), f"bytes 0-{len(PLAIN) - 1}/{len(PLAIN)}"), "content-range")
    _, held = await put(desk, path, b"", f"bytes */{len(PLAIN)}")
    left = PLAIN[held["received"] :]
    answer, _ = await put(desk, path, stream(left), f"bytes {held['received']}-{len(PLAIN) - 1}/{len(PLAIN)}")
    assert answer.status in (200, 201)


@pytest.mark.parametrize(
    ("body", "code"), [(b"PK\x03\x04" + PLAIN[4:], "wrong-content"), (PLAIN[:-1] + b"\0", "hash-differs")]
)
async def test_another_file_is_thrown_away(desk: Counter, body: bytes, code: str) -> None:
    """A wrong or damaged file would go to the portal under the right name."""
    path = await announced(desk)
    refused(await put(desk, path, body), code)
    refused(await put(desk, path, PLAIN), "no-such-attachment")


async def test_what_cannot_be_announced(desk: Counter) -> None:
    """Something that is no scan would fill the box."""
    made = await desk.file("a")
    path = f"/v1/requests/{made['id']}/attachments"
    fit = {"sha256": "0" * 64, "size": 9, "media_type": "image/png", "name": "ktp.png"}
    for field, value in {
        "sha256": "0" * 64 + "\n",
        "size": 10_000_001,
        "media_type": "text/html",
        "name": "../../etc/passwd",
    }.items():
        document = refused(await desk.call("POST", path, json={**fit, field: value}), "invalid")
        assert [error["field"] for error in document["errors"]] == [field]
    nobody = "/v1/requests/01a1cf5e-6d80-7000-8000-000000000000/attachments"
    refused(await desk.call("POST", nobody, json=fit), "no-such-request")
    refused(await desk.call("GET", nobody), "no-such-request")
    refused(await put(desk, f"{nobody}/01a1cf5e-6d80-7000-8000-000000000000", b"x"), "no-such-request")
    refused(await put(desk, f"{path}/x", b"x"), "no-such-attachment")


async def raw(desk: Counter, path: str, *, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upload of the whole file that a test feeds by hand."""
    host, port = desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"PUT {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {HEADERS['Authorization']}\r\n"
    writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode())
    return reader, writer


async def held(desk: Counter, path: str) -> int | None:
    """How many bytes the box says it has; None while another upload is under way."""
    answer, body = await put(desk, path, b"", f"bytes */{len(PLAIN)}")
    return int(body["received"]) if answer.status == 202 else None


async def test_a_slow_sender_is_given_up_and_goes_on_later(tmp_path: Path) -> None:
    """A sender of a byte a minute would hold one of four places for ever."""
    async with counter(tmp_path, limits=Limits(body_s=3)) as desk:
        path = await announced(desk)
        reader, writer = await raw(desk, path, size=len(PLAIN))
        writer.write(PLAIN[: PIECE + 100])
        async with asyncio.timeout(60):
            assert b" 408 " in await reader.readline()
        writer.close()
        assert await held(desk, path) == PIECE
        answer, _ = await put(desk, path, PLAIN[PIECE:], f"bytes {PIECE}-{len(PLAIN) - 1}/{len(PLAIN)}")
        assert answer.status == 201


async def test_a_sender_that_goes_away_loses_no_whole_piece(desk: Counter, tmp_path: Path) -> None:
    """A wireless network that breaks off every few seconds would never get a scan through."""
    path = await announced(desk)
    _, writer = await raw(desk, path, size=len(PLAIN))
    writer.write(PLAIN[: 2 * PIECE + 100])
    file = tmp_path / "attachments" / path.rsplit("/", 1)[1]

    async def written() -> bool:
        return await asyncio.to_thread(lambda: file.exists() and file.stat().st_size >= 2 * PIECE)

    await until(written, what="two pieces have arrived")
    writer.close()

    async def over() -> bool:
        return await held(desk, path) is not None

    await until(over, what="the upload is given up")
    assert await held(desk, path) == 2 * PIECE
    answer, _ = await put(desk, path, PLAIN[2 * PIECE :], f"bytes {2 * PIECE}-{len(PLAIN) - 1}/{len(PLAIN)}")
    assert answer.status == 201


async def test_two_senders_at_once_and_too_many(desk: Counter) -> None:
    """Two windows would tear a file, or a class of pupils would fill the memory."""
    paths = [await announced(desk, scan(PIECE, seed)) for seed in range(5)]
    writers = []
    for path in paths[:4]:
        _, writer = await raw(desk, path, size=PIECE)
        writer.write(scan(PIECE)[:100])
        writers.append(writer)

    async def busy() -> bool:
        return all([(await put(desk, path, b"", f"bytes */{PIECE}"))[0].status == 409 for path in paths])

    await until(busy, what="four uploads are under way")
    answer, _ = await put(desk, paths[4], scan(PIECE, 4))
    assert (answer.status, answer.headers["Retry-After"]) == (409, "2")
    for writer in writers:
        writer.close()

    async def free() -> bool:
        return (await put(desk, paths[4], scan(PIECE, 4)))[0].status == 201

    await until(free, what="a place is free")


async def test_a_full_store_refuses_a_scan_in_words(desk: Counter) -> None:
    """The desk would take a scan for stored that is not."""
    made = await desk.file("a")
    for seed in range(6):
        answer, body = await desk.call(
            "POST",
            f"/v1/requests/{made['id']}/attachments",
            json={"sha256": f"{seed:064}", "size": 10_000_000, "media_type": "image/png", "name": "x"},
        )
        assert answer.status == 201
    answered = await desk.call(
        "POST",
        f"/v1/requests/{made['id']}/attachments",
        json={"sha256": "f" * 64, "size": 10_000_000, "media_type": "image/png", "name": "x"},
    )
    document = refused(answered, "store-refuses")
    assert "store.attachments_mbyte" in document["detail"]
    assert answered[0].headers["Retry-After"] == "60"
    assert body["size"] == 10_000_000


async def test_the_commands_of_the_page_work(desk: Counter, tmp_path: Path) -> None:
    """The first thing a programmer types from docs/api.md would fail."""
    curl = shutil.which("curl")
    assert curl, "curl is needed: apt-get install curl"
    await asyncio.to_thread((tmp_path / "kk.pdf").write_bytes, PLAIN)
    made = await desk.file("first")
    page = await asyncio.to_thread((Path(__file__).parents[2] / "docs" / "api.md").read_text)
    blocks = [block.split("```", 1)[0] for block in page.split("```sh\n")[1:]]
    blocks = [re.sub(r"^(BOX|KEY)=.*\n", "", block, flags=re.MULTILINE) for block in blocks]
    upload = next(block for block in blocks if "sha256sum" in block)
    resume = next(block for block in blocks if "RECEIVED" in block)
    others = [block for block in blocks if block not in (upload, resume) and "/events" not in block]
    first, second = upload.split("curl -s -X PUT", 1)
    ids = r's|.*"id":"\([^"]*\)","request":"\([^"]*\)".*|/v1/requests/\2/attachments/\1|'
    where = f"""LOCATION=$(printf '%s' "$OUT" | sed '{ids}')"""
    part = f'curl -s -X PUT "$BOX$LOCATION" -H "Authorization: Bearer $KEY" --data-binary @<(head -c {PIECE} kk.pdf)'
    script = [
        f"OUT=$({first.strip()}); {where}",
        f'{part} -H "Content-Range: bytes 0-{PIECE - 1}/$SIZE" >part; RECEIVED={PIECE}',
        resume,
        f"curl -s -X PUT{second}",
        *others,
    ]
    done = await asyncio.to_thread(
        lambda: subprocess.run(
            ["bash", "-euc", "\n".join(script)],
            env={
                "PATH": "/usr/bin:/bin",
                "BOX": desk.url,
                "KEY": HEADERS["Authorization"].removeprefix("Bearer "),
                "ID": made["id"],
                "SIZE": str(len(PLAIN)),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"state":"whole"' in done.stdout
    problems = re.findall(r"urn:kampung-edge:problem:([a-z-]+)", done.stdout)
    assert set(problems) <= {"no-such-ticket", "not-possible"}, done.stdout
