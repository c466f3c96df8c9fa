"""Plays one serial line of a stick on a pty: says what it was told to say to each command, or nothing at all."""

from __future__ import annotations

import asyncio
import os
import pty
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

MODEM: Mapping[str, str] = {
    "AT": "OK",
    "ATE0": "OK",
    "AT+CMEE=1": "OK",
    "AT+CGMI": "huawei\r\nOK",
    "AT+CGMM": "E173\r\nOK",
    "AT+CGSN": "861234567890123\r\nOK",
    "AT+CPIN?": "+CPIN: READY\r\nOK",
    "AT+CSQ": "+CSQ: 18,99\r\nOK",
    "AT+CREG?": "+CREG: 0,1\r\nOK",
    "AT+CGREG?": "+CGREG: 0,1\r\nOK",
    "AT+CEREG?": "ERROR",
    "AT+COPS?": '+COPS: 0,0,"TELKOMSEL",7\r\nOK',
    "AT+CSCA?": '+CSCA: "+6281100000",145\r\nOK',
    "AT+CPMS?": '+CPMS: "SM",1,20,"SM",1,20,"SM",1,20\r\nOK',
    "AT+CMGF=0": "OK",
}
"""A modem that is well."""


class AtPlayer:
    """One line. `answers` may be changed at any time; `heard` keeps the commands. Without `answers` it is mute."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = dict(answers)
        self.heard: list[str] = []
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = Path(os.ttyname(self._slave))
        self._line = b""
        asyncio.get_running_loop().add_reader(self._master, self._hear)

    def close(self) -> None:
        """Hang up."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    def _hear(self) -> None:
        self._line += os.read(self._master, 4096)
        *lines, self._line = self._line.split(b"\r")
        for line in lines:
            command = line.decode(errors="replace").strip("\x1b\x1a\n ")
            if command:
                self.heard.append(command)
                self._answer(command)

    def _answer(self, command: str) -> None:
        if self.answers:
            os.write(self._master, f"\r\n{self.answers.get(command, 'ERROR')}\r\n".encode())


@contextmanager
def playing(*lines: Mapping[str, str]) -> Iterator[list[AtPlayer]]:
    """Players for the lines of a stick, in order."""
    players = [AtPlayer(answers) for answers in lines]
    try:
        yield players
    finally:
        for player in players:
            player.close()
