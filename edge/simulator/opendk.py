"""A stand-in for OpenDK, the kecamatan's software: letters in, a list of letters out, as its API does it.

Built from OpenDK's own API (login, surat, surat/kirim): validation answers 422 with an object of fields, refusals are
400 with a bare string, the list holds neither `nomor` nor times, and a village that is not registered is told in two
ways. Faults are shown on order (`mode`). It shares no code with the box.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

Refusal = Literal["401", "429", "500", "503"]
Mode = Literal["ok", "html200", "silent", "reset", "slow", "lose_answer", "false200", "garbage"] | Refusal
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CAPTIVE = "<!doctype html><title>WiFi</title><h1>Silakan masuk</h1>"
_PDF_MOST = 2_048 << 10
_FIELDS = ("desa_id", "nik", "tanggal", "nomor", "nama")
_TTE_OFF = "Kecamatan belum mengaktifkan modul TTE"


@dataclass
class Letter:
    """A letter; `log_verifikasi` is 1 operator, 2 secretary, 3 camat, 4 signing, 5 signed, 6 refused."""

    id: int
    desa_id: str
    nik: str
    tanggal: str
    nomor: str
    nama: str
    file: str
    log_verifikasi: int = 1
    keterangan: str | None = None


class OpenDk:
    """One kecamatan's OpenDK. `mode` is the fault it shows; `villages` are registered; no `residents`: everybody."""

    def __init__(self, *, email: str, password: str, api_key: str, villages: list[str]) -> None:
        self.mode: Mode = "ok"
        self.slow_s = 1.0
        self.calls: Counter[str] = Counter()
        self.letters: dict[str, Letter] = {}
        self.effects: Counter[str] = Counter()
        self.villages = villages
        self.residents: set[str] | None = None
        self.unknown_as_400 = True
        self.tte = True
        self.break_list = False
        self.token_s = 3_600.0
        self.password = password
        self.api_key = api_key
        self._email = email
        self._tokens: dict[str, float] = {}
        self._runner: web.AppRunner | None = None

    def move(self, request: str, number: int, why: str | None = None) -> None:
        """An officer acts on the letter of a request. KeyError when there is none."""
        letter = next((letter for letter in self.letters.values() if request in letter.nomor), None)
        if letter is None:
            raise KeyError(request)
        letter.log_verifikasi, letter.keterangan = number, why

    async def start(self, sock: socket.socket, ssl_context: ssl.SSLContext) -> None:
        """Serve on a bound socket."""
        app = web.Application(client_max_size=4 << 20, middlewares=[self._misbehave])
        app.add_routes(
            [
                web.post("/api/v1/auth/login", self._login),
                web.get("/api/v1/auth/me", self._me),
                web.get("/api/v1/surat", self._index),
                web.post("/api/v1/surat/kirim", self._store),
            ]
        )
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, sock, ssl_context=ssl_context).start()

    async def stop(self) -> None:
        """Stop serving; letters stay, tokens go."""
        self._tokens.clear()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _misbehave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.calls[f"{request.method} {request.path}"] += 1
        mode = self.mode
        if mode == "html200":
            return web.Response(text=_CAPTIVE, content_type="text/html")
        if mode == "garbage":
            return web.Response(body=b'{"data": [[[{]', content_type="application/json")
        if mode == "false200":
            return web.json_response({"success": False, "message": "Terjadi kesalahan", "data": None})
        if mode.isdigit():
            return web.json_response({"error": f"told to answer {mode}"}, status=int(mode))
        if mode == "silent":
            await asyncio.Event().wait()
        if mode == "reset":
            return _cut(request)
        if mode == "slow":
            await asyncio.sleep(self.slow_s)
        response = await handler(request)
        return _cut(request) if mode == "lose_answer" else response

    async def _login(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        if not form.get("email") or not form.get("password"):
            return web.json_response({"email": ["The email field is required."]}, status=422)
        if (form["email"], form["password"]) != (self._email, self.password):
            return web.json_response({"error": "Unauthorized"}, status=401)
        token = secrets.token_urlsafe(32)
        self._tokens[token] = asyncio.get_running_loop().time() + self.token_s
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": self.token_s})

    def _refuses(self, request: web.Request) -> web.Response | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token == self.api_key or self._tokens.get(token, 0.0) > asyncio.get_running_loop().time():
            return None
        return web.json_response({"message": "Unauthenticated."}, status=401)

    async def _me(self, request: web.Request) -> web.StreamResponse:
        return self._refuses(request) or web.json_response({"user": {"email": self._email}})

    async def _index(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refuses(request)) is not None:
            return refusal
        if not self.tte:
            return web.json_response(_TTE_OFF, status=400)
        if self.break_list:
            return _cut(request)
        village = request.query.get("desa_id", "")
        if village not in self.villages:
            return self._unknown(village)
        shown = [_shown(letter) for letter in self.letters.values() if letter.desa_id == village]
        return web.json_response({"success": True, "message": "Daftar Surat", "data": shown})

    async def _store(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refuses(request)) is not None:
            return refusal
        if not self.tte:
            return web.json_response(_TTE_OFF, status=400)
        form = await request.post()
        values = {name: str(form.get(name) or "") for name in _FIELDS}
        wrong = self._wrong(values)
        file = form.get("file")
        name = file.filename.strip().lower() if isinstance(file, web.FileField) else ""
        wrong |= _wrong_file(file)
        if wrong:
            return web.json_response(wrong, status=422)
        if values["desa_id"] not in self.villages:
            return self._unknown(values["desa_id"])
        if self.residents is not None and values["nik"] not in self.residents:
            return web.json_response(f"Penduduk dengan NIK {values['nik']} tidak terdaftar di kecamatan", status=400)
        letter = Letter(
            id=len(self.letters) + 1,
            desa_id=values["desa_id"],
            nik=values["nik"],
            tanggal=values["tanggal"],
            nomor=values["nomor"],
            nama=values["nama"],
            file=f"1764000000_{name}",
        )
        self.letters[letter.nomor] = letter
        self.effects[letter.nomor] += 1
        return web.json_response({"success": True, "message": "Surat Berhasil Dikirim!", "data": _shown(letter)})

    def _wrong(self, values: dict[str, str]) -> dict[str, list[str]]:
        wrong = {name: [f"The {name} field is required."] for name in _FIELDS if not values[name]}
        if not re.fullmatch(r"[0-9]{16}", values["nik"]):
            wrong["nik"] = ["The nik must be 16 digits."]
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", values["tanggal"]):
            wrong["tanggal"] = ["The tanggal is not a valid date."]
        if values["nomor"] in self.letters:
            wrong["nomor"] = ["The nomor has already been taken."]
        return wrong

    def _unknown(self, village: str) -> web.Response:
        if self.unknown_as_400:
            return web.json_response(f"Kode desa {village} tidak terdaftar di kecamatan", status=400)
        return web.json_response({"status": False})


def _wrong_file(file: object) -> dict[str, list[str]]:
    content = file.file.read() if isinstance(file, web.FileField) else b""
    if content[:5] != b"%PDF-":
        return {"file": ["The file must be a file of type: pdf."]}
    return {"file": ["The file may not be greater than 2048 kilobytes."]} if len(content) > _PDF_MOST else {}


def _shown(letter: Letter) -> dict[str, Any]:
    names = ("id", "file", "nama", "nik", "log_verifikasi", "keterangan")
    return {name: getattr(letter, name) for name in names} | {"pengurus_id": 1}


def _cut(request: web.Request) -> web.Response:
    """Drop the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
