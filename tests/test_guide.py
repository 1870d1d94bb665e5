"""README.md and docs/ name what is there: targets, variables, rows, modules and options of commands, files."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from experiments.lib import paths, tables
from experiments.lib.lookup import table_of
from repro.data import own
from repro.data.minicity.own import MERGED
from repro.models import parameters
from repro.models.build import build
from repro.models.parameters import arrays_of

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", *(f"docs/{name}.md" for name in (
    "guide", "training", "export", "speed", "testing", "reproducibility")))
MODULE = re.compile(r"-m (experiments\.[\w.]+)([^\n;|]*)")


def commands_of(text: str):
    """Every make and `python -m` command of a page: in fenced blocks from the line's beginning, inline as a whole."""
    fenced = [line for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    inline = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    found = [re.sub(r"\s+", " ", one).strip() for one in fenced + inline]
    found = [one[2:] if one.startswith("$ ") else one for one in found]
    return [shlex.split(one, comments=True) for one in found if re.match(r"(make|python -m) \w", one)]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


ARCHITECTURE = text_of("docs/architecture.md")
PLACES = set(re.findall(r"(?:symbols|repro|experiments|tables|tests)/[\w/]*(?:\.py|\.yaml|\.md)?", ARCHITECTURE))
COMMANDS = {" ".join(words): words for page in PAGES for words in commands_of(text_of(page))}


def options_of(module: str, capsys):
    """The options that a script says it has."""
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main(["--help"])
    assert ended.value.code == 0
    return set(re.findall(r"(?<!\w)--[a-z][\w-]*", capsys.readouterr().out))


def dry_run(words):
    """What make would do, with the variables of the command alone."""
    done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    return re.sub(r"\s*\\\n\s*", " ", done.stdout)


def used(name: str, does: str, capsys) -> bool:
    """True if a variable is an option of a script that make would run, or part of what it would do."""
    return bool(re.search(rf'"\${name}"|\$\{{{name}:-|--{name.lower()}(?![\w-])', does)) or any(
        f"--{name.lower()}" in options_of(module, capsys) for module, _ in MODULE.findall(does))


def wrong(words, capsys):
    """What is wrong with a make command, in words, or None."""
    target, given = words[1], dict(word.split("=", 1) for word in words[2:])
    does = dry_run(words)
    for name in given:
        if (target, name) != ("help", "TARGET") and not used(name, does, capsys):
            return f"{target} does not use {name}"
    for module, options in MODULE.findall(does):
        unknown = set(re.findall(r"(?<!\S)--[\w-]+", options)) - options_of(module, capsys)
        if unknown:
            return f"{module} has no {unknown}"
    row = given.get("ROW", "...")
    if row != "..." and target in paths.TABLES.values():
        tables.chosen_rows(next(table for table, name in paths.TABLES.items() if name == target), row)
    elif row != "..." and target == "export":
        table_of(row)
    return None


def test_commands_are_found():
    text = ("`make a B=c` and `make`, `x`\n```\n$ make d  # e\nmake f\noutput of make g\n$ python -m h.i\n```\n"
            "```python\nmake = 1\n```\n`python -m\nj --k`")
    assert commands_of(text) == [["make", "d"], ["make", "f"], ["python", "-m", "h.i"], ["make", "a", "B=c"],
                                 ["python", "-m", "j", "--k"]]
    assert len(COMMANDS) > 20 and {"make predict", "make export WEIGHTS=street.params DATA=street"} <= set(COMMANDS)


@pytest.mark.parametrize("words", [words for words in COMMANDS.values() if words[0] == "make"], ids=" ".join)
def test_a_make_command_is_as_documented(words, capsys):
    assert wrong(words, capsys) is None


@pytest.mark.parametrize("command, words", [
    ("make predict INPUTS=a", "predict does not use INPUTS"), ("make figures ROW=model-a", "figures does not use ROW"),
    ("make table3 SCORES=1", "table3 does not use SCORES"),
    ("make minicity OUT=a ROW=1", "minicity does not use ROW"),
])
def test_a_wrong_variable_would_be_seen(command, words, capsys):
    assert wrong(command.split(), capsys) == words


@pytest.mark.parametrize("words", [words for words in COMMANDS.values() if words[0] == "python"], ids=" ".join)
def test_a_module_is_as_documented(words, capsys):
    known = options_of(words[2], capsys)
    assert {word.split("=")[0] for word in words[3:] if word.startswith("--")} <= known


def test_the_guides_classes_are_those_written(tmp_path):
    file = re.search(r"\$ cat street/classes.yaml\n(.*?)```", text_of("docs/guide.md"), re.S).group(1)
    (tmp_path / own.FILE).write_text(file, encoding="utf-8")
    found = own.read_classes(tmp_path / own.FILE)
    assert [one[:3] for one in MERGED] == list(zip(found.names, found.ids, found.colours))


def test_the_guides_program_is_one():
    program, = re.findall(r"^```python\n(.*?)^```", text_of("docs/guide.md"), re.M | re.S)
    compile(program, "docs/guide.md", "exec")
    for module, names in re.findall(r"^from (\S+) import (.+)$", program, re.M):
        assert all(hasattr(importlib.import_module(module), name) for name in names.split(", "))


def test_the_engines_program_runs(monkeypatch):
    """At an eighth of its width and size."""
    program, = re.findall(r"^```python\n(.*?)^```", text_of("docs/speed.md"), re.M | re.S)
    for printed, small in (("19, grid", "19, 0.125, grid"), ("region=256", "region=32"), ("1024, 2048", "128, 256")):
        assert printed in program
        program = program.replace(printed, small)
    row, = tables.chosen_rows("5", "model-a")
    made = build(row.network, 19, 0.125, grid=(4, 8), region=32)
    made.initialize()
    made(mx.nd.zeros((1, 3, 128, 256)))
    monkeypatch.setattr(parameters, "load", lambda path: arrays_of(made))
    monkeypatch.chdir(ROOT)
    found = {"image": np.zeros((128, 250, 3), np.uint8)}
    exec(program, found)
    assert found["labels"].shape == (128, 250)


def test_how_it_fits_together_is_one_page_of_what_is_there():
    assert len(PLACES) > 25 and len(ARCHITECTURE.splitlines()) < 90
    assert {place for place in PLACES if not any(ROOT.glob(place.replace("N.yaml", "[1-5].yaml")))} == set()
