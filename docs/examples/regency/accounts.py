"""Makes a key for every village and the broker's list of who may do what.

    accounts.py DIRECTORY --sample 217       codes for a trial, into DIRECTORY/villages.txt
    accounts.py DIRECTORY                    keys for all of villages.txt that have none, and users.conf
    accounts.py DIRECTORY --rotate CODE      a second key for CODE; both are good until it is retired
    accounts.py DIRECTORY --retire CODE      the second key alone is good from now on

DIRECTORY/keys/CODE.seed is the village's secret: its box takes it as the credential portal-key. The broker's list holds
public keys only. After each change: nats-server --signal reload=PID.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from pathlib import Path

import nkeys

CONSUMER = "consumer"
_SEED_OF_A_USER = 20 << 3  # "U", the prefix of a user's key (nkeys, prefix bytes)


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sample", type=int, metavar="N", help="write N codes for a trial")
    parser.add_argument("--rotate", metavar="CODE")
    parser.add_argument("--retire", metavar="CODE")
    options = parser.parse_args()
    directory: Path = options.directory
    keys = directory / "keys"
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    if options.sample:
        (directory / "villages.txt").write_text("".join(f"{code}\n" for code in sample(options.sample)))
    codes = read_codes(directory / "villages.txt")
    if options.rotate:
        make(keys / f"{known(options.rotate, codes)}.next")
    if options.retire:
        (keys / f"{known(options.retire, codes)}.next").replace(keys / f"{options.retire}.seed")
    for name in (*codes, CONSUMER):
        if not (keys / f"{name}.seed").exists():
            make(keys / f"{name}.seed")
    users = [user(public(path), village_rights(code)) for code in codes for path in good(keys, code)]
    users.append(user(public(keys / f"{CONSUMER}.seed"), CONSUMER_RIGHTS))
    (directory / "users.conf").write_text("users: [\n" + "".join(users) + "]\n")
    print(f"{len(users)} keys for {len(codes)} villages and the consumers in {directory / 'users.conf'}")
    return 0


def sample(number: int) -> list[str]:
    """Codes as a regency of 25 kecamatan has them."""
    return [f"3510{1 + place % 25:02d}{2001 + place // 25:04d}" for place in range(number)]


def read_codes(path: Path) -> list[str]:
    """One 10-digit code a line."""
    codes = path.read_text().split()
    wrong = [code for code in codes if not re.fullmatch(r"[0-9]{10}", code)]
    if wrong or len(set(codes)) != len(codes):
        sys.exit(f"{path}: {wrong or 'a code twice'}: write one village code of 10 digits a line")
    return codes


def known(code: str, codes: list[str]) -> str:
    """A code of the list."""
    if code not in codes:
        sys.exit(f"{code} does not stand in villages.txt")
    return code


def good(keys: Path, name: str) -> list[Path]:
    """The keys of a village that are good now."""
    return [path for path in (keys / f"{name}.seed", keys / f"{name}.next") if path.exists()]


def make(path: Path) -> None:
    """A new seed, readable by nobody else."""
    path.touch(mode=0o600)
    path.write_bytes(nkeys.encode_seed(secrets.token_bytes(32), _SEED_OF_A_USER))


def public(path: Path) -> str:
    """The public key that belongs to a seed."""
    return str(nkeys.from_seed(bytearray(path.read_bytes())).public_key.decode())


def village_rights(code: str) -> str:
    """What a box may do: speak for its village, follow its own changes, hear answers to its own questions."""
    follower = f"KAMPUNG_DOWN.box-{code}"
    publish = [
        *(f"kampung.{code}.{what}" for what in ("requests", "events", "digests", "heartbeat", "blobs")),
        "$JS.API.STREAM.INFO.KAMPUNG_DOWN",
        f"$JS.API.CONSUMER.INFO.{follower}",
        f"$JS.API.CONSUMER.DELETE.{follower}",
        f"$JS.API.CONSUMER.CREATE.{follower}.kampung.{code}.changes",
        f"$JS.API.CONSUMER.MSG.NEXT.{follower}",
        f"$JS.ACK.{follower}.>",
    ]
    return f"publish: [{', '.join(map(quoted, publish))}], subscribe: {quoted(f'_INBOX.{code}.>')}"


CONSUMER_RIGHTS = (
    'publish: ["kampung.*.changes", "$JS.API.>", "$JS.ACK.>", "_INBOX.>"], '
    'subscribe: ["_INBOX.>", "kampung.*.heartbeat", "kampung.*.blobs"]'
)


def user(key: str, rights: str) -> str:
    """A line of users.conf."""
    return f"    {{ nkey: {key}, permissions: {{ {rights} }} }}\n"


def quoted(text: str) -> str:
    """A string as the broker's configuration has it."""
    return f'"{text}"'


if __name__ == "__main__":
    sys.exit(main())
