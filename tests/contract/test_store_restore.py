"""A dead box's successor by the command: all that the backup has, nothing of what somebody slipped into it."""

from __future__ import annotations

import asyncio
import base64
import random
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.queue.attachments import Attachments
from edge.queue.store import files, installation
from edge.queue.store import restore as restoring
from edge.queue.store.backup import BackupRefused
from edge.queue.store.database import Store
from edge.queue.store.outgoing import Outgoing
from edge.queue.store.requests import Requests
from edge.queue.store.seal import Seal
from tests.contract.backup_box import KEY, NAME, Box, dump, make_box, make_regency


@pytest.fixture
def regency(tmp_path: Path) -> Path:
    return make_regency(tmp_path)


@pytest.fixture
def box(tmp_path: Path, regency: Path) -> Box:
    return make_box(tmp_path / "box", regency)


def rows(file: Path) -> list[str]:
    """All but the SMS, which are in doubt on the successor."""
    return [line for line in dump(file) if '"outgoing"' not in line]


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
    assert rows(successor.store) == rows(box.store)
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
    assert rows(Path(restored["set_aside"])) == rows(box.store)


def test_a_store_that_is_set_aside_keeps_its_scans(box: Box, tmp_path: Path) -> None:
    """Who finds that it was the wrong backup has the old store back, and every scan of it is gone since the sweep."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    scans = box.state / "attachments"
    (scans / "01a200cc").write_bytes(b"scanned after the backup")
    (scans / "01a200cb").write_bytes(b"sealed" * 2_000)
    restored = box.good("restore", file, "--replace")
    assert restored["scans_aside"] == f"{scans}.replaced-1"
    assert restored["set_aside"] == f"{box.store}.replaced-1"
    assert (scans / "01a200cb").stat().st_size == 12_000, "the bytes that came after the backup are cut off"
    asyncio.run(sweep(box))
    assert [left.name for left in scans.iterdir()] == []
    kept = {scan.name: scan.read_bytes() for scan in Path(restored["scans_aside"]).iterdir()}
    assert kept == {"01a200cb": b"sealed" * 2_000, "01a200cc": b"scanned after the backup"}
    again = box.good("restore", file, "--replace")
    assert (again["set_aside"], again["scans_aside"]) == (f"{box.store}.replaced-2", None)


async def sweep(box: Box) -> None:
    store = await Store.open(box.store, max_mbyte=8, group_commit_ms=0)
    await Attachments(store, Seal(KEY), box.state / "attachments", max_mbyte=8, clock=Clock()).sweep()
    await store.close()


class Clock:
    """Stands still."""

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_795_000_000.0

    def trusted(self) -> bool:
        return True


def test_what_the_old_box_may_have_sent_by_sms_is_in_doubt(box: Box, tmp_path: Path) -> None:
    """A villager gets every SMS of the night twice, whatever the regency's rule for SMS in doubt says."""
    later = time.time() + 86_400
    with closing(files.connect(box.store)) as conn:
        conn.executemany(
            "INSERT INTO outgoing (kind, code, priority, number, number_digest, text, created_at, state, start_at) "
            "VALUES (?, ?, 1, x'00', x'00', x'00', 4, ?, ?)",
            [
                ("digest", "OVERDUE", "pending", 0),
                ("notification", "SENDING", "sending", 0),
                ("notification", "TOMORROW", "pending", later),
                ("notification", "SENT", "sent", 0),
            ],
        )
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    restored = box.good("restore", file, "--replace")
    sms = {one["kind"]: one["state"] for one in restored["unsent"] if one["way"] == "sms"}
    doubt = "uncertain"
    assert sms == {"RECEIVED": doubt, "OVERDUE": doubt, "SENDING": doubt, "TOMORROW": "pending"}
    with closing(files.connect(box.store)) as conn:
        assert Outgoing(Seal(KEY)).settle(conn, "modem", ("reply", "notification"), now=time.time()) == 2
        after = dict(conn.execute("SELECT code, state FROM outgoing").fetchall())
    waits = {"RECEIVED": "pending", "SENDING": "pending", "TOMORROW": "pending"}
    assert after == waits | {"OVERDUE": doubt, "SENT": "sent"}
    told = box.call("restore", file, "--replace").stdout
    assert "uncertain: the old box may have sent it since" in told


