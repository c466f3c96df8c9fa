"""Backups by the command on a real store: made while it is written, sealed to the regency, restored on another box."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import sqlite3
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from edge.queue.request import Request, uuid7
from edge.queue.store import files, installation, outbox
from edge.queue.store.database import Store
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


@pytest.fixture
def regency(tmp_path: Path) -> Path:
    """The regency's two keys; the path of the public one, the private one beside it as regency.pem."""
    private = X25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "regency.pem").write_bytes(pem)
    public = tmp_path / "regency-public.pem"
    public.write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


@pytest.fixture
def box(tmp_path: Path, regency: Path) -> Box:
    """A box with three requests, one of them delivered, an SMS that waits and a scan."""
    made = Box(tmp_path / "box", regency)
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


def test_a_successor_has_all_and_speaks_after_its_predecessor(box: Box, tmp_path: Path, regency: Path) -> None:
    """A dead box takes its village's requests with it, or comes back and speaks beside its successor."""
    file = tmp_path / "usb.kampung-edge"
    made = box.good("backup", file)
    assert (made["rows"] > 8, made["scans"], made["with_key"]) == (True, 1, True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert NAME.encode() not in file.read_bytes()
    assert base64.b64encode(KEY) not in file.read_bytes()
    assert KEY not in file.read_bytes()

    successor = Box(tmp_path / "successor", regency, key=None)
    restored = successor.good("restore", file, "--private-key", tmp_path / "regency.pem")
    assert restored["epoch"] == 7
    assert [(one["way"], one["kind"], one["ticket"]) for one in restored["unsent"]] == [
        ("upstream", "request", "K02-M2"),
        ("upstream", "request", "K03-M2"),
        ("sms", "RECEIVED", ""),
    ]
    assert dump(successor.store) == dump(box.store)
    assert (successor.state / "attachments" / "01a200cb").read_bytes() == b"sealed" * 1_000
    key = base64.b64decode((successor.keys / "store-key").read_text())
    conn = files.connect(successor.store)
    found = Requests(Seal(key)).by_ticket(conn, "K01-M2")
    assert found is not None
    assert found.name == NAME
    old, now = files.connect(box.store), installation.identify(conn)
    assert (now.id == installation.identify(old).id, now.epoch) == (False, 7)
    for each in (conn, old):
        each.close()


def test_backups_while_the_store_is_written(box: Box, tmp_path: Path) -> None:
    """A backup could only be made of a box that stands still, or would hold half a transaction."""

    async def write_on(stop: asyncio.Event, under_way: asyncio.Event) -> int:
        store, written = await Store.open(box.store, max_mbyte=64, group_commit_ms=2), 0
        while not stop.is_set():
            await store.write(partial(pair, number=written))
            written += 1
            under_way.set()
        await store.close()
        return written

    def pair(conn: sqlite3.Connection, number: int) -> None:
        for half in ("a", "b"):
            conn.execute("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', ?, ?, 0)", (half, str(number)))

    async def both() -> int:
        stop, under_way = asyncio.Event(), asyncio.Event()
        writing = asyncio.create_task(write_on(stop, under_way))
        await under_way.wait()
        for number in range(3):
            await asyncio.to_thread(box.good, "backup", tmp_path / f"{number}.kampung-edge")
        stop.set()
        return await writing

    written = asyncio.run(both())
    counts = []
    for number in range(3):
        with sqlite3.connect(tmp_path / f"{number}.kampung-edge") as conn:
            a, b = (
                conn.execute("SELECT count(*) FROM audit WHERE subject = ?", (half,)).fetchone()[0] for half in "ab"
            )
        assert a == b
        counts.append(a)
    assert counts == sorted(counts)
    assert written >= counts[-1] > counts[0] > 0


def test_a_folder_keeps_the_newest(box: Box, tmp_path: Path) -> None:
    """A stick in the box fills up, or loses the newest backup."""
    folder = tmp_path / "stick"
    folder.mkdir()
    for day in ("20261101T000000Z", "20261102T000000Z", "20261103T000000Z"):
        (folder / f"3510052001-{day}.kampung-edge").write_text("old")
    (folder / "letter.txt").write_text("mine")
    made = box.good("backup", folder, "--keep", 2)
    assert len(made["removed"]) == 2
    left = sorted(file.name for file in folder.iterdir())
    assert left == ["3510052001-20261103T000000Z.kampung-edge", Path(made["file"]).name, "letter.txt"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda file, _: file.write_bytes(b"not a database"), "is no backup of kampung-edge, or is damaged"),
        (lambda file, _: file.write_bytes(file.read_bytes()[:20_000]), "damaged"),
        (lambda _, folder: (folder / "regency.pem").write_text("nothing"), "is no private X25519 key in PEM"),
        (lambda _, folder: other_key(folder / "regency.pem"), "this private key does not open the backup"),
    ],
    ids=["no backup", "cut off", "no key", "another key"],
)
def test_what_cannot_be_restored_is_refused_and_leaves_nothing(
    box: Box, tmp_path: Path, regency: Path, damage: Any, sentence: str
) -> None:
    """A successor starts with half a store, and nobody looks for a better backup."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    damage(file, tmp_path)
    successor = Box(tmp_path / "successor", regency, key=None)
    done = successor.call("restore", file, "--private-key", tmp_path / "regency.pem")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert not any(successor.state.iterdir())


def test_what_is_not_there_is_told_in_a_sentence(box: Box, tmp_path: Path, regency: Path) -> None:
    """A stick that is not mounted is told as a fault of the program, or becomes a file that nobody looks for."""
    missing = tmp_path / "usb" / "one.kampung-edge"
    done = box.call("restore", missing, "--private-key", tmp_path / "regency.pem")
    assert (done.returncode, done.stderr) == (1, f"error: {missing}: No such file or directory\n")
    done = box.call("backup", tmp_path / "usb", "--keep", 7)
    assert (done.returncode, (tmp_path / "usb").exists()) == (1, False)
    assert "is the stick mounted?" in done.stderr
    box.good("backup", tmp_path / "one.kampung-edge")
    successor = Box(tmp_path / "successor", regency, key=None)
    successor.state.rmdir()
    done = successor.call("restore", tmp_path / "one.kampung-edge", "--private-key", tmp_path / "regency.pem")
    assert done.returncode == 1
    assert f"there is no folder {successor.state}: " in done.stderr


def other_key(file: Path) -> None:
    pem = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(pem)


def test_a_store_that_stands_there_is_not_lost(box: Box, tmp_path: Path) -> None:
    """The wrong stick in the wrong box would take what its office has."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    refused = box.call("restore", file)
    assert refused.returncode == 1
    assert "say --replace" in refused.stderr
    restored = box.good("restore", file, "--replace")
    assert restored["epoch"] == 7
    assert dump(Path(restored["set_aside"])) == dump(box.store)


