"""Problem answers: their form, and that each has its line in the programmers' page."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.web.problem import KINDS, FieldError, problem

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_kind_is_a_problem_document(code: str) -> None:
    """A client could not tell what went wrong by the members RFC 9457 promises."""
    answer = problem(code, headers={"Retry-After": "9"})
    assert isinstance(answer.body, bytes)
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "9"
    assert msgspec.json.decode(answer.body) == {
        "type": f"urn:kampung-edge:problem:{code}",
        "title": KINDS[code].title,
        "status": answer.status,
        "remedy": KINDS[code].remedy,
    }


def test_details_and_fields_are_added_when_there_are_any() -> None:
    """The caller would not learn which field to correct."""
    answer = problem("invalid", detail="two", errors=(FieldError("nik", "must be 16 digits"),))
    assert isinstance(answer.body, bytes)
    body = msgspec.json.decode(answer.body)
    assert body["detail"] == "two"
    assert body["errors"] == [{"field": "nik", "message": "must be 16 digits"}]


@pytest.mark.parametrize("code", sorted(KINDS))
def test_every_kind_is_documented_with_its_status(code: str) -> None:
    """A programmer would meet a problem that docs/api.md does not explain."""
    assert f"| `{code}` | {KINDS[code].status} |" in DOCS.read_text()
