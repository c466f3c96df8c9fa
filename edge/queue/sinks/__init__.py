"""The ways upstream, one a file."""

import edge.http_library  # noqa: F401 - before anybody imports aiohttp
