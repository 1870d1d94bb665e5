"""Reading YAML and JSON files and checking what they hold: each mistake is one line that names its place."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Callable, Dict, Iterable

import yaml

from repro.errors import UserError

Check = Callable[[Any, str], Any]


class _NoDuplicates(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice (YAML's own reader silently keeps the last)."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise yaml.YAMLError(f"key {key!r} is given twice (line {line})")
        return super().construct_mapping(node, deep)


def read_yaml(path) -> Any:
    """The value of the YAML file `path`; UserError if it is absent, unreadable or not YAML."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        return yaml.load(text, Loader=_NoDuplicates)  # a SafeLoader
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    except (yaml.YAMLError, TypeError) as error:  # TypeError: a mapping used as a key
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None


def read_json(path, kind: str) -> Any:
    """The value of the JSON file `path`, which is to be a `kind`; UserError if it is absent, unreadable or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable {kind}: {error}") from None


def fields(value, place: str, checks: Dict[str, Check], optional: Iterable[str] = ()) -> Dict[str, Any]:
    """Check the mapping `value` key by key: unknown keys are errors, and missing ones unless `optional`."""
    if not isinstance(value, dict):
        raise UserError(f"{place}: {value!r} is not a mapping; its keys are {', '.join(checks)}")
    for key in value:
        if key not in checks:
            raise UserError(f"{place}: unknown key {key!r}; choose from {', '.join(checks)}")
    for key in checks:
        if key not in value and key not in optional:
            raise UserError(f"{place}: key {key!r} is missing; its keys are {', '.join(checks)}")
    return {key: check(value[key], f"{place}: {key}") for key, check in checks.items() if key in value}


def text(value, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise UserError(f"{place}: {value!r} is not text")
    return value


def boolean(value, place: str) -> bool:
    if not isinstance(value, bool):
        raise UserError(f"{place}: {value!r} is not true or false")
    return value


def integer(value, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"{place}: {value!r} is not an integer")
    return value


def number(value, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{place}: {value!r} is not a number (YAML wants 0.001 for 1e-3)")
    return float(value)


def natural(value, place: str) -> int:
    """Check a whole number from 0 on."""
    if integer(value, place) < 0:
        raise UserError(f"{place}: {value} is below 0")
    return value


def positive(check: Check) -> Check:
    """`check`, and above 0."""

    def checked(value, place):
        result = check(value, place)
        if result <= 0:
            raise UserError(f"{place}: {value!r} is not above 0")
        return result

    return checked


def rows(path, check: Check):
    """The rows of a YAML file of rows in its order, each checked; a UserError names file, row, key and choices."""

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


def optional(check: Check) -> Check:
    """`check`, or None where the value is null."""
    return lambda value, place: None if value is None else check(value, place)


def sequence(check: Check) -> Check:
    """A list, each item checked; a tuple comes out."""

    def checked(value, place):
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{place}: {value!r} is not a list")
        return tuple(check(item, f"{place}[{index}]") for index, item in enumerate(value))

    return checked
