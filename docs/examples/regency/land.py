"""The regency's consumer: lands what the boxes send in PostgreSQL and tells them what is durable and what was decided.

Order is everything: a row is committed, then confirmed to its box, then acknowledged to the broker. Killed between any
two of these the consumer gets the message again, ON CONFLICT DO NOTHING lands it once, and it is confirmed again.
Several of these may run side by side: the broker deals the messages out, PostgreSQL keeps them apart.

Environment: KAMPUNG_NATS (url), KAMPUNG_NATS_SEED (file), KAMPUNG_DATABASE (a PostgreSQL connection string).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import nats
import nats.errors
import nats.js.errors
import psycopg
from psycopg.types.json import Jsonb

log = logging.getLogger("land")

BATCH = 200
DAY_S = 86_400
# How long the broker remembers a message id. Shorter than the boxes' upstream.confirm_s: a row that is sent again
# because its confirmation was lost must come through, and landing it twice has one effect.
DUPLICATE_WINDOW_S = 600
UP = {
    "name": "KAMPUNG_UP",
    "subjects": ["kampung.*.requests", "kampung.*.events", "kampung.*.digests"],
    "retention": "workqueue",
    "discard": "new",
    "max_bytes": 4 << 30,
    "max_age": 14 * DAY_S,
    "max_msg_size": 64 << 10,
    "duplicate_window": DUPLICATE_WINDOW_S,
}
DOWN = {
    "name": "KAMPUNG_DOWN",
    "subjects": ["kampung.*.changes"],
    "retention": "limits",
    "discard": "old",
    "max_bytes": 2 << 30,
    "max_age": 90 * DAY_S,
    "max_msg_size": 64 << 10,
    "duplicate_window": DUPLICATE_WINDOW_S,
}


class Unreadable(Exception):
    """A message that is no event of a box."""


async def main() -> None:
    """Run until killed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    client = await nats.connect(
        os.environ["KAMPUNG_NATS"],
        nkeys_seed_str=(await asyncio.to_thread(Path(os.environ["KAMPUNG_NATS_SEED"]).read_text)).strip(),
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        pending_size=16 << 20,
    )
    await client.subscribe("kampung.*.heartbeat", queue="regency", cb=answering(heartbeat))
    await client.subscribe("kampung.*.blobs", queue="regency", cb=answering(take_piece))
    async with asyncio.TaskGroup() as group:
        group.create_task(for_ever(client, land))
        group.create_task(for_ever(client, tell))


async def for_ever(client: Any, work: Callable[[Any, Any], Awaitable[None]]) -> None:
    """Run `work` with a connection of its own to PostgreSQL; begin again when the broker or the database went away."""
    while True:
        try:
            await make_streams(client)
            async with await connect() as database:
                log.info("%s: running", work.__name__)
                await work(client, database)
        except (psycopg.OperationalError, nats.errors.Error, OSError, TimeoutError) as error:
            log.warning("%s: waits, for %s: %s", work.__name__, type(error).__name__, error)
            await asyncio.sleep(2)


async def connect() -> psycopg.AsyncConnection[Any]:
    """A connection to PostgreSQL that commits when told."""
    return await psycopg.AsyncConnection.connect(os.environ["KAMPUNG_DATABASE"])


async def make_streams(client: Any) -> None:
    """Make the streams if they are not there: a broker that lost its disk gets them back."""
    stream_manager = client.jetstream()
    for wanted in (UP, DOWN):
        try:
            await stream_manager.add_stream(**wanted)
        except nats.js.errors.BadRequestError:
            await stream_manager.update_stream(**wanted)


# ---- up: events become rows


async def land(client: Any, database: psycopg.AsyncConnection[Any]) -> None:
    """Take messages from the stream, commit them, confirm them, acknowledge them."""
    stream = client.jetstream()
    pull = await stream.pull_subscribe("kampung.>", durable="land", stream="KAMPUNG_UP")
    while True:
        try:
            messages = await pull.fetch(BATCH, timeout=1)
        except TimeoutError:
            continue
        landed = await insert(database, messages)
        for village, events in landed.items():
            said = change_event("kampung.events.confirmed", "", {"events": events})
            await stream.publish(f"kampung.{village}.changes", said)
        for message in messages:
            await message.ack()


