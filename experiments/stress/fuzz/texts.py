"""YAML and JSON: rows, presets, classes, records, descriptions of weights, records of exported networks, logs."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any, Callable, Iterator

import yaml

from experiments.lib.command import HERE
from experiments.stress.fuzz.case import LINE, RESULT, Case
from experiments.stress.fuzz.damage import Damaged, changed, cut, files, flipped, paths
from repro import records as records_of
from repro.config import neighbours as neighbours_of
from repro.config import parsing
from repro.config import presets as presets_of
from repro.config import rows as rows_of
from repro.config.peers import PeerRow, load_peers
from repro.data import own
from repro.data.classes import CITYSCAPES, ClassSet
from repro.data.headers import LARGEST
from repro.prediction import weights
from repro.runtime.metadata import Check, Metadata, read_metadata
from repro.training import logs as logs_of

WEIGHTS = HERE / "pretrained" / "minicity-1110-1131.params"
RECORDS = HERE.parent / "tables" / "results" / "minicity-lite-full"
DEEP = 100_000
# what YAML, or its reader in Python, has of its own
YAMLS = {
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
JSONS = {
    "deep lists": "[" * DEEP + "]" * DEEP, "deep mappings": '{"a":' * DEEP, "a number of 10000 digits": "9" * 10000,
    "deep and closed": "[" * 900 + "]" * 900, "NaN": "NaN", "a comma more": "[1,]", "two values": "{} {}",
    "a mark of byte order": "\ufeff{}", "a NUL": "{\0}", "half a surrogate": '"\\ud800"', "a number": "1e999",
    "null": "null", "text": '"format"',
    "keys twice": '{"format": 1, "format": 1}', "a list": "[]", "of another format": '{"format": 99}', "no keys": "{}",
    "a format without end": '{"format": ' + "[" * 500 + "]" * 500 + "}",
}


def _texts(texts) -> Iterator[Damaged]:
    for name, text in texts.items():
        yield "odd text", name, text.encode("utf-8")
    yield "odd text", "UTF-16", "{}".encode("utf-16")
    yield "odd text", "Latin-1", "rows: ü".encode("latin-1")


def documents(name: str, data: bytes, load: Callable, dump: Callable[[Any], str], odd, read,
              right: Callable[[Any, Any], bool], draw: random.Random, count: int,
              kind: Callable[[Any], bool]) -> Iterator[Case]:
    """Cases for a YAML or JSON file: its bytes damaged, its values changed; what is read must be what is written there.

    kind  whether a value is what the reader gives, for damaged bytes, which may be another right text.
    """
    yield from files(name, [("as it should be", "as it is", data)], read, lambda value, _: right(value, load(data)),
                     (RESULT,))
    yield from files(name, cut(data, draw, 30), read, lambda value, _: kind(value))
    yield from files(name, flipped(data, draw, 40), read, lambda value, _: kind(value))
    yield from files(name, _texts(odd), read, lambda value, _: kind(value))
    for family, what, value in changed(load(data), draw, count):
        try:
            content = dump(value).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError, yaml.YAMLError):
            continue  # no such text can be
        if len(content) < parsing.LARGEST_YAML:
            yield from files(name, [(family, what, content)], read, lambda found, _, value=value: right(found, value))
    yield from paths(data, Path(name).suffix, read, lambda value: right(value, load(data)))


def plain(value) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def rows(seed: int) -> Iterator[Case]:
    """repro.config.rows.load_table."""
    for table in ("table3", "table1"):
        yield from _rows(table, rows_of.load_table, seed)


def neighbours(seed: int) -> Iterator[Case]:
    """repro.config.neighbours.load_rows, and repro.config.peers.load_peers."""
    yield from _rows("neighbours", neighbours_of.load_rows, seed)

    def same(found, value) -> bool:
        return [(row.id, row.label) for row in found] == [(row["id"], row["label"]) for row in value["rows"]]
    yield from documents("a.yaml", (HERE / "table6.yaml").read_bytes(), yaml.safe_load, yaml.safe_dump, YAMLS,
                         load_peers, same, random.Random(seed), 100,
                         lambda found: all(isinstance(row, PeerRow) for row in found))


def _rows(table: str, read, seed: int) -> Iterator[Case]:
    def same(found, value) -> bool:
        return [(row.id, neighbours_of.network_dict(row.network), rows_of.training_dict(row.training), row.inference)
                for row in found] == [(row["id"], row["network"], row["training"], row["inference"])
                                      for row in value["rows"]]
    yield from documents("a.yaml", (HERE / f"{table}.yaml").read_bytes(), yaml.safe_load, yaml.safe_dump, YAMLS, read,
                         same, random.Random(f"{seed} {table}"), 100,
                         lambda found: all(isinstance(row, rows_of.Row) for row in found))


def presets(seed: int) -> Iterator[Case]:
    """repro.config.presets.load_preset."""
    def same(found, value) -> bool:
        return found.width == value["width"] <= presets_of.WIDEST and found.size[0] * found.size[1] <= LARGEST \
            and found.recipe.batch == value["recipe"]["batch"] > 0 and list(found.size) == list(value["size"]) \
            and {name: one.steps for name, one in found.budgets.items()} == {
                name: one["steps"] for name, one in value["budgets"].items()}
    data = (HERE / "presets" / "lite.yaml").read_bytes()
    yield from documents("a.yaml", data, yaml.safe_load, yaml.safe_dump, YAMLS,
                          lambda path: presets_of.load_preset(path, "a"), same, random.Random(seed), 200,
                          lambda found: isinstance(found, presets_of.Preset))


def classes(seed: int) -> Iterator[Case]:
    """repro.data.own.read_classes."""
    named = ((3, "path"), (7, "hedge"))
    value = {"name": "yard", "void": [0, 255], "classes": [
        {"name": name, "id": number, "colour": [number, 0, 255 - number]} for number, name in named]}

    def same(found, value) -> bool:
        return (found.name, found.names, found.ids) == (value["name"], tuple(one["name"] for one in value["classes"]),
                                                        tuple(one["id"] for one in value["classes"]))
    yield from documents("classes.yaml", yaml.safe_dump(value).encode(), yaml.safe_load, yaml.safe_dump, YAMLS,
                          own.read_classes, same, random.Random(seed), 150, lambda found: isinstance(found, ClassSet))


def records(seed: int) -> Iterator[Case]:
    """repro.records.read_record."""
    source = min(records_of.record_files(RECORDS.parent), key=lambda path: path.stat().st_size)

    def same(found, value) -> bool:
        again = records_of.to_dict(found)
        return {**again, "training_name": value["training_name"], "recipe": value.get("recipe", {})} == {
            "recipe": {}, **_rounded(value)}
    yield from documents("a.json", source.read_bytes(), json.loads, plain, JSONS, records_of.read_record, same,
                          random.Random(seed), 300, lambda found: isinstance(found, records_of.Record))


def _rounded(value, key="") -> Any:
    """Percentages as a record keeps them."""
    if isinstance(value, dict):
        return {name: _rounded(one, "percent" if key == "class_iou" else name) for name, one in value.items()}
    rounded = key in ("percent", "pixel_acc", "mean_acc", "mean_iou") and value is not None
    return round(float(value), 4) if rounded else value


def descriptions(seed: int) -> Iterator[Case]:
    """repro.prediction.weights.read; the weights described are a few bytes, which are hashed and not read further."""
    content = b"as if parameters"
    value = {**json.loads(weights.description_of(WEIGHTS).read_text(encoding="utf-8")),
             "sha256": hashlib.sha256(content).hexdigest()}

    def read(path):
        params = path.with_suffix(".params")
        params.write_bytes(content)
        return weights.read(params)

    def same(found, value) -> bool:
        return (found.width, found.region, found.size, found.mean_iou, found.steps, dict(found.class_iou)) == tuple(
            value[key] for key in ("width", "region", "size", "mean_iou", "steps", "class_iou"))
    cases = documents("a.json", plain(value).encode(), json.loads, plain, JSONS, read, same, random.Random(seed), 250,
                       lambda found: isinstance(found, weights.Weights))
    yield from (case for case in cases if case.family not in ("odd names", "links", "no file"))

    def beside(path):
        path.with_suffix(".json").write_text(plain(value))
    yield from paths(content, ".params", weights.read, lambda found: same(found, value), beside)
    yield from files("a.params", [("another file", "not the one described", content + b"!")],
                     lambda path: beside(path) or weights.read(path), lambda found, _: False, (LINE,))


def metadata(seed: int) -> Iterator[Case]:
    """repro.runtime.metadata.read_metadata."""
    made = Metadata("model-a", "isctf", "random", (1, 3, 128, 256), 64, ("scores", "mask"), 4, 64, (2, 4), 3,
                    CITYSCAPES, "0" * 40, Check(2, 0, 4096, 0, 1e-7, {"mxnet": "1.9.1"}))
    yield from documents("a.json", made.to_text().encode(), json.loads, plain, JSONS, read_metadata,
                          lambda found, value: json.loads(found.to_text()) == value, random.Random(seed), 250,
                          lambda found: isinstance(found, Metadata))


def logs(seed: int) -> Iterator[Case]:
    """repro.training.logs.read, and repro.training.logs.Log going on behind it."""
    draw = random.Random(seed)
    lines = [{"step": n, "loss": 1 / n, "total": 3 / n, "rate": 0.1, "q": 0.3, "active": 9.0} for n in range(1, 9)]
    data = b"".join(plain(line).encode() + b"\n" for line in lines)

    def read(path):
        found = logs_of.read(path)
        log = logs_of.Log(path, after=4)
        log.add({"step": 5})
        log.close()
        if [line["step"] for line in logs_of.read(path)] != [line["step"] for line in found if line["step"] <= 4] + [5]:
            raise AssertionError("the log that goes on is another")
        return found

    def kind(value, _) -> bool:
        return all(isinstance(line["step"], int) for line in value)
    yield from files("a.jsonl", [("as it should be", "as it is", data)], read, lambda value, _: value == lines,
                     (RESULT,))
    for length in draw.sample(range(len(data)), 60):  # a process killed while it wrote: what is whole is kept
        yield from files("a.jsonl", [("truncated", f"{length}", data[:length])], read, lambda value, content:
                         value == lines[:content.count(b"\n")], (RESULT,))
    yield from files("a.jsonl", ((family, what, content + b"\n") for family, what, content in cut(data, draw, 4)
                                 if family == "wrong type" and what != "newline"), read, kind, (LINE,))
    yield from files("a.jsonl", flipped(data, draw, 60), read, kind)
    odd = ((family, what, content + b"\n") for family, what, content in _texts(JSONS))
    yield from files("a.jsonl", odd, read, kind)
    for family, what, value in changed(lines[0], draw, 60):
        content = plain(value).encode("utf-8", "surrogatepass") + b"\n"
        yield from files("a.jsonl", [(family, what, content)], read, kind)
    yield from paths(data, ".jsonl", read, lambda value: value == lines)


