"""The paths of the local server and what every answer has in common: who may ask, and the headers that protect it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

import edge
from edge.health import Health
from edge.web import healthz
from edge.web.access import Access, host_is_ours
from edge.web.desk_api import BODY_LIMIT, DeskApi
from edge.web.page import ASSETS, Page, asset
from edge.web.problem import problem

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
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus text exposition format


def application(
    *, access: Access, desk: DeskApi, page: Page, metrics: Callable[[], Awaitable[bytes]], health: Health
) -> web.Application:
    """The application with all its paths."""

    async def show_page(_: web.Request) -> web.Response:
        return web.Response(text=await page.html(), content_type="text/html")

    async def show_metrics(_: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": _METRICS_TYPE})

    async def show_health(_: web.Request) -> web.Response:
        status, body = healthz.report(health.current(), version=edge.__version__)
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application(middlewares=[_guard(access)], client_max_size=BODY_LIMIT)
    app.router.add_get("/", show_page)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/healthz", show_health)
    app.router.add_post("/v1/requests", desk.submit)
    app.router.add_get("/v1/requests/{id}", desk.show)
    for name, media_type in ASSETS.items():
        app.router.add_get(f"/static/{name}", _static(asset(name), media_type))
    return app


def _static(body: bytes, media_type: str) -> Handler:
    async def show_asset(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=media_type, charset="utf-8")

    return show_asset


def _guard(access: Access) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await _answer(request, handler, access)
        response.headers.update(PROTECTIVE)
        return response

    return guard


async def _answer(request: web.Request, handler: Handler, access: Access) -> web.StreamResponse:
    if not access.admits(request.remote or ""):
        return problem("address-not-allowed")
    hosts = request.headers.getall("Host", [])
    if len(hosts) != 1 or not host_is_ours(hosts[0]):
        return problem("host-not-ours")
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return problem("not-found")
    except web.HTTPMethodNotAllowed as refused:
        return problem("method-not-allowed", headers={"Allow": refused.headers["Allow"]})
