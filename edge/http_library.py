"""aiohttp, imported once and without what a box never uses or holds: whoever imports aiohttp imports this first.

At its import aiohttp makes a TLS context with all of the system's certificates, 2 MB, for clients that bring none. Ours
bring their own (`edge.queue.sinks`), so that context is left without any: one that used it would trust nobody.
"""

from __future__ import annotations

import contextlib
import os
from asyncio import sslproto
from collections.abc import Iterator

from edge.lean import without

_FROM = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)  # where OpenSSL looks before its own folders (SSL_CTX_load_verify_locations(3))


@contextlib.contextmanager
def _without_certificates() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _FROM}
    os.environ.update(dict.fromkeys(_FROM, "/nonexistent"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_UNUSED = (
    *("argparse", "bz2", "lzma", "html.entities", "pickle", "tempfile", "urllib.request"),
    *("aiohttp.tracing", "aiohttp.web_fileresponse"),
)  # proxies of the environment, cookies on disk, files served from disk, traces: none of it is a box's

with _without_certificates(), without(*_UNUSED):
    import aiohttp.web  # noqa: F401 - all of it, here and nowhere earlier

# asyncio keeps a buffer of 256 KiB for each TLS connection as long as it lives; a record holds 16 KiB (RFC 8446, 5.1).
sslproto.SSLProtocol.max_size = 16 << 10
