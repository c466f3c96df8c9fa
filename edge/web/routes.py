"""The paths of the local server and what every answer has in common: who may ask, and the headers that protect it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

import edge
from edge.desk_keys import Scope
from edge.health import Health
from edge.queue.store.database import StoreError
from edge.queue.store.seal import SealBroken
from edge.web import healthz
from edge.web.access import Access, host_is_ours
from edge.web.desk_api import BODY_LIMIT, RETRY_AFTER_S, DeskApi
from edge.web.desk_events import DeskEvents
from edge.web.desk_lists import DeskLists
from edge.web.desk_scans import DeskScans
from edge.web.gate import Gate
from edge.web.page import ASSETS, Page, asset
from edge.web.problem import Problem, problem

log = logging.getLogger("edge.web")

PROTECTIVE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "kampung-edge",
}
_SPOILED = "a stored row is damaged; it is looked for now and moved out of the way"
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus text exposition format


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the desk API: its path, and the scope that a key needs for it."""

    method: str
    path: str
    scope: Scope
    handler: Handler


@dataclass(frozen=True, slots=True)
class Api:
    """The desk API: its gate and its handlers."""

    gate: Gate
    requests: DeskApi
    lists: DeskLists
    scans: DeskScans
    events: DeskEvents

    def routes(self) -> tuple[Route, ...]:
        """All its operations; of two paths that fit, the one that stands first is meant."""
        one, scans = "/v1/requests/{id}", "/v1/requests/{id}/attachments"
        return (
            Route("GET", "/v1/requests", "read", self.lists.page),
            Route("POST", "/v1/requests", "file", self.requests.submit),
            Route("POST", "/v1/requests/search", "search", self.lists.search),
            Route("GET", one, "read", self.requests.show),
            Route("GET", f"{one}/transitions", "read", self.lists.transitions),
            Route("POST", f"{one}/cancel", "close", self.requests.cancel),
            Route("POST", f"{one}/collected", "close", self.requests.collected),
            Route("GET", scans, "read", self.scans.listed),
            Route("POST", scans, "file", self.scans.begin),
            Route("PUT", f"{scans}/{{attachment}}", "file", self.scans.put),
            Route("GET", "/v1/events", "read", self.events.listen),
        )


def application(
    *, access: Access, api: Api, page: Page, metrics: Callable[[], Awaitable[bytes]], health: Health
) -> web.Application:
    """The application with all its paths."""

    async def show_page(_: web.Request) -> web.StreamResponse:
        return web.Response(text=await page.html(), content_type="text/html")

    async def show_metrics(_: web.Request) -> web.StreamResponse:
        return web.Response(body=await metrics(), headers={"Content-Type": _METRICS_TYPE})

    async def show_health(_: web.Request) -> web.Response:
        status, body = healthz.report(health.current(), version=edge.__version__)
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application(middlewares=[_guard(access)], client_max_size=BODY_LIMIT)
    app.on_response_prepare.append(_protect)
    # Each takes milliseconds of the one loop that also steers the network: nobody may have it to themselves.
    app.router.add_get("/", api.gate.open(show_page))
    app.router.add_get("/metrics", api.gate.open(show_metrics))
    app.router.add_get("/healthz", show_health)
    for route in api.routes():
        app.router.add_route(route.method, route.path, api.gate.guarded(route.scope, route.handler))
    app.router.add_route("*", "/v1/requests/search", _only_post)
    app.router.add_get("/v1/openapi.json", api.gate.open(_show_openapi))
    for name, media_type in ASSETS.items():
        app.router.add_get(f"/static/{name}", _static(asset(name), media_type))
    return app


async def _show_openapi(_: web.Request) -> web.Response:
    from edge.web import openapi  # asked for once in a while: not kept in memory before

    return web.Response(body=openapi.document(), content_type="application/json")


async def _only_post(request: web.Request) -> NoReturn:
    """What would else be taken for the id of a request."""
    raise web.HTTPMethodNotAllowed(request.method, ["POST"])


def _resource(request: web.Request) -> str:
    """The path as it was declared: what stands in its place in a call may be anything."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _static(body: bytes, media_type: str) -> Handler:
    async def show_asset(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=media_type, charset="utf-8")

    return show_asset


def _guard(access: Access) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await _answer(request, handler, access)

    return guard


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(PROTECTIVE)


async def _answer(request: web.Request, handler: Handler, access: Access) -> web.StreamResponse:
    if not access.admits(request.remote or ""):
        return problem("address-not-allowed")
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not host_is_ours(hosts[0]):
        return problem("host-not-ours")
    try:
        return await handler(request)
    except Problem as told:
        return told.answer
    except StoreError as error:
        return problem("store-refuses", detail=str(error), headers={"Retry-After": str(RETRY_AFTER_S)})
    except SealBroken:
        # The store looks at every row then, and moves away what is spoiled.
        return problem("store-refuses", detail=_SPOILED, headers={"Retry-After": str(RETRY_AFTER_S)})
    except web.HTTPNotFound:
        return problem("not-found")
    except web.HTTPMethodNotAllowed as refused:
        return problem("method-not-allowed", headers={"Allow": refused.headers["Allow"]})
    except web.HTTPException:
        raise
    except Exception as error:
        # Its own words stay unsaid: they may hold what was sent.
        where = "".join(traceback.format_tb(error.__traceback__))
        log.error("a call failed: %s %s: %s\n%s", request.method, _resource(request), type(error).__name__, where)
        return problem("internal")