async def insert(database: psycopg.AsyncConnection[Any], messages: list[Any]) -> dict[str, list[str]]:
    """Insert a batch in one transaction; the ids by village that are durable when this returns.

    What PostgreSQL cannot store (a number out of range, half a character) must not hold up the others: the batch is
    then taken apart, and the guilty message goes to `refused`.
    """
    try:
        return await insert_all(database, messages)
    except (psycopg.DataError, UnicodeError) as error:
        if len(messages) == 1:
            await refuse(database, messages[0], type(error).__name__)
            return {}
    landed: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        for village, events in (await insert(database, [message])).items():
            landed[village] += events
    return landed


async def insert_all(database: psycopg.AsyncConnection[Any], messages: list[Any]) -> dict[str, list[str]]:
    """As `insert`, all or nothing."""
    landed: dict[str, list[str]] = defaultdict(list)
    rows = []
    async with database.transaction(), database.cursor() as cursor:
        epochs = await newest_epochs(cursor, {village_of(message) for message in messages})
        for message in messages:
            village = village_of(message)
            try:
                row = read(message.data, village, epochs.get(village, 0))
            except Unreadable as why:
                await refuse(database, message, str(why))
                continue
            rows.append(row)
            landed[village].append(row[0])
        await cursor.executemany(
            "INSERT INTO event (id, village, type, subject, epoch, seq, created_at, data) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO NOTHING",
            rows,
        )
    return landed


async def refuse(database: psycopg.AsyncConnection[Any], message: Any, why: str) -> None:
    """Keep what is not landed, once, for people to see."""
    async with database.transaction():
        await database.execute(
            "INSERT INTO refused (sha256, village, why, body) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (hashlib.sha256(message.data).hexdigest(), village_of(message), why, message.data),
        )


def village_of(message: Any) -> str:
    """Who speaks: the broker lets each village publish under its own code only."""
    return str(message.subject.split(".")[1])


async def newest_epochs(cursor: psycopg.AsyncCursor[Any], villages: set[str]) -> dict[str, int]:
    """The epoch that speaks for each village now."""
    await cursor.execute(
        "SELECT village, max(epoch) FROM installation WHERE village = ANY(%s) GROUP BY village", (list(villages),)
    )
    return dict(await cursor.fetchall())