def test_who_has_no_key_or_another_one_is_told_what_helps(tmp_path: Path, box: Box, regency: Path) -> None:
    """The engineer would make a new key, as a missing one is answered elsewhere, and stand before a backup for ever."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    key = box.keys / "store-key"
    key.rename(tmp_path / "store-key")
    assert f"{key} is missing: name the folder that holds it with --keys" in box.call("backup", tmp_path / "2nd").stderr
    bare = Box(tmp_path / "bare", regency, key=None)
    done = bare.call("restore", file)
    assert (done.returncode, "say --private-key" in done.stderr) == (1, True)
    assert "kampung-edge keys" not in done.stderr
    stranger = Box(tmp_path / "stranger", regency, key=bytes(32))
    before = (stranger.keys / "store-key").read_text()
    done = stranger.call("restore", file, "--private-key", regency.with_name("regency.pem"))
    assert done.returncode == 1
    assert "is another key than the backup's: give it another name" in done.stderr
    assert (stranger.keys / "store-key").read_text() == before
    (stranger.keys / "store-key").rename(stranger.keys / "store-key.old")
    assert stranger.call("restore", file, "--private-key", regency.with_name("regency.pem")).returncode == 0


def test_the_wrong_key_and_the_wrong_village_are_told(box: Box, tmp_path: Path, regency: Path) -> None:
    """A store that nobody can read looks restored."""
    file = tmp_path / "usb.kampung-edge"
    box.good("backup", file)
    stranger = Box(tmp_path / "stranger", regency, key=bytes(32))
    assert "the store-key is not the one of this backup" in stranger.call("restore", file).stderr
    stranger.config.write_text(stranger.config.read_text().replace("3510052001", "3510052002"))
    assert "is of village 3510052001, and the configuration says 3510052002" in stranger.call("restore", file).stderr


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
    whole = rows(box.store)
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
    assert rows(box.store) == whole
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


def test_a_backup_damaged_anywhere_is_refused_or_restored_whole(box: Box, tmp_path: Path) -> None:
    """A stick that rots gives a village a store that lacks what an index or a page lost, and nobody is told."""
    file, spoilt, target = tmp_path / "usb.kampung-edge", tmp_path / "spoilt.kampung-edge", tmp_path / "target"
    box.good("backup", file)
    whole, chance, refused = file.read_bytes(), random.Random(7), 0
    wanted = rows(box.store)
    for number in range(24):
        content, at = bytearray(whole), chance.randrange(len(whole))
        if number % 3 == 0:
            del content[at:]
        elif number % 3 == 1:
            content[at] ^= 1 << chance.randrange(8)
        else:
            content = content[: at - at % 4096] + bytes(4096) + content[at - at % 4096 + 4096 :]
        spoilt.write_bytes(content)
        target.mkdir()
        refusal = attempt(spoilt, target)
        if refusal:
            refused += 1
            assert refusal.startswith(f"{spoilt} ")
            assert not any(target.iterdir())
        else:
            with closing(files.connect(target / "box.db")) as conn:
                assert conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            assert rows(target / "box.db") == wanted
        shutil.rmtree(target)
    assert refused > 12


def attempt(file: Path, target: Path) -> str:
    """Restore into a folder; why it was refused, "" if it was not."""
    try:
        restoring.restore(
            *(file, target / "box.db"),
            scans=target / "attachments",
            village="3510052001",
            key=KEY,
            replace=False,
            now=0.0,
        )
    except BackupRefused as refused:
        return str(refused)
    return ""
