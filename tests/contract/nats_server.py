"""A real nats-server on a free port with a store of its own, and the regency's consumer in a few lines for tests."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import nats

from edge.simulator import portal_tls
from tests.office import free_port

PASSWORD = "portal-key"
REGENCY = "regency-secret"
_CONFIG = """
listen: "127.0.0.1:{port}"
server_name: kampung
jetstream {{ store_dir: "{store}", max_file_store: 256MB, max_memory_store: 16MB }}
max_payload: 256KB
authorization {{ users: [
  {{ user: regency, password: "{regency}" }}
  {{ {user}, permissions: {{
      publish: [ {publish} ]
      subscribe: "_INBOX.{village}.>"
  }} }}
] }}
{tls}
"""


def rights(village: str) -> list[str]:
    """What a village may publish."""
    box = f"KAMPUNG_DOWN.box-{village}"
    return [
        *(f"kampung.{village}.{what}" for what in ("requests", "events", "digests", "heartbeat", "blobs")),
        "$JS.API.STREAM.INFO.KAMPUNG_DOWN",
        f"$JS.API.CONSUMER.INFO.{box}",
        f"$JS.API.CONSUMER.DELETE.{box}",
        f"$JS.API.CONSUMER.CREATE.{box}.kampung.{village}.changes",
        f"$JS.API.CONSUMER.MSG.NEXT.{box}",
        f"$JS.ACK.{box}.>",
    ]


class NatsServer:
    """One nats-server; `kill` is a power cut, `wipe` loses its disk."""

    def __init__(self, directory: Path, village: str) -> None:
        self.directory = directory
        self.village = village
        self.port = free_port()
        self.password = PASSWORD
        self.rights = rights(village)
        self.user = ""
        self.tls = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def use_tls(self, directory: Path) -> portal_tls.Files:
        """Demand a client certificate of the same authority."""
        files = portal_tls.make(directory, ["localhost", "127.0.0.1"])
        names = f'cert_file: "{files.cert}", key_file: "{files.key}", ca_file: "{files.ca}"'
        self.tls = f"tls {{ {names}, verify: true }}"
        return files

    async def start(self, configuration: str = "") -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "nats.conf"
        config.write_text(
            configuration
            or _CONFIG.format(
                port=self.port,
                store=self.directory / "store",
                regency=REGENCY,
                village=self.village,
                user=self.user or f'user: "{self.village}", password: "{self.password}"',
                tls=self.tls,
                publish=", ".join(f'"{right}"' for right in self.rights),
            )
        )
        process = self._process = self._spawn(config)
        async with asyncio.timeout(60):
            while not await _listens(self.port):
                assert process.poll() is None, (self.directory / "log").read_text()
                await asyncio.sleep(0.02)

    def _spawn(self, config: Path) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(["nats-server", "-c", str(config)], stdout=log, stderr=log)

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(10)

    def wipe(self) -> None:
        assert self._process is None
        shutil.rmtree(self.directory / "store", ignore_errors=True)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


class Regency:
    """The far end: lands events once each, confirms them, answers heartbeats and scans, and tells changes."""

    def __init__(self, url: str, village: str) -> None:
        self.url = url
        self.village = village
        self.confirming = True
        self.epoch: dict[str, Any] = {"epoch": 1}
        self.landed: dict[str, dict[str, Any]] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.effects: Counter[str] = Counter()
        self.order: list[str] = []
        self.arrivals: Counter[str] = Counter()
        self.beats: list[dict[str, Any]] = []
        self.blobs: dict[str, bytearray] = {}
        self.versions: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._running = False
        self._client: Any = None
        self.up: dict[str, Any] = {}
        self.tls: ssl.SSLContext | None = None

    async def start(self) -> None:
        way: dict[str, Any] = {"tls": self.tls} if self.tls else {}
        account = {"user": "regency", "password": REGENCY}
        self._client = await nats.connect(self.url, **account, **way, reconnect_time_wait=0.1)
        await self.make_streams()
        await self._client.subscribe("kampung.*.heartbeat", cb=self._beat)
        await self._client.subscribe("kampung.*.blobs", cb=self._blob)
        self._running = True
        self._task = asyncio.create_task(self._land())

    async def make_streams(self) -> None:
        js = self._client.jetstream()
        subjects = [f"kampung.*.{what}" for what in ("requests", "events", "digests")]
        up = {"discard": "new", "duplicate_window": 1.0, "max_msg_size": 64 << 10} | self.up
        await js.add_stream(name="KAMPUNG_UP", subjects=subjects, **up)
        await js.add_stream(name="KAMPUNG_DOWN", subjects=["kampung.*.changes"], duplicate_window=60.0)

    async def remove_up(self) -> None:
        await self._client.jetstream().delete_stream("KAMPUNG_UP")

    async def stop(self) -> None:
        task, self._task = self._task, None
        self._running = False
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if self._client is not None:
            await self._client.close()

    async def change(self, request: str, state: str, why: str = "") -> None:
        self.versions[request] += 1
        await self.announce(request, state, self.versions[request], why)

    async def announce(self, request: str, state: str, version: int, why: str = "", event: str = "") -> None:
        data = {"state": state, "version": version, "why": why}
        await self.say("kampung.request.changed", request, data, event)

    async def say(self, kind: str, subject: str, data: object, event: str = "") -> None:
        body = {"id": event or str(uuid.uuid4()), "type": kind, "subject": subject, "data": data}
        await self.say_raw(json.dumps(body).encode())

    async def say_raw(self, body: bytes) -> None:
        await self._client.jetstream().publish(f"kampung.{self.village}.changes", body)

    async def _land(self) -> None:
        js = self._client.jetstream()
        subscription = await js.pull_subscribe("kampung.>", durable="land", stream="KAMPUNG_UP")
        while self._running:  # the client library may swallow the cancellation
            try:
                messages = await subscription.fetch(1, timeout=0.5)
            except (nats.errors.Error, TimeoutError):
                await asyncio.sleep(0.02)
                continue
            for message in messages:
                await self._take(message)

    async def _take(self, message: Any) -> None:
        event = json.loads(message.data)
        identifier = event["id"]
        self.arrivals[identifier] += 1
        if identifier not in self.landed:
            self.landed[identifier] = event
            self.headers[identifier] = dict(message.headers)
            self.order.append(identifier)
            self.effects[f"{event['type']} {event.get('subject', '')}".strip()] += 1
            if event["type"] == "kampung.request.cancel_requested":
                await self.change(event["subject"], "cancelled")
        await message.ack()
        if self.confirming:
            await self.say("kampung.events.confirmed", "", {"events": [identifier]})

    async def _beat(self, message: Any) -> None:
        self.beats.append(json.loads(message.data))
        await message.respond(json.dumps(self.epoch).encode())

    async def _blob(self, message: Any) -> None:
        name, offset = message.headers["Kampung-Blob"], int(message.headers["Kampung-Offset"])
        held = self.blobs.setdefault(name, bytearray())
        if offset == len(held) and hashlib.sha256(message.data).hexdigest() == message.headers["Kampung-Piece"]:
            held += message.data
        whole = len(held) == int(message.headers["Kampung-Size"])
        answer: dict[str, Any] = {"received": len(held), "whole": whole}
        if whole and hashlib.sha256(held).hexdigest() != name:
            answer = {"refused": "the bytes do not have this SHA-256"}
        await message.respond(json.dumps(answer).encode())
