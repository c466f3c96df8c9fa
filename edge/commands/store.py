"""`kampung-edge store`: backups, the successor of a dead box, what a store holds and whether it is sound."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge import exits
from edge.commands.common import alone, config_option, end, json_option, load, must_exist, print_json, refusals
from edge.commands.store_seen import seen, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from edge.config import Config
    from edge.queue.store.mend.examine import Findings
    from edge.queue.store.restore import Restored

KEYS = Path("/etc/kampung-edge/keys")
_SHOWN_MOST = 20
_FILE = click.Path(path_type=Path)
_keys_option = click.option(
    "--keys",
    type=click.Path(path_type=Path, readable=False),
    default=KEYS,
    show_default=True,
    envvar="CREDENTIALS_DIRECTORY",
    metavar="DIRECTORY",
    help="The folder that holds store-key.",
)


@click.group("store", short_help="Back up, restore, check or compact the store.")
def store() -> None:
    """Look after the file in which every request, SMS and waiting event stands.

    \b
    Example: kampung-edge store backup /media/usb --keep 7
             kampung-edge store check
    """


store.add_command(seen)


@store.command("backup", short_help="Copy the store while it is in use.")
@click.argument("destination", type=_FILE, metavar="DESTINATION")
@config_option
@_keys_option
@click.option(
    "--regency-key",
    type=_FILE,
    metavar="FILE",
    help="Public key (PEM) in place of the configuration's regency_key_file.",
)
@click.option("--without-key", is_flag=True, help="Leave the store-key out; somebody must keep it elsewhere.")
@click.option("--keep", type=click.IntRange(1, 999), metavar="N", help="In a directory: remove all but the newest N.")
@json_option
def backup(
    destination: Path,
    path: Path,
    keys: Path,
    regency_key: Path | None,
    without_key: bool,
    keep: int | None,
    as_json: bool,
) -> None:
    """Write a backup: rows, scans, and the key of the fields sealed to the regency.

    It is read back before it counts. The daemon may run. Personal data stay sealed in it.

    \b
    Example: kampung-edge store backup /var/backups/kampung-edge --keep 7
    """
    from edge.queue.store import backup as backups
    from edge.queue.store import scan_files, sealing

    config = load(path)
    regency_file = regency_key or (Path(config.store.regency_key_file) if config.store.regency_key_file else None)
    if regency_file is None and not without_key:
        end(
            "no key of the regency to seal the store-key to, and a backup without it cannot be read: set "
            "store.regency_key_file, or say --without-key and keep the store-key elsewhere",
            exits.CONFIGURATION,
        )
    now, village = time.time(), config.village.code
    into = destination.is_dir()
    if keep and not into:
        end(f"{destination} is no folder, and --keep N is for one: is the stick mounted?", exits.FAILED)
    target = destination / backups.name(village, now) if into else destination
    with refusals(), _told():
        if target.exists():
            raise FileExistsError(0, "is there already: give another name, or a directory", str(target))
        made = backups.make(
            _store_file(config),
            target,
            scans=Path(config.state_dir) / scan_files.FOLDER,
            village=village,
            key=_key(keys),
            regency=None if without_key or regency_file is None else sealing.public_key(regency_file),
            now=now,
            progress=_progress(),
        )
        removed = backups.thin(destination, village, keep, made=target) if into and keep else []
    if as_json:
        print_json({**asdict(made), "file": str(made.file), "removed": [str(file) for file in removed]})
        return
    sealed = "the key sealed to the regency" if made.with_key else "without the key"
    click.echo(
        f"{made.file}: {made.rows} rows, {made.scans} scans, {sealed}, {made.size / 1e6:.1f} MB; read back and good"
    )


@store.command("restore", short_help="Make the store of a dead box's successor.")
@click.argument("file", type=_FILE, metavar="BACKUP")
@config_option
@_keys_option
@click.option(
    "--private-key", type=_FILE, metavar="FILE", help="The regency's private key (PEM); then store-key is written."
)
@click.option("--replace", is_flag=True, help="Set a store that stands there aside.")
@json_option
def restore(file: Path, path: Path, keys: Path, private_key: Path | None, replace: bool, as_json: bool) -> None:
    """Make the store from BACKUP as a new installation, which speaks for the village in the old one's place.

    Says what had not been sent. Take the private key away from the box afterwards.

    \b
    Example: kampung-edge store restore /media/usb/3510052001-20261122T020000Z.kampung-edge --private-key regency.pem
    """
    from edge.queue.store import restore as restoring
    from edge.queue.store import scan_files, sealing

    config = load(path)
    with refusals(), _told(), alone(config):
        facts = restoring.read(file)
        if private_key is not None:
            key = restoring.key_of(facts, sealing.private_key(private_key))
            restoring.must_fit(facts, village=config.village.code, key=key)
            _keep_key(keys, key)
        elif not (keys / "store-key").exists():
            end(
                f"{keys / 'store-key'} is missing, and a new one opens no backup: "
                "say --private-key with the regency's, or put the old box's store-key there",
                exits.FAILED,
            )
        done = restoring.restore(
            file,
            _store_file(config),
            scans=Path(config.state_dir) / scan_files.FOLDER,
            village=config.village.code,
            key=_key(keys),
            replace=replace,
            now=time.time(),
            progress=_progress(),
        )
        _give_to_owner(config, scan_files.FOLDER, *([done.scans_aside.name] if done.scans_aside else []))
    if as_json:
        unsent = [asdict(one) for one in done.unsent]
        print_json(
            {
                "store": str(_store_file(config)),
                "made_at": done.facts.made_at,
                "epoch": done.epoch,
                "rows": done.rows,
                "scans": done.scans,
                "set_aside": str(done.set_aside) if done.set_aside else None,
                "scans_aside": str(done.scans_aside) if done.scans_aside else None,
                "unsent": unsent,
            }
        )
        return
    _show_restored(done, _store_file(config))


@store.command("check", short_help="Read every row, change nothing.")
@config_option
@json_option
def check(path: Path, as_json: bool) -> None:
    """Read the whole store, also while the daemon runs: structure, check sums, references, what was lost to damage.

    Ends with 1 when something is wrong now.

    \b
    Example: kampung-edge store check --json
    """
    from edge.queue.store.mend.examine import examine

    config = load(path)
    file = _store_file(config)
    with refusals():
        must_exist(file)
        found = examine(file, progress=_progress())
    if as_json:
        print_json({"store": str(file), "well": found.well, **asdict(found), **_written(file)})
    else:
        _show_findings(found, file)
    if not found.well:
        sys.exit(exits.FAILED)


@store.command("compact", short_help="Give back the room of what was deleted.")
@config_option
@json_option
def compact(path: Path, as_json: bool) -> None:
    """Write the store's file anew without its gaps. The daemon must be stopped, twice the file's size be free.

    \b
    Example: systemctl stop kampung-edge; kampung-edge store compact; systemctl start kampung-edge
    """
    from edge.queue.store import compact as compacting

    config = load(path)
    file = _store_file(config)
    with refusals(), _told(), alone(config):
        before, after = compacting.compact(file, progress=_progress())
    if as_json:
        print_json({"store": str(file), "before_bytes": before, "after_bytes": after})
        return
    click.echo(f"{file}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now")


def _store_file(config: Config) -> Path:
    return Path(config.state_dir) / config.store.path


def _key(keys: Path) -> bytes:
    from edge import credentials

    try:
        (keys / "store-key").open("rb").close()  # who is no root is told so
    except (FileNotFoundError, NotADirectoryError):
        end(f"{keys / 'store-key'} is missing: name the folder that holds it with --keys", exits.FAILED)
    try:
        return credentials.read(keys.absolute()).store_key
    except credentials.CredentialError as error:
        end(str(error), exits.FAILED)


def _keep_key(keys: Path, key: bytes) -> None:
    """Put the backup's key where the service reads it, unless another one is there."""
    import base64

    from edge.keys import make

    here = keys / "store-key"
    done = make(keys, {"store-key": base64.b64encode(key).decode()}, only_given=True)["store-key"]
    if done == "kept" and _key(keys) != key:
        end(f"{here} is another key than the backup's: give it another name, then run this again", exits.FAILED)
    click.echo(f"{here}: {done}", err=True)


