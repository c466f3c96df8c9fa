"""Reads the parsed TOML against the structs of `edge.config`, key by key, and collects every mistake of shape.

msgspec stops at the first mistake, so this walks tables and lists itself and lets msgspec judge single values. What
is well formed comes back even where its neighbours are not, so that the checks of meaning can run on it too.
"""

from __future__ import annotations

import json
import math
import re
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeGuard, Union, get_args, get_origin

import msgspec

from edge.config import Phone
from edge.config_problem import Findings
from edge.marks import CLASSES

Table = dict[str, Any]
_BAD = object()
_SECRET_WORDS = ("key", "token", "password", "secret", "pin", "community")
_USERINFO = re.compile(r"://[^/@]*@")
_NUMBERS = {int: "a whole number", float: "a number"}


def read_table(value: object, struct: type[msgspec.Struct], path: str, findings: Findings) -> Table:
    """The keys of `struct` that could be read, defaults filled in; what could not be read is missing and noted."""
    if not isinstance(value, dict):
        findings.error(path, f"{shown(value)} is not a table", f"Write its keys under [{path}].")
        return {}
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for key in value:
        if key not in known:
            _unknown(key, list(known), _join(path, key), findings)
    table: Table = {}
    for name, field in known.items():
        here = _join(path, name)
        if name in value:
            found = _read(value[name], field.type, here, findings)
            if found is not _BAD:
                table[name] = found
        elif field.required:
            findings.error(here, "is missing", f"Add it: {allowed(field.type)}.")
        else:
            table[name] = _default(field, here, findings)
    return table


def allowed(kind: Any) -> str:
    """What a value of the type `kind` may be, in words: ``a whole number from 50 to 10000``."""
    base, metas = _unwrap(kind)
    for meta in metas:
        if meta.description:
            return str(meta.description)
    if get_origin(base) is Literal:
        return " or ".join(json.dumps(choice) for choice in get_args(base))
    if base in _NUMBERS:
        return _NUMBERS[base] + _range(metas)
    if base is str:
        return "text" + _length(metas)
    if get_origin(base) is tuple:
        return f"a list, each {allowed(get_args(base)[0])}"
    if get_origin(base) is dict:
        return f"a table, each value {allowed(get_args(base)[1])}"
    return "a table"


