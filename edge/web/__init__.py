"""The box's own HTTP: the office's page, the desk's API, metrics and health."""

from edge.lean import without

# Its own command line is not ours.
with without("argparse"):
    import aiohttp.web  # noqa: F401 - imported here once, without what it does not need
