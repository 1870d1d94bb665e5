"""YAML that people write: rows of tables, presets, classes of an own data set."""

from __future__ import annotations

import random
from typing import Any, Callable, Iterator

import yaml

from experiments.lib.paths import HERE
from experiments.stress.fuzz.case import RESULT, Case
from experiments.stress.fuzz.damage import changed, cut, files, flipped, paths
from repro.config import neighbours as neighbours_of
from repro.config import parsing
from repro.config import presets as presets_of
from repro.config import rows as rows_of
from repro.config.peers import PeerRow, load_peers
from repro.data import own
from repro.data.classes import ClassSet
from repro.data.headers import LARGEST

# what YAML, or its reader in Python, has of its own
ODD = {
    "a billion laughs": "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{one}: &{one} [{', '.join(['*' + other] * 9)}]\n" for other, one in zip("abcdefghijklmnopqrstuv",
                                                                              "bcdefghijklmnopqrstuvw")),
    "rows of a billion laughs": "rows:\n- &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"- &{one} [{', '.join(['*' + other] * 9)}]\n" for other, one in zip("abcdefghijk", "bcdefghijkl")),
    "a list in itself": "&a [*a]", "rows in themselves": "rows: &a [*a]", "a mapping in itself": "&a {rows: *a}",
    "deep lists": "[" * 1000, "deep mappings": "{a: " * 1000,
    "deep indents": "".join("  " * n + "a:\n" for n in range(400)),
    "a date that is none": "rows: 2001-99-99", "a tag of Python": "!!python/object/apply:os.system ['echo']",
    "a name of Python": "rows: !!python/name:os.system", "a bool that is none": "rows: !!bool x",
    "an int that is none": "rows: !!int x", "a float that is none": "rows: !!float x", "a time that is none":
    "rows: !!timestamp x", "binary that is none": "rows: !!binary x", "a set": "rows: !!set {a, b}",
    "pairs": "rows: !!pairs [a: 1, a: 2]", "a key twice": "rows: []\nrows: []", "a list as a key": "? [a]\n: 1",
    "a mapping as a key": "? {a: 1}\n: 1", "value": "rows: =", "merged": "<<: [1]\nrows: []",
    "two documents": "rows: []\n---\nrows: []", "a number of 10000 digits": f"rows: {'9' * 10000}",
    "hexadecimal": f"rows: 0x{'f' * 10000}",
    "an anchor that is none": "rows: *nothing", "tabs": "rows:\n\t- a", "a mark of byte order": "\ufeffrows: []",
    "a NUL": "rows: \0", "escapes": "rows: \"\x1b[2J\"", "many keys": "".join(f"k{n}: 1\n" for n in range(5000)),
    "long": "# " + "x" * (1 << 19), "only a comment": "# rows", "null": "null", "a directive": "%YAML 9.9\n--- rows",
}


def _documents(data: bytes, read: Callable, right: Callable[[Any, Any], bool], kind: Callable[[Any], bool],
               draw: random.Random, count: int) -> Iterator[Case]:
    """Return cases for a YAML file: its bytes damaged, its values changed; what is read must be what is written there.

    right  whether what is read is a file's value. kind: whether it is what the reader gives, for damaged bytes, which
    may be another right text.
    """
    odd = [*((name, text.encode()) for name, text in ODD.items()), ("UTF-16", "{}".encode("utf-16")),
           ("Latin-1", "rows: ü".encode("latin-1"))]
    value = yaml.safe_load(data)
    yield from files("a.yaml", [("as it should be", "as it is", data)], read, lambda found, _: right(found, value),
                     (RESULT,))
    for damaged in (cut(data, draw, 30), flipped(data, draw, 40), (("odd text", *one) for one in odd)):
        yield from files("a.yaml", damaged, read, lambda found, _: kind(found))
    for family, what, other in changed(value, draw, count):
        try:
            content = yaml.safe_dump(other).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError, yaml.YAMLError):
            continue  # no such text can be
        if len(content) < parsing.LARGEST_YAML:
            yield from files("a.yaml", [(family, what, content)], read, lambda found, _, other=other: right(
                found, other))
    yield from paths(data, ".yaml", read, lambda found: right(found, value))


def _rows(table: str, read, seed: int) -> Iterator[Case]:
    def same(found, value) -> bool:
        return [(row.id, neighbours_of.network_dict(row.network), rows_of.training_dict(row.training), row.inference)
                for row in found] == [(row["id"], row["network"], row["training"], row["inference"])
                                      for row in value["rows"]]
    yield from _documents((HERE / f"{table}.yaml").read_bytes(), read, same,
                          lambda found: all(isinstance(row, rows_of.Row) for row in found),
                          random.Random(f"{seed} {table}"), 100)


def rows(seed: int) -> Iterator[Case]:
    """repro.config.rows.load_table."""
    for table in ("table3", "table1"):
        yield from _rows(table, rows_of.load_table, seed)


def neighbours(seed: int) -> Iterator[Case]:
    """repro.config.neighbours.load_rows, and repro.config.peers.load_peers."""
    yield from _rows("neighbours", neighbours_of.load_rows, seed)

    def same(found, value) -> bool:
        return [(row.id, row.label) for row in found] == [(row["id"], row["label"]) for row in value["rows"]]
    yield from _documents((HERE / "table6.yaml").read_bytes(), load_peers, same,
                          lambda found: all(isinstance(row, PeerRow) for row in found), random.Random(seed), 100)


def presets(seed: int) -> Iterator[Case]:
    """repro.config.presets.load_preset."""
    def same(found, value) -> bool:
        return found.width == value["width"] <= presets_of.WIDEST and found.size[0] * found.size[1] <= LARGEST \
            and found.recipe.batch == value["recipe"]["batch"] > 0 and list(found.size) == list(value["size"]) \
            and {name: one.steps for name, one in found.budgets.items()} == {
                name: one["steps"] for name, one in value["budgets"].items()}
    yield from _documents((HERE / "presets" / "lite.yaml").read_bytes(), lambda path: presets_of.load_preset(path, "a"),
                          same, lambda found: isinstance(found, presets_of.Preset), random.Random(seed), 200)


def classes(seed: int) -> Iterator[Case]:
    """repro.data.own.read_classes."""
    value = {"name": "yard", "void": [0, 255], "classes": [
        {"name": name, "id": number, "colour": [number, 0, 255 - number]} for number, name in ((3, "path"), (7, "hedge"))]}

    def same(found, value) -> bool:
        return (found.name, found.names, found.ids) == (value["name"], tuple(one["name"] for one in value["classes"]),
                                                        tuple(one["id"] for one in value["classes"]))
    yield from _documents(yaml.safe_dump(value).encode(), own.read_classes, same,
                          lambda found: isinstance(found, ClassSet), random.Random(seed), 150)
