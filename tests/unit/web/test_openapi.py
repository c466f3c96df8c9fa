"""The description of the desk API says what the server does, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.health import Health
from edge.sms.identity import is_kk, is_womans, read_nik
from edge.web import form, openapi
from edge.web.openapi_numbers import KK, NIK
from edge.web.overview import Overview
from edge.web.problem import KINDS
from tests.unit.web.serving import NOW, WELL, FakeDesk, build, running

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT: dict[str, Any] = msgspec.json.decode(openapi.document())
METHODS = {"get", "post", "put", "delete", "patch"}


async def overview() -> Overview:
    return WELL


def test_the_page_for_programmers_holds_this_document() -> None:
    """The document beside docs/api.md would be of another version: python -m edge.web.openapi writes it."""
    assert (DOCS / "desk-openapi.json").read_bytes() == openapi.document()


async def test_the_box_serves_it_without_a_key() -> None:
    """A programmer with an address but no key yet could not read it."""
    async with (
        running() as server,
        aiohttp.ClientSession() as session,
        session.get(server.url + "/v1/openapi.json") as answer,
    ):
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.json() == DOCUMENT


def test_every_route_is_described_and_every_description_routed() -> None:
    """A call would be missing from the document, or lead nowhere."""
    server = build(overview, desk=FakeDesk(), health=Health(wall=lambda: NOW))
    routes = {(route.method.lower(), route.path): route.scope for route in server.api.routes()}
    described = {
        (method, path): operation
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in METHODS and path != "/v1/openapi.json"
    }
    assert routes.keys() == described.keys()
    for key, operation in described.items():
        assert operation["description"] == f"Scope: `{routes[key]}`."


def test_every_call_and_scope_stands_in_the_page() -> None:
    """docs/api.md would leave out a call, or name another scope."""
    text = (DOCS / "api.md").read_text()
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & item.keys():
            scope = re.sub(r"^Scope: (`.*`)\.$", r"\1", item[method].get("description", "none"))
            assert f"| `{method.upper()} {path}` | {scope} |" in text


def test_every_problem_can_be_met() -> None:
    """A kind would be declared that no call of the document answers with."""
    said = " ".join(
        answer["description"]
        for item in DOCUMENT["paths"].values()
        for method in METHODS & item.keys()
        for answer in item[method]["responses"].values()
    )
    assert {code for code in KINDS if not re.search(rf"\b{code}\b", said)} == {"not-found", "method-not-allowed"}


numbers = st.from_regex(r"[0-9]{16}", fullmatch=True) | st.builds(
    lambda region, day, month, year, serial: f"{region:06}{day:02}{month:02}{year:02}{serial:04}",
    st.integers(90_000, 999_999),
    st.integers(0, 73),
    st.integers(0, 13),
    st.integers(0, 99),
    st.sampled_from([0, 1, 10, 9_999]),
)


@given(numbers)
def test_a_number_fits_the_pattern_as_it_fits_the_rule(number: str) -> None:
    """A form that checks by the document would refuse a right number, or send a wrong one."""
    assert bool(re.fullmatch(NIK, number)) == (read_nik(number).value == number)
    assert bool(re.fullmatch(KK, number)) == (is_kk(number) and not is_womans(number))


@pytest.mark.parametrize("day", ["2902", "6902"])
@pytest.mark.parametrize("year", range(100))
def test_leap_days(day: str, year: int) -> None:
    """Somebody born on 29 February would be turned away."""
    number = f"351005{day}{year:02}0001"
    assert bool(re.fullmatch(NIK, number)) == (read_nik(number).value == number)


@pytest.mark.parametrize("field", ["name", "purpose"])
@given(text=st.text(max_size=20))
def test_what_the_patterns_say_is_what_is_read(field: str, text: str) -> None:
    """The document would promise a text that is refused."""
    pattern = DOCUMENT["components"]["schemas"]["NewRequest"]["properties"][field]["pattern"]
    body = {"letter": "SKTM", "nik": "3510054107859901", "name": "Siti", field: text}
    try:
        form.REQUEST.read(msgspec.json.encode(body))
        read = True
    except form.Unfit:
        read = False
    assert read == bool(re.search(pattern.replace("$", r"\Z"), text))
