"""The Content-Range of an upload: what is one, and what body it fits."""

from __future__ import annotations

import pytest

from edge.web.content_range import ContentRange, parse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("bytes 0-65535/200000", ContentRange(0, 65_536, 200_000)),
        ("bytes 5-5/6", ContentRange(5, 6, 6)),
        ("bytes */6", ContentRange(0, 0, 6, asks=True)),
        ("bytes */*", None),
        ("bytes 0-5/*", None),
        ("bytes 0-5", None),
        ("bytes=0-5/6", None),
        ("Bytes 0-5/6", None),
        ("bytes 0-5/6 ", None),
        ("bytes -1-5/6", None),
        ("bytes ٠-5/6", None),
        ("bytes 0-9999999999999999/9", None),
        ("", None),
    ],
)
def test_the_form(text: str, wanted: ContentRange | None) -> None:
    """A range would be read that nobody wrote."""
    assert parse(text) == wanted


@pytest.mark.parametrize(
    ("text", "length", "wanted"),
    [
        ("bytes 0-5/6", 6, True),
        ("bytes 0-5/6", None, True),
        ("bytes 0-5/6", 5, False),
        ("bytes 0-6/6", 7, False),
        ("bytes 5-3/6", None, False),
        ("bytes */6", 0, True),
        ("bytes */6", 1, False),
    ],
)
def test_what_body_it_fits(text: str, length: int | None, wanted: bool) -> None:
    """Bytes would be stored that are not those of the range."""
    given = parse(text)
    assert given is not None
    assert given.fits(length) is wanted
