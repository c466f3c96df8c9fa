"""The box's own HTTP: the office's page, the desk's API, metrics and health."""

import edge.http_library  # noqa: F401 - before anybody imports aiohttp
