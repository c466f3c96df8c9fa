"""As much of JSON Schema 2020-12 as the project's OpenAPI documents use; a keyword it does not know fails."""

from __future__ import annotations

import re
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_NOTES = {"description", "examples", "example", "format", "title", "default"}
_CHECKED = {
    *("$ref", "type", "enum", "const", "required", "properties", "items", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "maxItems"),
}


class Schemas:
    """The schemas of one document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def resolve(self, value: dict[str, Any]) -> dict[str, Any]:
        """What a local $ref points at. KeyError when it points nowhere."""
        while "$ref" in value:
            found: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def check(self, schema: dict[str, Any], value: Any, at: str = "$") -> None:
        """The value is what the schema says, all the way down."""
        schema = self.resolve(schema)
        assert set(schema) <= _CHECKED | _NOTES, f"{at}: unchecked keywords {set(schema) - _CHECKED - _NOTES}"
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            assert any(_is(value, name) for name in names), f"{at}: {value!r} is no {names}"
        assert value in schema.get("enum", [value]), f"{at}: {value!r}"
        assert value == schema.get("const", value), f"{at}: {value!r}"
        if isinstance(value, str):
            assert re.search(schema.get("pattern", ""), value), f"{at}: {value!r}"
            assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), at
        if _is(value, "number"):
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{at}: {value}"
        if isinstance(value, dict):
            assert set(schema.get("required", ())) <= set(value), f"{at}: {value} lacks members"
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    self.check(inner, value[name], f"{at}.{name}")
        if isinstance(value, list):
            assert len(value) <= schema.get("maxItems", len(value)), at
            for place, item in enumerate(value):
                self.check(schema.get("items", {}), item, f"{at}[{place}]")


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _KINDS[name]) and not (isinstance(value, bool) and name in ("integer", "number"))
