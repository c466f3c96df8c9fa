"""The reference portal as a process of its own, told what to do by JSON lines over a Unix socket."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import socket
from asyncio import sslproto
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.simulator import portal_tls
from edge.simulator.portal import MODES, Portal
from edge.simulator.portal_chaos import Chaos

# asyncio keeps a buffer of 256 KiB for each TLS connection as long as it lives, and a village has several of them: 217
# villages took 200 MB so. One TLS record holds 16 KiB (RFC 8446, 5.1).
_TLS_BUFFER = 16 << 10
_FIRST_VILLAGE = 3_510_100_001
_ABOUT = f"""\
The reference portal. Writes "ready PORT" to standard output once it listens; ca.pem (and with --client-certificates
client-CODE.pem and client-CODE-key.pem) stand in --dir, and are kept from one start to the next.

example:  python -m edge.simulator.portal --port 0 --dir /tmp/portal --control /tmp/portal/control \\
              --db /tmp/portal/portal.db --villages 217 --key secret --chaos 7:0.3
          curl --cacert /tmp/portal/ca.pem -H "Authorization: Bearer secret" \\
              "https://localhost:PORT/v1/villages/3510052001/changes?after=&wait=0&limit=50"
          echo '{{"do":"status"}}' | socat - UNIX:/tmp/portal/control

A box is pointed at it by upstream.url = "https://localhost:PORT", upstream.ca_file = ca.pem and the key as portal-key.

Orders are JSON lines on the control socket, each answered by one line:
  {{"do":"requests"}} {{"do":"effects"}} {{"do":"order","id":ID}} {{"do":"audit"}} {{"do":"calls"}} {{"do":"blobs"}}
  {{"do":"status"}} {{"do":"mode","mode":MODE}} {{"do":"chaos","seed":7,"rate":0.3}} {{"do":"complete","id":ID}}
  {{"do":"complete_all"}} {{"do":"reject","id":ID,"why":TEXT}} {{"do":"change","id":ID,"state":STATE}}
  {{"do":"forget","village":CODE}} {{"do":"enrol","village":CODE,"installation":UUID}}
  {{"do":"poison","id":ID,"status":500}} (0 heals it)