def read(body: bytes, village: str, newest: int) -> tuple[str, str, str, str | None, int, int, datetime | None, Jsonb]:
    """The columns of an event. Raises `Unreadable`."""
    try:
        event = json.loads(body)
        if event["source"] != f"kampung/{village}":
            raise Unreadable("speaks for another village")
        epoch, seq, at = int(event["epoch"]), int(event["seq"]), event.get("time")
        if epoch < newest:
            raise Unreadable(f"epoch {epoch} is replaced")
        made = datetime.fromisoformat(at) if at else None
        return (
            *(str(event["id"]), village, str(event["type"]), event.get("subject")),
            *(epoch, seq, made, Jsonb(event["data"])),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(f"no event: {type(error).__name__}") from error


# ---- down: decisions become messages


async def tell(client: Any, database: psycopg.AsyncConnection[Any]) -> None:
    """Tell each box what officers decided; the message id keeps what is told twice from being stored twice."""
    stream = client.jetstream()
    while True:
        async with database.transaction(), database.cursor() as cursor:
            await cursor.execute(
                "SELECT id, village, request, state, version, why FROM change WHERE told_at IS NULL "
                "ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
                (BATCH,),
            )
            untold = await cursor.fetchall()
            for identifier, village, request, state, version, why in untold:
                data = {"state": state, "version": version, "why": why}
                said = change_event("kampung.request.changed", request, data, f"change-{identifier}")
                headers = {"Nats-Msg-Id": f"change-{identifier}"}
                await stream.publish(f"kampung.{village}.changes", said, headers=headers)
            await cursor.execute("UPDATE change SET told_at = now() WHERE id = ANY(%s)", ([row[0] for row in untold],))
        if len(untold) < BATCH:
            await asyncio.sleep(1)


def change_event(kind: str, subject: str, data: object, identifier: str = "") -> bytes:
    """A CloudEvent to a box."""
    said = {"specversion": "1.0", "id": identifier or str(uuid.uuid4()), "source": "regency", "type": kind}
    return json.dumps({**said, "subject": subject, "data": data}).encode()


# ---- asked at once: heartbeats and scans


def answering(work: Callable[[Any], Awaitable[object]]) -> Callable[[Any], Awaitable[None]]:
    """Answer a message with what `work` returns; when the database is away, do not answer: the box asks again."""

    async def answer(message: Any) -> None:
        try:
            await message.respond(json.dumps(await work(message)).encode())
        except (psycopg.OperationalError, OSError) as error:
            log.warning("%s: no answer, for %s", message.subject, type(error).__name__)
        except (ValueError, KeyError, TypeError, psycopg.DataError) as error:
            log.warning("%s: unreadable, %s", message.subject, type(error).__name__)

    return answer


async def heartbeat(message: Any) -> object:
    """An unknown installation gets the next epoch, the newest one its own; an older one is told that it is replaced."""
    village, state = village_of(message), json.loads(message.data)
    identifier = uuid.UUID(state["installation"])
    async with await connect() as database, database.transaction(), database.cursor() as cursor:
        # One village at a time, or two boxes that arrive together could get one epoch.
        await cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (village,))
        await cursor.execute("SELECT id, epoch FROM installation WHERE village = %s ORDER BY epoch", (village,))
        known = dict(await cursor.fetchall())
        newest = max(known.values(), default=0)
        epoch = known.get(identifier, newest + 1)
        if epoch < newest:
            return {"replaced": True}
        await cursor.execute(
            "INSERT INTO installation (village, id, epoch, state) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT (village, id) DO UPDATE SET state = EXCLUDED.state, beaten_at = now()",
            (village, identifier, epoch, Jsonb(state)),
        )
    return {"epoch": epoch}


async def take_piece(message: Any) -> object:
    """Keep a piece of a scan that fits on what is there; say how much there is, durably, and whether it is whole."""
    village, said = village_of(message), message.headers
    name, start, size = said["Kampung-Blob"], int(said["Kampung-Offset"]), int(said["Kampung-Size"])
    async with await connect() as database, database.transaction(), database.cursor() as cursor:
        await cursor.execute(
            "INSERT INTO blob (sha256, village, media_type, size) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (name, village, said["Kampung-Media-Type"], size),
        )
        await cursor.execute("SELECT received, whole FROM blob WHERE sha256 = %s FOR UPDATE", (name,))
        received, whole = await cursor.fetchone() or (0, False)
        fits = start == received and hashlib.sha256(message.data).hexdigest() == said["Kampung-Piece"]
        if whole or not fits:
            return {"received": received, "whole": whole}
        received += len(message.data)
        await cursor.execute("INSERT INTO blob_piece VALUES (%s, %s, %s)", (name, start, message.data))
        await cursor.execute("UPDATE blob SET received = %s WHERE sha256 = %s", (received, name))
        if received == size and not await is_right(cursor, name):
            await cursor.execute("DELETE FROM blob WHERE sha256 = %s", (name,))
            return {"refused": "the bytes do not have this SHA-256"}
        await cursor.execute("UPDATE blob SET whole = (received = size) WHERE sha256 = %s", (name,))
    return {"received": received, "whole": received == size}


async def is_right(cursor: psycopg.AsyncCursor[Any], name: str) -> bool:
    """Whether the pieces together have the hash that they are called by."""
    digest = hashlib.sha256()
    await cursor.execute("SELECT bytes FROM blob_piece WHERE sha256 = %s ORDER BY start", (name,))
    async for (piece,) in cursor:
        digest.update(piece)
    return digest.hexdigest() == name


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