def test_the_wrong_key_and_the_wrong_village_are_told(box: Box, tmp_path: Path, regency: Path) -> None:
    """A store that nobody can read looks restored."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    stranger = Box(tmp_path / "stranger", regency, key=bytes(32))
    assert "the store-key is not the one of this backup" in stranger.call("restore", file).stderr
    stranger.config.write_text(stranger.config.read_text().replace("3510052001", "3510052002"))
    assert "is of village 3510052001, and the configuration says 3510052002" in stranger.call("restore", file).stderr


def test_no_key_of_the_regency_is_told(tmp_path: Path) -> None:
    """Backups would be made for years that nobody can read."""
    box = Box(tmp_path / "box", None)
    migrate(box.store)
    refused = box.call("backup", tmp_path / "a.kampung-edge")
    assert refused.returncode == 2
    assert "set store.regency_key_file, or say --without-key" in refused.stderr
    assert box.good("backup", tmp_path / "a.kampung-edge", "--without-key")["with_key"] is False
    assert "there already" in box.call("backup", tmp_path / "a.kampung-edge", "--without-key").stderr


def test_a_damaged_row_makes_no_backup(box: Box, tmp_path: Path) -> None:
    """Damage is copied night after night until the last sound backup is gone."""
    with sqlite3.connect(box.store) as conn:
        conn.execute("PRAGMA writable_schema = 1")
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(box.store.read_bytes())
    place = raw.index(b"K02-M2")
    raw[place] ^= 0x01
    box.store.write_bytes(raw)
    done = box.call("backup", tmp_path / "a.kampung-edge")
    assert done.returncode == 1
    assert "run `kampung-edge store check`" in done.stderr
    assert not (tmp_path / "a.kampung-edge").exists()
    assert [file.name for file in tmp_path.glob(".a*")] == []


def test_a_check_finds_what_sqlite_does_not_see(box: Box) -> None:
    """A flipped byte is read as a villager's wish until somebody complains."""
    well = box.good("check")
    assert (well["well"], well["bad_rows"], well["rows"] > 8) == (True, [], True)
    assert (well["written_bytes"], well["written_day_bytes"]) == (0, 0)
    raw = bytearray(box.store.read_bytes())
    for place in re.finditer(b"SKTM", bytes(raw)):
        raw[place.start()] ^= 0x01
    box.store.write_bytes(raw)
    done = box.call("check", "--json")
    assert done.returncode == 1
    assert [bad["table"] for bad in json.loads(done.stdout)["bad_rows"]] == ["request"] * 3
    assert "row 1 of request does not have its check sum" in box.call("check").stdout


