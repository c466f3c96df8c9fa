"""A box to back up and its successor: folders, configuration, keys, a store with something of each kind in it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.queue.request import Request, uuid7
from edge.queue.store import files, installation, outbox
from edge.queue.store.migrate import migrate
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.unit.config_mistakes import DATA

VILLAGE = (DATA / "warning-interface.toml").read_text()
KEY = bytes(range(32))
REQUESTS = Requests(Seal(KEY))
NAME = "SITI AMINAH"


class Box:
    """A box's folders, configuration and keys."""

    def __init__(self, folder: Path, regency: Path | None, key: bytes | None = KEY) -> None:
        self.state, self.keys = folder / "state", folder / "keys"
        for each in (self.state, self.keys):
            each.mkdir(parents=True)
        self.store = self.state / "kampung-edge.db"
        self.config = folder / "village.toml"
        sealed = f'\n[store]\nregency_key_file = "{regency}"\n' if regency else ""
        self.config.write_text(f'run_dir = "{folder}/run"\nstate_dir = "{self.state}"\n{VILLAGE}{sealed}')
        if key is not None:
            (self.keys / "store-key").write_text(base64.b64encode(key).decode())

    def call(self, command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "edge", "store", command, *map(str, arguments), "--config", str(self.config)]
        if command in ("backup", "restore"):
            words += ["--keys", str(self.keys)]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def good(self, command: str, *arguments: object) -> Any:
        done = self.call(command, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def make_regency(folder: Path) -> Path:
    """The regency's two keys; the path of the public one, the private one beside it as regency.pem."""
    private = X25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "regency.pem").write_bytes(pem)
    public = folder / "regency-public.pem"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def make_box(folder: Path, regency: Path) -> Box:
    """A box with three requests, one of them delivered, an SMS that waits and a scan."""
    made = Box(folder, regency)
    migrate(made.store)
    conn = files.connect(made.store)
    for number in (1, 2, 3):
        REQUESTS.add(conn, new(number), now=float(number))
    (first, *_) = outbox.claim(conn, REQUESTS.seal, limit=1, now=10.0, most_wait_s=600)
    outbox.settle(conn, first, "delivered", now=11.0)
    conn.execute(
        "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, created_at) "
        "VALUES ('reply', 'RECEIVED', 0, x'00', x'00', x'00', 4)"
    )
    installation.raise_epoch(conn, 6)
    conn.close()
    scan = made.state / "attachments" / "01a200cb"
    scan.parent.mkdir()
    scan.write_bytes(b"sealed" * 1_000)
    return made


def new(number: int) -> Request:
    return Request(
        id=uuid7(1_000_000 + number, number),
        ticket=f"K{number:02d}-M2",
        letter="SKTM",
        source="desk",
        state="received",
        version=1,
        nik="3510152306089909",
        name=NAME,
    )


def dump(file: Path) -> list[str]:
    conn = files.connect(file)
    try:
        return sorted(line for line in conn.iterdump() if "installation" not in line)
    finally:
        conn.close()
