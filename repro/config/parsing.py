"""Reading YAML and JSON files and checking what they hold: each mistake is one line that names its place."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import Any, Callable, Dict, Iterable, Mapping

import yaml

from repro.errors import UserError, shown
from repro.files import contents

Check = Callable[[Any, str], Any]
LARGEST_YAML, LARGEST_JSON = 1 << 18, 1 << 26  # bytes; a longer file takes minutes to read, and is none of ours
# what PyYAML raises of values that are not of their tag, such as 2001-99-99 and !!bool 3
_NOT_YAML = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class _NoDuplicates(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice (YAML's own reader silently keeps the last)."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for one, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(one, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"key {shown(key)} is given twice (line {one.start_mark.line + 1})")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path) -> Any:
    """Return the value of the YAML file `path`; UserError if it is absent, unreadable or not YAML."""
    try:
        text = contents(path, LARGEST_YAML).decode("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {_reason(error)}") from None
    try:
        return yaml.load(text, Loader=_NoDuplicates)  # a SafeLoader
    except _NOT_YAML as error:
        raise UserError(f"{path}: not valid YAML: {_reason(error)}") from None


def read_json(path, kind: str) -> Any:
    """Return the value of the JSON file `path`, which is to be a `kind`; UserError if it is absent, unreadable or not
    JSON."""
    try:
        return json_value(contents(path, LARGEST_JSON).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable {kind}: {_reason(error)}") from None


def json_text(text: str, place: str) -> Any:
    """Return the value of a JSON text; a UserError begins with `place`."""
    try:
        return json_value(text)
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON: {error}") from None


def of_format(value, known: int, place: str) -> None:
    """UserError for a mapping whose "format" is another than the known one: a later program's, most likely."""
    if isinstance(value, dict) and value.get("format") != known:
        raise UserError(f"{place}: format {shown(value.get('format'))} is not known; this program reads {known}")


def json_value(text: str) -> Any:
    """Return the value of a JSON text; ValueError where it is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__


def fields(value, place: str, checks: Mapping[str, Check], optional: Iterable[str] = ()) -> Dict[str, Any]:
    """Check the mapping `value` key by key: unknown keys are errors, and missing ones unless `optional`."""
    if not isinstance(value, dict):
        raise UserError(f"{place}: {shown(value)} is not a mapping; its keys are {', '.join(checks)}")
    for key in value:
        if key not in checks:
            raise UserError(f"{place}: unknown key {shown(key)}; choose from {', '.join(checks)}")
    for key in checks:
        if key not in value and key not in optional:
            raise UserError(f"{place}: key {shown(key)} is missing; its keys are {', '.join(checks)}")
    return {key: check(value[key], f"{place}: {key}") for key, check in checks.items() if key in value}


def text(value, place: str) -> str:
    """Return the value, which must be a text that is not empty; a UserError begins with `place`."""
    if not isinstance(value, str) or not value:
        raise UserError(f"{place}: {shown(value)} is not text")
    return value


def boolean(value, place: str) -> bool:
    """Return the value, which must be true or false; a UserError begins with `place`."""
    if not isinstance(value, bool):
        raise UserError(f"{place}: {shown(value)} is not true or false")
    return value


def integer(value, place: str) -> int:
    """Return the value, which must be a whole number of up to 63 bits; a UserError begins with `place`."""
    if isinstance(value, bool) or not isinstance(value, int) or value.bit_length() > 63:
        raise UserError(f"{place}: {shown(value)} is not an integer")
    return value


def number(value, place: str) -> float:
    """Return the value, which must be a finite number; a UserError begins with `place`."""
    # abs: neither NaN, nor infinite, nor an integer beyond every float
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        text = isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value)  # a number, but not to YAML
        hint = " (YAML wants 0.001 for 1e-3)" if text else ""
        raise UserError(f"{place}: {shown(value)} is not a number{hint}")
    return float(value)


def natural(value, place: str) -> int:
    """Check a whole number from 0 on."""
    if integer(value, place) < 0:
        raise UserError(f"{place}: {shown(value)} is below 0")
    return value


def positive(check: Check) -> Check:
    """`check`, and above 0."""

    def checked(value, place):
        result = check(value, place)
        if result <= 0:
            raise UserError(f"{place}: {shown(value)} is not above 0")
        return result

    return checked


def rows(path, check: Check):
    """Return the rows of a YAML file of rows in its order, each checked; a UserError names file, row, key and
    choices."""

    def named(value, place):
        known = isinstance(value, dict) and isinstance(value.get("id"), str)
        return check(value, f"{path}: row {value['id']}" if known else place)

    found = fields(read_yaml(path), str(path), {"rows": sequence(named)})["rows"]
    for index, row in enumerate(found):
        if row.id in [other.id for other in found[:index]]:
            raise UserError(f"{path}: row {row.id}: this id is given twice")
    return found


def made(kind, place: str, values: Dict[str, Any]):
    """kind(**values), its error with the place in front."""
    try:
        return kind(**values)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None


def object_of(kind, checks: Mapping[str, Check], optional: Iterable[str] = (), named: Mapping[str, str] = {}) -> Check:
    """Check a mapping by its `fields` and make a `kind` of them; `named`: attributes of another name than their key."""

    def checked(value, place):
        found = fields(value, place, checks, optional)
        return made(kind, place, {named.get(key, key): one for key, one in found.items()})

    return checked


def plain(value) -> Any:
    """Return a dataclass as the mapping that `object_of` reads: fields at their defaults are left out, tuples are
    lists."""
    if dataclasses.is_dataclass(value):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)
                if one.default is dataclasses.MISSING or getattr(value, one.name) != one.default}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def optional(check: Check) -> Check:
    """`check`, or None where the value is null."""
    return lambda value, place: None if value is None else check(value, place)


def mapping(checks: Mapping[str, Check], optional: Iterable[str] = ()) -> Check:
    """Check a mapping whose `fields` these are."""
    return lambda value, place: fields(value, place, dict(checks), optional)


def mapping_of(check: Check) -> Check:
    """Check a mapping of any keys, each value by `check`."""
    return lambda value, place: fields(value, place, {key: check for key in value} if isinstance(value, dict) else {})


def sequence(check: Check) -> Check:
    """Check a list, each item by `check`; a tuple comes out."""

    def checked(value, place):
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{place}: {shown(value)} is not a list")
        return tuple(check(item, f"{place}[{index}]") for index, item in enumerate(value))

    return checked