def _give_to_owner(config: Config, *folders: str) -> None:
    """What root has made, the store and these folders beside it, belongs to whom the state folder belongs."""
    import os

    owner = Path(config.state_dir).stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    os.chown(_store_file(config), owner.st_uid, owner.st_gid, follow_symlinks=False)
    for folder in folders:
        _give_folder(Path(config.state_dir) / folder, owner)


def _give_folder(folder: Path, owner: os.stat_result) -> None:
    import os

    try:
        scans = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fchown(scans, owner.st_uid, owner.st_gid)
        with os.scandir(scans) as entries:
            for entry in entries:
                os.chown(entry.name, owner.st_uid, owner.st_gid, dir_fd=scans, follow_symlinks=False)
    finally:
        os.close(scans)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what the rooms refuse into one sentence and exit code 1."""
    from edge.queue.store.backup import BackupRefused
    from edge.queue.store.sealing import BadKey

    try:
        yield
    except (BackupRefused, BadKey) as error:
        end(str(error), exits.FAILED)


def _progress() -> Callable[[str, int], None]:
    """Says how far it is on a terminal, after two seconds and then twice a second."""
    if not sys.stderr.isatty():
        return lambda _what, _done: None
    last = time.monotonic() + 1.5

    def say(what: str, done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= 0.5:
            last = time.monotonic()
            click.echo(f"\r{what}: {done:,}\033[K", err=True, nl=False)

    return say


def _written(file: Path) -> dict[str, int | None]:
    """The bytes that the daemon wrote to the flash, as it noted them; None where the store does not tell."""
    import sqlite3

    from edge.queue.store import backup, wear

    try:
        with backup.opened(file, mode="ro") as conn:
            noted = wear.recall(conn)
    except (sqlite3.DatabaseError, ValueError, KeyError):
        return {"written_bytes": None, "written_day_bytes": None}
    return {"written_bytes": noted.total, "written_day_bytes": noted.day}


def _show_findings(found: Findings, file: Path) -> None:
    for problem in (*found.problems, *found.dangling):
        click.echo(f"{click.style('wrong', fg='red')}: {problem}")
    for bad in found.bad_rows:
        row = " ".join(map(str, bad.place))
        click.echo(f"{click.style('wrong', fg='red')}: row {row} of {bad.table} does not have its check sum")
    for gap in found.gaps:
        click.echo(f"gap: {gap}")
    for one in found.damage:
        click.echo(f"before: {shown(one)}")
    verdict = "sound" if found.well else "damaged; the daemon sets right what it meets, a backup is docs/backup.md"
    click.echo(f"{file}: {found.rows} rows read; {verdict}")


def _show_restored(done: Restored, file: Path) -> None:
    made = datetime.fromtimestamp(done.facts.made_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    click.echo(f"{file}: {done.rows} rows and {done.scans} scans as of {made}; installation epoch {done.epoch}")
    if done.set_aside:
        scans = f", its scans are in {done.scans_aside}" if done.scans_aside else ""
        click.echo(f"the store that stood there is now {done.set_aside}{scans}")
    if not done.unsent:
        click.echo("everything had been sent when the backup was made")
        return
    click.echo(f"not sent when the backup was made, and sent by this box now: {len(done.unsent)}")
    if any(one.state == "uncertain" for one in done.unsent):
        click.echo("uncertain: the old box may have sent it since; goes once more if sms.resend_uncertain has its kind")
    for one in done.unsent[:_SHOWN_MOST]:
        at = datetime.fromtimestamp(one.created_at, UTC).strftime("%Y-%m-%d %H:%M")
        click.echo(f"  {one.way:8} {one.number:>7} {at} {one.kind:18} {one.ticket:8} {one.state}")
    if len(done.unsent) > _SHOWN_MOST:
        click.echo(f"  and {len(done.unsent) - _SHOWN_MOST} more (--json lists them)")
