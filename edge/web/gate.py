"""The gate before the desk API: whose key it is, what it allows, and whether its holder calls too often."""

from __future__ import annotations

import math
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from edge.desk_keys import DeskKey, KeyRing, Scope
from edge.web.problem import Problem
from edge.web.rate import Rate

_WRONG_KEY_COST = 10.0  # whoever tries keys is slowed down ten times more
_BURST_S = 4


class Gate:
    """Lets in the holders of keys of `ring`, each key and each address `calls_per_s` times a second."""

    def __init__(self, ring: KeyRing, *, calls_per_s: float, now: Callable[[], float]) -> None:
        self._ring = ring
        self._rate = Rate(per_s=calls_per_s, burst=_BURST_S * calls_per_s)
        self._now = now

    def guarded(self, scope: Scope, handler: Handler) -> Handler:
        """`handler`, behind the gate: only for keys with `scope`."""

        async def behind_the_gate(request: web.Request) -> web.StreamResponse:
            self._count(f"address {request.remote}")
            key = self._key(request)
            if scope not in key.scopes:
                raise Problem("scope", detail=f"the key {key.name} lacks the scope {scope}")
            self._count(f"key {key.name}")
            return await handler(request)

        return behind_the_gate

    def open(self, handler: Handler) -> Handler:
        """`handler`, for everybody in the office who does not call too often."""

        async def beside_the_gate(request: web.Request) -> web.StreamResponse:
            self._count(f"address {request.remote}")
            return await handler(request)

        return beside_the_gate

    def _key(self, request: web.Request) -> DeskKey:
        """The caller's key (RFC 6750, 2.1)."""
        if not self._ring:
            raise Problem("no-desk-key")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        key = self._ring.find(token.strip())
        if key is None or scheme.lower() != "bearer":
            self._count(f"address {request.remote}", _WRONG_KEY_COST)
            raise Problem("unauthorised", headers={"WWW-Authenticate": 'Bearer realm="kampung-edge desk"'})
        return key

    def _count(self, caller: str, cost: float = 1.0) -> None:
        wait_s = self._rate.take(caller, now=self._now(), cost=cost)
        if wait_s:
            raise Problem("too-many-calls", headers={"Retry-After": str(math.ceil(wait_s)), "Connection": "close"})