def test_compacting_gives_room_back(box: Box) -> None:
    """A store that was once full stays large on a small card."""
    conn = files.connect(box.store)
    conn.execute("BEGIN")
    conn.executemany("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", [("x" * 500,)] * 4_000)
    conn.execute("DELETE FROM audit")
    conn.execute("COMMIT")
    conn.close()
    done = box.good("compact")
    assert done["after_bytes"] < done["before_bytes"] / 4
    assert dump(box.store)


def test_root_follows_no_link_of_the_daemons_user(box: Box, tmp_path: Path, regency: Path) -> None:
    """Who has broken into the daemon waits for a restore by root, and owns whatever folder a link points to."""
    (box.state / "attachments" / "secret").symlink_to(tmp_path / "regency.pem")
    (box.state / "attachments" / "note~").write_text("an editor's copy")
    file = tmp_path / "usb.kampung-edge"
    assert box.good("backup", file)["scans"] == 1
    target = tmp_path / "etc"
    target.mkdir()
    successor = Box(tmp_path / "successor", regency)
    (successor.state / "attachments").symlink_to(target)
    assert successor.call("restore", file).returncode == 1
    assert not any(target.iterdir())
    assert not successor.store.exists()

    (successor.state / "attachments").unlink()
    (successor.state / "attachments").mkdir()
    (successor.state / "attachments" / "01a200cb").symlink_to(target / "shadow")
    assert successor.good("restore", file)["scans"] == 1
    assert not any(target.iterdir())
    assert not (successor.state / "attachments" / "01a200cb").is_symlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("CREATE TRIGGER t AFTER UPDATE ON outbox BEGIN DELETE FROM request; END", "holds a trigger that no store has"),
        ("DROP TABLE backup; CREATE VIEW backup AS SELECT 'form' AS name, '1' AS value", "holds a view that no store"),
        ("UPDATE backup SET value = '1e300' WHERE name = 'made_at'", "its facts are none"),
        ("UPDATE backup SET value = 'nan' WHERE name = 'made_at'", "its facts are none"),
        ("UPDATE backup SET value = char(27) || '[2J' WHERE name = 'village'", "its facts are none"),
    ],
)
def test_a_backup_that_somebody_changed_is_refused(
    box: Box, tmp_path: Path, regency: Path, change: str, sentence: str
) -> None:
    """Whoever held the stick for an hour lives on in the village's store, as a trigger that nobody sees."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    with sqlite3.connect(file) as conn:
        conn.executescript(change)
    successor = Box(tmp_path / "successor", regency)
    done = successor.call("restore", file)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.startswith("error: ")
    assert not any(successor.state.iterdir())


@pytest.mark.parametrize("left", ["-wal", ".salvaged"])
def test_what_is_left_of_another_store_does_not_mix_with_the_new_one(box: Box, tmp_path: Path, left: str) -> None:
    """SQLite folds the log of a lost store into the restored one, or the next start puts an old repair in its place."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    whole = dump(box.store)
    conn = files.connect(box.store)
    conn.executemany("INSERT INTO audit (kind, subject, detail, at) VALUES ('t', 's', ?, 0)", [("x" * 500,)] * 200)
    rest = box.store.with_name(f"{box.store.name}-wal").read_bytes() if left == "-wal" else b""
    conn.close()
    rest = rest or box.store.read_bytes()
    box.store.unlink()
    box.store.with_name(box.store.name + left).write_bytes(rest)
    assert "say --replace" in box.call("restore", file).stderr
    restored = box.good("restore", file, "--replace")
    assert files.check(box.store) is None
    assert dump(box.store) == whole
    assert Path(restored["set_aside"] + left).read_bytes() == rest


def test_the_wrong_stick_leaves_no_key(box: Box, tmp_path: Path, regency: Path) -> None:
    """The key of another village stays behind, and the right backup is refused for it."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    stranger = Box(tmp_path / "stranger", regency, key=None)
    stranger.config.write_text(stranger.config.read_text().replace("3510052001", "3510052002"))
    refused = stranger.call("restore", file, "--private-key", tmp_path / "regency.pem")
    assert "is of village 3510052001, and the configuration says 3510052002" in refused.stderr
    assert not any(stranger.keys.iterdir())


def test_a_wrong_clock_throws_no_new_backup_away(box: Box, tmp_path: Path) -> None:
    """A box whose clock once ran ahead, or stands in 1970, says that it made a backup and keeps none."""
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "3510052001-20990101T000000Z.kampung-edge").write_text("of a clock that ran ahead")
    made = box.good("backup", folder, "--keep", 1)
    assert [file.name for file in folder.iterdir()] == [Path(made["file"]).name]