MODE is one of {", ".join(MODES)}: what every call meets.
"audit" names what had two effects ("twice") or came out of order ("disorder"): both are empty when all is right.
"""


def main(arguments: list[str]) -> int:
    """Serve until killed."""
    options = _options(arguments)
    # Hundreds of villages, each with several connections.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    sslproto.SSLProtocol.max_size = _TLS_BUFFER
    options.control.unlink(missing_ok=True)  # of a start that was killed
    return asyncio.run(_serve_all(options))


async def _serve_all(options: argparse.Namespace) -> int:
    villages = _villages(options)
    files = portal_tls.made(options.dir, options.name or ["localhost", "127.0.0.1"])
    if options.client_certificates:
        for village in villages:
            portal_tls.client(files, village)
    sock = socket.create_server((options.host, options.port), backlog=1_024)
    portal = Portal(
        villages=villages,
        database=options.db,
        chaos=options.chaos,
        epochs=not options.no_epochs,
        gzip=not options.no_gzip,
        most=options.most,
    )
    await portal.start(sock, files.server_context(clients=True))
    control = await asyncio.start_unix_server(lambda r, w: _serve(portal, r, w), options.control)
    print(f"ready {sock.getsockname()[1]}", flush=True)
    async with control:
        await control.serve_forever()
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m edge.simulator.portal",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one")
    parser.add_argument("--dir", type=Path, required=True, help="where the certificates are written")
    parser.add_argument("--control", type=Path, required=True, help="path of the Unix socket for orders")
    parser.add_argument("--key", default="portal-key", help="the bearer key of --village (portal-key)")
    parser.add_argument("--village", default="3510052001", metavar="CODE", help="its village (3510052001)")
    parser.add_argument(
        "--villages",
        type=int,
        default=0,
        metavar="N",
        help=f"N more villages: {_FIRST_VILLAGE}, ... with the keys KEY-CODE",
    )
    parser.add_argument(
        "--name", action="append", default=None, help="name or address in the certificate; may be repeated"
    )
    parser.add_argument("--db", type=Path, default=None, help="file that outlives a kill; without it all is in memory")
    parser.add_argument(
        "--chaos",
        type=Chaos.parse,
        default=Chaos(),
        metavar="SEED:RATE",
        help="lie at RATE (0 to 1) of the calls, the same way for the same SEED",
    )
    parser.add_argument("--most", type=int, default=256, help="calls at once (256); more get 503 with Retry-After")
    parser.add_argument("--client-certificates", action="store_true", help="write one for every village")
    parser.add_argument("--no-epochs", action="store_true", help="be a portal that knows no installations")
    parser.add_argument("--no-gzip", action="store_true", help="answer 415 to a compressed body")
    return parser.parse_args(arguments)


def _villages(options: argparse.Namespace) -> dict[str, str]:
    more = (str(_FIRST_VILLAGE + number) for number in range(options.villages))
    return {options.village: options.key, **{code: f"{options.key}-{code}" for code in more}}


async def _serve(portal: Portal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            writer.write(json.dumps(_obey(portal, line)).encode() + b"\n")
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


def _obey(portal: Portal, line: bytes) -> dict[str, Any]:
    try:
        order = json.loads(line)
        do = order["do"]
        if do in _ANSWERS:
            return _ANSWERS[do](portal, order)
        if do not in _DEEDS:
            return {"error": f"no such order: {do}"}
        _DEEDS[do](portal, order)
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return {"done": do}


def _mode(portal: Portal, order: dict[str, Any]) -> None:
    if order["mode"] not in MODES:
        raise ValueError(f"mode: allowed are {', '.join(MODES)}")
    portal.mode = order["mode"]


def _chaos(portal: Portal, order: dict[str, Any]) -> None:
    portal.chaos = Chaos(int(order["seed"]), float(order["rate"]), hang_s=float(order.get("hang_s", 60)))


def _poison(portal: Portal, order: dict[str, Any]) -> None:
    portal.poison[order["id"]] = int(order["status"])
    if not portal.poison[order["id"]]:
        del portal.poison[order["id"]]


def _complete_all(portal: Portal, _order: dict[str, Any]) -> None:
    for identifier, filed in portal.requests.items():
        if filed.state == "forwarded":
            portal.complete(identifier)


def _status(portal: Portal, _order: dict[str, Any]) -> dict[str, Any]:
    beats, beat = portal.ledger.heartbeat()
    return {
        "busiest": portal.busiest,
        "turned_away": portal.turned_away,
        "lies": dict(portal.chaos.told),
        "beats": beats,
        "beat": beat,
        "resident_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


_ANSWERS: Mapping[str, Callable[[Portal, dict[str, Any]], dict[str, Any]]] = {
    "requests": lambda portal, _: {"requests": {id_: filed.state for id_, filed in portal.requests.items()}},
    "effects": lambda portal, _: {"effects": dict(portal.effects)},
    "order": lambda portal, order: {"order": portal.ledger.order(order["id"])},
    "audit": lambda portal, _: portal.ledger.audit(),
    "calls": lambda portal, _: {"calls": dict(portal.calls)},
    "blobs": lambda portal, _: {"blobs": portal.blobs.all()},
    "status": _status,
}
_DEEDS: Mapping[str, Callable[[Portal, dict[str, Any]], object]] = {
    "mode": _mode,
    "chaos": _chaos,
    "complete": lambda portal, order: portal.complete(order["id"]),
    "complete_all": _complete_all,
    "reject": lambda portal, order: portal.reject(order["id"], order.get("why", "")),
    "change": lambda portal, order: portal.change(order["id"], order["state"], order.get("why", "")),
    "forget": lambda portal, order: portal.ledger.forget(order.get("village")),
    "poison": _poison,
    "enrol": lambda portal, order: portal.ledger.enrol(order["village"], order["installation"], order.get("epoch", 0)),
}