def shown(value: object) -> str:
    """A value as TOML writes it, shortened."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, (str, bool)):
        text = _USERINFO.sub("://...@", json.dumps(value, ensure_ascii=False))
    else:
        text = f"{value:g}" if isinstance(value, float) else _plain(value)
    return text if len(text) <= 48 else text[:45] + "..."


def _plain(value: object) -> str:
    if isinstance(value, int) and abs(value) > 10**18:
        return f"a number of about 10^{int(math.log10(abs(value)))}"
    return str(value)


def _read(value: object, kind: Any, path: str, findings: Findings) -> Any:
    base, metas = _unwrap(kind)
    if _is_struct(base):
        return read_table(value, base, path, findings)
    if get_origin(base) is tuple:
        return _read_list(value, get_args(base)[0], metas, path, findings)
    if get_origin(base) is dict:
        return _read_mapping(value, get_args(base)[1], path, findings)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        text = masked(value) if kind == Phone else shown(value)
        findings.error(path, f"{text} is not {allowed(kind)}", "Correct it; docs/configuration.md explains every key.")
        return _BAD


def _read_list(value: object, item: Any, metas: list[msgspec.Meta], path: str, findings: Findings) -> Any:
    if not isinstance(value, list):
        brackets = f"[[{path}]]" if _is_struct(_unwrap(item)[0]) else "the value in [ and ]"
        findings.error(path, f"{shown(value)} is not a list", f"Write {brackets}.")
        return _BAD
    for meta in metas:
        if len(value) < (meta.min_length or 0) or len(value) > (meta.max_length or len(value)):
            findings.error(path, f"has {len(value)} entries, wanted{_length([meta], '')}", "Add or remove entries.")
    read = [_read(entry, item, f"{path}[{number}]", findings) for number, entry in enumerate(value, 1)]
    return read if _is_struct(_unwrap(item)[0]) else [None if entry is _BAD else entry for entry in read]


def _read_mapping(value: object, item: Any, path: str, findings: Findings) -> Any:
    if not isinstance(value, dict):
        findings.error(path, f"{shown(value)} is not a table", "Write { name = value }.")
        return _BAD
    read = {key: _read(entry, item, _join(path, key), findings) for key, entry in value.items()}
    return {key: entry for key, entry in read.items() if entry is not _BAD}


def masked(value: object) -> str:
    """A phone number as a message may show it: enough to find the line, not the person."""
    text = str(value)
    return f'"{text[:5]}...{text[-2:]}"' if len(text) > 9 else '"..."'


def _unknown(key: str, known: list[str], path: str, findings: Findings) -> None:
    import difflib  # a megabyte that a good file never needs

    near = difflib.get_close_matches(key, known, n=1)
    if near:
        remedy = f"Did you mean {near[0]}?"
    elif any(word in key.lower() for word in _SECRET_WORDS):
        remedy = "Secrets do not belong here: give desk-key, portal-key, store-key, sim-pin, snmp-NAME as credentials."
    else:
        remedy = f"Remove it; known here: {', '.join(known)}."
    findings.error(path, "is no setting of this program", remedy)


def _default(field: msgspec.structs.FieldInfo, path: str, findings: Findings) -> Any:
    if isinstance(field.default, msgspec.Struct):
        return read_table({}, type(field.default), path, findings)
    if field.default is not msgspec.NODEFAULT:
        return list(field.default) if isinstance(field.default, tuple) else field.default
    factory = field.default_factory
    return factory() if callable(factory) else None


def _unwrap(kind: Any) -> tuple[Any, list[msgspec.Meta]]:
    metas: list[msgspec.Meta] = []
    if hasattr(kind, "__metadata__"):
        metas = [meta for meta in kind.__metadata__ if isinstance(meta, msgspec.Meta)]
        kind = kind.__origin__
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (part for part in get_args(kind) if part is not type(None))
    return kind, metas


def _is_struct(kind: Any) -> TypeGuard[type[msgspec.Struct]]:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _range(metas: list[msgspec.Meta]) -> str:
    bounds = [meta for meta in metas if meta.ge is not None and meta.le is not None]
    return f" from {bounds[0].ge} to {bounds[0].le}" if bounds else ""


def _length(metas: list[msgspec.Meta], unit: str = " characters") -> str:
    words = ""
    for meta in metas:
        low, high = meta.min_length, meta.max_length
        if low is not None and high is not None:
            words = f"{' of' if unit else ''} {low} to {high}{unit}"
        elif low is not None:
            words = f"{' of' if unit else ''} at least {low}{unit if low > 1 else unit[:-1]}"
        elif high is not None:
            words = f"{' of' if unit else ''} at most {high}{unit}"
    return words


def _join(path: str, key: str) -> str:
    key = key if key.replace("_", "").replace("-", "").isalnum() and len(key) <= 48 else json.dumps(key[:45])
    return f"{path}.{key}" if path else key


def items(table: Mapping[str, Any], key: str) -> list[Any]:
    """The list under `key`, or nothing where it could not be read; entries that could not be read are None."""
    return list(table.get(key) or ())


def uplinks(config: Table) -> Iterator[tuple[str, Table]]:
    """Each uplink with its path."""
    for number, uplink in enumerate(items(config, "uplink"), 1):
        yield f"uplink[{number}]", uplink


def tunnels(config: Table) -> Iterator[tuple[str, Table]]:
    """Each tunnel with its path."""
    for number, tunnel in enumerate(items(config, "tunnel"), 1):
        yield f"tunnel[{number}]", tunnel


def classes(config: Table) -> Iterator[tuple[str, str, Table]]:
    """Each class: its name, its path, its table."""
    for name in CLASSES:
        yield name, f"classes.{name}", config.get("classes", {}).get(name, {})


def once(values: list[tuple[str, Any]], message: str, remedy: str, findings: Findings) -> None:
    """Note each of `values` (path, value) that came before in the list."""
    seen: set[Any] = set()
    for path, value in values:
        if value in seen:
            findings.error(path, f"{value if ' ' in str(value) else shown(value)} {message}", remedy)
        seen.add(value)
