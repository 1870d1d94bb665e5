"""Scripts given what is wrong, as a user would: exit code 2 and one line."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, Sequence

from experiments.lib.paths import HERE
from experiments.stress.fuzz.case import LINE, Case, copy
from experiments.stress.fuzz.pictures import BOMBS
from repro.errors import UserError

WEIGHTS = HERE / "pretrained" / "minicity-1110-1131.params"
# what predict says before its error: which weights it has, its bar, each input that it could not use
NOTES = re.compile(r"[\w.-]+\.params: trained on |segmenting: |skipped: ")


def called(script: Path, arguments: Sequence) -> None:
    """Run a script; UserError with its line if it ends with code 2 and says one error, and else nothing but NOTES."""
    said, code, before = io.StringIO(), None, sys.argv
    sys.argv = [str(script), *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv = before
    lines = [line for line in said.getvalue().splitlines() if line.strip() and not NOTES.match(line)]
    if code != 2 or len(lines) != 1 or not lines[0].startswith("error: "):
        raise AssertionError(f"exit code {code}: {lines!r:.300}")
    raise UserError(lines[0])


def _case(family: str, script: str, name: str, arguments: Callable[[Path], Sequence]) -> Case:
    """Return a case of a script called with arguments(folder)."""
    return Case(family, f"{script}: {name}", lambda folder: called(HERE / f"{script}.py", arguments(folder)),
                lambda _: False, (LINE,))


def commands(seed: int) -> Iterator[Case]:
    """experiments.predict, export, weights, table, pretrain and speed.precision."""
    damages: Dict[str, Callable[[Path], object]] = {  # of weights and of their description
        "no description": lambda path: path.with_suffix(".json").unlink(),
        "cut": lambda path: path.write_bytes(path.read_bytes()[:1000]), "empty": lambda path: path.write_bytes(b""),
        "another description": lambda path: path.with_suffix(".json").write_text("[]"),
    }
    for what, damage in damages.items():
        for script, options in (("predict", ("--output", "out", "--weights")), ("export", ("--out", "a.onnx", "--weights")),
                                ("weights", ("b.params",))):
            def arguments(folder: Path, script=script, options=options, damage=damage):
                path = copy(WEIGHTS, folder / "a.params")
                copy(WEIGHTS.with_suffix(".json"), folder / "a.json")
                damage(path)
                placed = [folder / one if "." in one or one == "out" else one for one in options]
                return [path, *placed] if script == "weights" else [*placed, path]
            yield _case("damaged weights", script, what, arguments)
    for name, given in (("none", "none.png"), ("too long", "x" * 5000), ("no user", "~none-such/a"), ("NUL", "a\0b")):
        for script, *options in (("predict", "--input"), ("predict", "--weights"), ("table", "--table", "1", "--data"),
                                 ("table", "--table", "1", "--pretrained")):
            yield _case("no file", script, f"{options[-1]} {name}", lambda folder, options=options, given=given: [
                *options, given])
    for script, *options in (("predict", "--k", "many"), ("predict", "--colour", "red"), ("table",), ("weights", "a"),
                             ("export", "--batch", "x" * 5000), ("table", "--steps", "a\nb"), ("pretrain", "--out"),
                             ("speed/precision", "--engine", "tvm")):
        yield _case("wrong option", script, repr(" ".join(options)[:20]), lambda folder, options=options: options)
    for place in ("/proc/self/none", "/dev/null"):
        yield _case("read-only folder", "predict", place, lambda folder, place=place: ["--output", place])

    def photos(folder: Path):
        for name, content in {**BOMBS, "empty": b"", "text": b"hello"}.items():
            (folder / f"{name}.jpg").write_bytes(content)
        return ["--input", folder, "--output", folder / "out"]
    yield _case("damaged photos", "predict", "a folder of bombs", photos)
