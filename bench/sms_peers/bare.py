"""The least that a program must do, and so the limit of the modem: no queue, no journal, no recovery.

`python -m bench.sms_peers.bare DEVICE FILE` initialises, says ready, and obeys lines on standard input:
``send TEXT`` lines are collected, ``go`` sends them one after another; ``receive N`` waits for N messages, each listing
of which it makes durable in FILE before it says how many there are.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import serial

from edge.modem import concat
from edge.modem.pdu import Address, encode_submit

NUMBER = "+6281234567001"


class Bare:
    """A line, and commands one after another."""

    def __init__(self, device: str, file: Path) -> None:
        self._line = serial.Serial(device, 115_200, timeout=10)
        self._file, self._stored = file.open("ab"), 0
        for command in ("ATE0", "AT+CMGF=0", "AT+CNMI=2,1,0,0,0"):
            self._ask(command)

    def send(self, texts: list[str]) -> None:
        """Send them, each as the one before is taken."""
        pdus = [encode_submit(Address(NUMBER), piece, reference=0) for text in texts for piece in concat.split(text, 0)]
        for pdu, length in pdus:
            self._line.write(f"AT+CMGS={length}\r".encode())
            self._until(b"> ")
            self._line.write(f"{pdu}\x1a".encode())
            self._until(b"OK\r\n")

    def receive(self, count: int) -> None:
        """Wait for the first, list until all are there; then delete them."""
        places = list[bytes]()
        self._until(b"+CMTI")
        while len(places) < count:
            listed = self._ask("AT+CMGL=0")
            self._file.write(listed)
            self._file.flush()
            os.fsync(self._file.fileno())
            places += [part.split(b",")[0].strip() for part in listed.split(b"+CMGL:")[1:]]
            print(f"stored {self._stored + len(places)}", flush=True)
        self._stored += count
        for place in places:
            self._ask(f"AT+CMGD={place.decode()}")

    def _ask(self, command: str) -> bytes:
        self._line.write(command.encode() + b"\r")
        return self._until(b"OK\r\n")

    def _until(self, end: bytes) -> bytes:
        heard = bytes(self._line.read_until(end))
        if not heard.endswith(end):
            raise RuntimeError(f"the modem said {heard!r} and not {end!r}")
        return heard


def main(device: str, file: str) -> None:
    """Obey standard input until it ends."""
    bare, texts = Bare(device, Path(file)), list[str]()
    print("ready", flush=True)
    for line in sys.stdin:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "send":
            texts.append(rest)
        elif word == "go":
            bare.send(texts)
            texts.clear()
        elif word == "receive":
            bare.receive(int(rest))


if __name__ == "__main__":
    main(*sys.argv[1:3])
